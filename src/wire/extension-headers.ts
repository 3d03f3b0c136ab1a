/**
 * The chain between the IPv6 header and the upper layer, RFC 8200 section 4, and the Nonce option in it, RFC 6744
 * section 2.
 *
 * The walk never reads behind `end`, needs no state, and ends because every step moves at least 8 octets on. A chain it
 * cannot follow (encryption, an unknown header, truncation) has no upper layer for us: addresses are rewritten all the
 * same and no checksum is touched.
 */
import type { Bytes } from './bytes.ts';
import { AUTHENTICATION, DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING } from './ipv6.ts';

export const OPTION_NONCE = 0x8b; // RFC 6744 section 2
const OPTION_HOME_ADDRESS = 0xc9; // RFC 6275 section 6.3

const HAS_NONCE = 1 << 26;
const IS_FRAGMENT = 1 << 27;
const IS_ROUTED = 1 << 28;
const IS_HOMED = 1 << 29;

/**
 * Upper-layer protocol and its offset, for the packet whose first header after the fixed one is `protocol` at `o`.
 *
 * The result is one integer: read it with `protocolOf`, `offsetOf`, `hasNonce`, `isFragment`, `isRouted`, `isHomed`. A fragment that is not the
 * first, and a truncated chain, have protocol No Next Header (59). `base`: offset of the IPv6 header.
 */
export function upperLayer(b: Bytes, base: number, end: number): number {
  let protocol = b[base + 6]!;
  let o = base + 40;
  let flags = 0;
  for (;;) {
    switch (protocol) {
      case DESTINATION_OPTIONS:
      case HOP_BY_HOP:
      case ROUTING: {
        if (o + 8 > end) return flags | ((o - base) << 8) | NO_NEXT_HEADER;
        const length = 8 + 8 * b[o + 1]!;
        if (protocol === ROUTING && b[o + 3]! !== 0) flags |= IS_ROUTED;
        if (protocol === DESTINATION_OPTIONS) {
          const behind = Math.min(o + length, end);
          if (nonceAt(b, o, behind) > 0) flags |= HAS_NONCE;
          if (optionAt(b, o, behind, OPTION_HOME_ADDRESS) > 0) flags |= IS_HOMED;
        }
        protocol = b[o]!;
        o += length;
        break;
      }
      case FRAGMENT: {
        if (o + 8 > end) return flags | ((o - base) << 8) | NO_NEXT_HEADER;
        const notFirst = b[o + 2]! !== 0 || (b[o + 3]! & 0xf8) !== 0;
        flags |= IS_FRAGMENT;
        protocol = notFirst ? NO_NEXT_HEADER : b[o]!;
        o += 8;
        if (notFirst) return flags | ((o - base) << 8) | NO_NEXT_HEADER;
        break;
      }
      case AUTHENTICATION: {
        if (o + 8 > end) return flags | ((o - base) << 8) | NO_NEXT_HEADER;
        protocol = b[o]!;
        o += (b[o + 1]! + 2) * 4; // RFC 4302 section 2.2: 32-bit words minus two
        break;
      }
      default:
        return flags | ((o - base) << 8) | protocol;
    }
    if (o > end) return flags | ((end - base) << 8) | NO_NEXT_HEADER;
  }
}

export const protocolOf = (upper: number): number => upper & 0xff;

/** Octets from the start of the IPv6 header to the upper layer. */
export const offsetOf = (upper: number): number => (upper >>> 8) & 0x3ffff;

export const hasNonce = (upper: number): boolean => (upper & HAS_NONCE) !== 0;

/** True for every fragment, the first one included. */
export const isFragment = (upper: number): boolean => (upper & IS_FRAGMENT) !== 0;

/**
 * True when a Routing header has segments left: the destination is a stop on the way, and the checksum covers the last one
 * (RFC 8200 section 8.1).
 */
export const isRouted = (upper: number): boolean => (upper & IS_ROUTED) !== 0;

/**
 * True for a Home Address option: the source is a care-of address, and the checksum covers the home address instead
 * (RFC 6275 section 11.3.1).
 */
export const isHomed = (upper: number): boolean => (upper & IS_HOMED) !== 0;

/** Offset of the first Nonce option of the packet whose IPv6 header is at `base`, or 0; not behind the first fragment. */
export function firstNonce(b: Bytes, base: number, end: number): number {
  let protocol = b[base + 6]!;
  for (let o = base + 40; o + 8 <= end; ) {
    let length = 8 + 8 * b[o + 1]!;
    if (protocol === DESTINATION_OPTIONS) {
      const found = nonceAt(b, o, Math.min(o + length, end));
      if (found > 0) return found;
    } else if (protocol === FRAGMENT) {
      if (b[o + 2]! !== 0 || (b[o + 3]! & 0xf8) !== 0) return 0;
      length = 8;
    } else if (protocol === AUTHENTICATION) length = (b[o + 1]! + 2) * 4;
    else if (protocol !== HOP_BY_HOP && protocol !== ROUTING) return 0;
    protocol = b[o]!;
    o += length;
  }
  return 0;
}

/** Offset of the first Nonce option in the Destination Options header at `o`, or 0. `end`: first octet behind it. */
export const nonceAt = (b: Bytes, o: number, end: number): number => optionAt(b, o, end, OPTION_NONCE);

function optionAt(b: Bytes, o: number, end: number, wanted: number): number {
  let k = o + 2;
  while (k < end) {
    const type = b[k]!;
    if (type === 0) {
      k++; // Pad1
      continue;
    }
    if (k + 2 > end) return 0;
    const next = k + 2 + b[k + 1]!;
    if (next > end) return 0;
    if (type === wanted) return k;
    k = next;
  }
  return 0;
}
