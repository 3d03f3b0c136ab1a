/**
 * Brings the news of a guest to the border of its site, in order. A border that is being restarted, or cannot reach
 * whom it needs, is told again for a while: the guest has moved whether anybody listens or not.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ControlClient, controlCall } from '../runtime/control-client.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { GuestNews } from './migration.ts';

const AGAIN_MS = 250;
/** Longer than a restart takes. After that whoever runs the hypervisor has to look. */
const GIVE_UP_MS = 60_000;
/** Of a border, a home, a registry or a disk that may be there again soon. */
const WORTH_REPEATING: ReadonlySet<string> = new Set(['E_SOCKET', 'E_PEER_UNREACHABLE', 'E_REGISTRY', 'E_STATE']);

/** Longer than a border takes that is started at the same time. */
const START_MS = 10_000;

/**
 * Asks the border whether it would take news of a guest, before a migration depends on it; waits for one that is being started.
 * `runs`: the guest runs here. Rejects with E_SOCKET, E_UNKNOWN_NID, E_POLICY, E_HYPERVISOR (it is somewhere else).
 */
export async function checkFollowed(
  socket: string,
  guest: { readonly nid: string; readonly runs: boolean },
  startMs: number = START_MS,
): Promise<void> {
  const deadline = performance.now() + startMs;
  for (;;) {
    try {
      await controlCall(socket, 'follows', guest);
      return;
    } catch (error) {
      if (!(error instanceof IlnpError && error.code === 'E_SOCKET') || performance.now() > deadline) throw error;
      await pause(AGAIN_MS);
    }
  }
}

export interface ReporterOptions {
  /** Control socket of the border. */
  readonly socket: string;
  /** As text. */
  readonly nid: string;
  /** The border has taken it; its answer. */
  readonly onTold?: (news: GuestNews, answer: unknown) => void;
  /** It was told for the first time in vain; it is being told again unless `isLast`. */
  readonly onProblem?: (news: GuestNews, error: Error, isLast: boolean) => void;
}

export class Reporter {
  readonly #options: ReporterOptions;
  #client: ControlClient | null = null;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Tells it after all that came before; resolves when that is done or given up. */
  tell(news: GuestNews): Promise<void> {
    this.#queue = this.#queue.then(() => this.#bring(news));
    return this.#queue;
  }

  /** Resolves when everything is told. */
  async settled(): Promise<void> {
    await this.#queue;
    this.#client?.close();
  }

  /** Tells nothing any more. */
  close(): void {
    this.#closed = true;
    this.#client?.close();
  }

  async #bring(news: GuestNews): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS;
    for (let tries = 0; !this.#closed; tries++) {
      try {
        const answer = await this.#call(news);
        this.#options.onTold?.(news, answer);
        return;
      } catch (error) {
        const isWorth = news.kind !== 'incoming' && error instanceof IlnpError && WORTH_REPEATING.has(error.code); // `arrived` will ask again
        const isLast = !isWorth || performance.now() > deadline;
        if (isLast || tries === 0) this.#options.onProblem?.(news, error as Error, isLast);
        if (isLast) return;
        await pause(AGAIN_MS);
      }
    }
  }

  /** The border may have closed a connection that was idle: one more is tried before it counts as a problem. */
  async #call(news: GuestNews): Promise<unknown> {
    const { socket, nid } = this.#options;
    const params = () => ({ nid, news: news.kind, ...('at' in news ? { at: news.at } : {}), now: Date.now() * 1000 });
    const known = this.#client;
    if (known !== null) {
      try {
        return await known.call('guest', params());
      } catch (error) {
        if (!(error instanceof IlnpError && error.code === 'E_SOCKET')) throw error;
        this.#client = null;
        known.close();
      }
    }
    this.#client = await ControlClient.connect(socket);
    return await this.#client.call('guest', params());
  }
}
