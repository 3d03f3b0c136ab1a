/**
 * The Identifier-Locator Communication Cache of an end system, RFC 6741 section 5: who its correspondents are.
 *
 * Anybody can send a packet with a nonce, so a correspondent is a *stranger* until something shows that it hears us. A
 * full house of strangers replaces its oldest stranger that is silent, and nobody else; only the proved are held to their
 * nonce.
 */
import type { Correspondent } from './correspondent.ts';
import { LocatorTable, S_CLASS } from './locator-table.ts';

/** So many strangers in a row may keep their place; then one goes all the same. */
const SPARED = 16;

/** Both numbers: most correspondents at a time, of strangers and of the others. */
export interface IlccLimits {
  readonly strangers: number;
  readonly known: number;
}

export class Ilcc {
  readonly #table: LocatorTable;
  readonly #limits: IlccLimits;
  readonly #entries: (Correspondent | null)[] = [];
  readonly #free: number[] = [];
  /** In the order they came. */
  readonly #strangers = new Set<Correspondent>();
  readonly #known = new Set<Correspondent>();
  readonly #admit: (entry: Correspondent) => void;

  /** `seed`: 64 random bits; identifiers are chosen by strangers. `admit`: gives who enters what is configured of it. */
  constructor(limits: IlccLimits, seed: readonly [number, number], admit: (entry: Correspondent) => void = () => {}) {
    this.#limits = limits;
    this.#admit = admit;
    this.#table = new LocatorTable(limits.strangers + limits.known, seed);
  }

  get size(): number {
    return this.#table.size;
  }

  find(nid0: number, nid1: number): Correspondent | null {
    const slot = this.#table.find(nid0, nid1);
    return slot < 0 ? null : this.#entries[this.#table.slots[slot + S_CLASS]! - 1]!;
  }

  /** Enters a correspondent whose NID is not there yet; the oldest stranger, or who was silent longest, makes room. */
  add(entry: Correspondent): void {
    this.#admit(entry);
    const isKnown = entry.isConfigured || entry.proved;
    const set = isKnown ? this.#known : this.#strangers;
    this.#makeRoom(set, isKnown ? this.#limits.known : this.#limits.strangers);
    const index = this.#free.pop() ?? this.#entries.length;
    this.#entries[index] = entry;
    entry.slot = index;
    this.#table.put(entry.nid0, entry.nid1, index, 0);
    set.add(entry);
  }

  /** Another node with the same NID takes the place of `old`, and knows nothing of its sessions. */
  replace(old: Correspondent, entry: Correspondent): void {
    this.#admit(entry);
    this.#entries[old.slot] = entry;
    entry.slot = old.slot;
    this.#strangers.delete(old);
    this.#known.delete(old);
    this.#known.add(entry);
  }

  /** It hears us: no stranger any more. */
  prove(entry: Correspondent): void {
    entry.proved = true;
    this.#leaveStrangers(entry);
  }

  /** A resolver has named it: no stranger any more, though nothing shows yet that it hears us. */
  name(entry: Correspondent): void {
    entry.isConfigured = true;
    this.#leaveStrangers(entry);
  }

  *all(): IterableIterator<Correspondent> {
    yield* this.#known;
    yield* this.#strangers;
  }

  /** Those of `most` places from `from` on; `next`: where to go on, null when that was all. */
  page(from: number, most: number): { entries: Correspondent[]; next: number | null } {
    const next = from + most;
    const entries = this.#entries.slice(from, next).filter((c) => c !== null);
    return { entries, next: next < this.#entries.length ? next : null };
  }

  #leaveStrangers(entry: Correspondent): void {
    if (!this.#strangers.delete(entry)) return;
    this.#makeRoom(this.#known, this.#limits.known);
    this.#known.add(entry);
  }

  #makeRoom(set: Set<Correspondent>, limit: number): void {
    if (set.size < limit) return;
    let oldest: Correspondent | undefined;
    if (set === this.#strangers) oldest = this.#passerBy();
    else for (const c of set) if (oldest === undefined || lastUse(c) < lastUse(oldest)) oldest = c;
    set.delete(oldest!);
    const slot = this.#table.find(oldest!.nid0, oldest!.nid1);
    const index = this.#table.slots[slot + S_CLASS]! - 1;
    this.#table.delete(oldest!.nid0, oldest!.nid1);
    this.#entries[index] = null;
    this.#free.push(index);
  }

  /** The oldest stranger without credit; others pay for another round. */
  #passerBy(): Correspondent {
    for (let spared = 0; ; spared++) {
      const [oldest] = this.#strangers as Iterable<Correspondent>;
      if (spared === SPARED || oldest!.credit <= 0) return oldest!;
      oldest!.credit--;
      this.#strangers.delete(oldest!);
      this.#strangers.add(oldest!);
    }
  }
}

const lastUse = (c: Correspondent): number => Math.max(c.heardAt, c.sentAt, c.namedAt);
