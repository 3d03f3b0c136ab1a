/**
 * The active border's side of a pair: gives the standby what a successor needs, and lets nothing be told to others before the
 * standby has it on disk too, as long as there is one.
 *
 * What was written to the record of moves is never written again while a border runs, so a copy is a number of octets. The session file is
 * compared by blocks with what the standby has been given; so an answer that was lost makes the copy begin anew.
 */
import { IlnpError } from '../runtime/errors.ts';
import type { Recorder } from '../sites/binding-writer.ts';
import type { MirrorAnswer, MirrorAsk } from '../sites/mirrored.ts';
import { BLOCK, BLOCKS, CHUNK } from '../sites/mirrored.ts';
import type { RecordEntry } from '../sites/move-record.ts';
import type { MovesClock } from '../sites/moves-world.ts';

/** How long an ask may stay unanswered when there is nothing to say. */
const WAIT_MS = 1000;
/** How often the session file is compared while a standby asks. */
const SESSIONS_MS = 250;
/** A standby that has not asked for so long is gone; longer than WAIT_MS and its disk. */
const GONE_MS = 3000;

/** A file that is copied. */
export interface Original {
  /** Octets to copy. */
  size(): number;
  /** Fills `into` with what begins at octet `from`. */
  read(into: Uint8Array, from: number): void;
}

export interface MirrorOptions {
  /** Which run of the border this is: a word that no other run has. */
  readonly run: string;
  /** The record of moves. */
  readonly moves: Original;
  /** The session file; null: there is none. */
  readonly sessions: Original | null;
  /** Sessions of guests that speak ILNP. */
  readonly spoken: () => NonNullable<MirrorAnswer['spoken']>;
  /** The standby has everything, or has gone. */
  readonly onStandby: (isThere: boolean) => void;
  readonly clock: MovesClock;
}

export class Mirror {
  readonly #options: MirrorOptions;
  /** What the standby has of the session file, if it has had all answers. */
  #given = new Uint8Array(0);
  #spokenGiven = '';
  /** Answers of this copy so far, and whether the last one made it whole. */
  #answers = 0;
  #isComplete = false;
  #asks = 0;
  /** Octets of the record that the standby has on disk; -1: there is no standby. */
  #confirmed = -1;
  #isThere = false;
  #waiting: { readonly size: number; readonly done: () => void }[] = [];
  #wake: () => void = () => {};
  #cancelGone: () => void = () => {};
  #closed = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Resolves when `record` has it on disk, and the standby too, if there is one. */
  recorder(record: Recorder): Recorder {
    return {
      append: async (entries: readonly RecordEntry[]) => {
        await record.append(entries);
        await this.#confirm();
      },
    };
  }

  /** Answers an ask of the standby, at once when there is something to say. E_STATE when it asks again meanwhile. */
  async answer({ run, moves, answers }: MirrorAsk): Promise<MirrorAnswer> {
    const ask = ++this.#asks;
    this.#wake();
    const isAnew = run !== this.#options.run || moves > this.#options.moves.size() || answers !== this.#answers;
    if (isAnew) {
      this.#given = new Uint8Array(0);
      this.#spokenGiven = '';
      this.#answers = 0;
    }
    const from = isAnew ? 0 : moves;
    this.#heard(from, !isAnew && this.#isComplete);
    const { clock } = this.#options;
    for (const deadline = clock.now() + WAIT_MS * 1000; ; ) {
      if (ask !== this.#asks) throw new IlnpError('E_STATE', 'the standby has asked again');
      const answer = { ...this.#answerNow(from), isAnew };
      const isSomething = isAnew || answer.moves.length > 0 || answer.blocks.length > 0 || answer.spoken !== undefined;
      if (isSomething || this.#closed || clock.now() >= deadline) {
        this.#answers++;
        this.#isComplete = !answer.more;
        return answer;
      }
      await this.#news();
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelGone();
    this.#lost();
    this.#wake();
  }

  /** Resolves when there is something to say, or when it is time to look. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(SESSIONS_MS, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #answerNow(from: number): Omit<MirrorAnswer, 'isAnew'> {
    const { run, moves: record, spoken: known } = this.#options;
    const size = record.size();
    const moves = new Uint8Array(Math.min(size - from, CHUNK));
    record.read(moves, from);
    const { blocks, isCut } = this.#changedBlocks();
    const answer = { run, from, moves, blocks, more: isCut || from + moves.length < size };
    const spoken = known();
    const said = JSON.stringify(spoken.map((one) => one.map((part) => (typeof part === 'number' ? part : [...part]))));
    if (said === this.#spokenGiven) return answer;
    this.#spokenGiven = said;
    return { ...answer, spoken };
  }

  #changedBlocks(): { blocks: MirrorAnswer['blocks']; isCut: boolean } {
    const { sessions } = this.#options;
    const blocks: MirrorAnswer['blocks'] = [];
    if (sessions === null) return { blocks, isCut: false };
    const octets = new Uint8Array(sessions.size());
    sessions.read(octets, 0);
    if (this.#given.length !== octets.length) this.#given = new Uint8Array(octets.length); // a new file is all zeros
    for (let o = 0; o + BLOCK <= octets.length; o += BLOCK) {
      const now = octets.subarray(o, o + BLOCK);
      if (isSame(now, this.#given.subarray(o, o + BLOCK))) continue;
      if (blocks.length === BLOCKS) return { blocks, isCut: true };
      blocks.push([o / BLOCK, now.slice()]);
      this.#given.set(now, o);
    }
    return { blocks, isCut: false };
  }

  #heard(confirmed: number, isWhole: boolean): void {
    this.#confirmed = confirmed;
    if (isWhole !== this.#isThere && !this.#closed) this.#options.onStandby(isWhole);
    this.#isThere = isWhole;
    this.#cancelGone();
    this.#cancelGone = this.#options.clock.after(GONE_MS, () => this.#lost());
    const ready = this.#waiting.filter(({ size }) => size <= confirmed);
    this.#waiting = this.#waiting.filter(({ size }) => size > confirmed);
    for (const { done } of ready) done();
  }

  #lost(): void {
    if (this.#isThere && !this.#closed) this.#options.onStandby(false);
    this.#isThere = false;
    this.#confirmed = -1;
    for (const { done } of this.#waiting.splice(0)) done();
  }

  #confirm(): Promise<void> {
    const size = this.#options.moves.size();
    if (this.#confirmed < 0 || size <= this.#confirmed) return Promise.resolve();
    this.#wake();
    return new Promise((done) => {
      this.#waiting.push({ size, done });
    });
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
