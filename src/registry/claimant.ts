/**
 * What a controller of a pair says of itself to the witnesses (witness.ts), and what they said of it. It begins a term with the
 * word of most of them, says in it who holds what is confirmed, and finds out whether its term is still the last.
 */
import { randomUUID } from 'node:crypto';
import { IlnpError } from '../runtime/errors.ts';
import type { Witness } from './witness.ts';
import { type Claim, type ClaimAnswer, WITNESS_WAIT_MS, type WitnessAsk } from './witnessed.ts';

export interface ClaimantOptions {
  /** The two controllers. */
  readonly self: string;
  readonly other: string;
  readonly sites: () => readonly string[];
  /** Our own. */
  readonly witness: Witness;
  readonly after: (ms: number, run: () => void) => () => void;
}

interface Waiting {
  readonly isReady: () => boolean;
  readonly done: () => void;
  readonly failed: (error: Error) => void;
}

export class Claimant {
  readonly #options: ClaimantOptions;
  readonly #run = randomUUID();
  #version = 1;
  #claim: Claim | null = null;
  /** The last ask of each. */
  readonly #heard = new Map<string, WitnessAsk>();
  /** Asks that are not answered yet. */
  readonly #wakes = new Set<() => void>();
  #waiting: Waiting[] = [];

  constructor(options: ClaimantOptions) {
    this.#options = options;
  }

  /** Of the claim; 0: none. */
  get term(): number {
    return this.#claim?.term ?? 0;
  }

  get holders(): readonly string[] {
    return this.#claim?.holders ?? [];
  }

