/**
 * Locators and Node Identifiers as people write them. Three forms are read:
 *
 *   DNS (RFC 6742 sections 2.1.2, 2.3.2)   0:0:0:a1 · 2001:db8:1:0        four groups, no `::`
 *   IPv6 text (RFC 4291 section 2.2)        ::a1 · 2001:db8:1:: · 2001:db8:1::/64
 *   St Andrews hosts file                    0+0+0+a1 · 2001-db8-1-0 · 2001-db8-1-0.0+0+0+a1
 *
 * Four groups without `::` are never IPv6 text, so the forms cannot be confused. Pure: a text that is none of them is
 * null, never an exception. Not for the data path, which knows numbers only.
 */
import { formatGroups, type Groups, parseGroups } from './ipv6-text.ts';

/** The upper 64 bits of an address as two unsigned 32-bit halves in network order. */
export interface L64 {
  readonly hi: number;
  readonly lo: number;
}

/** The lower 64 bits of an address as two unsigned 32-bit halves in network order. */
export interface Nid {
  readonly hi: number;
  readonly lo: number;
}

/** Identifier and Locator together: bit for bit an IPv6 address (RFC 6740 section 3.3). */
export interface Ilv {
  readonly l64: L64;
  readonly nid: Nid;
}

/** A prefix of at most 64 bits; the bits after `length` are zero. */
export interface Prefix {
  readonly hi: number;
  readonly lo: number;
  readonly length: number;
}

const DNS_FORM = /^[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3}$/i;
const ST_ANDREWS_NID = /^[0-9a-f]{1,4}(?:\+[0-9a-f]{1,4}){3}$/i;
const ST_ANDREWS_L64 = /^[0-9a-f]{1,4}(?:-[0-9a-f]{1,4}){3}$/i;
const LENGTH = /^(?:0|[1-9]\d?)$/;

/** Reads a Node Identifier in any of the three forms; IPv6 text must have an upper half of zero. */
export function parseNid(text: string): Nid | null {
  if (DNS_FORM.test(text)) return halves(text.split(':'));
  if (ST_ANDREWS_NID.test(text)) return halves(text.split('+'));
  const groups = parseGroups(text);
  return groups !== null && isZero(upper(groups)) ? lower(groups) : null;
}

/** Reads a Locator in any of the three forms; IPv6 text must have a lower half of zero, and a length must be 64. */
export function parseL64(text: string): L64 | null {
  if (DNS_FORM.test(text)) return halves(text.split(':'));
  if (ST_ANDREWS_L64.test(text)) return halves(text.split('-'));
  const groups = parseGroups(text.endsWith('/64') ? text.slice(0, -3) : text);
  return groups !== null && isZero(lower(groups)) ? upper(groups) : null;
}

/** Reads an I-LV as IPv6 text or in the St Andrews form. */
export function parseIlv(text: string): Ilv | null {
  const dot = text.indexOf('.');
  if (dot > 0 && ST_ANDREWS_L64.test(text.slice(0, dot))) {
    const nid = text.slice(dot + 1);
    if (!ST_ANDREWS_NID.test(nid)) return null;
    return { l64: halves(text.slice(0, dot).split('-')), nid: halves(nid.split('+')) };
  }
  const groups = parseGroups(text);
  return groups === null ? null : { l64: upper(groups), nid: lower(groups) };
}

/** Reads IPv6 text as 16 octets in network order. */
export function parseIpv6(text: string): Uint8Array | null {
  const groups = parseGroups(text);
  return groups && Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** Reads `2001:db8::/48`: a length of 0 to 64 and zeros after it. */
export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/');
  const digits = text.slice(slash + 1);
  if (slash < 0 || !LENGTH.test(digits)) return null;
  const groups = parseGroups(text.slice(0, slash));
  const length = Number(digits);
  if (groups === null || length > 64 || !isZero(lower(groups))) return null;
  const { hi, lo } = upper(groups);
  const rest = maskHalves(length);
  return (hi & ~rest.hi) === 0 && (lo & ~rest.lo) === 0 ? { hi, lo, length } : null;
}

/** Writes a Node Identifier in the DNS form, `0:0:0:a1`. */
export function formatNid(nid: Nid): string {
  return [...groupsOf(nid)].map((group) => group.toString(16)).join(':');
}

/** Writes a Locator as an RFC 5952 prefix, `2001:db8:1::/64`. */
export function formatL64(l64: L64): string {
  return formatPrefix({ hi: l64.hi, lo: l64.lo, length: 64 });
}

/** Writes an I-LV as RFC 5952 IPv6 text, `2001:db8:1::a1`. */
export function formatIlv(l64: L64, nid: Nid): string {
  return formatGroups([...groupsOf(l64), ...groupsOf(nid)]);
}

/** Writes a prefix as RFC 5952 text, `2001:db8::/48`. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatGroups([...groupsOf(prefix), 0, 0, 0, 0])}/${prefix.length}`;
}

/** True if some address is in both prefixes; a Locator is a prefix of 64 bits. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  const mask = maskHalves(Math.min(a.length, b.length));
  return ((a.hi ^ b.hi) & mask.hi) === 0 && ((a.lo ^ b.lo) & mask.lo) === 0;
}

/** The leading ones of a prefix length; shifts count modulo 32, so 0 and 32 are told apart here. */
function maskHalves(length: number): { readonly hi: number; readonly lo: number } {
  return {
    hi: length >= 32 ? -1 : ~(-1 >>> length),
    lo: length <= 32 ? 0 : length === 64 ? -1 : ~(-1 >>> (length - 32)),
  };
}

const isZero = (half: L64): boolean => half.hi === 0 && half.lo === 0;

function halves(four: readonly string[]): L64 {
  const word = (i: number): number => Number.parseInt(four[i]!, 16);
  return { hi: ((word(0) << 16) | word(1)) >>> 0, lo: ((word(2) << 16) | word(3)) >>> 0 };
}

const upper = (g: Groups): L64 => ({ hi: ((g[0] << 16) | g[1]) >>> 0, lo: ((g[2] << 16) | g[3]) >>> 0 });

const lower = (g: Groups): Nid => ({ hi: ((g[4] << 16) | g[5]) >>> 0, lo: ((g[6] << 16) | g[7]) >>> 0 });

const groupsOf = (half: L64): [number, number, number, number] => [
  half.hi >>> 16,
  half.hi & 0xffff,
  half.lo >>> 16,
  half.lo & 0xffff,
];
