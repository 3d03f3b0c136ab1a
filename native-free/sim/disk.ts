/**
 * The disk of a simulated border: the record of moves and the sessions. In memory, but it outlives a crash, and appends take
 * their time, in order.
 */
import type { Original } from '../../src/pair/mirror.ts';
import type { Change } from '../../src/sites/messages.ts';
import { lineOf, type OpenDecision, parseLine, type RecordEntry, replay } from '../../src/sites/move-record.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import type { SeededRandom } from '../random.ts';
import type { Engine } from './engine.ts';

export class SimDisk {
  readonly moved = new Map<string, Change>();
  readonly open = new Map<string, OpenDecision>();
  /** The session store. */
  readonly words: Int32Array;
  appends = 0;
  /** Told what home has carried out to the end, as soon as it is on disk. */
  onSettled: ((change: Change) => void) | undefined;
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  readonly #name: string;
  /** Longest time of an append, microseconds. */
  readonly appendUs: number;
  /** The record as the file has it; ASCII. */
  #text = '';
  #freeAt = 0;

  constructor(engine: Engine, name: string, { words, appendUs }: { words: number; appendUs: number }) {
    this.appendUs = appendUs;
    this.#engine = engine;
    this.#name = name;
    this.#random = engine.random(`disk ${name}`);
    this.words = new Int32Array(words);
  }

  /** It is there from before. */
  hasMoved(change: Change): void {
    this.moved.set(nidKey(change.nid), change);
  }

  /** Makes the record short, as a border does when it starts. */
  begin(): void {
    this.#text = [...this.moved.values(), ...this.open.values()].map(lineOf).join('');
  }

  /** Takes files of another disk over, which a standby has copied. */
  take(moves: Uint8Array, sessions: Uint8Array): void {
    this.moved.clear();
    this.open.clear();
    for (const text of new TextDecoder().decode(moves).split('\n').slice(0, -1)) {
      const entry = parseLine(text);
      if (typeof entry === 'string')
        this.#engine.violate(`the copy of ${this.#name} has a line that is none: ${entry}`);
      else replay(entry, this.moved, this.open);
    }
    this.words.set(new Int32Array(sessions.buffer, 0, this.words.length));
  }

  /** The record as a file. */
  get record(): Original {
    return {
      size: () => this.#text.length,
      read: (into, from) => into.set(new TextEncoder().encode(this.#text.slice(from, from + into.length))),
    };
  }

  /** The session store as a file. */
  get sessions(): Original {
    const octets = new Uint8Array(this.words.buffer);
    return { size: () => octets.length, read: (into, from) => into.set(octets.subarray(from, from + into.length)) };
  }

  /** Resolves when the entries would survive; never if the process has died meanwhile, with or without them on disk. */
  append(entries: readonly RecordEntry[], isAlive: () => boolean): Promise<void> {
    const engine = this.#engine;
    const copy = entries.map((entry) => ({ ...entry }));
    this.#freeAt = Math.max(this.#freeAt, engine.now) + this.#random.fraction() * this.appendUs;
    return new Promise((resolve) => {
      engine.at(this.#freeAt, () => {
        if (!isAlive()) return;
        this.appends++;
        for (const entry of copy) {
          this.#text += lineOf(entry);
          replay(entry, this.moved, this.open);
          if (entry.settled) this.onSettled?.(entry);
        }
        engine.step(this.#name, 'records', '');
        engine.after(this.#random.below(100), () => {
          engine.touch();
          if (isAlive()) resolve();
        });
      });
    });
  }
}
