import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { difference, fold, segmentChecksum, segmentSum, sum, sum64, update } from '../../src/wire/checksum.ts';
import { ipv6, joined, sealed, slowSum, udpSegment } from '../support/packets.ts';
import { vector } from '../support/vectors.ts';

const word = fc.oneof(fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff), fc.integer({ min: 0, max: 0xffff }));
const half32 = fc.oneof(fc.constantFrom(0, -1, 0x7fffffff, -0x80000000), fc.integer());
const octets = (length: fc.Arbitrary<number>) => length.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
const be16 = (...words: number[]): Uint8Array => Uint8Array.from(words.flatMap((x) => [x >>> 8, x & 0xff]));

describe('an incremental update', () => {
  // shows: W18
  test('gives 0x0000, not 0xffff, for the example of RFC 1624 section 4', () => {
    expect(update(0xdd2f, difference(0x3285, 0x5555))).toBe(0);
    expect([...vector('rfc1624-example')]).toEqual([...be16(0xdd2f, 0x5555, 0x3285, 0x0000)]);
  });

  // shows: W18
  test('equals the recomputation over any words', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 2, maxLength: 20 }), word, (words, replacement) => {
        const before = ~slowSum(be16(...words)) & 0xffff;
        const changed = [replacement, ...words.slice(1)];
        const after = ~slowSum(be16(...changed)) & 0xffff;
        // a sum over zeros only is the one case where one's complement has two names for zero
        fc.pre(changed.some((x) => x !== 0) && words.some((x) => x !== 0));

        expect(update(before, difference(replacement, words[0]!))).toBe(after);
      }),
    );
  });

  // shows: W18
  test('gives 0x0000 when the new word cancels the rest, as the recomputation does', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), word, (rest, from) => {
        fc.pre(rest.some((x) => x !== 0));
        const to = ~slowSum(be16(...rest)) & 0xffff;
        const before = ~slowSum(be16(...rest, from)) & 0xffff;

        expect(update(before, difference(to, from))).toBe(~slowSum(be16(...rest, to)) & 0xffff);
        expect(update(before, difference(to, from))).toBe(0);
      }),
    );
  });

  // shows: W18
  test('gives 0xffff only when a field of 0xffff, a sum of nothing but zeros, has changed by nothing', () => {
    fc.assert(
      fc.property(word, word, (field, delta) => {
        if (field !== 0xffff || delta !== 0) expect(update(field, delta)).not.toBe(0xffff);
      }),
    );
    expect(update(0xffff, 0)).toBe(0xffff);
  });

  test('undone by the opposite difference gives the same sum back', () => {
    fc.assert(
      fc.property(word, word, word, (field, a, b) => {
        const there = update(field, difference(b, a));

        expect(update(there, difference(a, b)) % 0xffff).toBe(field % 0xffff);
      }),
    );
  });
});

describe('a sum', () => {
  test('over octets is the one by the book, at any offset, odd lengths padded with zero', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (data, at) => {
        const placed = joined(new Uint8Array(at).fill(0xee), data, new Uint8Array(9).fill(0xee));

        expect(sum(placed, at, data.length)).toBe(slowSum(data));
      }),
    );
  });

  test('goes on from another one', () => {
    fc.assert(
      fc.property(octets(fc.nat(50).map((n) => 2 * n)), fc.uint8Array({ maxLength: 101 }), (a, b) => {
        expect(sum(b, 0, b.length, sum(a, 0, a.length)) % 0xffff).toBe(slowSum(a, b) % 0xffff);
      }),
    );
  });

  test('does not lose a carry over 64 KiB of 0xff, nor from a start of 32 bits', () => {
    expect(sum(new Uint8Array(65536).fill(0xff), 0, 65536)).toBe(0xffff);
    expect(sum(new Uint8Array(65536).fill(0xff), 0, 65536, 0x7ffeffff) % 0xffff).toBe(0x7ffeffff % 0xffff);
  });

  test('of a Locator is that of its four words, whatever the sign of the halves', () => {
    fc.assert(
      fc.property(half32, half32, (a, b) => {
        const words = be16(a >>> 16, a & 0xffff, b >>> 16, b & 0xffff);

        expect(sum64(a, b)).toBe(slowSum(words));
        expect(sum64(a >>> 0, b >>> 0)).toBe(slowSum(words));
      }),
    );
  });

  test('folds every number of 32 bits to 16', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (s) => {
        expect(fold(s)).toBeLessThanOrEqual(0xffff);
        expect(fold(s) % 0xffff).toBe(s % 0xffff);
      }),
    );
    expect(fold(0xffffffff)).toBe(0xffff);
  });
});

describe('the checksum of a segment', () => {
  const h = { src: '2001:db8:1::a1', dst: '2001:db8:c::c0' };
  const conventions = fc.constantFrom('full', 'zeroed');

  // shows: W15, W16
  test.each([6, 17, 58])('of protocol %i is the one by the book in both conventions', (protocol) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 80 }), conventions, (segment, convention) => {
        const right = sealed(h, protocol, segment, convention === 'zeroed');
        const at = { 6: 16, 17: 6, 58: 2 }[protocol]!;
        const cleared = right.slice();
        cleared.set([0, 0], at);
        const packet = ipv6(h, protocol, cleared);
        const options = { protocol, convention };

        expect(segmentChecksum(packet, 0, 40, segment.length, options)).toBe((right[at]! << 8) | right[at + 1]!);
        expect(segmentSum(ipv6(h, protocol, right), 0, 40, segment.length, options)).toBe(0xffff);
      }),
    );
  });

  // shows: W15, W16
  test('does not depend on Locators when they are zeroed, and does when they are not', () => {
    const segment = udpSegment(h, Uint8Array.of(1, 2, 3));
    const moved = ipv6({ ...h, src: '2001:db8:2::a1' }, 17, segment);
    const here = ipv6(h, 17, segment);
    const sumOf = (packet: Uint8Array, convention: 'full' | 'zeroed') =>
      segmentSum(packet, 0, 40, segment.length, { protocol: 17, convention });

    expect(sumOf(moved, 'zeroed')).toBe(sumOf(here, 'zeroed'));
    expect(sumOf(moved, 'full')).not.toBe(sumOf(here, 'full'));
  });

  test('covers the length of segments of more than 64 KiB in both its halves', () => {
    const zeros = new Uint8Array(40 + 70000);

    expect(segmentSum(zeros, 0, 40, 70000, { protocol: 17, convention: 'full' })).toBe(1 + (70000 & 0xffff) + 17);
  });

  // shows: W17
  test('that computes to zero is sent as 0xffff by UDP only (RFC 8200 section 8.1)', () => {
    const zero = { src: '::', dst: '::' };
    const cancels = (protocol: number): Uint8Array =>
      ipv6(zero, protocol, joined(new Uint8Array(8), be16(0xffff - 10 - protocol)));
    const options = (protocol: number) => ({ protocol, convention: 'full' }) as const;

    expect(segmentChecksum(cancels(17), 0, 40, 10, options(17))).toBe(0xffff);
    expect(segmentChecksum(cancels(6), 0, 40, 10, options(6))).toBe(0);

    const published = vector('udp-zeroloc-ffff');
    const cleared = published.slice();
    cleared.set([0, 0], 54);
    expect([...published.slice(54, 56)]).toEqual([0xff, 0xff]);
    expect(segmentChecksum(cleared, 0, 48, 12, { protocol: 17, convention: 'zeroed' })).toBe(0xffff);
  });
});
