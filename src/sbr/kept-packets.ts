/**
 * Copies of packets in the order they came, with the time when they did: queues of chunks out of one budget. Memory is taken
 * while something is kept, a chunk at a time; nothing is allocated for a packet.
 *
 *   record: time (8) | length (4) | port and kind (4) | 6 unused, virtio-net header (10) | packet, filled up to 8
 */
import type { PacketBatch } from '../packet/batch.ts';

/** Most of what is kept, and for how long a packet may wait, in microseconds. */
export interface KeepLimits {
  readonly octets: number;
  readonly packets: number;
  readonly us: number;
}

const CHUNK_OCTETS = 1 << 18; // reason: several of the largest packets
const SPARE_CHUNKS = 16;
const RECORD_OCTETS = 32;
const LENGTH = 2; // words of a record
const PORT = 3;
/** The packet was sent as well: a copy. */
const SENT = 1 << 8;
/** Beyond this many octets the engine's own copy is quicker than words, in spite of the view it needs. */
const WORDS_BELOW = 1024;

class Chunk {
  readonly bytes = new Uint8Array(CHUNK_OCTETS);
  readonly word = new Int32Array(this.bytes.buffer);
  readonly time = new Float64Array(this.bytes.buffer);
  /** Where the records end. */
  end = 0;
  next: Chunk | null = null;
}

/** The budget of all queues, what is taken of it, and chunks to be used again. */
export class KeptStore {
  readonly limits: KeepLimits;
  packets = 0;
  octets = 0;
  /** Of those, copies of what was sent. */
  copied = 0;
  copiedOctets = 0;
  readonly #spare: Chunk[] = [];

  constructor(limits: KeepLimits) {
    this.limits = limits;
  }

  hasRoom(octets: number): boolean {
    return this.packets < this.limits.packets && this.octets + octets <= this.limits.octets;
  }

  take(): Chunk {
    return this.#spare.pop() ?? new Chunk();
  }

  giveBack(chunk: Chunk): void {
    chunk.next = null;
    chunk.end = 0;
    if (this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
  }
}

export class PacketQueue {
  readonly #store: KeptStore;
  #head: Chunk | null = null;
  #tail: Chunk | null = null;
  #read = 0;
  count = 0;
  octets = 0;
  /** Of those, copies of what was sent; they are always the oldest. */
  copies = 0;
  copiedOctets = 0;

  constructor(store: KeptStore) {
    this.#store = store;
  }

  /** Copies packet `i` of the batch; false when the budget has no room for it. */
  push(batch: PacketBatch, i: number, time: number, isCopy: boolean): boolean {
    const store = this.#store;
    const length = batch.length[i]!;
    const octets = RECORD_OCTETS + ((length + 7) & ~7);
    if (!store.hasRoom(octets)) return false;
    let chunk = this.#tail;
    if (chunk === null || chunk.end + octets > CHUNK_OCTETS) {
      chunk = store.take();
      if (this.#tail === null) this.#head = chunk;
      else this.#tail.next = chunk;
      this.#tail = chunk;
    }
    const at = chunk.end;
    chunk.end += octets;
    chunk.time[at >>> 3] = time;
    chunk.word[(at >>> 2) + LENGTH] = length;
    chunk.word[(at >>> 2) + PORT] = batch.port[i]! | (isCopy ? SENT : 0);
    copy(batch, batch.offset[i]!, chunk, at + RECORD_OCTETS, length);
    this.count++;
    this.octets += octets;
    store.packets++;
    store.octets += octets;
    if (isCopy) {
      this.copies++;
      this.copiedOctets += octets;
      store.copied++;
      store.copiedOctets += octets;
    }
    return true;
  }

  /** Puts the oldest packet into slot `i` of the batch, whose offset is set, and forgets it. */
  shiftInto(batch: PacketBatch, i: number): void {
    const chunk = this.#head!;
    const at = this.#read;
    const length = chunk.word[(at >>> 2) + LENGTH]!;
    batch.length[i] = length;
    batch.port[i] = chunk.word[(at >>> 2) + PORT]! & 0xff;
    copy(chunk, at + RECORD_OCTETS, batch, batch.offset[i]!, length);
    this.drop();
  }

  /** When the oldest packet came; it must be there. */
  get oldest(): number {
    return this.#head!.time[this.#read >>> 3]!;
  }

  /** Forgets the oldest packet. */
  drop(): void {
    const store = this.#store;
    const chunk = this.#head!;
    const w = this.#read >>> 2;
    const octets = RECORD_OCTETS + ((chunk.word[w + LENGTH]! + 7) & ~7);
    this.#read += octets;
    this.count--;
    this.octets -= octets;
    store.packets--;
    store.octets -= octets;
    if ((chunk.word[w + PORT]! & SENT) !== 0) {
      this.copies--;
      this.copiedOctets -= octets;
      store.copied--;
      store.copiedOctets -= octets;
    }
    if (this.#read < chunk.end) return;
    this.#head = chunk.next;
    this.#read = 0;
    if (this.#head === null) this.#tail = null;
    store.giveBack(chunk);
  }

  /** Forgets copies of what was sent before `time`. */
  dropCopiesBefore(time: number): void {
    while (this.copies > 0 && this.oldest < time) this.drop();
  }
}

interface Memory {
  readonly bytes: Uint8Array;
  readonly word: Int32Array;
}

/** Copies a packet and the 16 octets before it, where its virtio-net header is; both offsets are multiples of 8. */
function copy(from: Memory, source: number, to: Memory, target: number, length: number): void {
  if (length > WORDS_BELOW) {
    to.bytes.set(from.bytes.subarray(source - 16, source + length), target - 16);
    return;
  }
  const s = source >>> 2;
  const t = target >>> 2;
  for (let k = -4; k < (length + 3) >>> 2; k++) to.word[t + k] = from.word[s + k]!;
}
