/**
 * What every device promises (src/device/device.ts), whatever is behind it: one suite for memory, captures and TUN. A rig is a
 * device with somebody on its other side. Hop limits are not compared: behind a TUN there is a kernel that counts them.
 */
import { describe, expect, test } from 'vitest';
import type { Device } from '../../src/device/device.ts';
import { HEADROOM } from '../../src/packet/batch.ts';
import { ANSWERED, DROP_UNKNOWN_DESTINATION, FORWARD } from '../../src/packet/verdict.ts';
import { udp6 } from './packets.ts';

export interface DeviceRig {
  readonly device: Device;
  readonly ports: number;
  /** Lets packets arrive at a port; those for one call arrive before `receive` returns without them. */
  arrive(port: number, packets: readonly Uint8Array[]): void;
  /** What has left by a port since the last call. */
  left(port: number): Uint8Array[];
  /** Wakes the device as another thread would. */
  wake(): void;
  /** From now on nothing can leave by the port; null where nothing can keep a packet from leaving. */
  readonly cut: ((port: number) => void) | null;
  close(): void;
}

/** Where packets of the contract go: the other side of the port, and back. */
const NEAR = (port: number): string => `fd00:${port + 1}::99`;
const FAR = '2001:db8:f::1';

/** A packet for `port` with a number in it. */
const numbered = (port: number, number: number, size = 20): Uint8Array => {
  const payload = new Uint8Array(size);
  payload.set([number >>> 8, number & 0xff]);
  return udp6({ src: FAR, dst: NEAR(port) }, payload);
};
const numberOf = (packet: Uint8Array): number => (packet[48]! << 8) | packet[49]!;
const withoutHops = (packet: Uint8Array): Uint8Array => packet.slice().fill(0, 7, 8);

/** Source and destination change places, which changes no checksum. */
function turnAround(device: Device, i: number): void {
  const { bytes, offset } = device.batch;
  const o = offset[i]!;
  const source = bytes.slice(o + 8, o + 24);
  bytes.copyWithin(o + 8, o + 24, o + 40);
  bytes.set(source, o + 24);
}

/** Receives until `count` packets have come, deciding about each; gives their copies and ports. */
function receive(
  rig: DeviceRig,
  count: number,
  decide: (i: number, packet: Uint8Array) => number = () => -1,
  sentAs = FORWARD,
) {
  const seen: { port: number; packet: Uint8Array }[] = [];
  const { device } = rig;
  for (let round = 0; seen.length < count && round < 10 * count; round++) {
    const n = device.receive();
    for (let i = 0; i < n; i++) {
      const o = device.batch.offset[i]!;
      const packet = device.batch.bytes.slice(o, o + device.batch.length[i]!);
      if (packet[6] === 17) seen.push({ port: device.batch.port[i]!, packet });
      const egress = packet[6] === 17 ? decide(i, packet) : -1;
      device.batch.verdict[i] = egress < 0 ? DROP_UNKNOWN_DESTINATION : sentAs;
      device.batch.egress[i] = Math.max(0, egress);
    }
    if (n > 0) device.send();
  }
  return seen;
}

/** Declares the suite. `open`: a new rig for every test. */
export function deviceContract(name: string, open: () => DeviceRig, options: { skip?: boolean } = {}): void {
  const contract = (title: string, body: (rig: DeviceRig) => void): void =>
    test(title, () => {
      const rig = open();
      try {
        body(rig);
      } finally {
        rig.close();
      }
    });

  describe.skipIf(options.skip ?? false)(`contract of a device: ${name}`, () => {
    contract('packets arrive with their port, whole, unchanged, aligned and with headroom', (rig) => {
      const sizes = [2, 3, 1200, 1452 - 48];
      for (let port = 0; port < rig.ports; port++)
        rig.arrive(
          port,
          sizes.map((size, k) => numbered(port, k, size)),
        );
      const seen = receive(rig, rig.ports * sizes.length, (i) => {
        expect(rig.device.batch.offset[i]! % 8).toBe(0);
        expect(rig.device.batch.offset[i]!).toBeGreaterThanOrEqual(HEADROOM);
        return -1;
      });

      for (let port = 0; port < rig.ports; port++) {
        const ofPort = seen.filter((s) => s.port === port).map((s) => withoutHops(s.packet));
        expect(ofPort).toEqual(sizes.map((size, k) => withoutHops(numbered(port, k, size))));
      }
    });

    contract('what is forwarded leaves by its egress, in order; what is dropped does not leave', (rig) => {
      rig.arrive(
        0,
        Array.from({ length: 30 }, (_, k) => numbered(0, k)),
      );
      receive(rig, 30, (i, packet) => {
        turnAround(rig.device, i);
        const number = numberOf(packet);
        return number % 3 === 2 ? -1 : number % 3;
      });

      expect(rig.left(0).map(numberOf)).toEqual(Array.from({ length: 10 }, (_, k) => 3 * k));
      expect(rig.left(1).map(numberOf)).toEqual(Array.from({ length: 10 }, (_, k) => 3 * k + 1));
    });

    contract('what leaves are the octets and the length that the batch has when it is sent', (rig) => {
      rig.arrive(0, [numbered(0, 7, 100)]);
      const { batch } = rig.device;
      receive(rig, 1, (i) => {
        turnAround(rig.device, i);
        const o = batch.offset[i]!;
        batch.length[i] = 60;
        batch.bytes.set([0, 20], o + 4);
        batch.bytes.set([0, 20], o + 44);
        batch.bytes[o + 50] = 0xee;
        return 1;
      });
      const [packet] = rig.left(1);

      expect(packet!.length).toBe(60);
      expect(packet![50]).toBe(0xee);
    });

    contract('an answer is sent like a forwarded packet', (rig) => {
      rig.arrive(0, [numbered(0, 5)]);
      const answer = (i: number): number => {
        turnAround(rig.device, i);
        return 0;
      };
      receive(rig, 1, answer, ANSWERED);

      expect(rig.left(0).map(numberOf)).toEqual([5]);
    });

    contract('more than a batch holds comes in several, in order, each once', (rig) => {
      const count = Math.min(3 * rig.device.batch.capacity, 400);
      rig.arrive(
        1,
        Array.from({ length: count }, (_, k) => numbered(1, k)),
      );
      const seen = receive(rig, count);

      expect(seen.map((s) => numberOf(s.packet))).toEqual(Array.from({ length: count }, (_, k) => k));
    });

    contract('a wake ends the wait, is told once, and loses no packet', (rig) => {
      rig.wake();
      rig.device.receive();
      expect([rig.device.takeWake(), rig.device.takeWake()]).toEqual([true, false]);

      rig.arrive(0, [numbered(0, 1)]);
      rig.wake();
      expect(receive(rig, 1)).toHaveLength(1);
      expect([rig.device.takeWake(), rig.device.takeWake()]).toEqual([true, false]);
    });

    contract('a packet that cannot leave is counted once, and no other', (rig) => {
      rig.cut?.(1);
      rig.arrive(0, [numbered(0, 1), numbered(0, 2)]);
      receive(rig, 2, (i) => {
        turnAround(rig.device, i);
        return 1;
      });
      rig.wake();
      rig.device.receive(); // sends what is held

      expect(rig.left(1)).toHaveLength(rig.cut === null ? 2 : 0);
      expect(rig.device.takeWriteFailures()).toBe(rig.cut === null ? 0 : 2);
      expect(rig.device.takeWriteFailures()).toBe(0);
    });
  });
}
