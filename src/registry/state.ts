/**
 * What a registry of our own knows, without disk, clock or network: entries, the last changes, who waits for more, leases.
 *
 * An entry takes a slot of ilnp/locator-table.ts and 12 octets here, by index: the index of an entry never changes, so
 * that a walk over a million of them in pages misses none while others come and move.
 */
import type { BindingClass } from '../ilnp/bindings.ts';
import { LocatorTable, S_CLASS, S_EPOCH } from '../ilnp/locator-table.ts';
import type { Nid } from '../wire/text.ts';
import { type Changes, Compacted, type Entry, type Lease, MAX_ENTRIES } from './registry.ts';

/** Changes that are remembered for those who watch. Reason: some seconds of 10,000 a second. */
const REMEMBERED = 65_536;
/** Most octets of a page or batch, about. Reason: a frame of the channel has 1 MiB. */
const MAX_OCTETS = 512 << 10;
/** Stands for the class of an entry without a binding. */
const WITHDRAWN = -1;

export interface HeldLease extends Lease {
  readonly ttlMs: number;
  /** Milliseconds, by the clock of the caller. */
  readonly until: number;
}

export class RegistryState {
  readonly #table: LocatorTable;
  #nids = new Uint32Array(2 * 64);
  #classOf = new Int32Array(64);
  #size = 0;
  readonly #classes: BindingClass[] = [];
  readonly #classIndex = new Map<string, number>();
  /** `active` of moves under way, by index. */
  readonly #active = new Map<number, readonly string[]>();
  readonly #ring: Entry[] = [];
  readonly #remembered: number;
  readonly #limit: number;
  readonly #leases = new Map<string, HeldLease>();
  #waiting: (() => void)[] = [];
  #revision = 0;
  /** The revision with which remembering began. */
  #base = 0;
  /** The greatest token ever given. */
  #token = 0;

  constructor(seed: readonly [number, number], limit: number, remembered: number = REMEMBERED) {
    this.#table = new LocatorTable(limit, seed);
    this.#limit = limit;
    this.#remembered = remembered;
  }

  /** Number of changes so far. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#size;
  }

  get(nid: Nid): Entry | null {
    const slot = this.#table.find(nid.hi | 0, nid.lo | 0);
    return slot < 0 ? null : this.#entry(this.#table.slots[slot + S_CLASS]! - 1, this.#table.slots[slot + S_EPOCH]!);
  }

  /** Puts an entry as it was at revision `revision`, from a disk: nobody is told. */
  restore(entry: Entry, revision: number): void {
    this.#put(entry);
    this.#revision = revision;
    this.#base = revision;
  }

