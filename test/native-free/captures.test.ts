import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Direction, Frame } from '../../native-free/capture/capture.ts';
import { networkLayer } from '../../native-free/capture/link-layer.ts';
import { fileSink, MemorySink } from '../../native-free/capture/octet-sink.ts';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import { PcapWriter } from '../../native-free/capture/pcap-writer.ts';
import { PcapngWriter } from '../../native-free/capture/pcapng-writer.ts';
import { block, enhanced, interfaceBlock, option, pcapOf, section, u32 } from '../support/capture-files.ts';
import { joined, udp6 } from '../support/packets.ts';

const PACKET = udp6({ src: '2001:db8:c::c0', dst: '2001:db8:1::a1' });

const framesOf = (file: Uint8Array): Frame[] =>
  [...openCapture(OctetSource.memory(file, 'a.pcap')).frames()].map((f) => ({ ...f, octets: f.octets.slice() }));
const reading = (file: Uint8Array) => () => framesOf(file);
const refusal = (text: string) => expect.objectContaining({ code: 'E_CAPTURE', message: text });
/** What the packet behind the link layer is, and where it was going. */
const packetOf = (frame: Frame): { packet: Uint8Array; direction: Direction } | null => {
  const layer = networkLayer(frame, 'a.pcap');
  return layer && { packet: frame.octets.slice(layer.at), direction: layer.direction };
};

describe('pcap', () => {
  test.each([
    ['little endian, microseconds', 'little', 0xa1b2c3d4, 2000],
    ['big endian, microseconds', 'big', 0xa1b2c3d4, 2000],
    ['little endian, nanoseconds', 'little', 0xa1b23c4d, 2],
    ['big endian, nanoseconds', 'big', 0xa1b23c4d, 2],
  ] as const)('%s, is read', (_, order, magic, nanoseconds) => {
    const [frame] = framesOf(pcapOf([{ octets: PACKET, originalLength: 99 }], { order, magic }));

    expect(frame).toMatchObject({ number: 1, offset: 24, time: { seconds: 1, nanoseconds }, originalLength: 99 });
    expect(frame!.octets).toEqual(PACKET);
  });

  test('what is written is read again, in microseconds and nanoseconds', () => {
    for (const [nanoseconds, expected] of [
      [true, 123_456_789],
      [false, 123_456_000],
    ] as const) {
      const sink = new MemorySink();
      const writer = new PcapWriter(sink, { nanoseconds });
      writer.write({ time: { seconds: 7, nanoseconds: 123_456_789 }, octets: PACKET, originalLength: 400 });
      writer.close();
      const [frame] = framesOf(sink.octets);

      expect(frame).toMatchObject({ time: { seconds: 7, nanoseconds: expected }, originalLength: 400 });
      expect(frame!.octets).toEqual(PACKET);
    }
  });

  test('a file larger than what is read at once is read whole', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ilnp-capture-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'big.pcap');
    const writer = new PcapWriter(fileSink(path));
    const octets = new Uint8Array(60_000);
    for (let k = 0; k < 50; k++) writer.write({ time: { seconds: k, nanoseconds: 0 }, octets: octets.fill(k) });
    writer.close();
    const source = OctetSource.file(path);
    const seen = [...openCapture(source).frames()].map((f) => [f.time.seconds, f.octets.length, f.octets[59_999]]);
    source.close();

    expect(seen).toEqual(Array.from({ length: 50 }, (_, k) => [k, 60_000, k]));
  });

  test('a file that ends within a packet gives what came before, then the place', () => {
    const file = pcapOf([{ octets: PACKET }, { octets: PACKET }]).slice(0, -10);
    const frames = openCapture(OctetSource.memory(file, 'a.pcap')).frames();

    expect(frames.next().value).toMatchObject({ number: 1 });
    expect(() => frames.next()).toThrow(
      refusal('a.pcap: packet 2 at octet 96: expected 56 octets, got 46 and the end of the file'),
    );
  });

  test.each([
    [
      'a record header cut off',
      pcapOf([{ octets: PACKET }]).slice(0, 30),
      'packet 1 at octet 24: expected a record header of 16 octets, got 6',
    ],
    [
      'a length beyond reason',
      pcapOf([{ octets: PACKET }]).fill(0xff, 32, 36),
      'packet 1 at octet 24: expected at most 262144 octets, got 4294967295',
    ],
    ['a file header cut off', pcapOf([]).slice(0, 20), 'file header: expected 24 octets, got 20'],
    ['another version', pcapOf([]).fill(9, 4, 5), 'file header: expected pcap version 2.4, got 9.4'],
    ['nothing', new Uint8Array(0), 'octet 0: expected a capture, got 0 octets'],
    [
      'text',
      new TextEncoder().encode('hello world'),
      'octet 0: expected the magic number of pcap or pcapng, got 0x68656c6c',
    ],
    [
      'gzip',
      Uint8Array.of(0x1f, 0x8b, 8, 0, 0),
      'octet 0: expected the magic number of pcap or pcapng, got a gzip file; unpack it first',
    ],
  ])('%s is refused with the place and what was expected', (_, file, words) => {
    expect(reading(file)).toThrow(refusal(`a.pcap: ${words}`));
  });

  test('a file that cannot be read is named', () => {
    expect(() => OctetSource.file('/nowhere/a.pcap')).toThrow(
      expect.objectContaining({
        code: 'E_CAPTURE',
        message: expect.stringMatching(/^\/nowhere\/a.pcap: cannot be read/),
      }),
    );
  });
});

