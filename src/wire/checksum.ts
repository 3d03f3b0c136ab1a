/**
 * Internet checksum: RFC 1071, incremental update RFC 1624 equation 3, pseudo-header RFC 8200 section 8.1.
 *
 * Sums of the data path are over words of the machine's own order: a one's complement sum does not mind (RFC 1071
 * section 2 B), only both sides must agree.
 */
import { type Bytes, u16 } from './bytes.ts';
import { DCCP, ICMPV6, MOBILITY, TCP, UDP, UDP_LITE } from './ipv6.ts';

/** Adds the carries in; `s` up to 2^32 - 1, result 0..0xffff. */
export function fold(s: number): number {
  s = (s & 0xffff) + (s >>> 16);
  return (s & 0xffff) + (s >>> 16);
}

/** Folded sum of the four 16-bit words of a Locator given as two 32-bit words. */
export const sum64 = (a: number, b: number): number => fold((a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16));

/** What a complemented checksum `field` becomes when the summed words grow by `delta` (0..0xffff). */
export const update = (field: number, delta: number): number => ~fold((~field & 0xffff) + delta) & 0xffff;

/** `to - from` in one's complement; both 0..0xffff. */
export const difference = (to: number, from: number): number => fold(to + (~from & 0xffff));

/** One's complement sum of `length` octets at `o`, network order, starting from `s`; not complemented. */
export function sum(b: Bytes, o: number, length: number, s = 0): number {
  const even = o + (length & ~1);
  for (let k = o; k < even; k += 2) {
    s += u16(b, k);
    if (s > 0x7fff0000) s = fold(s);
  }
  if (length & 1) s += b[even]! << 8;
  return fold(s);
}

/** Octets from the header of an upper layer to its checksum over addresses; -1: it has none that we know of. */
export function checksumOffset(protocol: number): number {
  switch (protocol) {
    case TCP:
      return 16;
    case UDP:
    case UDP_LITE:
    case DCCP: // RFC 4340 section 9.1: over the addresses, whatever CsCov says of the data
      return 6;
    case ICMPV6:
      return 2;
    case MOBILITY: // RFC 6275 section 6.1.1
      return 4;
    default:
      return -1;
  }
}

/** True where a checksum of zero says that there is none, so that a sum of zero is written as 0xffff (RFC 8200 section 8.1). */
export const isZeroNone = (protocol: number): boolean => protocol === UDP || protocol === UDP_LITE;

/** How a transport sums the pseudo-header: complete addresses (RFC 8200), or Locators zeroed (RFC 6741 section 4.2). */
export type Convention = 'full' | 'zeroed';

/**
 * Sum over pseudo-header and segment, network order; 0xffff when the checksum in the segment is right.
 *
 * `base`: the IPv6 header. `o`, `length`: the segment. ICMPv6 is always `full` (RFC 6741 section 4.3).
 */
export function segmentSum(
  b: Bytes,
  base: number,
  o: number,
  length: number,
  options: { protocol: number; convention: Convention },
): number {
  const addresses =
    options.convention === 'full' ? sum(b, base + 8, 32) : fold(sum(b, base + 16, 8) + sum(b, base + 32, 8));
  return sum(b, o, length, addresses + (length >>> 16) + (length & 0xffff) + options.protocol);
}

/** The checksum to write into the field, for a segment whose checksum field holds zero; never 0 for UDP. */
export function segmentChecksum(
  b: Bytes,
  base: number,
  o: number,
  length: number,
  options: { protocol: number; convention: Convention },
): number {
  const result = ~segmentSum(b, base, o, length, options) & 0xffff;
  return result === 0 && options.protocol === 17 ? 0xffff : result; // RFC 8200 section 8.1
}
