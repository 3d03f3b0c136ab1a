/** A registry that somebody else keeps (service.ts), asked over the authenticated channel. */
import { IlnpError } from '../runtime/errors.ts';
import type { Nid } from '../wire/text.ts';
import type { TermFence } from './fence.ts';
import { checkNext } from './judge.ts';
import { type Answer, type Ask, fromWire, parseAnswer, toWire } from './messages.ts';
import { type Changes, Compacted, type Entry, type Lease, type Registry, type Swap } from './registry.ts';

/** How long the registry waits for a change, and how much longer its answer may take, in milliseconds. */
const WAIT_MS = 10_000;
const ANSWER_MS = 5000;

/** Brings a question to the registry; rejects with IlnpError if there is no answer, or with the one it answered. */
export type AskRegistry = (ask: Ask, timeoutMs: number) => Promise<unknown>;

export class RegistryClient implements Registry {
  readonly #ask: AskRegistry;
  readonly #fence: TermFence | undefined;
  /** In which term all was listed. */
  #listedIn = 0;

  /** `fence`: knows the term of the controller that answers, if there are two. */
  constructor(ask: AskRegistry, fence?: TermFence) {
    this.#ask = ask;
    this.#fence = fence;
  }

  async get({ hi, lo }: Nid): Promise<Entry | null> {
    const { entry } = expected('entry', await this.#question({ ask: 'get', nid: [hi, lo] }));
    return entry && fromWire(entry);
  }

  async *list(): AsyncGenerator<Changes> {
    let after: number | null = 0;
    let revision: number | undefined;
    while (after !== null) {
      const page: Extract<Answer, { answer: 'page' }> = expected('page', await this.#question({ ask: 'list', after }));
      if (revision === undefined) this.#listedIn = this.#term;
      else if (this.#term !== this.#listedIn) throw new IlnpError('E_REGISTRY', 'another controller has taken over');
      revision ??= page.revision;
      // A registry that lost what it had would give another end of the list than the one asked for.
      if (page.next !== null && page.next <= after)
        throw new IlnpError('E_PROTOCOL', 'the list of the registry goes back');
      yield { entries: page.entries.map(fromWire), revision };
      after = page.next;
    }
  }

  async swap(expectedEpoch: number | null, next: Entry): Promise<Swap> {
    checkNext(expectedEpoch, next);
    const answer = await this.#question({ ask: 'swap', expected: expectedEpoch, next: toWire(next) });
    if (answer.answer === 'swapped') return { swapped: true };
    const { held } = expected('refused', answer);
    return { swapped: false, held: held && fromWire(held) };
  }

  async *watch(revision: number, signal: AbortSignal): AsyncGenerator<Changes> {
    let at = revision;
    while (!signal.aborted) {
      const question = this.#question({ ask: 'watch', revision: at, waitMs: WAIT_MS }, WAIT_MS + ANSWER_MS);
      const answer = await beforeAbort(question, signal);
      if (answer === undefined) return;
      // What the other one had may not be all that was heard here.
      if (this.#term !== this.#listedIn) throw new Compacted();
      if (answer.answer === 'compacted') throw new Compacted();
      const { entries, revision: last } = expected('page', answer);
      at = last;
      if (entries.length > 0) yield { entries: entries.map(fromWire), revision: at };
    }
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease> {
    const lease = expected('lease', await this.#question({ ask: 'lease', name, holder, ttlMs }));
    return { holder: lease.holder, token: lease.token };
  }

  async release(name: string, holder: string): Promise<void> {
    expected('done', await this.#question({ ask: 'release', name, holder }));
  }

  async close(): Promise<void> {}

  get #term(): number {
    return this.#fence?.term ?? 0;
  }

  async #question(ask: Ask, timeoutMs: number = ANSWER_MS): Promise<Answer> {
    return parseAnswer(await this.#ask(ask, timeoutMs).catch(said));
  }
}

/** Who keeps it is not to be had: that is what this registry says then. */
function said(error: unknown): never {
  if (!(error instanceof IlnpError) || error.code !== 'E_PEER_UNREACHABLE') throw error;
  throw new IlnpError('E_REGISTRY', `the registry: ${error.message}`, { cause: error });
}

function expected<K extends Answer['answer']>(kind: K, answer: Answer): Extract<Answer, { answer: K }> {
  if (answer.answer === kind) return answer as Extract<Answer, { answer: K }>;
  throw new IlnpError('E_PROTOCOL', `the registry answered ${answer.answer}, expected ${kind}`);
}

/** Gives what comes, or undefined if the signal comes first. */
function beforeAbort<T>(coming: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined);
    signal.addEventListener('abort', stop);
    coming.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