  /** Answers a witness, at once when there is something to say. */
  async answer(from: string, ask: WitnessAsk): Promise<ClaimAnswer> {
    this.#heard.set(from, ask);
    this.#look();
    if (ask.run === this.#run && ask.told === this.#version) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          cancel();
          this.#wakes.delete(wake);
          resolve();
        };
        const cancel = this.#options.after(WITNESS_WAIT_MS, wake);
        this.#wakes.add(wake);
      });
    }
    return { run: this.#run, version: this.#version, claim: this.#claim };
  }

  /** Asks for a term, until it is withdrawn; again with a greater one if need be. */
  stand(entries: number, isForced: boolean): void {
    const { self, witness } = this.#options;
    const greatest = this.#greatestTerm;
    const claim = this.#claim;
    const isUsable =
      claim !== null && claim.holders === null && claim.term > witness.state.term && claim.term >= greatest;
    if (isUsable && claim.isForced === isForced && claim.of.join() === witness.state.of.join()) return;
    const { of, holders: known } = witness.state;
    const isFirst = of[0] === 0;
    const term = this.#nextTerm(Math.max(greatest, this.term));
    this.#say({ term, by: self, seq: 0, holders: null, of, known, isFirst, isForced, entries });
  }

  /** The others have given their word: with ours they are most. Where nobody knows of a term, the other controller is needed. */
  get isGranted(): boolean {
    const claim = this.#claim;
    if (claim === null || claim.term <= this.#options.witness.state.term) return false;
    const given = (name: string): boolean => this.#heard.get(name)?.term === claim.term;
    if (claim.isFirst && !claim.isForced && !given(this.#options.other)) return false;
    return this.#others.filter(given).length + 1 >= this.#most;
  }

  /** Why it is not, in words. */
  get problems(): string[] {
    return this.#others.flatMap((name) => {
      const ask = this.#heard.get(name);
      if (ask !== undefined && ask.term === this.term) return [];
      const isTold = ask !== undefined && ask.run === this.#run && ask.told === this.#version;
      return [isTold ? `${name}: ${ask.why}` : `${name} is not heard`];
    });
  }

  /** Gives ourselves our own word, once `isGranted`: nothing of smaller terms is taken here any more. */
  begin(): void {
    const why = this.#options.witness.take({ ...this.#claim!, isForced: true });
    if (why !== '') throw new IlnpError('E_REGISTRY', why);
  }

  /** Resolves when most witnesses know that these hold what is confirmed in this term. */
  hold(holders: readonly string[]): Promise<void> {
    const claim = this.#claim;
    if (claim === null) return Promise.reject(noLonger());
    const isSame = claim.holders !== null && claim.holders.join() === holders.join();
    const next = isSame ? claim : { ...claim, seq: claim.seq + 1, holders: [...holders] };
    try {
      const why = this.#options.witness.take(next);
      if (why !== '') return Promise.reject(new IlnpError('E_REGISTRY', why));
    } catch (error) {
      return Promise.reject(error);
    }
    if (!isSame) this.#say(next);
    const knows = ([term, seq]: readonly [number, number]): boolean => term === next.term && seq >= next.seq;
    const isKnown = (name: string): boolean => knows(this.#heard.get(name)?.of ?? [0, 0]);
    return this.#until(
      () => knows(this.#options.witness.state.of) && this.#others.filter(isKnown).length + 1 >= this.#most,
    );
  }

  /** Resolves when the other controller, or most witnesses, have said after this call that our term is not over; E_REGISTRY if not `withinMs`. */
  confirm(withinMs?: number): Promise<void> {
    const { term } = this;
    if (term === 0) return Promise.reject(noLonger());
    const version = ++this.#version;
    this.#wake();
    const says = (name: string): boolean => {
      const ask = this.#heard.get(name);
      return ask !== undefined && ask.run === this.#run && ask.told >= version && ask.term <= term;
    };
    const isConfirmed = (): boolean => says(this.#options.other) || this.#others.filter(says).length + 1 >= this.#most;
    return this.#until(isConfirmed, withinMs);
  }

  /** Resolves when some witness has given its word to another one: this term is over, or must be begun anew. */
  overtaken(): Promise<void> {
    const { term } = this;
    return this.#until(() => this.#greatestTerm > term);
  }

  /** Nothing is claimed any more; who waits for anything is refused. */
  withdraw(): void {
    if (this.#claim === null) return;
    this.#say(null);
    for (const { failed } of this.#waiting.splice(0)) failed(noLonger());
  }

  /** Our own witness has heard something. */
  look(): void {
    this.#look();
  }

  get #others(): readonly string[] {
    return [this.#options.other, ...this.#options.sites()];
  }

  /** More than half of all. */
  get #most(): number {
    return Math.floor((this.#others.length + 1) / 2) + 1;
  }

  get #greatestTerm(): number {
    const terms = this.#others.map((name) => this.#heard.get(name)?.term ?? 0);
    return Math.max(this.#options.witness.state.term, ...terms);
  }

  /** The next that is ours: odd ones are one's, even ones the other's. */
  #nextTerm(term: number): number {
    const isOdd = this.#options.self < this.#options.other ? 1 : 0;
    return (term + 1) % 2 === isOdd ? term + 1 : term + 2;
  }

  #say(claim: Claim | null): void {
    this.#claim = claim;
    this.#version++;
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  #until(isReady: () => boolean, withinMs?: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let cancel = (): void => {};
      const done = (): void => {
        cancel();
        resolve();
      };
      const failed = (error: Error): void => {
        cancel();
        reject(error);
      };
      const one: Waiting = { isReady, done, failed };
      this.#waiting.push(one);
      if (withinMs !== undefined) {
        cancel = this.#options.after(withinMs, () => {
          this.#waiting = this.#waiting.filter((other) => other !== one);
          reject(new IlnpError('E_REGISTRY', 'neither the other controller nor most sites are heard'));
        });
      }
      this.#look();
    });
  }

  #look(): void {
    const ready = this.#waiting.filter(({ isReady }) => isReady());
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !ready.includes(one));
    for (const { done } of ready) done();
  }
}

const noLonger = (): IlnpError => new IlnpError('E_REGISTRY', 'this controller is not the active one');
