/**
 * Whether the way to a correspondent works, and which other one does (RFC 6741 section 13.1, RFC 6748 section 2.8; in the
 * manner of RFC 5534). A way is a pair: one of our Locators, one of its. Nothing is sent while packets come back on it.
 *
 *   calm      programs here speak and nothing comes back to the Locator they speak from    -> asking
 *   asking    a Locator Update of the set that it knows, on the pair in use; when nothing at all comes  -> exploring
 *   exploring the same on every pair, with growing pauses; the first pair that answers is used from now on, and said so
 *             in a Locator Update. After every round without an answer the correspondent is called lost
 *
 * Away from the preferred pair that one is asked too. It is used again when it has answered for a while without a miss,
 * and this while doubles each time it fails soon after, so that a way that comes and goes is not followed.
 *
 * A Locator Update serves as the question because its acknowledgement comes back on the very pair it was sent on and
 * proves itself by the nonce. Only who is proved to hear us is asked: strangers cannot make us send. Pure: time comes in
 * as an argument (microseconds), packets go out through `Updates`.
 */
import {
  type Correspondent,
  type LocalLocator,
  type Locator,
  type RemoteLocator,
  sameLocator,
} from '../ilnp/correspondent.ts';
import type { Node } from './node.ts';
import type { Updates } from './updates.ts';
import { COUNT_FAILOVERS, COUNT_QUESTIONS, COUNT_RETURNS } from './verdict.ts';

/** How long programs may speak without an answer before the way is doubted. */
const PATIENCE_US = 0.5e6;
/** How long an answer is waited for, at least; twice the round trip where that is longer. */
const ANSWER_US = 0.5e6;
const LONGEST_PAUSE_US = 30e6;
/** Programs that have said nothing for so long need no way; who has been answered is looked at no longer than that. */
const QUIET_US = 30e6;
const ANSWERED_US = 1e6;
/** How often those are looked at whom programs speak to. */
const PERIOD_US = 0.25e6;
/** Pairs asked in one round. */
const PAIRS = 8;
/** Questions per call of `run`; the others wait for the next one. */
const BURST = 64;

/** How long the preferred pair has to answer before it is used again: at first, and at most. */
const HOLD_US = 5e6;
const HOLD_MOST_US = 320e6;
/** Questions in that time. */
const HOLD_QUESTIONS = 5;
/** A pair that fails within so many of those times after it was taken back has to show more. */
const SOON = 10;

const [CALM, ASKING, EXPLORING] = [0, 1, 2];

interface Pair {
  readonly own: LocalLocator;
  readonly remote: RemoteLocator;
}

interface Watch {
  phase: number;
  /** When this phase does something next. */
  due: number;
  /** When the last question was sent. */
  askedAt: number;
  /** Rounds of exploring without an answer. */
  rounds: number;
  /** Of the last answer to a first question. */
  roundTrip: number;
  /** Of the preferred pair while another one is used: since when it answers without a miss, 0: it does not. */
  goodSince: number;
  homeDue: number;
  homeAnswered: boolean;
  hold: number;
  returnedAt: number;
}

export class Liveness {
  readonly #node: Node;
  readonly #updates: Updates;
  readonly #watches = new WeakMap<Correspondent, Watch>();
  /** Those whom programs speak to now. */
  readonly #active = new Set<Correspondent>();
  #lookAt = 0;

  constructor(node: Node, updates: Updates) {
    this.#node = node;
    this.#updates = updates;
  }

