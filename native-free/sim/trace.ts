/**
 * What happened, as a hash of every octet that moved and every decision made, and the last lines for people. Two runs
 * that agree in the hash did the same at the same virtual times, octet for octet (not a cryptographic hash).
 */

/** Lines kept for a report of a failure. */
const LINES = 40;
/** Odd multipliers that spread every bit of a word. */
const M0 = 0x9e3779b1;
const M1 = 0x85ebca77;

interface Line {
  readonly at: number;
  readonly where: string;
  readonly what: string;
}

export class Trace {
  #h0 = M0 | 0;
  #h1 = M1 | 0;
  readonly #lines: Line[] = [];
  #next = 0;

  /** Takes something into the hash and the last lines; `octets`: a packet or message it is about. */
  add(at: number, where: string, what: string, octets?: Uint8Array): void {
    this.#word(at | 0);
    this.#word(Math.floor(at / 2 ** 32));
    this.#text(where);
    this.#text(what);
    if (octets !== undefined) {
      this.#word(octets.length);
      this.#octets(octets);
    }
    this.#lines[this.#next] = { at, where, what };
    this.#next = (this.#next + 1) % LINES;
  }

  /** 64 bits as 16 hexadecimal digits. */
  get hash(): string {
    return [this.#h0, this.#h1].map((h) => (h >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** The last lines, oldest first. */
  last(): string[] {
    const ordered = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return ordered.map(({ at, where, what }) => `${(at / 1e6).toFixed(6)} ${where}: ${what}`);
  }

  /** Every octet of every packet comes through here: the two halves stay in locals, and words are taken whole. */
  #octets(octets: Uint8Array): void {
    let h0 = this.#h0;
    let h1 = this.#h1;
    const { length } = octets;
    for (let i = 0; i < length; ) {
      let w = octets[i++]!;
      if (i + 3 <= length) {
        w |= (octets[i]! << 8) | (octets[i + 1]! << 16) | (octets[i + 2]! << 24);
        i += 3;
      }
      h0 = Math.imul(h0 ^ w, M0);
      h0 = (h0 << 13) | (h0 >>> 19);
      h1 = Math.imul((h1 + w) | 0, M1) ^ h0;
      h1 = (h1 << 17) | (h1 >>> 15);
    }
    this.#h0 = h0;
    this.#h1 = h1;
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
  }

  #word(w: number): void {
    const h0 = Math.imul(this.#h0 ^ w, M0);
    this.#h0 = (h0 << 13) | (h0 >>> 19);
    const h1 = Math.imul((this.#h1 + w) | 0, M1) ^ this.#h0;
    this.#h1 = (h1 << 17) | (h1 >>> 15);
  }
}
