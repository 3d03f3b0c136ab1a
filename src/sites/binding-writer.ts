/**
 * Switches bindings at this border, each only forwards in its epoch: in every table and, at the same time, on disk.
 *
 * What takes an identifier away from this site is on disk before anybody is told: forgotten, this site would believe itself
 * active again. So is what a registry decides: forgotten, this site would go by an older place for as long as the registry is
 * away. What brings an identifier here is confirmed even if it cannot be written: its guest is here, and what is forgotten makes
 * nobody active.
 *
 * Changes that arrive while a round is under way wait for the next one and share its write and its table update.
 * One round at a time also means that two changes of one identifier can never overtake each other.
 */
import type { Binding } from '../ilnp/bindings.ts';
import { saidOf } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { Change } from './messages.ts';
import type { RecordEntry } from './move-record.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import type { UnderWays } from './under-way.ts';

/** The durable record as the machines see it. */
export interface Recorder {
  /** Without entries: whether some could be recorded now. */
  append(entries: readonly RecordEntry[]): Promise<void>;
}

/** Changes that are in force. */
export interface Written {
  /** Resolves when they are on disk; rejects when one cannot be, unless it brings an identifier to this site. */
  readonly recorded: Promise<void>;
}

interface Waiting {
  readonly changes: readonly Change[];
  readonly isRecorded: boolean;
  readonly onOrdered: () => void;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** A change that is in force, and not known to be on disk. */
interface Pending {
  readonly change: Change;
  onDisk: Promise<void>;
  /** Why it is not on disk; null: it is being written. */
  problem: unknown;
}

export class BindingWriter {
  readonly #world: Pick<MovesWorld, 'site' | 'bindings' | 'record' | 'apply' | 'log'>;
  readonly #pending = new Map<string, Pending>();
  /** The newest epoch that is to be in force, by nidKey, while it is not. */
  readonly #unapplied = new Map<string, number>();
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(world: Pick<MovesWorld, 'site' | 'bindings' | 'record' | 'apply' | 'log'>) {
    this.#world = world;
  }

  /**
   * Resolves when each change is in force here, or something newer is; unknown identifiers are passed over. Rejects if it
   * could not be applied (then it is applied with the next change of it). `isRecorded`: it is on disk already. `onOrdered` is
   * called before, once, when what is ordered from then on comes after the changes; not at all if they could not be applied.
   */
  async write(changes: readonly Change[], { isRecorded = false, onOrdered = () => {} } = {}): Promise<Written> {
    for (const { nid, epoch } of changes)
      this.#unapplied.set(nidKey(nid), Math.max(epoch, this.#unapplied.get(nidKey(nid)) ?? 0));
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ changes, isRecorded, onOrdered, done, failed });
      if (!this.#busy) void this.#rounds();
    });
    for (const { nid, epoch } of changes)
      if ((this.#unapplied.get(nidKey(nid)) ?? 0) <= epoch) this.#unapplied.delete(nidKey(nid));
    const { site } = this.#world;
    const onDisk = changes.map((change) =>
      change.at === site ? this.#onDisk(change).catch(() => {}) : this.#onDisk(change),
    );
    const recorded = Promise.all(onDisk).then(() => {});
    recorded.catch(() => {}); // who waits for it is told
    return { recorded };
  }

  /** The tables and the disk may say different things of it: a change is not in force yet, or not known to be on disk. */
  isUnsettled(nid: Nid): boolean {
    return this.#unapplied.has(nidKey(nid)) || this.#pending.has(nidKey(nid));
  }

  /** Changes that are in force and could not be written down. */
  *underWay(): UnderWays {
    for (const [key, { change, problem }] of this.#pending) {
      if (problem === null) continue;
      yield [key, { to: change.at, state: 'unwritten', waitsFor: [this.#world.site], problem: saidOf(problem) }];
    }
  }

  async #rounds(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      try {
        await this.#round(round);
        for (const one of round) one.done();
      } catch (error) {
        for (const one of round) one.failed(error);
      }
    }
    this.#busy = false;
  }

  async #round(round: readonly Waiting[]): Promise<void> {
    const { bindings, apply } = this.#world;
    const newest = new Map<string, Binding>();
    const onDisk = new Set<string>();
    for (const { changes, isRecorded } of round) {
      for (const { nid, at, epoch } of changes) {
        const key = nidKey(nid);
        const binding = newest.get(key) ?? bindings.get(nid);
        if (binding === undefined || epoch <= binding.epoch) continue;
        newest.set(key, { ...binding, at, epoch });
        if (isRecorded) onDisk.add(key);
        else onDisk.delete(key);
      }
    }
    let isOrdered = false;
    const ordered = (): void => {
      if (!isOrdered) for (const { onOrdered } of round) onOrdered();
      isOrdered = true;
    };
    if (newest.size > 0) {
      this.#record([...newest].filter(([key]) => !onDisk.has(key)).map(([, change]) => change));
      await apply([...newest.values()], ordered);
    }
    ordered();
  }

  /** Begins to write changes down, and with them what could not be before. */
  #record(changes: readonly Change[]): void {
    const { record, log } = this.#world;
    const all = new Map(changes.map(({ nid, at, epoch }) => [nidKey(nid), { nid, at, epoch }]));
    for (const [key, { change, problem }] of this.#pending) if (problem !== null && !all.has(key)) all.set(key, change);
    if (all.size === 0) return;
    const entries = [...all.values()];
    const onDisk = record.append(entries);
    const pending = entries.map((change): Pending => ({ change, onDisk, problem: null }));
    for (const one of pending) this.#pending.set(nidKey(one.change.nid), one);
    onDisk.then(
      () => {
        for (const one of pending) {
          const key = nidKey(one.change.nid);
          if (this.#pending.get(key) === one) this.#pending.delete(key);
        }
      },
      (error) => {
        for (const one of pending) one.problem = error;
        const nids = entries.slice(0, 8).map(({ nid }) => formatNid(nid));
        log.warn({ nids, changes: entries.length, reason: String(error) }, 'in force, but not on disk');
      },
    );
  }

  /** Resolves when this change, which is in force, is on disk. */
  #onDisk({ nid }: Change): Promise<void> {
    const pending = this.#pending.get(nidKey(nid));
    if (pending === undefined) return Promise.resolve();
    if (pending.problem !== null) this.#record([pending.change]);
    return this.#pending.get(nidKey(nid))!.onDisk;
  }
}