describe('pcapng', () => {
  test.each(['little', 'big'] as const)('%s endian: interfaces, names, directions and times are read', (order) => {
    const name = option(order, 2, [...new TextEncoder().encode('up0')]);
    const file = Uint8Array.from([
      ...section(order),
      ...interfaceBlock(order, 1),
      ...interfaceBlock(order, 101, [...name, ...option(order, 9, [9])]),
      ...interfaceBlock(order, 101, option(order, 9, [0x80 | 10])),
      ...block(order, 5, [1, 2, 3, 4]), // statistics: passed over
      ...enhanced(order, { low: 1_500_000, octets: PACKET }),
      ...enhanced(order, { id: 1, low: 2_000_000_007, octets: PACKET, options: option(order, 2, u32(order, 2)) }),
      ...enhanced(order, { id: 2, low: 1536, octets: PACKET, originalLength: 500 }),
    ]);
    const frames = framesOf(file);

    expect(frames).toMatchObject([
      { number: 1, time: { seconds: 1, nanoseconds: 500_000_000 }, interface: { linkType: 1, name: undefined } },
      { number: 2, time: { seconds: 2, nanoseconds: 7 }, interface: { linkType: 101, name: 'up0' }, direction: 'out' },
      { number: 3, time: { seconds: 1, nanoseconds: 500_000_000 }, originalLength: 500 },
    ]);
    for (const { octets } of frames) expect(octets).toEqual(PACKET);
  });

  test('simple packets end at the snapshot length and have the time of the packet before', () => {
    const file = Uint8Array.from([
      ...section('little'),
      ...interfaceBlock('little', 101, [], 50),
      ...enhanced('little', { low: 3_000_000, octets: PACKET }),
      ...block('little', 3, [...u32('little', 56), ...PACKET.slice(0, 50)]),
    ]);

    expect(framesOf(file)[1]).toMatchObject({ time: { seconds: 3 }, originalLength: 56, octets: PACKET.slice(0, 50) });
  });

  test('an offset in seconds is added; a second section has interfaces and an order of its own', () => {
    const file = Uint8Array.from([
      ...section('little'),
      ...interfaceBlock('little', 101, option('little', 14, [100, 0, 0, 0, 0, 0, 0, 0])),
      ...enhanced('little', { low: 5_000_000, octets: PACKET }),
      ...section('big'),
      ...interfaceBlock('big', 229),
      ...enhanced('big', { low: 6_000_000, octets: PACKET }),
    ]);

    expect(framesOf(file)).toMatchObject([
      { time: { seconds: 105 }, interface: { linkType: 101 } },
      { number: 2, time: { seconds: 6 }, interface: { linkType: 229 } },
    ]);
  });

  test('what is written is read again, with interface, direction and nanoseconds', () => {
    const sink = new MemorySink();
    const writer = new PcapngWriter(sink, [{ name: 'ilnp0' }, { name: 'ilnp0-in', linkType: 229 }]);
    writer.write({ time: { seconds: 1_700_000_000, nanoseconds: 5 }, interface: 1, direction: 'in', octets: PACKET });
    writer.write({ time: { seconds: 1_700_000_001, nanoseconds: 999_999_999 }, octets: PACKET.slice(0, 41) });

    expect(framesOf(sink.octets)).toMatchObject([
      {
        time: { seconds: 1_700_000_000, nanoseconds: 5 },
        interface: { name: 'ilnp0-in', linkType: 229 },
        direction: 'in',
      },
      {
        time: { seconds: 1_700_000_001, nanoseconds: 999_999_999 },
        interface: { name: 'ilnp0' },
        direction: undefined,
      },
    ]);
  });

  const good = [...section('little'), ...interfaceBlock('little', 101)];
  const at = good.length;
  test.each([
    [
      'an interface nobody described',
      [...good, ...enhanced('little', { id: 3, octets: PACKET })],
      `packet 1 at octet ${at}: expected an interface of 0 to 0, got 3`,
    ],
    [
      'a block length that is none',
      [...good, ...u32('little', 6), ...u32('little', 13)],
      `packet 1 at octet ${at}: expected a block length of 12 to 16777216, a multiple of 4, got 13`,
    ],
    [
      'a block that is cut off',
      [...good, ...enhanced('little', { octets: PACKET }).slice(0, 40)],
      `packet 1 at octet ${at}: expected a block of 88 octets, got 40 and the end of the file`,
    ],
    [
      'a length that differs behind the block',
      [...good, ...enhanced('little', { octets: PACKET }).slice(0, -4), 1, 0, 0, 0],
      `packet 1 at octet ${at}: expected the block length 88 again behind it, got 1`,
    ],
    [
      'a section of another order of octets',
      [...section('little').slice(0, 8), 1, 2, 3, 4],
      'packet 1 at octet 0: expected the byte-order magic 0x1a2b3c4d, got 0x01020304',
    ],
  ])('%s is refused with the place and what was expected', (_, file, words) => {
    expect(reading(Uint8Array.from(file))).toThrow(refusal(`a.pcap: ${words}`));
  });
});

