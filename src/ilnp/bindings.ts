/**
 * Who is where: the bindings of all NIDs a border knows, on its control plane. The same compact table as on the path
 * (ilnp/locator-table.ts): what bindings have in common is a class, a binding itself is 16 octets.
 */
import { native32 } from '../wire/bytes.ts';
import type { L64, Nid } from '../wire/text.ts';
import { LocatorTable, S_CLASS, S_EPOCH } from './locator-table.ts';

/** What all bindings of a class share. */
export interface BindingClass {
  /** The Locator the guest itself has configured. */
  readonly guest: L64;
  /** The site whose uplinks carry its global Locators, and which alone decides where it is. */
  readonly home: string;
  /** Uplink of `home` that new sessions use; undefined: home's preference. */
  readonly uplink: string | undefined;
  /** The site where it is now. */
  readonly at: string;
}

/** One NID; `epoch` grows with every move, 0 = as configured. */
export interface Binding extends BindingClass {
  readonly nid: Nid;
  readonly epoch: number;
}

export class Bindings {
  /** Classes by index; never removed, because workers refer to them. */
  readonly classes: BindingClass[] = [];
  readonly #index = new Map<string, number>();
  readonly #table: LocatorTable;

  constructor(limit: number, seed: readonly [number, number]) {
    this.#table = new LocatorTable(limit, seed);
  }

  get size(): number {
    return this.#table.size;
  }

  get(nid: Nid): Binding | undefined {
    const slot = this.#table.find(native32(nid.hi) | 0, native32(nid.lo) | 0);
    return slot < 0 ? undefined : this.#at(slot);
  }

  /** Inserts or replaces; returns the index of its class. */
  put(binding: Binding): number {
    const index = this.classOf(binding);
    this.#table.put(native32(binding.nid.hi), native32(binding.nid.lo), index, binding.epoch);
    return index;
  }

  delete(nid: Nid): boolean {
    return this.#table.delete(native32(nid.hi), native32(nid.lo));
  }

  /** Index of the class, made if it is new. */
  classOf(c: BindingClass): number {
    const key = `${c.guest.hi}:${c.guest.lo}|${c.home}|${c.uplink ?? ''}|${c.at}`;
    let index = this.#index.get(key);
    if (index === undefined) {
      index = this.classes.length;
      this.classes.push({ guest: c.guest, home: c.home, uplink: c.uplink, at: c.at });
      this.#index.set(key, index);
    }
    return index;
  }

  /** All bindings, in table order. Changing the store while it is walked may skip or repeat entries. */
  *all(): IterableIterator<Binding> {
    for (let s = 0; s < this.#table.slots.length; s += 4) {
      if (this.#table.slots[s + S_CLASS] !== 0) yield this.#at(s);
    }
  }

  /** At most `limit` bindings from place `after` of the table on; `next` goes on behind them, null at the end. */
  page(after: number, limit: number): { page: Binding[]; next: number | null } {
    const page: Binding[] = [];
    const slots = this.#table.slots;
    for (let s = after * 4; s >= 0 && s < slots.length; s += 4) {
      if (page.length === limit) return { page, next: s / 4 };
      if (slots[s + S_CLASS] !== 0) page.push(this.#at(s));
    }
    return { page, next: null };
  }

  #at(slot: number): Binding {
    const slots = this.#table.slots;
    const c = this.classes[slots[slot + S_CLASS]! - 1]!;
    const nid = { hi: native32(slots[slot]!), lo: native32(slots[slot + 1]!) };
    return { ...c, nid, epoch: slots[slot + S_EPOCH]! };
  }
}
