import { describe, expect, test } from 'vitest';
import type { CaptureReader, CaptureRecord, CaptureWriter, Frame } from '../../native-free/capture/capture.ts';
import { MemorySink } from '../../native-free/capture/octet-sink.ts';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import { PcapWriter } from '../../native-free/capture/pcap-writer.ts';
import { PcapngWriter } from '../../native-free/capture/pcapng-writer.ts';
import { VirtualClock } from '../../native-free/clock.ts';
import { type FaultOptions, FaultPlug } from '../../native-free/fault-plug.ts';
import { faultLink, memoryLink } from '../../native-free/link.ts';
import { MemoryDevice, type MemoryOptions, type Plug } from '../../native-free/memory-device.ts';
import { PacketRing } from '../../native-free/packet-ring.ts';
import { SeededRandom } from '../../native-free/random.ts';
import { ReplayDevice } from '../../native-free/replay-device.ts';
import { TapDevice } from '../../native-free/tap-device.ts';
import type { Device } from '../../src/device/device.ts';
import { FORWARD } from '../../src/packet/verdict.ts';
import { forward } from '../../src/sbr/forward.ts';
import { pcapOf } from '../support/capture-files.ts';
import { type DeviceRig, deviceContract } from '../support/device-contract.ts';
import { addressesOf, full, hasRightChecksum, tcp6, udp6 } from '../support/packets.ts';
import { bound, fibOf, siteConfig } from '../support/sites.ts';

const collector = (): Plug & { packets: Uint8Array[] } => {
  const packets: Uint8Array[] = [];
  return { packets, put: (bytes, offset, length) => packets.push(bytes.slice(offset, offset + length)) > 0 };
};

/** A memory device, maybe wrapped, with a collector at each port. */
function memoryRig(options: MemoryOptions, wrap: (device: MemoryDevice) => Device = (device) => device): DeviceRig {
  const memory = new MemoryDevice(options);
  const outs = Array.from({ length: memory.ports }, collector);
  for (const [port, out] of outs.entries()) memory.connect(port, out);
  const device = wrap(memory);
  return {
    device,
    ports: memory.ports,
    arrive: (port, packets) => {
      for (const packet of packets) expect(memory.plug(port).put(packet, 0, packet.length)).toBe(true);
    },
    left: (port) => outs[port]!.packets.splice(0),
    wake: () => memory.wake(),
    cut: (port) => memory.connect(port, { put: () => false }),
    close: () => device.close(),
  };
}

/** A capture that is still being written, and what leaves by each port. */
function replayRig(): DeviceRig {
  const captures: { port: number; frames: Generator<Frame> }[] = [];
  const sent: CaptureRecord[] = [];
  const next = (): IteratorResult<Frame, void> => {
    for (; captures.length > 0; captures.shift()) {
      const frame = captures[0]!.frames.next();
      if (!frame.done) return frame;
    }
    return { done: true, value: undefined };
  };
  const frames = { next, return: () => ({ done: true, value: undefined }) } as unknown as Generator<Frame, void>;
  const reader: CaptureReader = { format: 'pcap', nanoseconds: false, frames: () => frames };
  const writer: CaptureWriter = {
    write: (record) => void sent.push({ ...record, octets: record.octets.slice() }),
    close: () => {},
  };
  const device = new ReplayDevice(reader, 'a.pcap', () => captures[0]!.port, writer);
  return {
    device,
    ports: 3,
    arrive: (port, packets) => {
      const capture = OctetSource.memory(pcapOf(packets.map((octets) => ({ octets }))), 'a.pcap');
      captures.push({ port, frames: openCapture(capture).frames() });
    },
    left: (port) => {
      const left = sent.filter((record) => record.interface === port).map((record) => record.octets);
      for (let i = sent.length; i-- > 0; ) if (sent[i]!.interface === port) sent.splice(i, 1);
      return left;
    },
    wake: () => device.wake(),
    cut: null,
    close: () => device.close(),
  };
}

