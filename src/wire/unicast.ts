/** Which Locators and Node Identifiers a node may have at all. */
import { type L64, type Nid, type Prefix, prefixesOverlap } from './text.ts';

/** RFC 4291 section 2.4 with the IANA allocation: global unicast, then unique local (RFC 4193). */
const GLOBAL: Prefix = { hi: 0x2000_0000, lo: 0, length: 3 };
const UNIQUE_LOCAL: Prefix = { hi: 0xfc00_0000, lo: 0, length: 7 };

/** RFC 2526 section 2, for identifiers in EUI-64 format: the highest 128. */
const ANYCAST_HI = 0xfdff_ffff;
const ANYCAST_LO = 0xffff_ff80;

/** Accepts prefixes all of whose addresses are global unicast or unique local; a Locator is one of 64 bits. */
export function isUnicastPrefix(prefix: Prefix): boolean {
  return [GLOBAL, UNIQUE_LOCAL].some((range) => prefix.length >= range.length && prefixesOverlap(prefix, range));
}

// By hand, because a registry may have a million.
export const isUnicastL64 = (l64: L64): boolean => isIn(GLOBAL, l64) || isIn(UNIQUE_LOCAL, l64);
export const isUniqueLocalL64 = (l64: L64): boolean => isIn(UNIQUE_LOCAL, l64);
const isIn = ({ hi, length }: Prefix, l64: L64): boolean => (hi ^ l64.hi) >>> (32 - length) === 0;

/** True for identifiers that no node may have: the subnet-router anycast address and the anycast range of RFC 2526. */
export function isReservedNid(nid: Nid): boolean {
  return (nid.hi === 0 && nid.lo === 0) || (nid.hi === ANYCAST_HI && nid.lo >= ANYCAST_LO);
}
