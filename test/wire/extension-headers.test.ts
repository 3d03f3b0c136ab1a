import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasNonce, isFragment, nonceAt, offsetOf, protocolOf, upperLayer } from '../../src/wire/extension-headers.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { destinationOptions, fragmentHeader, joined, ipv6 as packetOf } from '../support/packets.ts';
import { vector } from '../support/vectors.ts';

const h = { src: '2001:db8:c::c0', dst: '2001:db8:1::a1' };
const NONCE = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);

/** What the walk says of `packet`, read in one piece. */
function walk(packet: Uint8Array, end = packet.length) {
  const upper = upperLayer(packet, 0, end);
  return { protocol: protocolOf(upper), at: offsetOf(upper), nonce: hasNonce(upper), fragment: isFragment(upper) };
}

const options = (next: number, words: number): Uint8Array =>
  Uint8Array.from([next, words - 1, 1, 8 * words - 4, ...new Array<number>(8 * words - 4).fill(0)]);
const routing = (next: number, words: number): Uint8Array =>
  Uint8Array.from([next, words - 1, ...new Array<number>(8 * words - 2).fill(0x2c)]);
/** `words` of 32 bits, at least 3 (RFC 4302 section 2.2). */
const authentication = (next: number, words: number): Uint8Array =>
  Uint8Array.from([next, words - 2, ...new Array<number>(4 * words - 2).fill(0x3c)]);

/** A header by kind, `size` in its own unit. */
function header(kind: number, next: number, size: number): Uint8Array {
  if (kind === ipv6.FRAGMENT) return fragmentHeader(next, 0, true);
  if (kind === ipv6.AUTHENTICATION) return authentication(next, size + 2);
  return kind === ipv6.ROUTING ? routing(next, size) : options(next, size);
}

const kinds = fc.constantFrom(
  ipv6.HOP_BY_HOP,
  ipv6.ROUTING,
  ipv6.FRAGMENT,
  ipv6.AUTHENTICATION,
  ipv6.DESTINATION_OPTIONS,
);
const chains = fc.array(fc.tuple(kinds, fc.integer({ min: 1, max: 32 })), { maxLength: 12 });
const upperProtocols = fc.constantFrom(ipv6.TCP, ipv6.UDP, ipv6.ICMPV6, ipv6.ESP, ipv6.UDP_LITE, 132, 253);

/** A packet with that chain and, behind it, eight octets of `protocol`. */
function withChain(chain: readonly (readonly [number, number])[], protocol: number): Uint8Array {
  const headers = chain.map(([kind, size], k) => header(kind, chain[k + 1]?.[0] ?? protocol, size));
  return packetOf(h, chain[0]?.[0] ?? protocol, joined(...headers, new Uint8Array(8)));
}

describe('the upper layer', () => {
  test('is found behind any chain of headers', () => {
    fc.assert(
      fc.property(chains, upperProtocols, (chain, protocol) => {
        const packet = withChain(chain, protocol);

        expect(walk(packet)).toEqual({
          protocol,
          at: packet.length - 8,
          nonce: false,
          fragment: chain.some(([kind]) => kind === ipv6.FRAGMENT),
        });
      }),
    );
  });

  // shows: P2
  test('of a chain cut anywhere is none, and its place is not behind the end', () => {
    fc.assert(
      fc.property(
        chains.filter((c) => c.length > 0),
        upperProtocols,
        fc.nat(),
        (chain, protocol, cut) => {
          const packet = withChain(chain, protocol);
          const end = 40 + (cut % (packet.length - 8 - 40));
          const found = walk(packet, end);

          expect(found.protocol).toBe(ipv6.NO_NEXT_HEADER);
          expect(found.at).toBeLessThanOrEqual(Math.max(end, 40));
        },
      ),
    );
  });

  test.each([8, 1448])('of a fragment that is not the first (offset %i) is none', (offset) => {
    const packet = packetOf(h, ipv6.FRAGMENT, joined(fragmentHeader(ipv6.UDP, offset, true), new Uint8Array(16)));

    expect(walk(packet)).toEqual({ protocol: ipv6.NO_NEXT_HEADER, at: 48, nonce: false, fragment: true });
  });

  // shows: S9
  test('of a first fragment is told, and that it is a fragment', () => {
    expect(walk(vector('frag-first'))).toEqual({ protocol: ipv6.UDP, at: 56, nonce: true, fragment: true });
    expect(walk(vector('frag-second'))).toEqual({
      protocol: ipv6.NO_NEXT_HEADER,
      at: 48,
      nonce: false,
      fragment: true,
    });
  });

  test('is not searched behind encryption or a header nobody knows', () => {
    for (const protocol of [ipv6.ESP, 139, 255, ipv6.NO_NEXT_HEADER])
      expect(walk(packetOf(h, protocol, options(ipv6.UDP, 1)))).toMatchObject({ protocol, at: 40 });
  });

  test('is where the packet begins, not where the store does', () => {
    const packet = withChain([[ipv6.ROUTING, 3]], ipv6.TCP);
    const placed = joined(new Uint8Array(104).fill(60), packet);
    const upper = upperLayer(placed, 104, placed.length);

    expect([protocolOf(upper), offsetOf(upper)]).toEqual([ipv6.TCP, 64]);
  });
});