deviceContract('capture', replayRig);
deviceContract('memory', () => memoryRig({}));
deviceContract('memory with virtio-net headers', () => memoryRig({ vnet: true, slots: 7 }));
deviceContract('memory behind a tap', () =>
  memoryRig({}, (device) => new TapDevice(device, new PcapWriter(new MemorySink()), () => 0)),
);

test('a sender keeps its octets: what a plug was given may change afterwards', () => {
  const device = new MemoryDevice();
  const packet = udp6({ src: 'fd00:1::1', dst: 'fd00:1::2' });
  device.plug(2).put(packet, 0, packet.length);
  const before = packet.slice();
  packet.fill(0xff);
  device.receive();

  expect(device.batch.bytes.slice(device.batch.offset[0]!, device.batch.offset[0]! + before.length)).toEqual(before);
});

test('a queue that is full refuses, counts as a write that failed, and takes packets again when it was read', () => {
  const [a, b] = [new MemoryDevice({ ports: 1 }), new MemoryDevice({ ports: 1, queue: 4000, largest: 1500 })];
  memoryLink({ device: a, port: 0 }, { device: b, port: 0 });
  const packet = new Uint8Array(1000);
  const offered = (): number => {
    a.plug(0).put(packet, 0, 1000);
    a.receive();
    a.batch.verdict[0] = FORWARD;
    a.send();
    return a.takeWriteFailures();
  };

  expect([offered(), offered(), offered(), offered()]).toEqual([0, 0, 0, 1]);
  expect(b.receive()).toBe(3);
  expect(offered()).toBe(0);
});

test('a packet larger than the device takes, an empty one, and any after close are refused', () => {
  const device = new MemoryDevice({ largest: 1500 });
  const put = (length: number): boolean => device.plug(0).put(new Uint8Array(length), 0, length);
  const before = [put(1500), put(1501), put(0)];
  device.close();

  expect([...before, put(100)]).toEqual([true, false, false, false]);
  expect(device.receive()).toBe(0);
});

test('the ring gives back what it took, in order, however it wraps', () => {
  const random = new SeededRandom('ring');
  const ring = new PacketRing(1024);
  const expected: Uint8Array[] = [];
  const room = new Uint8Array(400);
  let taken = 0;
  for (let step = 0; step < 20_000; step++) {
    if (random.chance(0.55)) {
      const packet = Uint8Array.from({ length: 1 + random.below(random.chance(0.1) ? 400 : 60) }, () =>
        random.below(256),
      );
      if (ring.push(packet.length % 3, packet, 0, packet.length)) expected.push(packet);
    } else if (ring.count > 0) {
      const packet = expected.shift()!;
      const length = ring.shiftInto(room, 0);
      if (++taken % 97 === 0 || length !== packet.length) expect(room.slice(0, length)).toEqual(packet);
      if (ring.lastPort !== packet.length % 3) expect(ring.lastPort).toBe(packet.length % 3);
    }
    if (ring.count !== expected.length) expect(ring.count).toBe(expected.length);
  }

  expect(taken).toBeGreaterThan(5000);
});

