/**
 * The standby's side of a pair: a copy of what the active border remembers, in the same files where a border looks when it
 * starts. While a copy begins anew the one before stays in place.
 */
import { closeSync, fdatasyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../runtime/folder.ts';
import type { MirrorAnswer, MirrorAsk } from '../sites/mirrored.ts';
import { BLOCK } from '../sites/mirrored.ts';

export class Copy {
  readonly #moves: CopiedFile;
  readonly #sessions: CopiedFile;
  #run = '';
  #octets = 0;
  /** The last that was said of sessions of guests that speak ILNP. */
  spoken: NonNullable<MirrorAnswer['spoken']> = [];
  /** Everything that was there at the last answer is here. */
  isWhole = false;

  /** Throws what the file system throws. */
  constructor(state: string, site: string) {
    makeFolder(state, 0o700);
    this.#moves = new CopiedFile(join(state, `${site}.moves.jsonl`));
    this.#sessions = new CopiedFile(join(state, `${site}.sessions`));
  }

  get ask(): MirrorAsk {
    return { run: this.#run, moves: this.#octets };
  }

  /** Takes an answer; on disk when it returns. */
  take({ run, isAnew, from, moves, blocks, spoken, more }: MirrorAnswer): void {
    if (isAnew) {
      this.#moves.begin();
      this.#sessions.begin();
      this.isWhole = false;
    }
    this.#moves.write(moves, from);
    for (const [index, octets] of blocks) this.#sessions.write(octets, index * BLOCK);
    this.#moves.flush();
    this.#run = run;
    this.#octets = from + moves.length;
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

class CopiedFile {
  readonly #path: string;
  #fd = -1;
  #isInPlace = false;

  constructor(path: string) {
    this.#path = path;
  }

  begin(): void {
    this.close();
    this.#fd = openSync(`${this.#path}.copy`, 'w+', 0o600);
    this.#isInPlace = false;
  }

  write(octets: Uint8Array, at: number): void {
    for (let done = 0; done < octets.length; )
      done += writeSync(this.#fd, octets, done, octets.length - done, at + done);
  }

  flush(): void {
    fdatasyncSync(this.#fd);
  }

  /** The copy takes the place of the one before. */
  put(): void {
    if (this.#isInPlace) return;
    this.#isInPlace = true;
    renameSync(`${this.#path}.copy`, this.#path);
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    if (!this.#isInPlace) rmSync(`${this.#path}.copy`, { force: true });
    this.#fd = -1;
  }
}
