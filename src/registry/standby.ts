/**
 * The side of a controller that follows: keeps a copy of what the other one has in a store of its own, ready to be served. While
 * a copy begins anew the one before stays in place.
 */
import { IlnpError } from '../runtime/errors.ts';
import type { CopyAnswer, CopyAsk } from './copied.ts';
import { beginReplacement } from './replacement.ts';
import type { RegistryStore } from './store.ts';

export interface RegistryStandbyOptions {
  readonly state: string;
  readonly name: string;
  /** Opens the store of `state` and `name`. */
  readonly open: () => Promise<RegistryStore>;
  /** Rejects if the other one does not answer. */
  readonly ask: (ask: CopyAsk) => Promise<CopyAnswer>;
  /** Smaller terms are over. */
  readonly term: () => number;
}

export class RegistryStandby {
  store: RegistryStore;
  readonly #options: RegistryStandbyOptions;
  #run = '';
  #seq = 0;
  /** Of the last lines taken; 0: none. */
  #term = 0;
  #closed = false;
  #taking: Promise<unknown> = Promise.resolve();

  constructor(store: RegistryStore, options: RegistryStandbyOptions) {
    this.store = store;
    this.#options = options;
  }

  /** There is a copy of the other one here, or there will be. */
  get isFollowing(): boolean {
    return this.#run !== '' && !this.#closed;
  }

  /** The term of which there is a whole copy here; 0: none. */
  get copyOf(): number {
    return this.isFollowing ? this.#term : 0;
  }

  /** Asks once and takes the answer; on disk when it resolves. Rejects if nobody answers or the disk refuses. */
  async step(): Promise<void> {
    if (this.#closed) return;
    const answer = await this.#options.ask(this.#ask(null));
    if (this.#closed) return;
    const taking = this.#take(answer);
    this.#taking = taking.catch(() => {});
    await taking;
  }

  /** Takes nothing more; resolves when what was taken is on disk. The store stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#taking;
  }

  async #take(answer: CopyAnswer): Promise<void> {
    if (answer.what === 'idle') {
      this.#run = '';
      return;
    }
    if (answer.term < this.#options.term())
      throw new IlnpError('E_REGISTRY', `the other controller serves in term ${answer.term}, which is over`);
    if (answer.what === 'page') return this.#copyAnew(answer);
    if (answer.run !== this.#run) throw new IlnpError('E_PROTOCOL', 'lines of another copy than the one asked for');
    if (answer.lines.length > 0) await this.store.replicate(answer.lines, answer.revision);
    this.#seq = answer.seq;
    this.#term = answer.term;
  }

  async #copyAnew(first: CopyAnswer): Promise<void> {
    const { state, name, ask, open } = this.#options;
    this.#run = first.run;
    this.#seq = 0;
    this.#term = 0;
    const fresh = await beginReplacement(state, name);
    try {
      for (let answer = first; ; ) {
        await fresh.write(first.revision, answer.lines);
        if (answer.next === null) break;
        answer = await ask(this.#ask(answer.next));
        if (answer.run !== first.run || answer.what !== 'page' || this.#closed)
          throw new IlnpError('E_REGISTRY', 'a copy was interrupted');
      }
      await fresh.end();
    } catch (error) {
      this.#run = '';
      await fresh.discard();
      throw error;
    }
    await this.store.close();
    await fresh.put();
    this.store = await open();
  }

  #ask(page: number | null): CopyAsk {
    return { run: this.#run, seq: this.#seq, page, leaving: false };
  }
}
