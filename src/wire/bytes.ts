/**
 * Octets of a packet, network order. Callers have checked the bounds.
 *
 * The data path itself reads 32-bit and 16-bit words in the machine's own order (packet/batch.ts): a one's complement
 * sum and a comparison do not mind the order of octets (RFC 1071 section 2), and one load replaces four.
 */
export type Bytes = Uint8Array;

export const u16 = (b: Bytes, o: number): number => (b[o]! << 8) | b[o + 1]!;

/** Unsigned 32 bits. */
export const u32 = (b: Bytes, o: number): number =>
  ((b[o]! << 24) | (b[o + 1]! << 16) | (b[o + 2]! << 8) | b[o + 3]!) >>> 0;

export function put16(b: Bytes, o: number, value: number): void {
  b[o] = value >>> 8;
  b[o + 1] = value;
}

export function put32(b: Bytes, o: number, value: number): void {
  b[o] = value >>> 24;
  b[o + 1] = value >>> 16;
  b[o + 2] = value >>> 8;
  b[o + 3] = value;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Exchanges network order and the machine's order, 32 bits; the result is unsigned. */
export const native32 = LITTLE_ENDIAN
  ? (x: number): number => (((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0
  : (x: number): number => x >>> 0;

/** Exchanges network order and the machine's order, 16 bits. */
export const native16 = LITTLE_ENDIAN
  ? (x: number): number => ((x & 0xff) << 8) | ((x >>> 8) & 0xff)
  : (x: number): number => x & 0xffff;
