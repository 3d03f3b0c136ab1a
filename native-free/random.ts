/**
 * Randomness from a seed: the same seed gives the same numbers on every machine. sfc32 (Chris Doty-Humphrey's small fast
 * counting generator), 128 bits of state, seeded from a text or a number. Never for keys or nonces.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    const text = String(seed);
    this.#a = hash(text, 0x9e3779b9);
    this.#b = hash(text, 0x85ebca6b);
    this.#c = hash(text, 0xc2b2ae35);
    for (let k = 0; k < 12; k++) this.next(); // until every bit of the seed has reached every bit of the state
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number of 0..limit - 1; `limit` at most 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.next() / 2 ** 32;
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return p > 0 && this.fraction() < p;
  }

  /** A generator of its own for a part of the whole, so that one part more does not change the numbers of the others. */
  fork(part: string): SeededRandom {
    return new SeededRandom(`${this.next()}/${part}`);
  }
}

/** FNV-1a with a finish that spreads the last octets; `basis` makes independent words of one text. */
function hash(text: string, basis: number): number {
  let h = basis | 0;
  for (let k = 0; k < text.length; k++) h = Math.imul(h ^ text.charCodeAt(k), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return (h ^ (h >>> 15)) | 0;
}
