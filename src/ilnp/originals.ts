/**
 * Lists of Locators as guests have sent them, of Locator Updates that were translated on the way out: the acknowledgement
 * has to bring back what the guest sent, or it does not know it again (RFC 6743 section 2).
 *
 * A small store that workers share, one list a place; a list that is pushed out costs its guest a retransmission.
 *
 *   | pair | print of the translated list | octets | free | list |
 */
const PLACES = 256;
const WORDS = 64;
const HEAD = 4;
const PAIR = 0;
const PRINT = 1;
const LENGTH = 2;

export class Originals {
  static readonly OCTETS = 4 * PLACES * WORDS;
  /** Longest list in octets: 20 Locators. */
  static readonly LONGEST = 4 * (WORDS - HEAD);
  readonly #words: Int32Array;
  readonly #octets: Uint8Array;

  constructor(words: Int32Array) {
    this.#words = words;
    this.#octets = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }

  /** Keeps `length` octets at `o`, at most LONGEST, as the original of the list with `print`. */
  keep(pair: number, print: number, b: Uint8Array, o: number, length: number): void {
    const at = placeOf(pair);
    this.#words[at + PAIR] = pair;
    this.#words[at + PRINT] = print;
    this.#words[at + LENGTH] = length;
    for (let k = 0; k < length; k++) this.#octets[4 * (at + HEAD) + k] = b[o + k]!;
  }

  /** Octets of the original of the list with `print`, 0 when it is not kept. */
  lengthOf(pair: number, print: number): number {
    const at = placeOf(pair);
    const isIt = this.#words[at + PAIR] === pair && this.#words[at + PRINT] === print;
    return isIt ? Math.min(this.#words[at + LENGTH]!, Originals.LONGEST) : 0;
  }

  /** Writes it to `o` and forgets it. */
  restore(pair: number, b: Uint8Array, o: number, length: number): void {
    const at = placeOf(pair);
    for (let k = 0; k < length; k++) b[o + k] = this.#octets[4 * (at + HEAD) + k]!;
    this.#words[at + PRINT] = 0;
  }
}

const placeOf = (pair: number): number => ((Math.imul(pair, 0x9e3779b1) >>> 16) % PLACES) * WORDS;
