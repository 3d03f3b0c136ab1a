/**
 * A queue of packets in one store of fixed size: what a TUN's queue in the kernel is, in memory. An entry is a word
 * (length and port), then the packet, rounded up to whole words; one that does not fit before the end starts over.
 */
const PORT_SHIFT = 24;
const LENGTH_MASK = (1 << PORT_SHIFT) - 1;
const WRAP = -1;

export class PacketRing {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  #head = 0;
  #tail = 0;
  /** Packets waiting. */
  count = 0;

  /** `octets`: a multiple of 4. */
  constructor(octets: number) {
    const store = new ArrayBuffer(octets);
    this.#bytes = new Uint8Array(store);
    this.#words = new Int32Array(store);
  }

  /** Copies a packet in; false when it does not fit now. */
  push(port: number, bytes: Uint8Array, offset: number, length: number): boolean {
    const size = entrySize(length);
    const end = this.#bytes.length;
    const empty = this.count === 0;
    if (empty) this.#head = this.#tail = 0;
    let at = this.#tail;
    if (at >= this.#head && (empty || at > this.#head)) {
      if (at + size > end) {
        if (size >= this.#head) return false;
        if (at < end) this.#words[at >>> 2] = WRAP;
        at = 0;
      }
    } else if (at + size >= this.#head) {
      return false;
    }
    this.#words[at >>> 2] = (port << PORT_SHIFT) | length;
    this.#bytes.set(bytes.subarray(offset, offset + length), at + 4);
    this.#tail = at + size;
    this.count++;
    return true;
  }

  /** Copies the oldest packet to `offset`, drops it from the queue, and returns its length; the port is in `lastPort`. */
  shiftInto(bytes: Uint8Array, offset: number): number {
    if (this.#head === this.#bytes.length || this.#words[this.#head >>> 2] === WRAP) this.#head = 0;
    const word = this.#words[this.#head >>> 2]!;
    const length = word & LENGTH_MASK;
    const from = this.#head + 4;
    bytes.set(this.#bytes.subarray(from, from + length), offset);
    this.lastPort = word >>> PORT_SHIFT;
    this.#head += entrySize(length);
    this.count--;
    return length;
  }

  lastPort = 0;

  clear(): void {
    this.#head = this.#tail = this.count = 0;
  }
}

const entrySize = (length: number): number => 4 + ((length + 3) & ~3);