describe('a walk over hostile octets', () => {
  /** Octets that tell which was the last anybody looked at. */
  function watched(octets: Uint8Array): { octets: Uint8Array; last: () => number } {
    let last = -1;
    const proxy = new Proxy(octets, {
      get(target, key) {
        const k = Number(key);
        if (Number.isInteger(k)) last = Math.max(last, k);
        return target[k];
      },
    });
    return { octets: proxy, last: () => last };
  }

  // shows: W22, P2
  test('reads nothing behind the end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(kinds, fc.constantFrom(0, 1, 2, 3, 0x8b), fc.nat(255)), { minLength: 40, maxLength: 300 }),
        fc.nat(),
        (random, cut) => {
          const { octets, last } = watched(Uint8Array.from([...random, ...new Array<number>(64).fill(60)]));
          const end = 40 + (cut % (random.length - 39));
          upperLayer(octets, 0, end);

          expect(last()).toBeLessThan(end);
        },
      ),
      { numRuns: 500 },
    );
  });

  // shows: P2
  test.each([
    ['the shortest headers', [60, 0, 0, 0, 0, 0, 0, 0]],
    ['options of no length', [60, 0, 2, 0, 2, 0, 2, 0]],
    ['padding of one octet', [60, 0, 0, 0, 0, 0, 0, 0]],
    ['fragment headers of first fragments', [44, 0, 0, 1, 0, 0, 0, 0]],
    ['authentication headers of 8 octets', [51, 0, 0, 0, 0, 0, 0, 0]],
  ])('ends after 64 KiB of %s and has read an octet three times at most', (_, unit) => {
    const store = new Uint8Array(40 + 65535);
    store[6] = unit[0]!;
    for (let k = 40; k < store.length; k++) store[k] = unit[(k - 40) % 8]!;
    let reads = 0;
    const counting = new Proxy(store, {
      get(target, key) {
        reads++;
        return target[Number(key)];
      },
    });
    const upper = upperLayer(counting, 0, store.length);

    expect(protocolOf(upper)).toBe(ipv6.NO_NEXT_HEADER);
    expect(offsetOf(upper)).toBeLessThanOrEqual(store.length);
    expect(reads).toBeLessThanOrEqual(3 * store.length);
  });

  // shows: W2
  test('places of 64 KiB are told whole, with all flags beside them', () => {
    const store = new Uint8Array(40 + 65535 + 9);
    store.set(withChain([], ipv6.DESTINATION_OPTIONS).slice(0, 40));
    let o = 40;
    for (; o + 16 <= 65536; o += 16) store.set([60, 1, 0x8b, 12, ...new Array<number>(12).fill(1)], o);
    store.set(fragmentHeader(ipv6.TCP, 0, true), o);
    store[o - 16] = ipv6.FRAGMENT;
    const upper = upperLayer(store, 0, store.length);

    expect({
      protocol: protocolOf(upper),
      at: offsetOf(upper),
      nonce: hasNonce(upper),
      fragment: isFragment(upper),
    }).toEqual({ protocol: ipv6.TCP, at: o + 8, nonce: true, fragment: true });
  });
});

describe('the nonce', () => {
  // shows: W2
  test.each([
    ['dstopts-nonce32', 2],
    ['dstopts-nonce96', 2],
    ['dstopts-nonce64-padn', 2],
    ['dstopts-padn-nonce96', 10],
    ['dstopts-two-nonces-bad', 2],
  ])('of %s is found at %i', (name, at) => {
    const octets = vector(name);

    expect(nonceAt(octets, 0, octets.length)).toBe(at);
  });

  // shows: W5
  test('that is longer than its header is none', () => {
    const octets = vector('dstopts-nonce-overrun-bad');

    expect(nonceAt(octets, 0, octets.length)).toBe(0);
    expect(walk(packetOf(h, 60, joined(octets, new Uint8Array(8))))).toMatchObject({ protocol: 58, nonce: false });
  });

  const option = fc.oneof(
    fc.constant([0]), // Pad1
    fc.nat(6).map((n) => [1, n, ...new Array<number>(n).fill(0)]), // PadN
    fc
      .tuple(fc.constantFrom(4, 5, 0x1e, 0xc9, 0x8a, 0x8c), fc.array(fc.constantFrom(0, 0x8b, 4), { maxLength: 9 }))
      .map(([type, data]) => [type, data.length, ...data]),
  );

  // shows: W2, S9
  test('is found behind any padding and other options, and only where there is one', () => {
    fc.assert(
      fc.property(fc.array(option, { maxLength: 8 }), fc.boolean(), (before, present) => {
        const head = before.flat();
        const body = [...head, ...(present ? [0x8b, 4, ...NONCE] : [])];
        while ((body.length + 2) % 8 !== 0) body.push(0);
        const octets = Uint8Array.from([17, (body.length + 2) / 8 - 1, ...body]);
        const packet = packetOf(h, 60, joined(octets, new Uint8Array(8)));

        expect(nonceAt(octets, 0, octets.length)).toBe(present ? 2 + head.length : 0);
        expect(walk(packet)).toMatchObject({ protocol: 17, nonce: present });
      }),
    );
  });

  // shows: W2
  test('in a Hop-by-Hop header is none of RFC 6744, in the second Destination Options header it is one', () => {
    const inFirst = packetOf(h, 0, joined(destinationOptions(17, [0x8b, NONCE]), new Uint8Array(8)));
    const inSecond = packetOf(
      h,
      60,
      joined(destinationOptions(60, [0x1e, NONCE]), destinationOptions(17, [0x8b, NONCE]), new Uint8Array(8)),
    );

    expect(walk(inFirst)).toMatchObject({ protocol: 17, nonce: false });
    expect(walk(inSecond)).toMatchObject({ protocol: 17, nonce: true });
  });
});
