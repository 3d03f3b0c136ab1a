/**
 * Remembers, for a pair of controllers, in which term they are and who of them has all that was confirmed. Every site is a
 * witness, and so is each of the two. What a witness says is on its disk before it says it:
 *
 *   a term begins only with the word of most witnesses, given to a holder of the last term they know of
 *   who has given its word takes nothing of smaller terms any more
 *
 * so of two controllers that cannot hear each other at most one is believed, and it has everything. No clock is in it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { IlnpError } from '../runtime/errors.ts';
import { makeFolder } from '../runtime/folder.ts';
import type { Claim } from './witnessed.ts';

const stateLine = z.strictObject({
  term: z.int().min(0),
  of: z.tuple([z.int().min(0), z.int().min(0)]),
  holders: z.array(z.string()).max(2),
});

export type WitnessState = Readonly<z.infer<typeof stateLine>>;

const NOTHING: WitnessState = { term: 0, of: [0, 0], holders: [] };

export class Witness {
  #state: WitnessState;
  readonly #path: string;
  readonly #objection: (claim: Claim) => string;

  /**
   * Reads what it knew; E_STATE if that cannot be read. `objection`: why it does not want who asks to begin a term; empty:
   * it has nothing against it.
   */
  constructor(state: string, name: string, objection: (claim: Claim) => string = () => '') {
    this.#path = join(state, `${name}.witness`);
    this.#objection = objection;
    try {
      makeFolder(state, 0o700);
      this.#state = read(this.#path);
    } catch (error) {
      throw new IlnpError('E_STATE', `${this.#path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  get state(): WitnessState {
    return this.#state;
  }

  /** Takes what a controller says of itself; gives why not, or ''. On disk when it returns; throws what the disk says. */
  take(claim: Claim): string {
    const { term, of } = this.#state;
    if (claim.term < term) return `another one was given term ${term}`;
    if (claim.holders === null) {
      if (claim.term === term) return '';
      const why = this.#whyNot(claim);
      if (why === '') this.#put({ ...this.#state, term: claim.term });
      return why;
    }
    if (claim.term < of[0] || (claim.term === of[0] && claim.seq <= of[1])) return '';
    this.#put({ term: claim.term, of: [claim.term, claim.seq], holders: claim.holders });
    return '';
  }

  #whyNot(claim: Claim): string {
    const { of, holders } = this.#state;
    const objection = this.#objection(claim);
    if (objection !== '' || claim.isForced) return objection;
    if (of[0] === 0) return claim.isFirst ? '' : 'it knows of no term'; // it may have forgotten its word
    if (claim.isFirst) return `there was a term ${of[0]} before`;
    // Who was made a holder has all from then on: its word that it was counts, unless this witness knows of a later change.
    const isNewer = claim.of[0] > of[0] || (claim.of[0] === of[0] && claim.of[1] > of[1]);
    return (isNewer ? claim.known : holders).includes(claim.by)
      ? ''
      : `it may lack what was confirmed in term ${of[0]}`;
  }

  #put(state: WitnessState): void {
    const fd = openSync(`${this.#path}.new`, 'w', 0o600);
    try {
      const text = Buffer.from(`${JSON.stringify(state)}\n`);
      if (writeSync(fd, text) !== text.length) throw new Error(`${this.#path}: could not be written whole`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${this.#path}.new`, this.#path);
    const folder = openSync(dirname(this.#path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    this.#state = state;
  }
}

function read(path: string): WitnessState {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING;
    throw error;
  }
  return stateLine.parse(JSON.parse(text));
}
