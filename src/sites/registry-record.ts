/**
 * The record of moves of a border whose bindings are in a registry: a decision of ours is made in the registry first, by
 * swap from the epoch it follows, then on our disk. So of two who decide for one epoch one is refused before anybody hears
 * of it, and whoever has lost everything learns from the registry what is under way.
 *
 * What was carried out is settled in the registry too, later and as often as it takes; those who follow it take only
 * what is settled.
 */
import { type RegistryOfRange, registryOf } from '../registry/ranges.ts';
import type { Entry, Registry } from '../registry/registry.ts';
import { type ErrorCode, IlnpError, saidOf } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { Recorder } from './binding-writer.ts';
import type { Change } from './messages.ts';
import type { OpenDecision, RecordEntry } from './move-record.ts';
import type { BindingsView, MovesClock, SitesLog } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import type { UnderWays } from './under-way.ts';

/** Reasons: soon after an election, seldom while the registry is away for a day. */
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** Codes of a registry that does not answer, or whose disk is full: it is asked again. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['E_REGISTRY', 'E_PEER_UNREACHABLE', 'E_STATE']);
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
  /** Decisions that were not answered, the last of each identifier, by nidKey. */
  readonly #doubtful = new Map<string, Change>();
  readonly #unsettled = new Map<string, Change>();
  /** Registries that did not take that something is settled when they were last asked, and why. */
  readonly #away = new Map<Registry, unknown>();
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
    const decisions = entries.filter(isDecision);
    await Promise.all(decisions.map((decision) => this.#decide(decision)));
    try {
      await this.#options.record.append(entries.filter((entry) => this.#concernsUs(entry)));
    } catch (error) {
      if (decisions.length === 0 || !(error instanceof IlnpError)) throw error;
      const outcome = 'the registry has the decision, which is carried out as soon as it can be written here';
      throw new IlnpError(error.code, `${error.message}; ${outcome}`, { cause: error });
    } finally {
      // Also when our disk is full: a restart would carry out what is settled once more, which changes nothing.
      for (const entry of entries) if (entry.settled) this.settle(entry);
    }
  }

  /** Says in the registry that a decision was carried out, as often as it takes. */
  settle({ nid, at, epoch }: Change): void {
    const registry = registryOf(this.#options.registries, nid);
    if (registry === undefined) return;
    this.#unsettled.delete(nidKey(nid));
    this.#unsettled.set(nidKey(nid), { nid, at, epoch });
    if (!this.#away.has(registry)) void this.#pump();
  }

  /** What was carried out and could not be said there so far. */
  *underWay(): UnderWays {
    for (const [key, { nid, at }] of this.#unsettled) {
      const registry = registryOf(this.#options.registries, nid);
      const problem = registry && this.#away.get(registry);
      if (problem !== undefined) yield [key, { to: at, state: 'unsettled', waitsFor: [], problem: saidOf(problem) }];
    }
  }

  /** The last decision about it, when that was not answered. */
  doubtOf(nid: Nid): Change | null {
    return this.#doubtful.get(nidKey(nid)) ?? null;
  }

  /** Resolves when the registry of this identifier answers; rejects with E_REGISTRY. */
  async ask(nid: Nid): Promise<void> {
    await registryOf(this.#options.registries, nid)?.get(nid);
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
    const doubt = { nid, at, epoch };
    let expected: number | null = ours;
    for (let tries = 0; tries < TRIES; tries++) {
      this.#doubtful.set(nidKey(nid), doubt);
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
    // Those that come meanwhile are at the end of the map.
    for (const [key, change] of this.#unsettled) {
      const registry = registryOf(this.#options.registries, change.nid);
      if (this.#closed) break;
      if (registry === undefined || this.#away.has(registry)) continue;
      try {
        await this.#settleOne(registry, change);
        if (this.#decided.get(key) === change.epoch) this.#decided.delete(key);
        if (this.#unsettled.get(key) === change) this.#unsettled.delete(key);
      } catch (error) {
        this.#away.set(registry, error);
      }
    }
    this.#busy = false;
    if (this.#away.size === 0) this.#retryMs = RETRY_FIRST_MS;
    else this.#retryLater();
  }

  #retryLater(): void {
    if (this.#cancelRetry !== undefined || this.#closed) return;
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
      this.#cancelRetry = undefined;
      this.#away.clear();
      void this.#pump();
    });
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
  }

  /** Rejects if the registry is not to be had. */
  async #settleOne(registry: Registry, { nid, at, epoch }: Change): Promise<void> {
    const { bindings, log } = this.#options;
    const known = bindings.get(nid);
    if (known === undefined) return;
    const { guest, home, uplink } = known;
    try {
      await registry.swap(epoch, { nid, epoch, binding: { guest, home, uplink, at } });
    } catch (error) {
      if (!(error instanceof IlnpError) || AWAY.has(error.code)) throw error;
      log.warn({ nid: formatNid(nid), reason: error.message }, 'the registry does not take that a move is settled');
    }
  }
}

const isDecision = (entry: RecordEntry): entry is RecordEntry & OpenDecision => entry.active !== undefined;

const refused = ({ nid, epoch, binding }: Entry): IlnpError =>
  new IlnpError(
    'E_STALE_EPOCH',
    `the registry has ${formatNid(nid)} ${binding === null ? 'withdrawn' : `at ${binding.at}`} since epoch ${epoch}`,
  );
