/** While packets of some guest are kept, the workers look at the time, also where nothing arrives. */

import { BEHIND_MS } from '../ilnp/keeping.ts';

/** How late a hold may end. */
const TICK_MS = 100;

export class KeepClock {
  readonly #wake: () => void;
  /** What is kept, and until when (performance.now). */
  readonly #kept = new Map<string, number>();
  #ticker: NodeJS.Timeout | undefined;

  /** `wake`: has the workers look. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** `key` is kept for at most `ms` more. */
  keep(key: string, ms: number): void {
    this.#kept.set(key, Math.max(performance.now() + ms + TICK_MS, this.#kept.get(key) ?? 0));
    this.#ticker ??= setInterval(() => this.#look(), TICK_MS).unref();
  }

  /**
   * Has the workers look when they have waited BEHIND_MS for what is on its way, until `done`: more than once, because one that
   * is busy begins to wait later.
   */
  lookUntil<T>(done: Promise<T>): Promise<T> {
    const ticker = setInterval(this.#wake, BEHIND_MS + 1);
    return done.finally(() => clearInterval(ticker));
  }

  isKept(key: string): boolean {
    return this.#kept.has(key);
  }

  end(key: string): void {
    this.#kept.delete(key);
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
  }

  #look(): void {
    const now = performance.now();
    for (const [key, until] of this.#kept) if (until < now) this.#kept.delete(key);
    this.#wake();
    if (this.#kept.size === 0) this.stop();
  }
}
