/**
 * The worker of one TUN queue: receive, forward, send, and between two batches whatever control asks. It blocks in one
 * system call while nothing arrives, and owns its table, so that nothing on the path is locked.
 */
import { writeSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { LendingDevice } from '../device/device.ts';
import { mapAnonymous, mapFile, realtimeMicroseconds, writeFrom } from '../device/libc.ts';
import { openDevice } from '../device/open-device.ts';
import { LocatorTable } from '../ilnp/locator-table.ts';
import { Pairs } from '../ilnp/pairs.ts';
import { COUNT_WRITE_FAILED, Fib } from '../sbr/fib.ts';
import { forward } from '../sbr/forward.ts';
import { Keeper } from '../sbr/keep.ts';
import { rehearse } from '../sbr/rehearse.ts';
import { VNET_LENGTH } from '../wire/virtio-net.ts';
import { sessionsOf } from './session-store.ts';
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts';

/** Most control messages (of up to 1,024 bindings, 0.2 ms) between two batches; the rest waits for the next gap. */
const MESSAGES_PER_GAP = 1;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Longest packet of our own: every Locator Update gets through wherever IPv6 does (RFC 8200 section 5), here and in headers. */
const SCRATCH_OCTETS = 4096;

const control = parentPort!;
const start = workerData as WorkerStart;

const { device, name } = openDevice(start.tuns, start.wakeFd, start.io);
device.batch.bytes.fill(0); // all pages are there: huge ones that a packet touches first let it wait for milliseconds
rehearse(device.batch.vnet); // before the tables are made: then they have the shapes that it was compiled for
const sessions = start.sessions === null ? null : sessionsOf(mapFile(start.sessions.fd, start.sessions.octets).buffer);
const table = new LocatorTable(start.bindingsLimit, start.tableSeed);
const pairs = new Pairs(start.pairs, start.pairsSeed);
const fib = new Fib(start.image, table, sessions, new Float64Array(start.counters), pairs);
const scratch = mapAnonymous(SCRATCH_OCTETS);
const keeper = new Keeper(fib, start.keepLimits);
fib.keeper = keeper;
say({ kind: 'ready', io: name });
try {
  run(device);
} finally {
  device.close(); // whatever happened: the kernel lets go of the TUNs
}
control.close();

function run(device: LendingDevice): void {
  for (;;) {
    const count = device.receive();
    if (count > 0) {
      forward(device.batch, fib, wallMicroseconds());
      device.send();
    }
    fib.counters[COUNT_WRITE_FAILED]! += device.takeWriteFailures();
    if (keeper.active) tend(device, count);
    if (device.takeWake() && !obey()) return;
  }
}

/** Lets go what is to be let go, some packets between two batches; `count` were read. */
function tend(device: LendingDevice, count: number): void {
  keeper.tick(performance.now() * 1000);
  keeper.read(count);
  if (keeper.ready) {
    keeper.fill(device.batch, device.lend());
    forward(device.batch, fib, wallMicroseconds());
    device.send();
    keeper.filled();
  }
  if (keeper.releasing) comeBack();
}

/** Handles what control has sent; false when it was told to stop. */
function obey(): boolean {
  for (let n = 0; n < MESSAGES_PER_GAP; n++) {
    const received = receiveMessageOnPort(control) as { message: ToWorker } | undefined;
    if (received === undefined) return true;
    const message = received.message;
    if (message.kind === 'stop') return false;
    if (message.kind === 'fence') say({ kind: 'fence', id: message.id });
    else if (message.kind === 'emit') emit(message.port, message.packets);
    else if (message.kind === 'image') fib.load(message.image);
    else if (message.kind === 'keep') keep(message);
    else apply(message.rows);
  }
  comeBack(); // there may be more
  return true;
}

function keep({ id, nid0, nid1, order }: ToWorker & { kind: 'keep' }): void {
  keeper.tick(performance.now() * 1000);
  const kept = keeper.order(nid0, nid1, order, (counts) => say({ kind: 'kept', id, counts }));
  if (!kept) say({ kind: 'kept', id, counts: null });
}

function apply(rows: Int32Array): void {
  for (let k = 0; k < rows.length; k += 4) {
    if (rows[k + 2]! < 0) table.delete(rows[k]!, rows[k + 1]!);
    else table.put(rows[k]!, rows[k + 1]!, rows[k + 2]!, rows[k + 3]!);
    if (keeper.active) keeper.mark(rows[k]!, rows[k + 1]!);
  }
}

/** Hands packets of our own to the kernel, as if they had come through the path. */
function emit(port: number, packets: readonly Uint8Array[]): void {
  const { fd, vnet } = start.tuns[port]!;
  const before = vnet ? VNET_LENGTH : 0;
  const octets = new Uint8Array(scratch.buffer);
  for (const packet of packets) {
    octets.fill(0, 0, before);
    octets.set(packet, before);
    if (writeFrom(fd, scratch.address, before + packet.length) < 0) fib.counters[COUNT_WRITE_FAILED]!++;
  }
}

/** Wall clock, because what it dates outlives the process; exact while copies are dated that a hypervisor's time is compared with. */
function wallMicroseconds(): number {
  return keeper.active ? realtimeMicroseconds() : Date.now() * 1000;
}

/** The next `receive` does not wait. */
function comeBack(): void {
  writeSync(start.wakeFd, ONE);
}

function say(message: FromWorker): void {
  control.postMessage(message);
}
