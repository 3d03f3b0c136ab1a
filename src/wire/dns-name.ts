/**
 * Domain names, RFC 1035 section 3.1: octets <-> text; written without compression (RFC 6742 section 2.4.1.2). Octets that
 * would read as something else are escaped as in zone files (section 5.1). Pure; what is no name is null.
 */
import { type Bytes, u16 } from './bytes.ts';

const LABEL_MAX = 63;
const NAME_MAX = 255;
const POINTER = 0xc0;
/** As many as a name can have labels: pointers to pointers are no way to keep a reader busy. */
const JUMPS_MAX = 127;

/** Reads the uncompressed name that fills the octets from `o` to `end`; absolute, `host.example.com.`. */
export function readName(b: Bytes, o: number, end: number): string | null {
  if (end - o > NAME_MAX) return null;
  let text = '';
  while (o < end) {
    const length = b[o]!;
    if (length === 0) return o + 1 === end ? text || '.' : null;
    if (length > LABEL_MAX || o + 1 + length > end) return null; // from 64 on: compression, or nothing known
    for (let k = o + 1; k <= o + length; k++) text += written(b[k]!);
    text += '.';
    o += 1 + length;
  }
  return null;
}

/**
 * Reads the name at `o` of a whole message, which may be compressed (RFC 1035 section 4.1.4), and where it ends. Pointers
 * lead backwards only, so that nothing goes round in circles.
 */
export function readNameAt(message: Bytes, o: number): { readonly name: string; readonly end: number } | null {
  let text = '';
  let octets = 1;
  let end = -1;
  let before = o; // a pointer must lead before the part it stands in
  for (let jumps = 0; o < message.length; ) {
    const length = message[o]!;
    if (length === 0) return { name: text || '.', end: end < 0 ? o + 1 : end };
    if (length >= POINTER) {
      if (o + 2 > message.length || ++jumps > JUMPS_MAX) return null;
      const to = u16(message, o) & 0x3fff;
      if (to >= before) return null;
      if (end < 0) end = o + 2;
      before = to;
      o = to;
      continue;
    }
    octets += 1 + length;
    if (length > LABEL_MAX || octets > NAME_MAX || o + 1 + length > message.length) return null;
    for (let k = o + 1; k <= o + length; k++) text += written(message[k]!);
    text += '.';
    o += 1 + length;
  }
  return null;
}

/** Names differ in nothing but case (RFC 1035 section 2.3.3). */
export const sameName = (a: string, b: string): boolean => absolute(a) === absolute(b);

/** In lower case and with the last dot: names that are the same are the same text. */
export const absolute = (name: string): string => (name.endsWith('.') ? name : `${name}.`).toLowerCase();

/** Writes a name; with or without the last dot it is absolute. */
export function writeName(text: string): Uint8Array | null {
  if (text === '.') return Uint8Array.of(0);
  const octets: number[] = [0];
  let label = 0; // where its length stands
  for (let k = 0; k < text.length; ) {
    const char = text[k]!;
    if (char === '.') {
      if (octets[label] === 0) return null;
      label = octets.push(0) - 1;
      k++;
      continue;
    }
    const escaped = char === '\\' ? (/^(?:\d{3}|[^\d])/.exec(text.slice(k + 1, k + 4))?.[0] ?? '') : char;
    const octet = escaped.length === 3 ? Number(escaped) : escaped.charCodeAt(0);
    if (!(octet <= 255) || octets[label] === LABEL_MAX) return null;
    octets.push(octet);
    octets[label]!++;
    k += char === '\\' ? 1 + escaped.length : 1;
  }
  if (octets[label] !== 0) octets.push(0);
  return octets.length > 1 && octets.length <= NAME_MAX ? Uint8Array.from(octets) : null;
}

/** An octet of a label as it stands in a zone file. */
function written(octet: number): string {
  const char = String.fromCharCode(octet);
  if (octet <= 0x20 || octet >= 0x7f) return `\\${String(octet).padStart(3, '0')}`;
  return '.\\"();@$'.includes(char) ? `\\${char}` : char;
}