  /** Puts entries that were judged; those who watch are told at once. E_FULL if one more would be too many. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#put(entry);
      this.#ring[this.#place(this.#revision++)] = entry;
    }
    if (entries.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** At most MAX_ENTRIES entries from index `after` on; `next` null: that was the end. */
  page(after: number): { readonly entries: Entry[]; readonly next: number | null } {
    const entries: Entry[] = [];
    let octets = 0;
    for (let index = after; index < this.#size && entries.length < MAX_ENTRIES && octets < MAX_OCTETS; index++) {
      const entry = this.get({ hi: this.#nids[2 * index]!, lo: this.#nids[2 * index + 1]! })!;
      entries.push(entry);
      octets += weight(entry);
    }
    const next = after + entries.length;
    return { entries, next: next < this.#size ? next : null };
  }

  /** At most MAX_ENTRIES changes after `revision`, which are none if there are none; throws Compacted. */
  since(revision: number): Changes {
    const oldest = this.#revision - this.#ring.length;
    if (revision < oldest || revision > this.#revision) throw new Compacted();
    const entries: Entry[] = [];
    let at = revision;
    for (let octets = 0; at < this.#revision && entries.length < MAX_ENTRIES && octets < MAX_OCTETS; at++) {
      const entry = this.#ring[this.#place(at)]!;
      entries.push(entry);
      octets += weight(entry);
    }
    return { entries, revision: at };
  }

  /** Whether so many more identifiers fit. */
  hasRoom(more: number): boolean {
    return this.#size + more <= this.#limit;
  }

  /** Calls `wake` once after the next change, unless the returned function was called before. */
  onChange(wake: () => void): () => void {
    this.#waiting.push(wake);
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== wake);
    };
  }

  /** The lease `name` as it is at `now`; null: nobody has it. */
  leaseOf(name: string, now: number): HeldLease | null {
    const held = this.#leases.get(name);
    return held === undefined || held.until <= now ? null : held;
  }

  /** The token that a new holder would get. */
  get nextToken(): number {
    return this.#token + 1;
  }

  setLease(name: string, { holder, token }: Lease, ttlMs: number, now: number): void {
    this.#token = Math.max(this.#token, token);
    this.#leases.set(name, { holder, token, ttlMs, until: now + ttlMs });
  }

  dropLease(name: string): void {
    this.#leases.delete(name);
  }

  leases(): Iterable<readonly [string, HeldLease]> {
    return this.#leases;
  }

  #put(entry: Entry): void {
    const { nid, epoch, binding, active } = entry;
    const slot = this.#table.find(nid.hi | 0, nid.lo | 0);
    const index = slot < 0 ? this.#size : this.#table.slots[slot + S_CLASS]! - 1;
    this.#table.put(nid.hi, nid.lo, index, epoch);
    if (index === this.#size) this.#add(nid);
    this.#classOf[index] = binding === null ? WITHDRAWN : this.#classNumber(binding);
    if (active === undefined) this.#active.delete(index);
    else this.#active.set(index, active);
  }

  #place(revision: number): number {
    return (revision - this.#base) % this.#remembered;
  }

  #add(nid: Nid): void {
    if (this.#size === this.#classOf.length) {
      this.#classOf = grown(this.#classOf, new Int32Array(2 * this.#classOf.length));
      this.#nids = grown(this.#nids, new Uint32Array(2 * this.#nids.length));
    }
    this.#nids[2 * this.#size] = nid.hi;
    this.#nids[2 * this.#size + 1] = nid.lo;
    this.#size++;
  }

  #entry(index: number, epoch: number): Entry {
    const nid = { hi: this.#nids[2 * index]!, lo: this.#nids[2 * index + 1]! };
    const number = this.#classOf[index]!;
    const active = this.#active.get(index);
    const binding = number === WITHDRAWN ? null : this.#classes[number]!;
    return active === undefined ? { nid, epoch, binding } : { nid, epoch, binding, active };
  }

  #classNumber({ guest, home, uplink, at }: BindingClass): number {
    const key = `${guest.hi}:${guest.lo}|${home}|${uplink ?? ''}|${at}`;
    let number = this.#classIndex.get(key);
    if (number === undefined) {
      number = this.#classes.length;
      this.#classes.push({ guest, home, uplink, at });
      this.#classIndex.set(key, number);
    }
    return number;
  }
}

/** Octets of an entry on the wire, at most. */
const weight = ({ binding, active = [] }: Entry): number =>
  48 +
  (binding === null ? 0 : binding.home.length + binding.at.length + (binding.uplink?.length ?? 0)) +
  active.reduce((sum, site) => sum + site.length + 2, 0);

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Yields changes of a state after `revision` as they happen, until `signal`; throws Compacted. */
export async function* changesOf(state: RegistryState, revision: number, signal: AbortSignal): AsyncGenerator<Changes> {
  let at = revision;
  while (!signal.aborted) {
    const changes = state.since(at);
    if (changes.entries.length > 0) {
      at = changes.revision;
      yield changes;
    } else await nextChange(state, signal);
  }
}

/** Resolves after the next change or with the signal. */
function nextChange(state: RegistryState, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      forget();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const forget = state.onChange(done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}

/** Yields all entries of a state in pages. */
export async function* pagesOf(state: RegistryState): AsyncGenerator<Changes> {
  let after: number | null = 0;
  const { revision } = state;
  while (after !== null) {
    const { entries, next }: ReturnType<RegistryState['page']> = state.page(after);
    yield { entries, revision };
    after = next;
  }
}
