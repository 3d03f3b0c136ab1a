/**
 * The reading side of a `Tun` (tuntap2.ts): waits in poll, hands over what came as one message. It stops reading while the
 * program is behind, so that the kernel drops what nobody takes, and nothing grows.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PolledDevice } from './polled-device.ts';
import { IN_FLIGHT, IN_FLIGHT_MAX, STOPPED, type TunReaderStart, type TunReading } from './tuntap2-messages.ts';

const main = parentPort!;
const { fd, wakeFd, state } = workerData as TunReaderStart;
const shared = new Int32Array(state);
const device = new PolledDevice([{ fd, vnet: false, uso: false }], wakeFd, { coalesce: false });
const { batch } = device;

try {
  while (Atomics.load(shared, STOPPED) === 0) {
    const count = device.receive();
    if (count > 0) say(count);
    for (let n = Atomics.load(shared, IN_FLIGHT); n >= IN_FLIGHT_MAX; n = Atomics.load(shared, IN_FLIGHT)) {
      if (Atomics.load(shared, STOPPED) !== 0) break;
      Atomics.wait(shared, IN_FLIGHT, n);
    }
  }
} finally {
  device.close();
}

function say(count: number): void {
  const lengths = batch.length.slice(0, count);
  const octets = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (let i = 0; i < count; i++) {
    const o = batch.offset[i]!;
    octets.set(batch.bytes.subarray(o, o + lengths[i]!), at);
    at += lengths[i]!;
  }
  Atomics.add(shared, IN_FLIGHT, 1);
  const reading: TunReading = { lengths, octets };
  main.postMessage(reading, [lengths.buffer, octets.buffer]);
}
