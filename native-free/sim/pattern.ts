/** The octets that simulated sessions carry: each is known from its place, so that a receiver can check every one. */

/** Prime, so that no error of a round number of octets goes unnoticed. */
const PERIOD = 65_521;
/** Two periods, so that a segment never wraps. */
const TABLE = new Uint8Array(PERIOD * 2);
for (let i = 0, x = 1; i < TABLE.length; i++) {
  if (i === PERIOD) x = 1;
  x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fffffff;
  TABLE[i] = x >>> 16;
}

/** Writes `length` octets, at most 65,521, of the stream from place `from` on. */
export function writePattern(b: Uint8Array, at: number, from: number, length: number): void {
  const start = from % PERIOD;
  for (let i = 0; i < length; i++) b[at + i] = TABLE[start + i]!;
}

/** True when the octets, at most 65,521, are those of the stream at place `from`. */
export function isPattern(b: Uint8Array, at: number, from: number, length: number): boolean {
  const start = from % PERIOD;
  for (let i = 0; i < length; i++) if (b[at + i] !== TABLE[start + i]) return false;
  return true;
}