describe('a link with faults', () => {
  const numbers = (options: FaultOptions, seed: string, count = 2000) => {
    const out = collector();
    const plug = new FaultPlug(out, new SeededRandom(seed), options);
    for (let k = 0; k < count; k++) plug.put(Uint8Array.of(k >>> 8, k & 0xff, 0, 0), 0, 4);
    plug.flush();
    return { plug, order: out.packets.map((p) => (p[0]! << 8) | p[1]!), packets: out.packets };
  };
  const everything = { loss: 0.1, duplication: 0.1, reordering: 0.1, corruption: 0.1 };

  test('the same seed gives the same faults, another seed others', () => {
    expect(numbers(everything, 'a').packets).toEqual(numbers(everything, 'a').packets);
    expect(numbers(everything, 'a').packets).not.toEqual(numbers(everything, 'b').packets);
  });

  test('without faults everything arrives once, in order', () => {
    expect(numbers({}, 'a', 300).order).toEqual(Array.from({ length: 300 }, (_, k) => k));
  });

  test.each([0.05, 0.5])('loss of %d loses about that much, and says how much', (loss) => {
    const { plug, order } = numbers({ loss }, 'loss');

    expect(plug.lost + order.length).toBe(2000);
    expect(plug.lost / 2000).toBeGreaterThan(loss * 0.8);
    expect(plug.lost / 2000).toBeLessThan(loss * 1.2);
  });

  test('duplication brings some twice and none three times', () => {
    const { plug, order } = numbers({ duplication: 0.2 }, 'twice');
    const counts = new Map<number, number>();
    for (const number of order) counts.set(number, (counts.get(number) ?? 0) + 1);

    expect(plug.duplicated).toBeGreaterThan(300);
    expect([...counts.values()].filter((n) => n === 2)).toHaveLength(plug.duplicated);
    expect(Math.max(...counts.values())).toBe(2);
  });

  test('reordering delays by a bounded number of packets and loses none', () => {
    const { plug, order } = numbers({ reordering: 0.2 }, 'later');
    const late = order.map((number, place) => place - number);

    expect(plug.reordered).toBeGreaterThan(300);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 2000 }, (_, k) => k));
    expect(Math.max(...late)).toBeGreaterThan(0);
    expect(Math.max(...late)).toBeLessThan(10);
  });

  test('corruption flips one bit, in a copy', () => {
    const sent = new Uint8Array(100);
    const out = collector();
    const plug = new FaultPlug(out, new SeededRandom(1), { corruption: 1 });
    plug.put(sent, 0, 100);
    const ones = [...out.packets[0]!].map((octet) => octet.toString(2).replaceAll('0', '').length);

    expect(ones.reduce((a, b) => a + b)).toBe(1);
    expect(sent).toEqual(new Uint8Array(100));
  });

  test('each direction has faults of its own, and flush delivers what is held back', () => {
    const [a, b] = [new MemoryDevice({ ports: 1 }), new MemoryDevice({ ports: 1 })];
    const link = faultLink(
      { device: a, port: 0 },
      { device: b, port: 0 },
      { random: new SeededRandom(3), reordering: 1 },
    );
    a.plug(0).put(new Uint8Array(50), 0, 50);
    a.receive();
    a.batch.verdict[0] = FORWARD;
    a.send();
    const before = b.receive();
    link.flush();

    expect([before, b.receive()]).toEqual([0, 1]);
    expect([link.aToB.reordered, link.bToA.reordered]).toEqual([1, 0]);
  });
});

test('the production path runs between memory devices', () => {
  const border = new MemoryDevice();
  const inside = collector();
  border.connect(1, inside);
  const packet = tcp6({ src: '2001:db8:c::c0', dst: '2001:db8:1::a1' });
  border.plug(0).put(packet, 0, packet.length);
  border.receive();
  forward(border.batch, fibOf(siteConfig(1, 2, [bound('a1', 'fd00:1::/64', 1, 1)])), 1e6);
  border.send();

  expect(addressesOf(inside.packets[0]!)).toEqual({ src: full('2001:db8:c::c0'), dst: full('fd00:1::a1') });
  expect(hasRightChecksum(inside.packets[0]!)).toBe(true);
});

test('a tap writes what comes and what leaves, with port, direction and time', () => {
  const memory = new MemoryDevice({ ports: 2 });
  memory.connect(1, collector());
  const sink = new MemorySink();
  let now = 5_000_001;
  const tap = new TapDevice(memory, new PcapngWriter(sink, [{ name: 'a' }, { name: 'b' }]), () => now++);
  const packet = udp6({ src: 'fd00:1::1', dst: 'fd00:1::2' });
  memory.plug(0).put(packet, 0, packet.length);
  memory.plug(0).put(packet, 0, packet.length);
  tap.receive();
  tap.batch.verdict.set([FORWARD, 5]);
  tap.batch.egress[0] = 1;
  tap.send();
  const seen = [...openCapture(OctetSource.memory(sink.octets)).frames()];

  expect(seen.map((f) => [f.interface.name, f.direction, f.time.nanoseconds])).toEqual([
    ['a', 'in', 1000],
    ['a', 'in', 2000],
    ['b', 'out', 3000],
  ]);
});