describe('link layers', () => {
  const mac = new Uint8Array(12);
  const cooked = (type: number): Uint8Array =>
    joined(Uint8Array.of(0, type), new Uint8Array(12), Uint8Array.of(0x86, 0xdd));
  const cooked2 = (type: number): Uint8Array =>
    joined(Uint8Array.of(0x86, 0xdd), new Uint8Array(8), Uint8Array.of(type, 6), new Uint8Array(8));
  test.each([
    ['raw IP', 101, PACKET, undefined],
    ['IPv6', 229, PACKET, undefined],
    ['Ethernet', 1, joined(mac, Uint8Array.of(0x86, 0xdd), PACKET), undefined],
    [
      'Ethernet with two VLAN tags',
      1,
      joined(mac, Uint8Array.of(0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 0x86, 0xdd), PACKET),
      undefined,
    ],
    ['Linux cooked, received', 113, joined(cooked(0), PACKET), 'in'],
    ['Linux cooked, sent', 113, joined(cooked(4), PACKET), 'out'],
    ['Linux cooked 2, sent', 276, joined(cooked2(4), PACKET), 'out'],
  ] as const)('%s: the packet is found behind it', (_, linkType, octets, direction) => {
    expect(packetOf(framesOf(pcapOf([{ octets }], { linkType }))[0]!)).toEqual({ packet: PACKET, direction });
  });

  test.each([
    ['ARP', 1, joined(mac, Uint8Array.of(8, 6), new Uint8Array(28))],
    ['a frame too short for its header', 1, new Uint8Array(13)],
    ['an empty frame', 101, new Uint8Array(0)],
  ])('%s is no packet', (_, linkType, octets) => {
    expect(packetOf(framesOf(pcapOf([{ octets }], { linkType }))[0]!)).toBeNull();
  });

  test('a link type not read here is refused by its number', () => {
    const [frame] = framesOf(pcapOf([{ octets: PACKET }], { linkType: 127 }));

    expect(() => packetOf(frame!)).toThrow(
      refusal(
        'a.pcap: packet 1 at octet 24: expected link type 1 (Ethernet), 101 (raw IP), 113 or 276 (Linux cooked) or 229 (IPv6), got 127',
      ),
    );
  });
});

test('arbitrary octets are read or refused, never anything else', () => {
  const starts = [
    pcapOf([{ octets: PACKET }]),
    Uint8Array.from([...section('little'), ...interfaceBlock('little', 1), ...enhanced('little', { octets: PACKET })]),
  ];
  const change = fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 8 });
  fc.assert(
    fc.property(
      fc.constantFrom(...starts),
      change,
      fc.nat(300),
      fc.uint8Array({ maxLength: 60 }),
      (start, changes, cut, tail) => {
        const file = joined(start.slice(0, cut), tail);
        for (const [at, value] of changes) if (at < file.length && at > 3) file[at] = value;
        try {
          for (const frame of framesOf(file)) packetOf(frame);
        } catch (error) {
          expect(error).toMatchObject({ code: 'E_CAPTURE' });
        }
      },
    ),
    { numRuns: 3000 },
  );
});
