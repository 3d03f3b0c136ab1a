/**
 * The table of decisions: NID -> class of binding, flat and seeded, one owner.
 *
 * Open addressing with linear probing over one Int32Array; a slot is 16 octets, so that four share a cache line and no
 * slot straddles two: NID (2 words, machine order as in the packet), class + 1 (0 = empty), epoch. Locators are not in
 * the slot: bindings with the same guest, home, uplink and place share one class (sbr/fib.ts), which keeps 1,000,000
 * bindings in 32 MiB. Filled to three quarters at most, so every probe ends; deletion shifts back, so no tombstones.
 *
 * No allocation after construction but for `grow`.
 */
import { IlnpError } from '../runtime/errors.ts';

/** Words of a slot. */
export const S_NID = 0;
export const S_CLASS = 2;
export const S_EPOCH = 3;

export class LocatorTable {
  /** The slots; the data path indexes it with what `find` returns. */
  slots: Int32Array;
  size = 0;
  readonly #limit: number;
  /** Slots - 1, and what brings a hash down to a slot; the path probes by itself. */
  mask: number;
  shift: number;
  readonly seed0: number;
  readonly seed1: number;

  /** `limit`: most bindings ever held. `seed`: 64 random bits; identifiers are chosen by strangers. */
  constructor(limit: number, seed: readonly [number, number]) {
    if (!(limit >= 1 && limit <= 48 << 20)) throw new RangeError(`table limit must be 1..50331648, got ${limit}`);
    this.#limit = limit;
    this.seed0 = seed[0] | 0;
    this.seed1 = seed[1] | 0;
    const slots = 64;
    this.slots = new Int32Array(slots * 4);
    this.mask = slots - 1;
    this.shift = 32 - Math.log2(slots);
  }

  /** Octets of memory in use for slots. */
  get octets(): number {
    return this.slots.byteLength;
  }

  /** Index of the first word of the slot of a NID (two words, machine order), or -1. */
  find(nid0: number, nid1: number): number {
    const slots = this.slots;
    const mask = this.mask;
    let i = this.#home(nid0, nid1);
    for (;;) {
      const s = i << 2;
      if (slots[s] === nid0 && slots[s + 1] === nid1 && slots[s + 2] !== 0) return s;
      if (slots[s + 2] === 0) return -1;
      i = (i + 1) & mask;
    }
  }

  /** Inserts or replaces. Throws E_FULL beyond the limit. */
  put(nid0: number, nid1: number, classIndex: number, epoch: number): void {
    nid0 |= 0;
    nid1 |= 0;
    let s = this.find(nid0, nid1);
    if (s < 0) {
      if (this.size >= this.#limit)
        throw new IlnpError('E_FULL', `the table holds its limit of ${this.#limit} bindings`);
      if ((this.size + 1) * 4 > (this.mask + 1) * 3) this.#grow();
      s = this.#free(nid0, nid1);
      this.slots[s] = nid0;
      this.slots[s + 1] = nid1;
      this.size++;
    }
    this.slots[s + 2] = classIndex + 1;
    this.slots[s + 3] = epoch;
  }

  /** Removes; false when there was nothing to remove. */
  delete(nid0: number, nid1: number): boolean {
    const slots = this.slots;
    const mask = this.mask;
    const found = this.find(nid0 | 0, nid1 | 0);
    if (found < 0) return false;
    let hole = found >> 2;
    let i = hole;
    for (;;) {
      i = (i + 1) & mask;
      const s = i << 2;
      if (slots[s + 2] === 0) break;
      const home = this.#home(slots[s]!, slots[s + 1]!);
      // an entry may move into the hole unless its home lies cyclically behind the hole
      if (((i - home) & mask) >= ((i - hole) & mask)) {
        slots.copyWithin(hole << 2, s, s + 4);
        hole = i;
      }
    }
    slots.fill(0, hole << 2, (hole << 2) + 4);
    this.size--;
    return true;
  }

  /** Calls `visit` with the first word's index of every slot in use. */
  forEach(visit: (slot: number) => void): void {
    for (let s = 0; s < this.slots.length; s += 4) if (this.slots[s + 2] !== 0) visit(s);
  }

  #home(nid0: number, nid1: number): number {
    return firstProbe(nid0, nid1, this.seed0, this.seed1, this.shift);
  }

  #free(nid0: number, nid1: number): number {
    let i = this.#home(nid0, nid1);
    while (this.slots[(i << 2) + 2] !== 0) i = (i + 1) & this.mask;
    return i << 2;
  }

  #grow(): void {
    const old = this.slots;
    const slots = (this.mask + 1) * 2;
    this.slots = new Int32Array(slots * 4);
    this.mask = slots - 1;
    this.shift = 32 - Math.log2(slots);
    for (let s = 0; s < old.length; s += 4) {
      if (old[s + 2] === 0) continue;
      this.slots.set(old.subarray(s, s + 4), this.#free(old[s]!, old[s + 1]!));
    }
  }
}

/**
 * Where the search for a NID begins. Mixes with two odd multipliers after the seed; the high bits are the best mixed. High
 * bits of a factor reach only high bits of its product, so one product is turned: else NIDs like 0:x:0:y (x and y in the
 * high bits of the machine's words) would share few hashes, whatever the seed.
 */
export function firstProbe(nid0: number, nid1: number, seed0: number, seed1: number, shift: number): number {
  const turned = Math.imul(nid1 ^ seed1, 0x85ebca77);
  let h = Math.imul(nid0 ^ seed0, 0x9e3779b1) ^ ((turned << 16) | (turned >>> 16));
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2ae3d) >>> shift;
}
