import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  findNonce,
  insertNonce,
  NONCE_MALFORMED,
  NONCE_NONE,
  NONCE_SEVERAL,
  nonceHeader,
  nonceOf,
} from '../../src/wire/nonce-option.ts';
import { destinationOptions, fragmentHeader, ipv6, joined, tcp6, tcpSegment, udpSegment } from '../support/packets.ts';
import { vector } from '../support/vectors.ts';
import { arrivals } from '../support/worlds.ts';

const h = { src: '2001:db8:c::c0', dst: '2001:db8:1::a1' };
const SHORT = Uint8Array.from(Buffer.from('a1b2c3d4', 'hex'));
const LONG = Uint8Array.from(Buffer.from('a1b2c3d4e5f60718293a4b5c', 'hex'));
const hex = (octets: Uint8Array | null): string | null => octets && Buffer.from(octets).toString('hex');
const segment = udpSegment(h, new Uint8Array(5));
const find = (packet: Uint8Array): number => findNonce(packet, 0, packet.length);
const option = (type: number, ...data: number[]) => [type, Uint8Array.from(data)] as const;
const nonces = fc.constantFrom(4, 12).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));

describe('the header of a nonce', () => {
  // shows: W1, W4
  test.each([
    ['dstopts-nonce32', 6, SHORT],
    ['dstopts-nonce96', 58, LONG],
  ])('is %s', (name, next, nonce) => {
    expect(hex(nonceHeader(next, nonce))).toBe(hex(vector(name)));
  });

  test('takes 4 and 12 octets, and no other number', () => {
    const lengths = Array.from({ length: 300 }, (_, n) => n).filter((n) => nonceHeader(17, new Uint8Array(n)) !== null);

    expect(lengths).toEqual([4, 12]);
  });
});

describe('a nonce in a packet', () => {
  // shows: W1, W2
  test.each([
    ['dstopts-nonce32', 'a1b2c3d4'],
    ['dstopts-nonce96', 'a1b2c3d4e5f60718293a4b5c'],
    ['dstopts-nonce64-padn', 'a1b2c3d4e5f60718'],
    ['dstopts-padn-nonce96', 'a1b2c3d4e5f60718293a4b5c'],
  ])('of %s is %s', (name, nonce) => {
    const packet = ipv6(h, 60, joined(vector(name), segment));

    expect(hex(nonceOf(packet, 0, packet.length))).toBe(nonce);
  });

  // shows: W3, W5
  test.each([
    ['none', ipv6(h, 17, segment), NONCE_NONE],
    ['two in one header', ipv6(h, 60, joined(vector('dstopts-two-nonces-bad'), segment)), NONCE_SEVERAL],
    [
      'one in each of two headers',
      ipv6(h, 60, joined(destinationOptions(60, option(0x8b, 1, 2, 3, 4)), vector('dstopts-nonce64-padn'), segment)),
      NONCE_SEVERAL,
    ],
    [
      'an option longer than its header',
      ipv6(h, 60, joined(vector('dstopts-nonce-overrun-bad'), segment)),
      NONCE_MALFORMED,
    ],
    [
      'a broken option behind the nonce',
      ipv6(h, 60, joined(Uint8Array.of(17, 1, 0x8b, 4, 1, 2, 3, 4, 1, 7, 0, 0, 0, 0, 0, 0), segment)),
      NONCE_MALFORMED,
    ],
    [
      'an option without its length',
      ipv6(h, 60, joined(Uint8Array.of(17, 0, 1, 3, 0, 0, 0, 0x8b), segment)),
      NONCE_MALFORMED,
    ],
    ['a header longer than the packet', ipv6(h, 60, vector('dstopts-nonce96').slice(0, 8)), NONCE_MALFORMED],
    ['a nonce of no octets', ipv6(h, 60, joined(Uint8Array.of(17, 0, 0x8b, 0, 1, 2, 0, 0), segment)), NONCE_MALFORMED],
    ['a fragment that is not the first', vector('frag-second'), NONCE_NONE],
    ['a scrap', new Uint8Array(39), NONCE_MALFORMED],
    ['one in a Hop-by-Hop header', ipv6(h, 0, joined(vector('dstopts-nonce32'), tcpSegment(h, segment))), NONCE_NONE],
  ])('%s', (_, packet, found) => {
    expect(find(packet)).toBe(found);
    expect(nonceOf(packet, 0, packet.length)).toBeNull();
  });

  // shows: W2
  test('is found behind Hop-by-Hop, Routing and Fragment headers', () => {
    expect(find(vector('frag-first'))).toBe(50);
    const packet = joined(
      new Uint8Array(24),
      ipv6(
        h,
        0,
        joined(
          Uint8Array.of(43, 0, 1, 4, 0, 0, 0, 0),
          Uint8Array.of(60, 0, 253, 0, 0, 0, 0, 0),
          vector('dstopts-nonce32'),
          tcpSegment(h, segment),
        ),
      ),
    );

    expect(findNonce(packet, 24, packet.length)).toBe(24 + 58);
    expect(hex(nonceOf(packet, 24, packet.length))).toBe('a1b2c3d4');
  });
});

