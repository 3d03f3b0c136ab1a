/** Guests that have left this site, for as long as they may be taken back: a move that fails ends where it began. */
import type { Nid } from '../wire/text.ts';
import type { MovesClock } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

/** Whatever our policy says since. Reason: longer than most outages between sites. */
const TAKEN_BACK_MS = 24 * 3600 * 1000;

export class Departures {
  readonly #clock: Pick<MovesClock, 'now'>;
  /** When each has left, the first to leave first. */
  readonly #left = new Map<string, number>();

  constructor(clock: Pick<MovesClock, 'now'>) {
    this.#clock = clock;
  }

  /** It leaves now. */
  add(nid: Nid): void {
    this.#left.delete(nidKey(nid)); // to the end
    this.#left.set(nidKey(nid), this.#clock.now());
  }

  has(nid: Nid): boolean {
    this.#forget();
    return this.#left.has(nidKey(nid));
  }

  #forget(): void {
    const since = this.#clock.now() - TAKEN_BACK_MS * 1000;
    for (const [key, at] of this.#left) {
      if (at >= since) return;
      this.#left.delete(key);
    }
  }
}
