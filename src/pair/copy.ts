/**
 * The standby's side of a pair: a copy of what the active border remembers, in the same files where a border looks when it
 * starts. While a copy begins anew the one before stays in place.
 */
import type { MirrorAnswer, MirrorAsk } from '../sites/mirrored.ts';
import { BLOCK } from '../sites/mirrored.ts';

/** A file that is written beside the one that it replaces. */
export interface CopyFile {
  /** From now on what is written is another copy, empty so far. */
  begin(): void;
  write(octets: Uint8Array, at: number): void;
  /** On disk when it returns. */
  flush(): void;
  /** The copy takes the place of the one before, if it has not yet. */
  put(): void;
  close(): void;
}

export class Copy {
  readonly #moves: CopyFile;
  readonly #sessions: CopyFile;
  #run = '';
  #octets = 0;
  #answers = 0;
  /** The last that was said of sessions of guests that speak ILNP. */
  spoken: NonNullable<MirrorAnswer['spoken']> = [];
  /** Everything that was there at the last answer is here. */
  isWhole = false;

  /** Copies of the record of moves and of the session file. */
  constructor(moves: CopyFile, sessions: CopyFile) {
    this.#moves = moves;
    this.#sessions = sessions;
  }

  get ask(): MirrorAsk {
    return { run: this.#run, moves: this.#octets, answers: this.#answers };
  }

  /** Takes an answer; on disk when it returns. Throws what the file system throws. */
  take({ run, isAnew, from, moves, blocks, spoken, more }: MirrorAnswer): void {
    if (isAnew) {
      this.#moves.begin();
      this.#sessions.begin();
      this.isWhole = false;
      this.#answers = 0;
    }
    this.#moves.write(moves, from);
    for (const [index, octets] of blocks) this.#sessions.write(octets, index * BLOCK);
    this.#moves.flush();
    this.#run = run;
    this.#octets = from + moves.length;
    this.#answers++;
    if (spoken !== undefined) this.spoken = spoken;
    if (more) return;
    this.isWhole = true;
    this.#moves.put();
    this.#sessions.put();
  }

  /** Leaves the files to the border that begins. */
  close(): void {
    this.#moves.close();
    this.#sessions.close();
  }
}
