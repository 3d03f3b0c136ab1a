import fc from 'fast-check';
import koffi from 'koffi';
import { describe, expect, test } from 'vitest';
import { Arena } from '../../src/device/arena.ts';
import { Coalescer } from '../../src/device/coalesce.ts';
import { fragmentHeader, ipv6, joined, sealed } from '../support/packets.ts';
import { DATA_VALID, NEEDS_CSUM, onTheWire, vnetOf, withPartialSum } from '../support/super-packets.ts';

/** A packet as the path gives it to the device. */
interface Given {
  readonly packet: Uint8Array;
  readonly egress: number;
  /** 0, NEEDS_CSUM or DATA_VALID. */
  readonly flags: number;
  /** Of TCPv6, when the packet itself is one: what the kernel shall cut it into. */
  readonly gsoSize?: number;
}

const SLOTS = 128;
const VNET = 10;
const memory = (address: number, length: number): Uint8Array =>
  new Uint8Array(koffi.view(address as never, length)).slice();
const arena = new Arena(SLOTS, SLOTS, true);

/** The frames written for a batch, each with its port. */
function written(batch: readonly Given[], options: { uso?: boolean; alone?: boolean } = {}) {
  const frames: { port: number; frame: Uint8Array }[] = [];
  const sink = {
    writeOne(port: number, address: number, length: number): void {
      frames.push({ port, frame: memory(address, length) });
    },
    writeGathered(port: number, vector: number, count: number): void {
      const entries = new BigUint64Array(memory(vector, 16 * count).buffer);
      const pieces = Array.from({ length: count }, (_, k) =>
        memory(Number(entries[2 * k]!), Number(entries[2 * k + 1]!)),
      );
      frames.push({ port, frame: joined(...pieces) });
    },
  };
  const coalescer = new Coalescer(arena, sink, { uso: options.uso ?? true });
  const { bytes, offset, length, egress } = arena.batch;
  batch.forEach((given, i) => {
    const o = arena.packetAt(i);
    const partial = (given.flags & NEEDS_CSUM) !== 0 ? withPartialSum(given.packet) : null;
    const start = partial ? [partial.checksumStart, 0, partial.offset, 0] : [0, 0, 0, 0];
    const size = given.gsoSize ?? 0;
    bytes.set([given.flags, size > 0 ? 4 : 0, size > 0 ? 60 : 0, 0, size & 0xff, size >>> 8, ...start], o - VNET);
    bytes.set(partial ? partial.packet : given.packet, o);
    offset[i] = o;
    length[i] = given.packet.length;
    egress[i] = given.egress;
  });
  for (let i = 0; i < batch.length; i++) coalescer.add(i, options.alone ?? false);
  coalescer.finish();
  return frames;
}

/** The packets on the wire, with their ports, in the order written. */
const wireOf = (frames: ReturnType<typeof written>) =>
  frames.flatMap(({ port, frame }) => onTheWire(frame).map((packet) => ({ port, hex: hex(packet) })));
const hex = (packet: Uint8Array): string => Buffer.from(packet).toString('hex');
const given = (packet: Uint8Array, flags = NEEDS_CSUM, egress = 1): Given => ({ packet, egress, flags });
const asWire = (batch: readonly Given[]) => batch.map((g) => ({ port: g.egress, hex: hex(g.packet) }));
/** Segments of each frame. */
const shape = (frames: ReturnType<typeof written>) => frames.map(({ frame }) => onTheWire(frame).length);

const h = { src: '2001:db8:c::c0', dst: 'fd00:1::a1' };

interface TcpFields {
  readonly sequence?: number;
  readonly size?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly acknowledgement?: number;
  readonly options?: readonly number[];
  readonly ports?: readonly [number, number];
  readonly reserved?: number;
  readonly header?: typeof h & { readonly hopLimit?: number };
}

const ACK = 0x10;
const PSH = 0x08;
const be = (x: number, octets: number): number[] =>
  Array.from({ length: octets }, (_, k) => Math.floor((x >>> 0) / 2 ** (8 * (octets - 1 - k))) & 0xff);

function tcp(fields: TcpFields = {}): Uint8Array {
  const { sequence = 1000, size = 100, flags = ACK, window = 501, acknowledgement = 7, options = [] } = fields;
  const { ports = [443, 50000], header = h, reserved = 0 } = fields;
  const payload = Array.from({ length: size }, (_, k) => (sequence + k) & 0xff);
  const offset = (5 + options.length / 4) << 4;
  const segment = [
    ...be(ports[0], 2),
    ...be(ports[1], 2),
    ...be(sequence, 4),
    ...be(acknowledgement, 4),
    offset | reserved,
    flags,
    ...be(window, 2),
    ...[0, 0, 0, 0],
    ...options,
    ...payload,
  ];
  return ipv6(header, 6, sealed(header, 6, Uint8Array.from(segment)));
}

