/**
 * IPv6 fixed header, RFC 8200 section 3, and its ILNPv6 reading, RFC 6741 section 3: an address is a 64-bit Locator
 * (L64) followed by a 64-bit Node Identifier (NID).
 *
 *   0       4       8      12      16              24              32   (bit, 32 per row)
 *   |ver 6  | traffic class |             flow label                |
 *   |         payload length        |  next header  |   hop limit   |
 *   |                    source L64 (2 rows)                        |
 *   |                    source NID (2 rows)                        |
 *   |                 destination L64 (2 rows)                      |
 *   |                 destination NID (2 rows)                      |
 *
 * The same offsets counted in 32-bit words are W_*; the data path adds them to `offset >>> 2`.
 */
import { type Bytes, u16 } from './bytes.ts';

export const HEADER_LENGTH = 40;
export const MIN_MTU = 1280; // RFC 8200 section 5

export const PAYLOAD_LENGTH = 4;
export const NEXT_HEADER = 6;
export const HOP_LIMIT = 7;
export const SRC = 8;
export const SRC_NID = 16;
export const DST = 24;
export const DST_NID = 32;

export const W_SRC_L64 = 2;
export const W_SRC_NID = 4;
export const W_DST_L64 = 6;
export const W_DST_NID = 8;

/** Next Header values in use here (IANA protocol numbers). */
export const HOP_BY_HOP = 0;
export const TCP = 6;
export const UDP = 17;
export const DCCP = 33;
export const ROUTING = 43;
export const FRAGMENT = 44;
export const ESP = 50;
export const AUTHENTICATION = 51;
export const ICMPV6 = 58;
export const NO_NEXT_HEADER = 59;
export const DESTINATION_OPTIONS = 60;
export const MOBILITY = 135;
export const UDP_LITE = 136;

/** Octets after the fixed header, extension headers included. */
export const payloadLength = (b: Bytes, o: number): number => u16(b, o + PAYLOAD_LENGTH);

/** True for a unique local address (RFC 4193 section 3.1), which never comes from or goes to the world. */
export const isUniqueLocal = (b: Bytes, o: number): boolean => (b[o]! & 0xfe) === 0xfc;

/** The same of a Locator whose upper half is `hi`. */
export const isUniqueLocalL64 = ({ hi }: { readonly hi: number }): boolean => hi >>> 25 === 0x7e;

/** True when no packet may carry the address at `o` as a unicast source or be forwarded to it (RFC 4291 section 2). */
export function isUnforwardable(b: Bytes, o: number): boolean {
  const first = b[o]!;
  if (first === 0xff) return true; // multicast
  if (first === 0xfe) return (b[o + 1]! & 0xc0) === 0x80; // link-local
  if (first !== 0) return false;
  for (let k = o + 1; k < o + 10; k++) if (b[k] !== 0) return false;
  if (b[o + 10] === 0xff && b[o + 11] === 0xff) return true; // IPv4-mapped: never on a wire (RFC 4291 section 2.5.5.2)
  for (let k = o + 10; k < o + 15; k++) if (b[k] !== 0) return false;
  return b[o + 15]! <= 1; // unspecified, loopback
}
