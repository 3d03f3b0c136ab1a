/**
 * The active border's side of a pair: gives the standby what a successor needs, and lets nothing be told to others before the
 * standby has it on disk too, as long as there is one.
 *
 * The record of moves is a file that only grows while a border runs, so a copy is a number of octets. The session file is
 * compared by blocks with what the standby has been given.
 */
import { randomUUID } from 'node:crypto';
import { fstatSync, readSync } from 'node:fs';
import type { Recorder } from '../sites/binding-writer.ts';
import type { MirrorAnswer, MirrorAsk } from '../sites/mirrored.ts';
import { BLOCK, BLOCKS, CHUNK } from '../sites/mirrored.ts';
import type { RecordEntry } from '../sites/move-record.ts';

/** How long an ask may stay unanswered when there is nothing to say. */
const WAIT_MS = 1000;
/** How often the session file is compared while a standby asks. */
const SESSIONS_MS = 250;
/** A standby that has not asked for so long is gone; longer than WAIT_MS and its disk. */
const GONE_MS = 3000;

export interface MirrorOptions {
  /** The record of moves, for reading. */
  readonly moves: number;
  /** The session file, for reading; null: there is none. */
  readonly sessions: number | null;
  /** Sessions of guests that speak ILNP. */
  readonly spoken: () => NonNullable<MirrorAnswer['spoken']>;
  /** The standby has gone, or come back. */
  readonly onStandby: (isThere: boolean) => void;
}

export class Mirror {
  readonly #options: MirrorOptions;
  readonly #run = randomUUID();
  /** What the standby has of the session file. */
  #given = new Uint8Array(0);
  #spokenGiven = '';
  /** Octets of the record that the standby has on disk; -1: there is no standby. */
  #confirmed = -1;
  #waiting: { readonly size: number; readonly done: () => void }[] = [];
  #wake: () => void = () => {};
  #gone: NodeJS.Timeout | undefined;
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

  /** Answers an ask of the standby, at once when there is something to say. */
  async answer({ run, moves }: MirrorAsk): Promise<MirrorAnswer> {
    const isAnew = run !== this.#run || moves > this.#size();
    if (isAnew) {
      this.#given = new Uint8Array(0);
      this.#spokenGiven = '';
    }
    const from = isAnew ? 0 : moves;
    this.#heard(from);
    for (const deadline = performance.now() + WAIT_MS; ; ) {
      const answer = { ...this.#answerNow(from), isAnew };
      const isSomething = isAnew || answer.moves.length > 0 || answer.blocks.length > 0 || answer.spoken !== undefined;
      if (isSomething || this.#closed || performance.now() >= deadline) return answer;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, SESSIONS_MS);
      });
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#gone);
    this.#lost();
    this.#wake();
  }

  #answerNow(from: number): Omit<MirrorAnswer, 'isAnew'> {
    const size = this.#size();
    const moves = new Uint8Array(Math.min(size - from, CHUNK));
    readSync(this.#options.moves, moves, 0, moves.length, from);
    const { blocks, isCut } = this.#changedBlocks();
    const answer = { run: this.#run, from, moves, blocks, more: isCut || from + moves.length < size };
    const spoken = this.#options.spoken();
    const said = JSON.stringify(spoken.map((one) => one.map((part) => (typeof part === 'number' ? part : [...part]))));
    if (said === this.#spokenGiven) return answer;
    this.#spokenGiven = said;
    return { ...answer, spoken };
  }

  #changedBlocks(): { blocks: MirrorAnswer['blocks']; isCut: boolean } {
    const { sessions } = this.#options;
    const blocks: MirrorAnswer['blocks'] = [];
    if (sessions === null) return { blocks, isCut: false };
    const octets = new Uint8Array(fstatSync(sessions).size);
    readSync(sessions, octets, 0, octets.length, 0);
    if (this.#given.length !== octets.length) this.#given = new Uint8Array(octets.length); // a new file is all zeros
    for (let o = 0; o + BLOCK <= octets.length; o += BLOCK) {
      const now = octets.subarray(o, o + BLOCK);
      if (Buffer.compare(now, this.#given.subarray(o, o + BLOCK)) === 0) continue;
      if (blocks.length === BLOCKS) return { blocks, isCut: true };
      blocks.push([o / BLOCK, now.slice()]);
      this.#given.set(now, o);
    }
    return { blocks, isCut: false };
  }

  #heard(confirmed: number): void {
    if (this.#confirmed < 0) this.#options.onStandby(true);
    this.#confirmed = confirmed;
    clearTimeout(this.#gone);
    this.#gone = setTimeout(() => this.#lost(), GONE_MS);
    const ready = this.#waiting.filter(({ size }) => size <= confirmed);
    this.#waiting = this.#waiting.filter(({ size }) => size > confirmed);
    for (const { done } of ready) done();
  }

  #lost(): void {
    if (this.#confirmed >= 0 && !this.#closed) this.#options.onStandby(false);
    this.#confirmed = -1;
    for (const { done } of this.#waiting.splice(0)) done();
  }

  #confirm(): Promise<void> {
    const size = this.#size();
    if (this.#confirmed < 0 || size <= this.#confirmed) return Promise.resolve();
    this.#wake();
    return new Promise((done) => {
      this.#waiting.push({ size, done });
    });
  }

  #size(): number {
    return fstatSync(this.#options.moves).size;
  }
}
