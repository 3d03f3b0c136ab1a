/**
 * The side of a controller that is followed: gives the standby a copy of its registry and every line that it writes, and lets
 * nothing be confirmed before the standby has it on disk too, or before most witnesses know that there is no standby
 * (claimant.ts): from then on nobody lets that one take over.
 */
import { randomUUID } from 'node:crypto';
import { IlnpError } from '../runtime/errors.ts';
import type { Claimant } from './claimant.ts';
import type { CopyAnswer, CopyAsk } from './copied.ts';
import { entryText, leaseText } from './lines.ts';
import type { RegistryState } from './state.ts';

/** How long an ask may stay unanswered when there is nothing to say. */
const WAIT_MS = 300;
/** A standby that gets no further for so long is waited for no longer; longer than WAIT_MS and a slow disk. */
const GONE_MS = 3000;
/**
 * One that copies, or reads what it has copied, is expected for so long: nothing waits for it, only lines are kept. Reason: a
 * million entries are read in ten seconds.
 */
const COPYING_MS = 120_000;
/** Lines of one answer, and octets of them, about. */
const LINES = 4096;
const OCTETS = 512 << 10;
/** Lines kept for a standby that is copying. Reason: it may begin anew at any time. */
const BACKLOG = 500_000;

export interface RegistryMirrorOptions {
  readonly state: () => RegistryState;
  readonly claimant: Pick<Claimant, 'term' | 'hold' | 'confirm'>;
  /** The two controllers. */
  readonly self: string;
  readonly other: string;
  /** The standby has all, or has gone. */
  readonly onStandby: (isThere: boolean) => void;
  /** Nothing can be confirmed any more. */
  readonly onFailed: (error: Error) => void;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly goneMs?: number;
}

interface Line {
  readonly text: string;
  /** Of the registry after it. */
  readonly revision: number;
}

interface Pending {
  /** Confirmed when the standby has so many lines of the copy. */
  seq: number;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

export class RegistryMirror {
  readonly #options: RegistryMirrorOptions;
  readonly #run = randomUUID();
  #isActive = false;
  /** Lines the standby has not confirmed; undefined: nobody copies. */
  #queue: Line[] | undefined;
  /** Lines of this copy that were confirmed and are forgotten. */
  #confirmed = 0;
  #baseRevision = 0;
  /** Which copy of this run it is. */
  #copy = 0;
  /** The last lines written; the store may not have them in its tables yet. */
  #last: readonly Line[] = [];
  /** Nothing is confirmed without the standby. */
  #isWhole = false;
  /** What was confirmed without it before, it has when it has so many lines. */
  #wholeAt = 0;
  #isHolder = false;
  /** The store writes once at a time. */
  #pending: Pending | undefined;
  #wake: () => void = () => {};
  #cancelGone: () => void = () => {};
  #closed = false;

  constructor(options: RegistryMirrorOptions) {
    this.#options = options;
  }

  /** From now on changes are confirmed here, so who follows must follow us. */
  activate(): void {
    this.#isActive = true;
  }