describe('a nonce put into a packet', () => {
  // shows: W1
  test.each(['tcp-syn-full-outside', 'udp-full-inside', 'icmp6-echo-outside', 'tcp-syn-zeroloc-inside'])(
    'without options makes %s',
    (name) => {
      const published = vector(name);
      const nonce = nonceOf(published, 0, published.length)!;
      const plain = joined(published.slice(0, 40), published.slice(44 + nonce.length));
      plain[6] = published[40]!;
      plain[5]! -= 4 + nonce.length;

      expect(hex(insertNonce(plain, nonce))).toBe(hex(published));
    },
  );

  // shows: W4, W6
  test.each([
    ['before other options', [option(0xc9, 1, 2, 3, 4)], '11018b04a1b2c3d40100c90401020304'],
    ['before padding', [option(1, 0, 0, 0, 0)], '11018b04a1b2c3d40100010400000000'],
    [
      'behind CALIPSO',
      [option(7, ...new Array<number>(8).fill(9)), option(0x1e)],
      '1102070809090909090909098b04a1b2c3d401001e000100',
    ],
  ])('goes %s', (_, options, expected) => {
    const packet = ipv6(h, 60, joined(destinationOptions(17, ...options), segment));
    const longer = insertNonce(packet, SHORT)!;
    const length = expected.length / 2;

    expect(longer.length).toBe(packet.length + 8);
    expect(longer[4]! * 256 + longer[5]!).toBe(longer.length - 40);
    expect(hex(longer.slice(40, 40 + length))).toBe(expected);
    expect(hex(longer.slice(40 + length))).toBe(hex(segment));
  });

  test('goes into the last of two Destination Options headers, and behind all others', () => {
    const first = destinationOptions(43, option(0x1e));
    const route = Uint8Array.of(60, 0, 253, 0, 0, 0, 0, 0);
    const longer = insertNonce(ipv6(h, 60, joined(first, route, destinationOptions(17, option(0x1f)), segment)), LONG)!;
    const behind = insertNonce(ipv6(h, 60, joined(first, Uint8Array.of(17, ...route.slice(1)), segment)), LONG)!;

    expect(find(longer)).toBe(58);
    expect(longer[57]).toBe(2);
    expect([...behind.slice(48, 60)]).toEqual([60, ...route.slice(1), 17, 1, 0x8b, 12]);
  });

  test('is found there, and nothing else of the packet is different', () => {
    let inserted = 0;
    fc.assert(
      fc.property(arrivals, nonces, ({ packet }, nonce) => {
        const before = packet.slice();
        const longer = insertNonce(packet, nonce);
        expect(packet).toEqual(before);
        if (longer === null) return;
        inserted++;
        const at = find(longer);

        expect(hex(nonceOf(longer, 0, longer.length))).toBe(hex(nonce));
        expect(longer.length).toBe(packet.length + 4 + nonce.length);
        expect((longer[4]! << 8) | longer[5]!).toBe(longer.length - 40);
        expect(insertNonce(longer, nonce)).toBeNull();
        // what was before and behind is there as before, but for two next headers and two lengths
        const behind = longer.slice(at + 4 + nonce.length);
        expect(hex(behind)).toBe(hex(packet.slice(packet.length - behind.length)));
        const changed = [...packet.slice(0, at - 2).keys()].filter((k) => packet[k] !== longer[k]);
        expect(changed.filter((k) => k !== 4 && k !== 5).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1000 },
    );

    expect(inserted).toBeGreaterThan(100);
  });

  const authentication = Uint8Array.from([17, 4, ...new Array<number>(22).fill(9)]);
  test.each([
    ['a nonce already', vector('tcp-syn-full-outside')],
    ['a fragment', ipv6(h, 44, joined(fragmentHeader(17, 0, true), segment))],
    ['a later fragment', ipv6(h, 44, joined(fragmentHeader(17, 8, false), segment))],
    ['an Authentication Header', ipv6(h, 51, joined(authentication, segment))],
    ['a broken chain', ipv6(h, 60, Uint8Array.of(17, 9, 0, 0, 0, 0, 0, 0))],
    ['octets missing', tcp6(h).slice(0, -1)],
    ['octets behind it', joined(tcp6(h), new Uint8Array(1))],
    ['another version', joined(Uint8Array.of(0x45), tcp6(h).slice(1))],
    ['no room', ipv6(h, 17, new Uint8Array(0xffff - 7))],
    [
      'no room in its options',
      ipv6(
        h,
        60,
        joined(destinationOptions(17, ...new Array(8).fill(option(0x1e, ...new Array<number>(253).fill(0)))), segment),
      ),
    ],
    ['nothing', new Uint8Array(0)],
  ])('is refused with %s', (_, packet) => {
    expect(insertNonce(packet, SHORT)).toBeNull();
  });

  test('fits where it just fits, and an atomic fragment takes one', () => {
    expect(insertNonce(ipv6(h, 17, new Uint8Array(0xffff - 8)), SHORT)?.length).toBe(40 + 0xffff);
    const atomic = insertNonce(ipv6(h, 44, joined(fragmentHeader(17, 0, false), segment)), SHORT)!;
    expect(find(atomic)).toBe(50);
  });

  test('of 5 or no octets is refused', () => {
    expect(insertNonce(tcp6(h), new Uint8Array(5))).toBeNull();
    expect(insertNonce(tcp6(h), new Uint8Array(0))).toBeNull();
  });
});

// shows: W22
test('for any octets a verdict comes back, never an exception, and a place is one of an option', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 120 }),
        arrivals.map((a) => a.packet),
      ),
      fc.nat(130),
      (octets, end) => {
        const at = findNonce(octets, 0, Math.min(end, octets.length));

        expect(at >= NONCE_MALFORMED && at < octets.length).toBe(true);
        if (at > 0) expect([octets[at], at + 2 + octets[at + 1]! <= end]).toEqual([0x8b, true]);
      },
    ),
    { numRuns: 5000 },
  );
});
