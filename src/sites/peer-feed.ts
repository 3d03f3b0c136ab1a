/**
 * Brings one other site up to date about moves, best effort but never forgotten: what could not be said is said again,
 * with the state of that moment. Holds identifiers only, so an old state is never sent from a queue.
 */
import type { Nid } from '../wire/text.ts';
import { type Change, fromWire, MAX_CHANGES, toWire } from './messages.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

/** Reasons: soon enough for a peer that was busy, seldom enough for one that is gone for a day. */
const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 5000;

export interface PeerFeedOptions {
  readonly site: string;
  readonly kind: 'set' | 'report';
  readonly world: Pick<MovesWorld, 'send' | 'clock'>;
  /** What to say about an identifier now; undefined: nothing. */
  readonly state: (nid: Nid) => Change | undefined;
  /** The other site knew better. */
  readonly onNewer: (changes: readonly Change[]) => void;
}

export class PeerFeed {
  readonly #options: PeerFeedOptions;
  readonly #due = new Map<string, Nid>();
  #busy = false;
  #closed = false;
  #retryMs = RETRY_FIRST_MS;
  #cancelRetry: (() => void) | undefined;

  constructor(options: PeerFeedOptions) {
    this.#options = options;
  }

  /** Identifiers the other site may not know the state of. */
  get waiting(): number {
    return this.#due.size;
  }

  /** Says the state of these soon. */
  add(nids: Iterable<Nid>): void {
    for (const nid of nids) this.#due.set(nidKey(nid), nid);
    if (this.#cancelRetry === undefined) void this.#pump();
  }

  /** Tries at once: the other site was heard of. */
  kick(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#retryMs = RETRY_FIRST_MS;
    void this.#pump();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#due.clear();
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#due.size > 0 && !this.#closed) {
      const chunk = this.#take();
      try {
        await this.#say(chunk);
        this.#retryMs = RETRY_FIRST_MS;
      } catch {
        if (this.#closed) break;
        for (const nid of chunk) this.#due.set(nidKey(nid), nid);
        this.#cancelRetry ??= this.#options.world.clock.after(this.#retryMs, () => {
          this.#cancelRetry = undefined;
          void this.#pump();
        });
        this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
        break;
      }
    }
    this.#busy = false;
  }

  #take(): Nid[] {
    const chunk: Nid[] = [];
    for (const [key, nid] of this.#due) {
      chunk.push(nid);
      this.#due.delete(key);
      if (chunk.length === MAX_CHANGES) break;
    }
    return chunk;
  }

  async #say(nids: readonly Nid[]): Promise<void> {
    const { site, kind, world, state, onNewer } = this.#options;
    const changes = nids.map(state).filter((change) => change !== undefined);
    if (changes.length === 0) return;
    const reply = await world.send(site, { kind, changes: changes.map(toWire) });
    if (reply.kind === 'have' && reply.newer.length > 0) onNewer(reply.newer.map(fromWire));
  }
}
