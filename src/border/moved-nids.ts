/** Node Identifiers that have moved: neighbour discovery follows a little later and for all at once, because packets wait for the move. */
import { formatNid, type Nid } from '../wire/text.ts';

/** Reason: then the other borders have switched too. */
const LATER_MS = 30;

export class MovedNids {
  readonly #take: (nids: Nid[]) => void;
  readonly #waiting = new Map<string, Nid>();
  #timer: NodeJS.Timeout | undefined;

  constructor(take: (nids: Nid[]) => void) {
    this.#take = take;
  }

  add(nids: readonly Nid[]): void {
    for (const nid of nids) this.#waiting.set(formatNid(nid), nid);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#take(waiting);
    }, LATER_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