describe('a capture as a device', () => {
  const packet = udp6({ src: '2001:db8:c::c0', dst: '2001:db8:1::a1' }, new Uint8Array(200));
  const replayed = (octets: Uint8Array, side = 1) => {
    const sink = new MemorySink();
    const reader = openCapture(OctetSource.memory(octets, 'a.pcap'));
    return { sink, device: new ReplayDevice(reader, 'a.pcap', () => side, new PcapWriter(sink)) };
  };

  test('gives one packet a time, with its time as now, and ends', () => {
    const { device } = replayed(
      pcapOf([
        { octets: packet, seconds: 3 },
        { octets: packet, seconds: 4 },
      ]),
    );
    const seen = [device.receive(), device.now, device.batch.port[0], device.receive(), device.now, device.receive()];

    expect(seen).toEqual([1, 3_000_002, 1, 1, 4_000_002, 0]);
    expect(device.ended).toBe(true);
  });

  test('a packet that the capture has cut has its whole length for the border, and leaves as short as it came', () => {
    const { device, sink } = replayed(pcapOf([{ octets: packet.slice(0, 96), originalLength: packet.length }]));
    device.receive();
    const length = device.batch.length[0];
    device.batch.verdict[0] = FORWARD;
    device.send();
    const [frame] = openCapture(OctetSource.memory(sink.octets)).frames();

    expect(length).toBe(packet.length);
    expect(frame).toMatchObject({ originalLength: packet.length, octets: packet.slice(0, 96) });
  });

  test('what is none of the border’s business is counted and passed over', () => {
    const { device } = replayed(pcapOf([{ octets: packet }, { octets: new Uint8Array(0) }]), -1);

    expect(device.receive()).toBe(0);
    expect([device.passedOver, device.otherFrames]).toEqual([1, 1]);
  });
});

describe('randomness and time', () => {
  test('a seed gives one sequence, for ever', () => {
    const random = new SeededRandom('ilnp');

    expect([random.next(), random.next(), random.next()]).toEqual([1853470825, 3657970996, 4293419337]);
  });

  test('numbers are spread evenly, and forks are independent of each other', () => {
    const random = new SeededRandom(42);
    const counts = new Array<number>(10).fill(0);
    for (let k = 0; k < 100_000; k++) counts[random.below(10)]!++;

    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(random.fork('a').next()).not.toBe(random.fork('a').next());
  });

  test('timers run in the order of their time, then in the order asked, and never when cancelled', () => {
    const clock = new VirtualClock(1_000_000);
    const ran: [string, number][] = [];
    const note = (name: string) => () => void ran.push([name, clock.now()]);
    clock.after(30, note('late'));
    clock.after(10, note('first'));
    clock.after(10, note('second'));
    const cancel = clock.after(20, note('never'));
    clock.after(0, () => clock.after(5, note('asked by another')));
    cancel();
    cancel();
    clock.advance(20);
    const waiting = clock.waiting;
    clock.advance(100);

    expect(ran).toEqual([
      ['asked by another', 1_005_000],
      ['first', 1_010_000],
      ['second', 1_010_000],
      ['late', 1_030_000],
    ]);
    expect([waiting, clock.waiting, clock.now(), clock.step()]).toEqual([1, 0, 1_120_000, false]);
  });

  test('a thousand timers in any order run in the right one', () => {
    const clock = new VirtualClock();
    const random = new SeededRandom('timers');
    const times: number[] = [];
    for (let k = 0; k < 1000; k++) clock.after(random.below(500), () => times.push(clock.now()));
    while (clock.step());

    expect(times).toHaveLength(1000);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});