  /** When `run` has something to do, or null. */
  next(now: number): number | null {
    if (this.#active.size === 0 && this.#node.spokenTo.length === 0) return null;
    return Math.max(this.#lookAt, now + 1000);
  }

  /** Looks after everybody whom programs speak to; call it again at `next()`. */
  run(now: number): void {
    if (now < this.#lookAt) return;
    this.#lookAt = now + PERIOD_US;
    for (const c of this.#node.spokenTo) {
      this.#active.add(c);
      if (c.isUntold) this.#updates.tell(c, now);
    }
    this.#node.spokenTo.length = 0;
    let left = BURST;
    for (const c of this.#active) {
      if (left <= 0) break;
      if (c.isUntold && c.waitingSince === 0) this.#updates.tell(c, now); // it is heard again
      const sent = this.#look(c, this.#watchOf(c), now);
      left -= sent;
      if (sent === 0) continue;
      this.#active.delete(c); // behind those that have not had their turn
      this.#active.add(c);
    }
  }

  /** The Locators of this node are others: what is not ours any more is not used, what was asked before says nothing. */
  locatorsChanged(now: number): void {
    const node = this.#node;
    for (const c of node.ilcc.all()) {
      if (c.own !== null) c.own = this.#stillOwn(c, c.own);
      if (this.#active.has(c)) calm(c, this.#watchOf(c), now);
    }
  }

  /** What was found to work stays in use, unless it is about to go. */
  #stillOwn(c: Correspondent, own: LocalLocator): LocalLocator | null {
    const node = this.#node;
    if (node.locators.length === 0) return null;
    if (node.spread) return node.usualFor(c);
    const found = node.valid(own.l0, own.l1);
    return found !== null && node.isFirstClass(found) ? found : null;
  }

  /** The correspondent has other Locators: what was asked before says nothing. */
  relocated(c: Correspondent, now: number): void {
    if (this.#active.has(c)) calm(c, this.#watchOf(c), now);
  }

  /** An acknowledgement, which came from `remote` to `own`. */
  answered(c: Correspondent, own: Locator, remote: Locator, now: number): void {
    if (!this.#active.has(c) || this.#node.locators.length === 0) return; // nothing is ours just now
    const w = this.#watchOf(c);
    if (w.phase !== CALM) {
      const pair = this.#pairs(c, now).find((p) => sameLocator(p.own, own) && sameLocator(p.remote, remote));
      if (pair === undefined) return;
      if (w.rounds === 0) w.roundTrip = now - w.askedAt;
      if (!this.#isInUse(c, pair)) this.#goOver(c, w, pair, now);
      calm(c, w, now);
      return;
    }
    const home = this.#home(c, now);
    if (!sameLocator(home.own, own) || !sameLocator(home.remote, remote) || this.#isInUse(c, home)) return;
    w.homeAnswered = true;
    if (w.goodSince === 0) w.goodSince = now;
    if (now - w.goodSince >= w.hold) this.#goBack(c, w, home, now);
  }

  /** Questions sent. */
  #look(c: Correspondent, w: Watch, now: number): number {
    if (c.remoteNonce === null || this.#node.locators.length === 0) return this.#forget(c, w);
    if (w.phase === ASKING && c.waitingSince === 0) calm(c, w, now);
    if (w.phase === CALM) return this.#lookCalm(c, w, now);
    if (now < w.due) return 0;
    if (now - c.sentAt > QUIET_US) return this.#forget(c, w);
    if (w.phase === EXPLORING) {
      w.rounds++;
      this.#node.lost(c);
    }
    w.phase = EXPLORING;
    const pairs = this.#pairs(c, now).slice(0, PAIRS);
    for (const pair of pairs) this.#ask(c, pair);
    w.askedAt = now;
    w.due = now + Math.min(patience(w) * 2 ** w.rounds, LONGEST_PAUSE_US);
    return pairs.length;
  }

  #lookCalm(c: Correspondent, w: Watch, now: number): number {
    if (c.waitingSince !== 0 && now - c.waitingSince >= PATIENCE_US) {
      w.phase = ASKING;
      w.askedAt = now;
      w.due = now + patience(w);
      this.#ask(c, this.#pairs(c, now)[0]!);
      return 1;
    }
    const quiet = now - c.sentAt;
    const home = this.#home(c, now);
    if (!this.#isInUse(c, home)) return quiet > QUIET_US ? this.#forget(c, w) : this.#askHome(c, w, home, now);
    return c.waitingSince === 0 && quiet > ANSWERED_US ? this.#forget(c, w) : 0;
  }

  #askHome(c: Correspondent, w: Watch, home: Pair, now: number): number {
    if (now < w.homeDue) return 0;
    if (!w.homeAnswered) w.goodSince = 0;
    w.homeAnswered = false;
    w.homeDue = now + w.hold / HOLD_QUESTIONS;
    this.#ask(c, home);
    return 1;
  }

  #goOver(c: Correspondent, w: Watch, { own, remote }: Pair, now: number): void {
    const node = this.#node;
    const failed = c.own ?? node.locators[0]!;
    const soon = w.returnedAt !== 0 && now - w.returnedAt < SOON * w.hold;
    w.hold = soon ? Math.min(w.hold * 2, HOLD_MOST_US) : HOLD_US;
    w.goodSince = 0;
    w.homeAnswered = false;
    w.homeDue = now + w.hold / HOLD_QUESTIONS;
    if (!sameLocator(failed, own)) node.silent.push(failed);
    node.silent = node.silent.filter((l) => !sameLocator(l, own));
    c.own = own;
    c.use(remote);
    node.counters[COUNT_FAILOVERS]!++;
    this.#updates.tell(c, now);
  }

  #goBack(c: Correspondent, w: Watch, home: Pair, now: number): void {
    const node = this.#node;
    node.silent = node.silent.filter((l) => !sameLocator(l, home.own));
    c.own = home.own;
    c.use(home.remote);
    w.returnedAt = now;
    w.goodSince = 0;
    node.counters[COUNT_RETURNS]!++;
    this.#updates.tell(c, now);
  }

  #forget(c: Correspondent, w: Watch): number {
    w.phase = CALM;
    w.rounds = 0;
    this.#active.delete(c);
    c.isWatched = false;
    return 0;
  }

  #ask(c: Correspondent, { own, remote }: Pair): void {
    this.#updates.ask(c, own, remote);
    this.#node.counters[COUNT_QUESTIONS]!++;
  }

  #isInUse(c: Correspondent, { own, remote }: Pair): boolean {
    return sameLocator(c.own ?? this.#node.locators[0]!, own) && sameLocator(c.current, remote);
  }

  /** The pair that preferences ask for. */
  #home(c: Correspondent, now: number): Pair {
    return { own: this.#node.usualFor(c), remote: c.preferred(now) };
  }

  /** All pairs, that in use first. */
  #pairs(c: Correspondent, now: number): Pair[] {
    const { locators } = this.#node;
    const remotes = [c.current, ...c.locators.filter((l) => now <= l.expires && !sameLocator(l, c.current))];
    const inUse = c.own ?? locators[0]!;
    const owns = [inUse, ...locators.filter((l) => !sameLocator(l, inUse))];
    return remotes.flatMap((remote) => owns.map((own) => ({ own, remote })));
  }

  #watchOf(c: Correspondent): Watch {
    let w = this.#watches.get(c);
    if (w === undefined) {
      w = { ...NEW };
      this.#watches.set(c, w);
    }
    return w;
  }
}

const NEW: Watch = {
  phase: CALM,
  due: 0,
  askedAt: 0,
  rounds: 0,
  roundTrip: 0,
  goodSince: 0,
  homeDue: 0,
  homeAnswered: false,
  hold: HOLD_US,
  returnedAt: 0,
};

function calm(c: Correspondent, w: Watch, now: number): void {
  w.phase = CALM;
  w.rounds = 0;
  if (c.waitingSince !== 0) c.waitingSince = now;
}

const patience = (w: Watch): number => Math.max(ANSWER_US, 2 * w.roundTrip);
