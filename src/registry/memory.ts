/** A registry in memory, for the simulator and for tests: forgets everything with the process. */
import type { Nid } from '../wire/text.ts';
import { judge } from './judge.ts';
import type { Changes, Entry, Lease, Registry, Swap } from './registry.ts';
import { changesOf, pagesOf, RegistryState } from './state.ts';

export interface MemoryOptions {
  /** Milliseconds since an arbitrary start. */
  readonly now: () => number;
  /** 64 bits. */
  readonly seed: readonly [number, number];
  readonly limit: number;
  /** How many changes are kept for those who watch. */
  readonly remembered?: number;
}

export class MemoryRegistry implements Registry {
  readonly state: RegistryState;
  readonly #now: () => number;

  constructor({ now, seed, limit, remembered }: MemoryOptions) {
    this.state = new RegistryState(seed, limit, remembered);
    this.#now = now;
  }

  async get(nid: Nid): Promise<Entry | null> {
    return this.state.get(nid);
  }

  list(): AsyncIterable<Changes> {
    return pagesOf(this.state);
  }

  async swap(expected: number | null, next: Entry): Promise<Swap> {
    const held = this.state.get(next.nid);
    const outcome = judge(held, expected, next);
    if (outcome === 'refused') return { swapped: false, held };
    if (outcome === 'change') this.state.apply([next]);
    return { swapped: true };
  }

  watch(revision: number, signal: AbortSignal): AsyncIterable<Changes> {
    return changesOf(this.state, revision, signal);
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease> {
    const held = this.state.leaseOf(name, this.#now());
    const mine = held === null || held.holder === holder;
    const lease = { holder: held?.holder ?? holder, token: held?.token ?? this.state.nextToken };
    if (mine) this.state.setLease(name, lease, ttlMs, this.#now());
    return lease;
  }

  async release(name: string, holder: string): Promise<void> {
    if (this.state.leaseOf(name, this.#now())?.holder === holder) this.state.dropLease(name);
  }

  async close(): Promise<void> {}
}
