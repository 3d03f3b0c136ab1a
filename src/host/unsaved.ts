/**
 * Which sessions have changed since they were last asked for. Goes round the whole cache, a few entries at a time so that
 * no packet waits; nothing on the path has to remember what it has changed.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { Ilcc } from '../ilnp/ilcc.ts';
import { u32 } from '../wire/bytes.ts';
import { type Clocks, isWorthKeeping, RECORD_OCTETS, recordOf } from './session-record.ts';

/** A microsecond each. */
const RECORDS_AT_ONCE = 256;
const ENTRIES_AT_ONCE = 4096;
/** In place of who was there before, or is not worth it any more. */
const NOBODY = new Uint8Array(RECORD_OCTETS);

export interface SavedRecord {
  readonly slot: number;
  readonly octets: Uint8Array;
}

export class Unsaved {
  readonly #ilcc: Ilcc;
  /** CRCs of the records as they are on disk, by slot. */
  readonly #saved: Uint32Array;
  #round: Iterator<Correspondent> = [].values();
  #left = 0;

  /** `slots`: most entries of the cache. */
  constructor(ilcc: Ilcc, slots: number) {
    this.#ilcc = ilcc;
    this.#saved = new Uint32Array(slots);
  }

  /** What was given out did not get to disk: begin anew. */
  forget(): void {
    this.#saved.fill(0);
    this.#left = 0;
  }

  /** The next of a round; `isOver`: the round has ended. `all`: the rest of it at once. */
  next(clocks: Clocks, all: boolean): { records: SavedRecord[]; isOver: boolean } {
    if (this.#left <= 0) {
      this.#round = this.#ilcc.all();
      this.#left = this.#ilcc.size;
    }
    const records: SavedRecord[] = [];
    for (let n = 0; all || (n < ENTRIES_AT_ONCE && records.length < RECORDS_AT_ONCE); n++) {
      const { value: c, done } = this.#round.next();
      if (done || this.#left-- <= 0) {
        this.#left = 0;
        return { records, isOver: true };
      }
      const octets = isWorthKeeping(c, clocks.now) ? recordOf(c, clocks) : NOBODY;
      if (this.#saved[c.slot] === u32(octets, 0)) continue;
      this.#saved[c.slot] = u32(octets, 0);
      records.push({ slot: c.slot, octets });
    }
    return { records, isOver: false };
  }
}
