/**
 * What happened, as a hash of every octet that moved and every decision made, and the last lines for people. Two runs
 * that agree in the hash did the same at the same virtual times, octet for octet (not a cryptographic hash).
 */

/** Lines kept for a report of a failure. */
const LINES = 40;

interface Line {
  readonly at: number;
  readonly where: string;
  readonly what: string;
}

export class Trace {
  #h0 = 0x9e3779b1 | 0;
  #h1 = 0x85ebca77 | 0;
  readonly #lines: Line[] = [];
  #next = 0;

  /** Takes something into the hash and the last lines; `octets`: a packet or message it is about. */
  add(at: number, where: string, what: string, octets?: Uint8Array): void {
    this.#word(at | 0);
    this.#word(Math.floor(at / 2 ** 32));
    this.#text(where);
    this.#text(what);
    if (octets !== undefined) this.#octets(octets);
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

  #octets(octets: Uint8Array): void {
    const words = octets.length >>> 2;
    this.#word(octets.length);
    if ((octets.byteOffset & 3) === 0) {
      const view = new Int32Array(octets.buffer, octets.byteOffset, words);
      for (let i = 0; i < words; i++) this.#word(view[i]!);
    } else {
      for (let i = 0; i < 4 * words; i += 4)
        this.#word(octets[i]! | (octets[i + 1]! << 8) | (octets[i + 2]! << 16) | (octets[i + 3]! << 24));
    }
    for (let i = 4 * words; i < octets.length; i++) this.#word(octets[i]!);
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
  }

  #word(w: number): void {
    const h0 = Math.imul(this.#h0 ^ w, 0x9e3779b1);
    this.#h0 = (h0 << 13) | (h0 >>> 19);
    const h1 = Math.imul(this.#h1 + w, 0x85ebca77) ^ this.#h0;
    this.#h1 = (h1 << 17) | (h1 >>> 15);
  }
}
