/**
 * Switches bindings at this border, each only forwards in its epoch: on disk first, then in every table, then done.
 *
 * Changes that arrive while a round is under way wait for the next one and share its fdatasync and its table update.
 * One round at a time also means that two changes of one identifier can never overtake each other.
 */
import type { Binding } from '../ilnp/bindings.ts';
import type { Change } from './messages.ts';
import type { RecordEntry } from './move-record.ts';
import type { ApplyBindings, BindingsView } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

/** The durable record as the machines see it. */
export interface Recorder {
  /** Without entries: whether some could be recorded now. */
  append(entries: readonly RecordEntry[]): Promise<void>;
}

interface Waiting {
  readonly changes: readonly Change[];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class BindingWriter {
  readonly #bindings: BindingsView;
  readonly #record: Recorder;
  readonly #apply: ApplyBindings;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(bindings: BindingsView, record: Recorder, apply: ApplyBindings) {
    this.#bindings = bindings;
    this.#record = record;
    this.#apply = apply;
  }

  /**
   * Resolves when each change is in force here, or something newer is; unknown identifiers are passed over. Rejects if
   * it could not be recorded (then nothing changed) or applied (then it is applied with the next change of it).
   */
  write(changes: readonly Change[]): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ changes, done, failed });
      if (!this.#busy) void this.#rounds();
    });
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
    const newest = new Map<string, Binding>();
    for (const { changes } of round) {
      for (const { nid, at, epoch } of changes) {
        const key = nidKey(nid);
        const binding = newest.get(key) ?? this.#bindings.get(nid);
        if (binding !== undefined && epoch > binding.epoch) newest.set(key, { ...binding, at, epoch });
      }
    }
    if (newest.size === 0) return;
    const switched = [...newest.values()];
    await this.#record.append(switched.map(({ nid, at, epoch }) => ({ nid, at, epoch })));
    await this.#apply(switched);
  }
}