function udp(size: number, fill = 5, ports: readonly [number, number] = [40000, 53], header = h): Uint8Array {
  const payload = Array.from({ length: size }, (_, k) => (fill + k) & 0xff);
  const segment = [...be(ports[0], 2), ...be(ports[1], 2), ...be(size + 8, 2), 0, 0, ...payload];
  return ipv6(header, 17, sealed(header, 17, Uint8Array.from(segment)));
}

const stream = (count: number, size = 100, change: (k: number) => TcpFields = () => ({})): Uint8Array[] =>
  Array.from({ length: count }, (_, k) => tcp({ sequence: 1000 + k * size, size, ...change(k) }));

describe('packets that continue each other', () => {
  test.each([
    ['NEEDS_CSUM', NEEDS_CSUM],
    ['DATA_VALID', DATA_VALID],
    ['both', NEEDS_CSUM | DATA_VALID],
  ])('TCP segments with %s leave as one super-packet that is cut at the same places', (_, flags) => {
    const batch = stream(10).map((p) => given(p, flags));
    const frames = written(batch);

    expect(shape(frames)).toEqual([10]);
    expect(wireOf(frames)).toEqual(asWire(batch));
    expect(vnetOf(frames[0]!.frame)).toMatchObject({ flags: NEEDS_CSUM, gsoType: 4, segmentSize: 100 });
  });

  test.each([
    ['NEEDS_CSUM', NEEDS_CSUM],
    ['DATA_VALID', DATA_VALID],
  ])('equal-sized UDP datagrams with %s too, the last may be shorter', (_, flags) => {
    const batch = [64, 64, 64, 63].map((size, k) => given(udp(size, k), flags));
    const frames = written(batch);

    expect(shape(frames)).toEqual([4]);
    expect(wireOf(frames)).toEqual(asWire(batch));
  });

  test.each<[string, (f: number) => readonly [number, number]]>([
    ['the port of one side', (f) => [443, 50000 + f]],
    ['the port of the other', (f) => [50000 + f, 443]],
    ['both ports', (f) => [40000 + f, 50000 + f]],
  ])('of eight flows that differ by %s, mixed with each other, are joined flow by flow', (_, ports) => {
    const flows = Array.from({ length: 8 }, (_, f) => stream(5, 100, () => ({ ports: ports(f) })));
    const batch = Array.from({ length: 40 }, (_, k) => given(flows[k % 8]![Math.floor(k / 8)]!));

    expect(shape(written(batch))).toEqual(new Array(8).fill(5));
  });

  test('are joined over the wrap of the sequence number', () => {
    const batch = [0xffffff9c, 0, 100].map((sequence) => given(tcp({ sequence })));

    expect(shape(written(batch))).toEqual([3]);
    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test('are 64 at most, and 65,000 octets of payload', () => {
    expect(shape(written(stream(100, 100).map((p) => given(p))))).toEqual([64, 36]);
    expect(shape(written(stream(70, 1400).map((p) => given(p))))).toEqual([46, 24]);
  });

  test('need no batch of 128 to leave: every group is written at the end, and none twice', () => {
    const batch = stream(3).map((p) => given(p));

    expect(shape(written(batch))).toEqual([3]);
    expect(shape(written(batch.slice(0, 1)))).toEqual([1]);
  });
});

describe('packets whose checksum nobody vouches for', () => {
  test('are never joined, and a wrong checksum stays wrong', () => {
    const batch = stream(4).map((p) => given(p, 0));
    batch[2]!.packet[56]! ^= 0x55;

    expect(shape(written(batch))).toEqual([1, 1, 1, 1]);
    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test('UDP with checksum zero is never joined: cut again it would have one', () => {
    const batch = [1, 2, 3].map((k) => given(udp(64, k), DATA_VALID));
    for (const { packet } of batch) packet.set([0, 0], 46);

    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test('UDP that ends before its packet does is never joined: cut again it would have grown', () => {
    const batch = [1, 2, 3].map((k) => given(udp(64, k), DATA_VALID));
    for (const { packet } of batch) packet.set([0, 70], 44);

    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test('a forged DATA_VALID over wrong checksums leaves with right ones', () => {
    const right = stream(4);
    const forged = right.map((p) => {
      const copy = p.slice();
      copy[56]! ^= 0xaa;
      return given(copy, DATA_VALID);
    });

    expect(wireOf(written(forged))).toEqual(right.map((p) => ({ port: 1, hex: hex(p) })));
  });
});

describe('what ends a super-packet', () => {
  const second = (fields: TcpFields): Given[] => [
    given(tcp({ sequence: 1000 })),
    given(tcp({ sequence: 1100, ...fields })),
    given(tcp({ sequence: 1200 })),
  ];

  test.each<[string, TcpFields]>([
    ['a gap', { sequence: 1101 }],
    ['a retransmission', { sequence: 1000 }],
    ['another acknowledgement', { acknowledgement: 8 }],
    ['another window', { window: 502 }],
    ['an option', { options: [1, 1, 1, 1] }],
    ['FIN', { flags: ACK | 0x01 }],
    ['SYN', { flags: ACK | 0x02 }],
    ['RST', { flags: ACK | 0x04 }],
    ['URG', { flags: ACK | 0x20 }],
    ['ECE', { flags: ACK | 0x40 }],
    ['CWR', { flags: ACK | 0x80 }],
    ['AE', { reserved: 1 }],
    ['no ACK', { flags: 0 }],
    ['a larger segment', { size: 101 }],
    ['a pure acknowledgement', { size: 0 }],
    ['another Hop Limit', { header: { ...h, hopLimit: 63 } }],
  ])('%s: nothing is joined with it, order stays', (_, fields) => {
    const batch = second(fields);
    const frames = written(batch);

    expect(wireOf(frames)).toEqual(asWire(batch));
    expect(shape(frames)).not.toContain(3);
    const before = shape(frames)[0];
    expect(before).toBe(1);
  });

  test('PSH ends it, is on the last segment only, and order stays', () => {
    const batch = stream(6, 100, (k) => (k === 2 ? { flags: ACK | PSH } : {})).map((p) => given(p));
    const frames = written(batch);

    expect(shape(frames)).toEqual([3, 3]);
    expect(wireOf(frames)).toEqual(asWire(batch));
  });

  test('a shorter segment ends it and is its last', () => {
    const sizes = [100, 100, 40, 100];
    const batch = sizes.map((size, k) => given(tcp({ sequence: [1000, 1100, 1200, 1240][k]!, size })));

    expect(shape(written(batch))).toEqual([3, 1]);
    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test.each<[string, (p: Uint8Array) => void]>([
    ['traffic class', (p) => (p[1]! |= 0x20)],
    ['flow label', (p) => (p[3]! ^= 1)],
  ])('another %s', (_, change) => {
    const batch = second({});
    change(batch[1]!.packet);

    expect(shape(written(batch))).toEqual([1, 1, 1]);
  });

  test('another side of the border', () => {
    const batch = stream(3).map((p, k) => given(p, NEEDS_CSUM, k === 1 ? 2 : 1));

    expect(wireOf(written(batch))).toEqual(asWire(batch));
  });

  test('a packet that is a super-packet already', () => {
    const [a, big, c] = [tcp({ sequence: 1000 }), tcp({ sequence: 1100, size: 300 }), tcp({ sequence: 1400 })];
    const frames = written([given(a), { ...given(big), gsoSize: 100 }, given(c)]);

    expect(shape(frames)).toEqual([1, 3, 1]);
    expect(frames.map(({ frame }) => frame.length)).toEqual([170, 370, 170]);
  });

  test('a fragment and an extension header, of whatever flow: it may be this one', () => {
    const [a, b] = stream(2);
    const fragment = ipv6(h, 44, joined(fragmentHeader(6, 0, true), a!.slice(40)));
    const options = ipv6(h, 60, joined(Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0), a!.slice(40)));
    for (const other of [fragment, options]) {
      const batch = [given(a!), given(other, 0), given(b!)];

      expect(wireOf(written(batch))).toEqual(asWire(batch));
    }
  });
});

test('a packet that is alone is written at once, and without USO no datagrams are joined', () => {
  const datagrams = [1, 2, 3].map((k) => given(udp(64, k)));

  expect(shape(written(datagrams.slice(0, 1), { alone: true }))).toEqual([1]);
  expect(shape(written(datagrams, { uso: false }))).toEqual([1, 1, 1]);
});

describe('any batch', () => {
  const hosts = ['fd00:1::a1', 'fd00:1::a2', 'fd00:1::1a1'];
  const choice = fc.record({
    flow: fc.nat(3),
    kind: fc.oneof(
      { weight: 8, arbitrary: fc.constant('tcp' as const) },
      { weight: 6, arbitrary: fc.constant('udp' as const) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('fragment' as const, 'options' as const, 'icmp' as const, 'esp' as const),
      },
    ),
    size: fc.oneof(
      { weight: 5, arbitrary: fc.constant(120) },
      { weight: 2, arbitrary: fc.constantFrom(0, 1, 2, 119, 121, 1300) },
    ),
    flags: fc.oneof(
      { weight: 8, arbitrary: fc.constant(ACK) },
      { weight: 2, arbitrary: fc.constantFrom(ACK | PSH, ACK | 1, 2, 0xd0) },
    ),
    vouched: fc.oneof(
      { weight: 6, arbitrary: fc.constant(NEEDS_CSUM) },
      { weight: 4, arbitrary: fc.constantFrom(0, DATA_VALID, 3) },
    ),
    jump: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, -120, 5000) }),
    egress: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(2) }),
    other: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(1, 2) }),
    hopLimit: fc.oneof({ weight: 9, arbitrary: fc.constant(64) }, { weight: 1, arbitrary: fc.constant(63) }),
  });

  /** TCP sequence numbers go on where the flow was, but for jumps. */
  function batchOf(choices: readonly (typeof choice extends fc.Arbitrary<infer T> ? T : never)[]): Given[] {
    const sequences = [100, 0xffffff00, 5, 70000];
    return choices.map((c, k) => {
      const header = { src: '2001:db8:c::c0', dst: hosts[c.flow % 3]!, hopLimit: c.hopLimit };
      const ports = [443, 50000 + (c.flow === 3 ? 256 : 0)] as const;
      if (c.kind === 'udp') return given(udp(c.size, k, ports, header), c.vouched, c.egress);
      if (c.kind === 'icmp')
        return given(ipv6(header, 58, sealed(header, 58, Uint8Array.of(128, 0, 0, 0, k, c.flow, 0, 0))), 0, c.egress);
      const sequence = sequences[c.flow]! + c.jump;
      sequences[c.flow] = sequence + c.size;
      const segment = tcp({
        sequence,
        size: c.size,
        flags: c.flags,
        window: 500 + (c.other & 1),
        options: c.other === 2 ? [1, 1, 8, 10, 0, 0, 0, k, 0, 0, 0, 9] : [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 9],
        ports,
        header,
      });
      if (c.kind === 'tcp') return given(segment, c.vouched, c.egress);
      const id = Uint8Array.from([k, c.flow, 0, 0, 0, 0, 0, 0]);
      if (c.kind === 'esp') return given(ipv6(header, 50, id), 0, c.egress);
      const chain = c.kind === 'fragment' ? fragmentHeader(6, 0, true, k) : Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0);
      return given(ipv6(header, c.kind === 'fragment' ? 44 : 60, joined(chain, segment.slice(40))), 0, c.egress);
    });
  }

  /** What must not be overtaken by each other: same addresses, and the same ports or ports out of sight. */
  function mayBeOneFlow(a: Given, b: Given): boolean {
    if (a.egress !== b.egress || hex(a.packet.slice(8, 40)) !== hex(b.packet.slice(8, 40))) return false;
    const [p, q] = [a.packet[6]!, b.packet[6]!];
    if (p === 58 || q === 58) return p === q;
    const plain = (x: number) => x === 6 || x === 17;
    if (!plain(p) || !plain(q)) return true;
    return p === q && hex(a.packet.slice(40, 44)) === hex(b.packet.slice(40, 44));
  }

  test('leaves as it came, packet for packet, in order within every flow', () => {
    fc.assert(
      fc.property(fc.array(choice, { maxLength: 100 }), fc.boolean(), (choices, uso) => {
        const batch = batchOf(choices);
        const out = wireOf(written(batch, { uso }));
        const expected = asWire(batch);
        expect(out.map((p) => `${p.port} ${p.hex}`).sort()).toEqual(expected.map((p) => `${p.port} ${p.hex}`).sort());

        // equal packets stand for each other: the k-th of them in is the k-th of them out
        const places = new Map<string, number[]>();
        out.forEach((p, k) => {
          const key = `${p.port} ${p.hex}`;
          places.set(key, [...(places.get(key) ?? []), k]);
        });
        const at = expected.map((p) => places.get(`${p.port} ${p.hex}`)!.shift()!);
        for (let i = 0; i < batch.length; i++)
          for (let j = i + 1; j < batch.length; j++)
            if (at[i]! > at[j]! && mayBeOneFlow(batch[i]!, batch[j]!)) expect.fail(`packet ${j} overtook packet ${i}`);
      }),
      { numRuns: 300 },
    );
  });
});
