/**
 * Who is where, for all sites: what a registry promises, whoever keeps it. Three keep it: a durable store of our own
 * (store.ts, from afar client.ts), etcd (etcd.ts), memory (memory.ts). test/registry/contract.ts holds all to these words.
 *
 *   An entry changes only by `swap` from the epoch that is held to a greater one, so of two who want to change the same
 *   epoch one wins, and nothing old ever comes back. What `swap` has confirmed is never lost. Nothing is deleted: an
 *   entry without a binding says that the identifier is withdrawn, and keeps its epoch.
 */
import type { BindingClass } from '../ilnp/bindings.ts';
import type { Nid } from '../wire/text.ts';

/** What is held of one Node Identifier. */
export interface Entry {
  readonly nid: Nid;
  readonly epoch: number;
  /** Null: withdrawn, its packets are dropped. */
  readonly binding: BindingClass | null;
  /** Sites that may still consider themselves active while a move, or a withdrawal, is under way; absent: settled. */
  readonly active?: readonly string[];
}

/** `held` is what stands against it; null: there is no entry. */
export type Swap = { readonly swapped: true } | { readonly swapped: false; readonly held: Entry | null };

/** Entries in the order of their changes; `revision` is that of the last. */
export interface Changes {
  readonly entries: readonly Entry[];
  readonly revision: number;
}

/** Who has a lease; `token` grows with every new holder, so that a holder of the past can be told by it. */
export interface Lease {
  readonly holder: string;
  readonly token: number;
}

/**
 * All of it rejects with IlnpError E_REGISTRY when the registry does not answer or cannot store. Whether a `swap` that
 * rejected has happened is open: the same swap again finds out, because what is held already counts as swapped.
 */
export interface Registry {
  /** What is held now: no older than anything that was confirmed to anybody before. Null: nothing. */
  get(nid: Nid): Promise<Entry | null>;

  /**
   * All entries, in pages; each at least as new as `revision` of the first page, from which `watch` goes on without a
   * gap. Entries that change meanwhile may come in either state.
   */
  list(): AsyncIterable<Changes>;

  /**
   * Replaces the entry if its epoch is `expected` (null: if there is none). The epoch of `next` must be greater, or the
   * same one is settled: `active` goes, nothing else differs. E_STALE_EPOCH if `next` is neither. A withdrawal is settled
   * before anything else. E_BINDING for an identifier or a guest Locator that no node can have.
   */
  swap(expected: number | null, next: Entry): Promise<Swap>;

  /**
   * Changes after `revision`, as they happen, until `signal`. Ends with Compacted when some are no longer remembered:
   * then `list` anew. Entries of one identifier come in the order of their epochs.
   */
  watch(revision: number, signal: AbortSignal): AsyncIterable<Changes>;

  /**
   * Takes or prolongs the lease `name` for `holder`, if nobody else has it; says who has it for up to `ttlMs` (etcd: at
   * least two seconds or so) from now.
   */
  lease(name: string, holder: string, ttlMs: number): Promise<Lease>;

  /** Gives a lease back, if `holder` has it. */
  release(name: string, holder: string): Promise<void>;

  close(): Promise<void>;
}

/** Some changes after the revision asked for are forgotten. */
export class Compacted extends Error {
  constructor() {
    super('changes since then are no longer remembered; list anew');
    this.name = 'Compacted';
  }
}

/** Most entries in a page or in one batch of changes. Reason: a frame of the channel has 1 MiB. */
export const MAX_ENTRIES = 4096;
