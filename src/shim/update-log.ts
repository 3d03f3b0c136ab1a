/** What operators ask of Locator Updates: those under way, and the last ones that have ended, sent and received. */

import type { LocatorEntry } from '../wire/locator-update.ts';
import type { Nid } from '../wire/text.ts';

/** So many that have ended are kept, whoever they were for. */
const KEPT = 256;

export type UpdateState = 'waiting' | 'acknowledged' | 'superseded' | 'given up' | 'taken';

/** One set of Locators, told to one correspondent or by it. Times are those of the clock of the path, microseconds. */
export interface UpdateEntry {
  readonly way: 'sent' | 'received';
  readonly nid: Nid;
  readonly locators: readonly LocatorEntry[];
  readonly beganAt: number;
  /** Times it was sent, or came. */
  tries: number;
  state: UpdateState;
  /** When it came to this state; of one that waits: when it was sent last. */
  changedAt: number;
}

export class UpdateLog {
  readonly #ended: UpdateEntry[] = [];

  /** The oldest first. */
  get ended(): readonly UpdateEntry[] {
    return this.#ended;
  }

  /** Nothing more will come of a set that was sent. */
  end(entry: UpdateEntry, state: UpdateState, now: number): void {
    entry.state = state;
    entry.changedAt = now;
    this.#add(entry);
  }

  /** A set has come; copies of the newest one of a correspondent count as one. */
  received(nid: Nid, locators: readonly LocatorEntry[], now: number): void {
    const last = this.#ended.findLast((e) => e.way === 'received' && e.nid.hi === nid.hi && e.nid.lo === nid.lo);
    if (last === undefined || !sameLocators(last.locators, locators)) {
      this.#add({ way: 'received', nid, locators, beganAt: now, tries: 1, state: 'taken', changedAt: now });
      return;
    }
    last.tries++;
    last.changedAt = now;
  }

  #add(entry: UpdateEntry): void {
    this.#ended.push(entry);
    if (this.#ended.length > KEPT) this.#ended.shift();
  }
}

/** True for the same Locators, preferences and lifetimes in the same order. */
export const sameLocators = (a: readonly LocatorEntry[], b: readonly LocatorEntry[]): boolean =>
  a.length === b.length &&
  a.every(({ locator, preference, lifetime }, k) => {
    const other = b[k]!;
    const isSame = locator.hi === other.locator.hi && locator.lo === other.locator.lo;
    return isSame && preference === other.preference && lifetime === other.lifetime;
  });
