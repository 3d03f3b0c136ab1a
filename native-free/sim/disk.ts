/** The record of moves of a simulated border: in memory, but it outlives a crash and takes its time, in order. */
import type { Change } from '../../src/sites/messages.ts';
import { type OpenDecision, type RecordEntry, replay } from '../../src/sites/move-record.ts';
import type { SeededRandom } from '../random.ts';
import type { Engine } from './engine.ts';

/** Longest time of an append, microseconds: a fast disk with a cache that tells the truth. */
const APPEND_US = 2000;

export class SimDisk {
  readonly moved = new Map<string, Change>();
  readonly open = new Map<string, OpenDecision>();
  appends = 0;
  /** Told what home has carried out to the end, as soon as it is on disk. */
  onSettled: ((change: Change) => void) | undefined;
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  #freeAt = 0;

  constructor(engine: Engine, name: string) {
    this.#engine = engine;
    this.#random = engine.random(`disk ${name}`);
  }

  /** Resolves when the entries would survive; never if the process has died meanwhile, with or without them on disk. */
  append(entries: readonly RecordEntry[], isAlive: () => boolean): Promise<void> {
    const engine = this.#engine;
    const copy = entries.map((entry) => ({ ...entry }));
    this.#freeAt = Math.max(this.#freeAt, engine.now) + this.#random.fraction() * APPEND_US;
    return new Promise((resolve) => {
      engine.at(this.#freeAt, () => {
        if (!isAlive()) return;
        this.appends++;
        for (const entry of copy) {
          replay(entry, this.moved, this.open);
          if (entry.settled) this.onSettled?.(entry);
        }
        engine.after(this.#random.below(100), () => {
          engine.touch();
          if (isAlive()) resolve();
        });
      });
    });
  }
}
