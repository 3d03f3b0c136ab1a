/**
 * The record of moves of a border whose bindings are in a registry: a decision of ours is made in the registry first, by
 * swap from the epoch it follows, then on our disk. So of two who decide for one epoch one is refused before anybody hears
 * of it, and whoever has lost everything learns from the registry what is under way.
 *
 * What was carried out is settled in the registry too, later and as often as it takes; those who follow it take only
 * what is settled.
 */
import { type RegistryOfRange, registryOf } from '../registry/ranges.ts';
import type { Entry } from '../registry/registry.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { Recorder } from './binding-writer.ts';
import type { Change } from './messages.ts';
import type { OpenDecision, RecordEntry } from './move-record.ts';
import type { BindingsView, MovesClock, SitesLog } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

/** Reasons: soon after an election, seldom while the registry is away for a day. */
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** A registry that was set back may be behind us; it is asked once more from what it has. */
const TRIES = 2;

export interface RegistryRecordOptions {
  /** This site. */
  readonly site: string;
  readonly record: Recorder;
  readonly registries: readonly RegistryOfRange[];
  readonly bindings: BindingsView;
  /** Everything that the registries had at the start is known here. */
  readonly isSynced: () => boolean;
  readonly clock: MovesClock;
  readonly log: SitesLog;
}

export class RegistryRecord implements Recorder {
  readonly #options: RegistryRecordOptions;
  /** Epochs of decisions that the registry has and that are not settled, by nidKey. */
  readonly #decided = new Map<string, number>();
  /** Identifiers whose last decision was not answered, by nidKey. */
  readonly #doubtful = new Set<string>();
  readonly #unsettled = new Map<string, Change>();
  #busy = false;
  #retryMs = RETRY_FIRST_MS;
  #cancelRetry: (() => void) | undefined;
  #closed = false;

  constructor(options: RegistryRecordOptions) {
    this.#options = options;
  }

  /**
   * Resolves when decisions are in the registry and everything is on our disk. Rejects with E_STALE_EPOCH if the registry
   * has another decision, with E_REGISTRY if it does not answer: then the decision may be there, and comes back to us
   * with what the registry says (registry-follow.ts).
   */
  async append(entries: readonly RecordEntry[]): Promise<void> {
    await Promise.all(entries.filter(isDecision).map((decision) => this.#decide(decision)));
    await this.#options.record.append(entries.filter((entry) => this.#concernsUs(entry)));
    for (const entry of entries) if (entry.settled) this.settle(entry);
  }

  /** Says in the registry that a decision was carried out, as often as it takes. */
  settle({ nid, at, epoch }: Change): void {
    if (registryOf(this.#options.registries, nid) === undefined) return;
    this.#unsettled.set(nidKey(nid), { nid, at, epoch });
    if (this.#cancelRetry === undefined) void this.#pump();
  }

  isDoubtful(nid: Nid): boolean {
    return this.#doubtful.has(nidKey(nid));
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
  }

  async #decide({ nid, at, epoch, active }: OpenDecision): Promise<void> {
    const { registries, bindings, isSynced } = this.#options;
    const registry = registryOf(registries, nid);
    const known = bindings.get(nid);
    if (registry === undefined || known === undefined) return;
    if (!isSynced()) throw new IlnpError('E_REGISTRY', 'the registry has not been heard since the start');
    const { guest, home, uplink } = known;
    const next: Entry = { nid, epoch, binding: { guest, home, uplink, at }, active };
    const ours = this.#decided.get(nidKey(nid)) ?? known.epoch;
    let expected: number | null = ours;
    for (let tries = 0; tries < TRIES; tries++) {
      this.#doubtful.add(nidKey(nid));
      const swap = await registry.swap(expected, next);
      this.#doubtful.delete(nidKey(nid));
      if (swap.swapped) {
        this.#decided.set(nidKey(nid), epoch);
        return;
      }
      const { held } = swap;
      if (held !== null && held.epoch >= ours) throw refused(held);
      expected = held?.epoch ?? null;
    }
    throw new IlnpError('E_STALE_EPOCH', `the registry changes ${formatNid(nid)} while we do`);
  }

  /** What moves between others comes from the registry again after a restart. */
  #concernsUs({ nid, at, active, settled }: RecordEntry): boolean {
    const { registries, bindings, site } = this.#options;
    if (active !== undefined || settled || registryOf(registries, nid) === undefined) return true;
    const known = bindings.get(nid);
    return at === site || known === undefined || known.at === site || known.home === site;
  }

  async #pump(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      // A newer one may come for an identifier while its older one is said.
      for (let next = firstOf(this.#unsettled); next !== undefined && !this.#closed; next = firstOf(this.#unsettled)) {
        const [key, change] = next;
        await this.#settleOne(change);
        if (this.#decided.get(key) === change.epoch) this.#decided.delete(key);
        if (this.#unsettled.get(key) === change) this.#unsettled.delete(key);
        this.#retryMs = RETRY_FIRST_MS;
      }
    } catch {
      this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
        this.#cancelRetry = undefined;
        void this.#pump();
      });
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
    } finally {
      this.#busy = false;
    }
  }

  async #settleOne({ nid, at, epoch }: Change): Promise<void> {
    const { registries, bindings, log } = this.#options;
    const known = bindings.get(nid);
    const registry = registryOf(registries, nid);
    if (known === undefined || registry === undefined) return;
    const { guest, home, uplink } = known;
    try {
      await registry.swap(epoch, { nid, epoch, binding: { guest, home, uplink, at } });
    } catch (error) {
      if (!(error instanceof IlnpError) || error.code === 'E_REGISTRY' || error.code === 'E_PEER_UNREACHABLE')
        throw error;
      log.warn({ nid: formatNid(nid), reason: error.message }, 'the registry does not take that a move is settled');
    }
  }
}

function firstOf<K, V>(map: ReadonlyMap<K, V>): readonly [K, V] | undefined {
  for (const one of map) return one;
  return undefined;
}

const isDecision = (entry: RecordEntry): entry is RecordEntry & OpenDecision => entry.active !== undefined;

const refused = ({ nid, epoch, binding }: Entry): IlnpError =>
  new IlnpError(
    'E_STALE_EPOCH',
    `the registry has ${formatNid(nid)} ${binding === null ? 'withdrawn' : `at ${binding.at}`} since epoch ${epoch}`,
  );
