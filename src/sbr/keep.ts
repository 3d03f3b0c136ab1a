/**
 * Packets that a border keeps for guests on the move: held ones wait until the guest has a place again, retained ones are
 * copies of what was sent to it lately, in case it had stopped already. Owned by one worker, changed between two batches.
 *
 *   towards a kept NID ──hold───► first │ rest ──release──► the path again, in order, before anything newer
 *                       └─retain─► a copy, and on its way
 *
 * Packets are kept as they came, before a Locator has changed, so that the path decides anew when they are let go. What
 * came from other borders (`first`) goes before the rest: it had set out earlier, to the place the guest has left. It goes at
 * once; the rest waits until what is there already has been read. News may pass packets on the way: who is told that another
 * border has let go is told how much, and the rest waits for that too (`behind`). A kept binding has the twin of its class
 * (fib.ts), which leaves the straight flows; other bindings notice nothing.
 *
 * The budget is shared fairly: where it is used up, a guest that has less than its share takes room from the one that has
 * most, whose oldest packets are lost. So nobody who floods one guest on the move takes the room of another.
 */
import { BEHIND_MS, type KeepCounts, type KeepOrder, noCounts } from '../ilnp/keeping.ts';
import { LocatorTable, S_CLASS } from '../ilnp/locator-table.ts';
import { type PacketBatch, SITE } from '../packet/batch.ts';
import { DROP_HOLD_FULL, DROP_NOT_HERE, FORWARD, HELD } from '../packet/verdict.ts';
import { W_DST_NID } from '../wire/ipv6.ts';
import type { Fib } from './fib.ts';
import * as fibs from './fib.ts';
import { type KeepLimits, KeptStore, PacketQueue } from './kept-packets.ts';
import { segmentsOf } from './segments.ts';

/** NIDs kept at a time. */
export const KEPT_MAX = 1024;
/** Batches that may come before the rest is let go. Reason: then a full queue of a TUN has been read (network/plan.ts). */
const BATCHES_BEFORE_REST = 40;

class Kept {
  readonly nid0: number;
  readonly nid1: number;
  readonly first: PacketQueue;
  readonly rest: PacketQueue;
  readonly counts: KeepCounts = noCounts();
  holding = false;
  expecting = false;
  releasing = false;
  /** Was let go; what still comes is counted. */
  released = false;
  departs = false;
  /** Its sessions are noted, until then; 0: they are not. */
  watchedUntil = 0;
  /** Packets of its own wait. */
  sends = false;
  windowUs = 0;
  since = Number.POSITIVE_INFINITY;
  /** When the hold began that packets wait in. */
  heldSince = 0;
  /** Segments that came from other borders since it holds. */
  arrived = 0;
  /** So many are let go before the rest, unless it is later than that. */
  behind = 0;
  behindUntil = 0;
  /** Batches that were read since it is to be let go. */
  batches = 0;
  holdUntil = Number.POSITIVE_INFINITY;
  until = 0;
  onReleased: ((counts: KeepCounts) => void)[] = [];

  constructor(nid0: number, nid1: number, store: KeptStore) {
    this.nid0 = nid0;
    this.nid1 = nid1;
    this.first = new PacketQueue(store);
    this.rest = new PacketQueue(store);
  }

  /** Most octets, or packets, are here. */
  get larger(): PacketQueue {
    return this.first.octets > this.rest.octets ? this.first : this.rest;
  }

  /** What it has of the budget, the larger part of octets and packets. */
  share({ octets, packets }: KeepLimits): number {
    return Math.max((this.first.octets + this.rest.octets) / octets, (this.first.count + this.rest.count) / packets);
  }

  /** The same of its copies. */
  copiedShare({ octets, packets }: KeepLimits): number {
    return Math.max(
      (this.first.copiedOctets + this.rest.copiedOctets) / octets,
      (this.first.copies + this.rest.copies) / packets,
    );
  }

  /** It takes no part of the budget. */
  get isOnlyWatched(): boolean {
    const isKept = this.holding || this.expecting || this.releasing || this.released || this.sends || this.windowUs > 0;
    return !isKept && this.first.count + this.rest.count === 0;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.first.count - this.first.copies + this.rest.count - this.rest.copies;
  }
}

export class Keeper {
  readonly store: KeptStore;
  readonly #fib: Fib;
  readonly #index = new LocatorTable(KEPT_MAX, [0, 0]);
  readonly #kept: (Kept | null)[] = [];
  /** NIDs whose sessions are noted. */
  watched = 0;
  #releasing = 0;
  /** Whose packets are being let go: they pass. */
  #pumped: Kept | null = null;
  /** Something was let go since the last batch was read. */
  #hasFilled = false;
  #now = 0;

