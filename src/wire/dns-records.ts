/**
 * RDATA of the four ILNP resource records, RFC 6742 section 2: octets and zone-file text.
 *
 *   NID 104   preference, Node Identifier (8 octets)     10 0014:4fff:ff20:ee64
 *   L32 105   preference, Locator of ILNPv4 (4 octets)   10 10.1.2.0
 *   L64 106   preference, Locator (8 octets)             10 2001:0db8:1140:1000
 *   LP  107   preference, name, never compressed         10 l64-subnet1.example.com.
 *
 * Of several records the one with the lowest preference is used first. Pure; what is none of them is null. That the name
 * of an LP is not its owner's (section 2.4.1.2) is for whoever knows the owner.
 */
import { type Bytes, put16, put32, u16, u32 } from './bytes.ts';
import { readName, writeName } from './dns-name.ts';
import type { L64, Nid } from './text.ts';

export const RR_NID = 104;
export const RR_L32 = 105;
export const RR_L64 = 106;
export const RR_LP = 107;

/** A record without owner, class and TTL; `preference` 0..65535. */
export type IlnpRecord =
  | { readonly type: typeof RR_NID; readonly preference: number; readonly nid: Nid }
  | { readonly type: typeof RR_L32; readonly preference: number; readonly locator: number }
  | { readonly type: typeof RR_L64; readonly preference: number; readonly locator: L64 }
  | { readonly type: typeof RR_LP; readonly preference: number; readonly name: string };

const PREFERENCE = /^(?:0|[1-9]\d{0,4})$/;
const FOUR_GROUPS = /^[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3}$/i; // `::` is not allowed (sections 2.1.2, 2.3.2)
const DOTTED = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/** Reads the RDATA of `length` octets at `o`, of a record of `type`. */
export function readRdata(type: number, b: Bytes, o: number, length: number): IlnpRecord | null {
  if (length < 2 || o + length > b.length) return null;
  const preference = u16(b, o);
  const half = (): { hi: number; lo: number } => ({ hi: u32(b, o + 2), lo: u32(b, o + 6) });
  if (type === RR_NID) return length === 10 ? { type, preference, nid: half() } : null;
  if (type === RR_L32) return length === 6 ? { type, preference, locator: u32(b, o + 2) } : null;
  if (type === RR_L64) return length === 10 ? { type, preference, locator: half() } : null;
  const name = type === RR_LP ? readName(b, o + 2, o + length) : null;
  return name === null ? null : { type: RR_LP, preference, name };
}

/** Writes the RDATA. */
export function writeRdata(record: IlnpRecord): Uint8Array | null {
  const { preference } = record;
  if (!Number.isInteger(preference) || preference < 0 || preference > 0xffff) return null;
  const value = valueOctets(record);
  if (value === null) return null;
  const octets = new Uint8Array(2 + value.length);
  put16(octets, 0, preference);
  octets.set(value, 2);
  return octets;
}

function valueOctets(record: IlnpRecord): Uint8Array | null {
  if (record.type === RR_LP) return writeName(record.name);
  const value = new Uint8Array(record.type === RR_L32 ? 4 : 8);
  if (record.type === RR_L32) {
    put32(value, 0, record.locator);
    return value;
  }
  const half = record.type === RR_NID ? record.nid : record.locator;
  put32(value, 0, half.hi);
  put32(value, 4, half.lo);
  return value;
}

/** Reads the RDATA as a zone file has it. */
export function parseRdata(type: number, text: string): IlnpRecord | null {
  const [number = '', value = '', ...more] = text.trim().split(/[ \t]+/);
  const preference = Number(number);
  if (more.length > 0 || !PREFERENCE.test(number) || preference > 0xffff) return null;
  if (type === RR_LP) {
    const octets = writeName(value);
    return octets && { type, preference, name: readName(octets, 0, octets.length)! };
  }
  if (type === RR_L32) {
    const octets = DOTTED.test(value) ? value.split('.').map(Number) : [];
    if (octets.length === 0 || octets.some((octet) => octet > 255)) return null;
    return { type, preference, locator: u32(Uint8Array.from(octets), 0) };
  }
  if ((type !== RR_NID && type !== RR_L64) || !FOUR_GROUPS.test(value)) return null;
  const [a, b, c, d] = value.split(':').map((group) => Number.parseInt(group, 16)) as [number, number, number, number];
  const half = { hi: ((a << 16) | b) >>> 0, lo: ((c << 16) | d) >>> 0 };
  return type === RR_NID ? { type, preference, nid: half } : { type, preference, locator: half };
}

/** Writes the RDATA as a zone file has it. */
export function formatRdata(record: IlnpRecord): string {
  const { preference } = record;
  if (record.type === RR_LP) return `${preference} ${record.name}`;
  if (record.type === RR_L32)
    return `${preference} ${[24, 16, 8, 0].map((shift) => (record.locator >>> shift) & 0xff).join('.')}`;
  const { hi, lo } = record.type === RR_NID ? record.nid : record.locator;
  return `${preference} ${[hi >>> 16, hi & 0xffff, lo >>> 16, lo & 0xffff].map(fourDigits).join(':')}`;
}

const fourDigits = (group: number): string => group.toString(16).padStart(4, '0');

/** The RDATA of an AAAA record: the I-LV of these two. */
export function addressOctets(l64: L64, nid: Nid): Uint8Array {
  const octets = new Uint8Array(16);
  for (const [k, half] of [l64.hi, l64.lo, nid.hi, nid.lo].entries()) put32(octets, 4 * k, half);
  return octets;
}