  /** Lines are on our disk: resolves when they may be confirmed. */
  written(revision: number, lines: readonly string[]): Promise<void> {
    if (this.#closed) return Promise.reject(noLonger());
    let at = revision - lines.filter(isEntry).length;
    this.#last = lines.map((text) => ({ text, revision: isEntry(text) ? ++at : at }));
    this.#queue?.push(...this.#last);
    if (!this.#isWhole && this.#queue !== undefined && this.#queue.length > BACKLOG) this.#queue = undefined;
    const seq = this.#confirmed + (this.#queue?.length ?? 0);
    const written = new Promise<void>((done, failed) => {
      this.#pending = { seq, done, failed };
    });
    this.#wake();
    if (!this.#isWhole) this.#goOnAlone();
    return written;
  }

  /** Answers an ask of the other one, at once when there is something to say. */
  async answer(ask: CopyAsk): Promise<CopyAnswer> {
    if (this.#closed || !this.#isActive) return this.#said('idle');
    if (ask.leaving) {
      this.#lost();
      return this.#said('idle');
    }
    if (ask.run !== this.#runOfCopy || this.#queue === undefined) return this.#begin();
    if (ask.page !== null) {
      this.#expect();
      return this.#page(ask.page);
    }
    this.#heard(ask.seq);
    if (this.#queue.length === 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#options.after(WAIT_MS, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
    }
    return this.#closed ? this.#said('idle') : this.#lines();
  }

  /** What waits for the standby is not confirmed to anybody any more. */
  close(): void {
    this.#closed = true;
    this.#cancelGone();
    this.#pending?.failed(noLonger());
    this.#pending = undefined;
    this.#wake();
  }

  get #runOfCopy(): string {
    return `${this.#run}.${this.#copy}`;
  }

  #begin(): CopyAnswer {
    if (this.#isWhole) this.#lost();
    const state = this.#options.state();
    this.#copy++;
    this.#confirmed = 0;
    this.#baseRevision = state.revision;
    // What is written and not in the tables yet comes after the copy; leases do no harm twice.
    this.#queue = this.#last.filter(({ text, revision }) => !isEntry(text) || revision > state.revision);
    if (this.#pending !== undefined) this.#pending.seq = this.#queue.length;
    this.#expect();
    return this.#page(0);
  }

  #page(after: number): CopyAnswer {
    const state = this.#options.state();
    const { entries, next } = state.page(after);
    const lines = entries.map(entryText);
    if (next === null) {
      for (const [lease, { holder, token, ttlMs }] of state.leases())
        lines.push(leaseText({ lease, holder, token, ttlMs }));
    }
    return { ...this.#said('page'), revision: this.#baseRevision, next, lines };
  }

  #lines(): CopyAnswer {
    const some: Line[] = [];
    let octets = 0;
    for (const line of this.#queue ?? []) {
      if (some.length === LINES || octets > OCTETS) break;
      some.push(line);
      octets += line.text.length;
    }
    const revision = some.at(-1)?.revision ?? 0;
    const lines = some.map(({ text }) => text);
    return { ...this.#said('lines'), revision, seq: this.#confirmed + some.length, lines };
  }

  #said(what: CopyAnswer['what']): CopyAnswer {
    const { term } = this.#options.claimant;
    return { run: this.#runOfCopy, what, term, revision: 0, seq: 0, next: null, lines: [] };
  }

  /** The standby has so many lines on its disk. */
  #heard(seq: number): void {
    const queue = this.#queue!;
    const more = Math.min(Math.max(0, seq - this.#confirmed), queue.length);
    const isNew = !this.#isWhole;
    const isStuck = more === 0 && queue.length > 0; // its disk may be full
    queue.splice(0, more);
    this.#confirmed += more;
    if (isNew) {
      this.#isWhole = true;
      this.#wholeAt = this.#confirmed + queue.length;
    }
    if (isNew || !isStuck) this.#expect();
    if (this.#pending !== undefined && this.#pending.seq <= this.#confirmed) this.#settle();
    if (this.#isHolder || this.#confirmed < this.#wholeAt) return;
    this.#isHolder = true;
    const { claimant, self, other, onStandby } = this.#options;
    claimant.hold([self, other]).then(
      () => {
        if (this.#isHolder) onStandby(true);
      },
      (error) => this.#fail(error),
    );
  }

  #expect(): void {
    this.#cancelGone();
    const { after, goneMs = GONE_MS } = this.#options;
    this.#cancelGone = after(this.#isWhole ? goneMs : COPYING_MS, () => this.#lost());
  }

  #lost(): void {
    this.#cancelGone();
    const was = this.#isWhole;
    this.#isWhole = false;
    this.#isHolder = false;
    this.#queue = undefined;
    if (!was) return;
    this.#options.onStandby(false);
    this.#goOnAlone();
  }

  /** What is pending is confirmed when nobody lets the standby take over any more, and nobody has yet. */
  #goOnAlone(): void {
    const { claimant, self } = this.#options;
    const pending = this.#pending;
    claimant
      .hold([self])
      .then(() => pending && claimant.confirm())
      .then(
        () => {
          if (pending !== undefined && pending === this.#pending) this.#settle();
        },
        (error: Error) => {
          pending?.failed(error);
          this.#fail(error);
        },
      );
  }

  #fail(error: Error): void {
    if (!this.#closed) this.#options.onFailed(error);
  }

  #settle(): void {
    this.#pending?.done();
    this.#pending = undefined;
  }
}

const isEntry = (line: string): boolean => line.startsWith('{"nid"');

const noLonger = (): IlnpError => new IlnpError('E_REGISTRY', 'this controller is not the active one any more');
