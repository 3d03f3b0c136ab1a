/**
 * Answers what sites ask of a registry that is kept here. Who asks was authenticated by the channel before anything of
 * this runs. Any of our sites may read; an entry is changed by its home only, if whoever keeps it knows nothing against it,
 * and a withdrawal settled by those it names; leases of sites are apart.
 */
import { IlnpError } from '../runtime/errors.ts';
import { formatNid } from '../wire/text.ts';
import { type Answer, type Ask, fromWire, parseAsk, toWire } from './messages.ts';
import { type Changes, Compacted, type Entry, type Registry } from './registry.ts';
import type { RegistryState } from './state.ts';

/** Waits at the same time of one site. Reason: it needs one; its last, from before a restart, may not be over. */
const MAX_WAITING = 8;

/** A registry of our own: its pages have numbers. */
export interface OwnRegistry extends Registry {
  readonly state: RegistryState;
}

/** Calls `run` once after `ms` milliseconds unless the returned function was called before. */
export type After = (ms: number, run: () => void) => () => void;

/** What whoever keeps the registry knows against an entry that is to take the place of `held`; null: nothing. */
export type Objection = (next: Entry, held: Entry | null) => IlnpError | null;

export class RegistryService {
  readonly #registry: OwnRegistry;
  readonly #after: After;
  readonly #objection: Objection;
  readonly #waiting = new Map<string, Set<AbortController>>();

  constructor(registry: OwnRegistry, after: After, objection: Objection = () => null) {
    this.#registry = registry;
    this.#after = after;
    this.#objection = objection;
  }

  /** Answers site `from`; rejects with IlnpError: E_PROTOCOL, E_REGISTRY (not allowed), E_STATE, E_STALE_EPOCH, E_FULL, E_BINDING. */
  async answer(from: string, question: unknown): Promise<Answer> {
    const ask = parseAsk(question);
    switch (ask.ask) {
      case 'get': {
        const entry = await this.#registry.get({ hi: ask.nid[0], lo: ask.nid[1] });
        return { answer: 'entry', entry: entry && toWire(entry) };
      }
      case 'list': {
        const { revision } = this.#registry.state;
        const { entries, next } = this.#registry.state.page(ask.after);
        return { answer: 'page', entries: entries.map(toWire), revision, next };
      }
      case 'swap':
        return this.#swap(from, ask);
      case 'watch':
        return this.#watch(from, ask.revision, ask.waitMs);
      case 'lease': {
        const { holder, token } = await this.#registry.lease(`${from}/${ask.name}`, ask.holder, ask.ttlMs);
        return { answer: 'lease', holder, token };
      }
      case 'release':
        await this.#registry.release(`${from}/${ask.name}`, ask.holder);
        return { answer: 'done' };
    }
  }

  /** Ends all waits. */
  close(): void {
    for (const waits of this.#waiting.values()) for (const wait of waits) wait.abort();
  }

  async #swap(from: string, ask: Extract<Ask, { ask: 'swap' }>): Promise<Answer> {
    const next = fromWire(ask.next);
    const held = await this.#registry.get(next.nid);
    checkHome(from, next, held);
    const isSettlement = held !== null && next.epoch <= held.epoch;
    const objection = isSettlement ? null : this.#objection(next, held);
    if (objection !== null) throw objection;
    // Between the look and the swap another home cannot come in: a change of home raises the epoch that is expected.
    const swap = await this.#registry.swap(ask.expected, next);
    if (swap.swapped) return { answer: 'swapped' };
    return { answer: 'refused', held: swap.held && toWire(swap.held) };
  }

  async #watch(from: string, revision: number, waitMs: number): Promise<Answer> {
    const waits = this.#waiting.get(from) ?? new Set();
    this.#waiting.set(from, waits);
    if (waits.size >= MAX_WAITING)
      for (const oldest of firstOf(waits)) {
        waits.delete(oldest); // at once: the next question may come before its end has been seen
        oldest.abort();
      }
    const wait = new AbortController();
    waits.add(wait);
    const cancel = this.#after(waitMs, () => wait.abort());
    try {
      for await (const changes of this.#registry.watch(revision, wait.signal)) return pageOf(changes);
      return pageOf({ entries: [], revision });
    } catch (error) {
      if (error instanceof Compacted) return { answer: 'compacted' };
      throw error;
    } finally {
      cancel();
      waits.delete(wait);
    }
  }
}

function checkHome(from: string, next: Entry, held: Entry | null): void {
  if (held?.binding === null && next.binding === null && held.active?.includes(from)) return; // it has let go
  const home = held?.binding?.home ?? next.binding?.home;
  if (home === from && (next.binding === null || next.binding.home === from)) return;
  throw new IlnpError(
    'E_REGISTRY',
    `${from} may not change ${formatNid(next.nid)}: its home is ${home ?? 'not known'}`,
  );
}

const pageOf = ({ entries, revision }: Changes): Answer => ({
  answer: 'page',
  entries: entries.map(toWire),
  revision,
  next: null,
});

function firstOf<T>(set: ReadonlySet<T>): T[] {
  for (const one of set) return [one];
  return [];
}