  constructor(fib: Fib, limits: KeepLimits) {
    this.#fib = fib;
    this.store = new KeptStore(limits);
  }

  /** Something is kept: `tick` wants to be told the time. */
  get active(): boolean {
    return this.#index.size > 0;
  }

  /** Something is to be let go, now or when some batches more were `read`. */
  get releasing(): boolean {
    if (this.#releasing === 0) return false;
    for (const kept of this.#kept)
      if (kept?.releasing && (kept.first.count > 0 || this.#hasComeBefore(kept))) return true;
    return false;
  }

  /** Something can be let go now: `fill`. */
  get ready(): boolean {
    return this.#releasing > 0 && this.#next() !== null;
  }

  /**
   * Does what is ordered for a NID (two words, machine order); time counts from the last `tick`. `done` is told the counts: when it is in force, or when
   * everything was let go. False, and nothing done, when KEPT_MAX are kept already.
   */
  order(nid0: number, nid1: number, order: KeepOrder, done: (counts: KeepCounts) => void = () => {}): boolean {
    const known = this.#find(nid0, nid1);
    if (order.what === 'end') {
      if (known === null) done(noCounts());
      else this.#end(known, done);
      return true;
    }
    // who asks leaves room for who moves
    const isRefused = order.what === 'watch' && known === null && this.#index.size >= KEPT_MAX / 2;
    const kept = isRefused ? null : (known ?? this.#begin(nid0, nid1));
    if (kept === null) return false;
    const until = this.#now + order.ms * 1000;
    kept.until = Math.max(kept.until, until);
    switch (order.what) {
      case 'hold':
        // one that is prolonged again and again keeps no packet longer than one that is not
        if (kept.waiting === 0) kept.heldSince = this.#now;
        if (!kept.holding) {
          kept.arrived = 0;
          kept.counts.letGo = 0; // that of an earlier move
        }
        kept.holding = true;
        kept.holdUntil = Math.min(until, kept.heldSince + this.store.limits.us);
        break;
      case 'expect':
        kept.expecting = true;
        break;
      case 'retain':
        kept.windowUs = order.windowMs * 1000;
        break;
      case 'depart':
        kept.departs = true;
        break;
      case 'watch':
        if (kept.watchedUntil === 0) this.watched++;
        kept.watchedUntil = Math.max(kept.watchedUntil, until);
        break;
      case 'release':
        kept.until = until;
        kept.departs = order.departs;
        kept.released = true;
        if (!kept.releasing) {
          kept.behind = kept.holding ? order.behind : 0;
          kept.behindUntil = this.#now + BEHIND_MS * 1000;
        }
        kept.onReleased.push(done);
        this.#release(kept, order.since ?? Number.POSITIVE_INFINITY);
        return true;
    }
    done(kept.counts);
    return true;
  }

  /** Looks at what has become too old. `now`: microseconds of a clock that is never set. */
  tick(now: number): void {
    this.#now = now;
    for (const kept of this.#kept) {
      if (kept === null) continue;
      if (kept.watchedUntil <= now) this.#watchNoMore(kept);
      if (kept.releasing) continue;
      if (kept.holdUntil <= now) {
        kept.counts.expired += kept.waiting;
        this.#fib.counters[fibs.COUNT_HOLD_EXPIRED]! += kept.waiting;
        this.#release(kept, Number.POSITIVE_INFINITY);
      } else if (kept.until <= now) this.#end(kept, () => {});
    }
  }

  /** So many packets were read and forwarded; none: nothing waits to be read, or there was no room beside what was let go. */
  read(count: number): void {
    const isAll = count === 0 && !this.#hasFilled;
    this.#hasFilled = false;
    if (this.#releasing === 0) return;
    for (const kept of this.#kept) {
      if (!kept?.releasing) continue;
      if (!this.#hasComeBefore(kept)) kept.batches = 0;
      else kept.batches = isAll ? BATCHES_BEFORE_REST : kept.batches + 1;
    }
  }

  /**
   * Fills a batch of empty slots with packets that are let go, to be forwarded at once; `filled` must follow. Returns how
   * many there are.
   */
  fill(batch: PacketBatch, slots: number): number {
    const kept = this.#next();
    batch.count = 0;
    if (kept === null) return 0;
    this.#pumped = kept;
    this.#hasFilled = true;
    const { counters } = this.#fib;
    let n = 0;
    for (;;) {
      const queue = kept.first.count > 0 ? kept.first : kept.rest;
      if (n === slots || queue.count === 0 || (queue === kept.rest && !mayRest(kept))) break;
      if (queue.copies > 0) {
        if (queue.oldest < kept.since) {
          queue.drop();
          continue;
        }
        kept.counts.replayed++;
        counters[fibs.COUNT_REPLAYED]!++;
      } else counters[fibs.COUNT_RELEASED]!++;
      queue.shiftInto(batch, n);
      counters[fibs.COUNT_PACKETS_IN + batch.port[n]!]!--; // it came once
      counters[fibs.COUNT_OCTETS_IN + batch.port[n]!]! -= batch.length[n]!;
      n++;
    }
    batch.count = n;
    return n;
  }

  /** What `fill` gave was forwarded. */
  filled(): void {
    const kept = this.#pumped;
    this.#pumped = null;
    if (kept === null || kept.first.count + kept.rest.count > 0 || !mayRest(kept)) return;
    kept.releasing = false;
    kept.holding = false;
    kept.expecting = false;
    kept.sends = false;
    kept.holdUntil = Number.POSITIVE_INFINITY;
    this.#releasing--;
    for (const done of kept.onReleased.splice(0)) done(kept.counts);
    if (kept.until <= this.#now) this.#forget(kept);
  }

  /** On the path: verdict for a packet towards the kept NID it is addressed to; FORWARD: it goes on. */
  towards(batch: PacketBatch, i: number): number {
    const word = batch.word;
    const w = (batch.offset[i]! >>> 2) + W_DST_NID;
    const kept = this.#find(word[w]!, word[w + 1]!);
    if (kept === null) return FORWARD;
    if (kept === this.#pumped) {
      if (batch.egress[i] === SITE) kept.counts.letGo += segmentsOf(batch, i);
    } else {
      if (kept.holding) return this.#hold(kept, batch, i);
      if (kept.windowUs > 0 && !kept.sends) this.#retain(kept, batch, i); // copies lie before all that waits
      if (kept.released && batch.port[i] === SITE && batch.egress[i] === SITE) kept.counts.sentOn++;
    }
    if (kept.released && kept.counts.firstAt === 0) kept.counts.firstAt = this.#fib.now;
    return FORWARD;
  }

  /**
   * On the path: verdict for what a kept guest sends, whose NID is at word `w`. While it is not here, it waits; once it is,
   * it waits behind what has waited.
   */
  fromGuest(batch: PacketBatch, i: number, w: number, isHere: boolean): number {
    const kept = this.#find(batch.word[w]!, batch.word[w + 1]!);
    if (kept === null || kept === this.#pumped) return isHere || kept?.departs ? FORWARD : DROP_NOT_HERE;
    if (isHere && !kept.sends) return FORWARD;
    if (kept.departs && !kept.releasing) return FORWARD;
    if (!kept.holding && !kept.expecting && !kept.sends) return DROP_NOT_HERE;
    if (kept.waiting === 0 && !kept.holding) {
      kept.heldSince = this.#now;
      kept.holdUntil = this.#now + this.store.limits.us;
    }
    kept.sends = true;
    return this.#hold(kept, batch, i);
  }

  /** Whether sessions of the NID (two words, machine order) are noted. */
  watches(nid0: number, nid1: number): boolean {
    return this.watched > 0 && (this.#find(nid0, nid1)?.watchedUntil ?? 0) > 0;
  }

  /** The table was told of a binding anew, which may be kept. */
  mark(nid0: number, nid1: number): void {
    if (this.#find(nid0 | 0, nid1 | 0) !== null) this.#fib.setKept(nid0 | 0, nid1 | 0, true);
  }

  /** All kept bindings have the twins of their classes, or none has. */
  markAll(isKept: boolean): void {
    for (const kept of this.#kept) if (kept !== null) this.#fib.setKept(kept.nid0, kept.nid1, isKept);
  }

  /** The next of which packets go now: one of which all may go, else one that waits for more from other borders. */
  #next(): Kept | null {
    let early: Kept | null = null;
    for (const kept of this.#kept) {
      if (!kept?.releasing) continue;
      if (mayRest(kept)) return kept;
      if (kept.first.count > 0) early ??= kept;
    }
    return early;
  }

  #hasComeBefore(kept: Kept): boolean {
    return kept.arrived >= kept.behind || this.#now >= kept.behindUntil;
  }

  #hold(kept: Kept, batch: PacketBatch, i: number): number {
    const queue = batch.port[i] === SITE ? kept.first : kept.rest;
    if (queue === kept.first) kept.arrived += segmentsOf(batch, i);
    const { now } = this.#fib;
    let isKept = queue.push(batch, i, now, false);
    while (!isKept && this.#takeRoomFor(kept)) isKept = queue.push(batch, i, now, false);
    if (!isKept) {
      kept.counts.full++;
      return DROP_HOLD_FULL;
    }
    kept.counts.held++;
    return HELD;
  }

  /** Loses a packet of the guest that has most; false when `kept` has its share already. */
  #takeRoomFor(kept: Kept): boolean {
    const { limits } = this.store;
    if (kept.share(limits) * this.#sharers >= 1) return false;
    let most = kept;
    for (const one of this.#kept) if (one !== null && one.share(limits) > most.share(limits)) most = one;
    if (most === kept) return false;
    const queue = most.larger;
    if (queue.copies === 0) {
      most.counts.full++;
      this.#fib.counters[fibs.COUNT_HOLD_GAVE_WAY]!++;
    }
    queue.drop();
    return true;
  }

  /** Copies give way to newer ones, and may not fill more than half of the store. */
  #retain(kept: Kept, batch: PacketBatch, i: number): void {
    const { store } = this;
    const queue = batch.port[i] === SITE ? kept.first : kept.rest;
    const { now } = this.#fib;
    queue.dropCopiesBefore(now - kept.windowUs);
    while (store.copiedOctets > store.limits.octets / 2 || store.copied > store.limits.packets / 2) {
      if (!this.#dropCopyFor(kept)) break;
    }
    if (queue.push(batch, i, now, true)) this.#fib.counters[fibs.COUNT_RETAINED]!++;
  }

  /** Forgets a copy of this guest, or of the one that has most while this one has less than its share. */
  #dropCopyFor(kept: Kept): boolean {
    const { limits } = this.store;
    let most = kept;
    if (kept.copiedShare(limits) * 2 * this.#sharers < 1)
      for (const one of this.#kept) if (one !== null && one.copiedShare(limits) > most.copiedShare(limits)) most = one;
    const queue = most.first.copiedOctets > most.rest.copiedOctets ? most.first : most.rest;
    if (queue.copies === 0) return false;
    queue.drop();
    return true;
  }

  #release(kept: Kept, since: number): void {
    kept.since = since;
    if (kept.releasing) return;
    kept.releasing = true;
    kept.batches = 0;
    this.#releasing++;
  }

  #end(kept: Kept, done: (counts: KeepCounts) => void): void {
    kept.until = 0;
    kept.departs = false;
    if (kept.releasing || kept.waiting > 0) {
      kept.onReleased.push(done);
      this.#release(kept, kept.releasing ? kept.since : Number.POSITIVE_INFINITY);
      return;
    }
    this.#forget(kept);
    done(kept.counts);
  }

  #begin(nid0: number, nid1: number): Kept | null {
    if (this.#index.size === KEPT_MAX) return null;
    const kept = new Kept(nid0 | 0, nid1 | 0, this.store);
    const free = this.#kept.indexOf(null);
    const index = free < 0 ? this.#kept.length : free;
    this.#kept[index] = kept;
    this.#index.put(nid0, nid1, index, 0);
    this.#fib.setKept(kept.nid0, kept.nid1, true);
    return kept;
  }

  #forget(kept: Kept): void {
    for (const queue of [kept.first, kept.rest]) while (queue.count > 0) queue.drop();
    this.#watchNoMore(kept);
    this.#kept[this.#kept.indexOf(kept)] = null;
    this.#index.delete(kept.nid0, kept.nid1);
    this.#fib.setKept(kept.nid0, kept.nid1, false);
  }

  #watchNoMore(kept: Kept): void {
    if (kept.watchedUntil > 0) this.watched--;
    kept.watchedUntil = 0;
  }

  /** Guests that the budget is for. */
  get #sharers(): number {
    if (this.watched === 0) return this.#index.size;
    let sharers = 0;
    for (const kept of this.#kept) if (kept !== null && !kept.isOnlyWatched) sharers++;
    return sharers;
  }

  #find(nid0: number, nid1: number): Kept | null {
    const slot = this.#index.find(nid0 | 0, nid1 | 0);
    return slot < 0 ? null : this.#kept[this.#index.slots[slot + S_CLASS]! - 1]!;
  }
}

/** Nothing older than the rest is on its way, or to be read. */
const mayRest = (kept: Kept): boolean => kept.batches >= BATCHES_BEFORE_REST;
