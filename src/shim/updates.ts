/**
 * Locator Updates of this node, RFC 6743: when its set of Locators changes, every active correspondent is told the whole
 * set, until it acknowledges it or has failed to for too long. The RFC has no timers; these are ours: 1 s, doubled each
 * time, seven attempts, in bursts of a few, and a newer set takes the place of the one under way. Strangers, who may be
 * forged, are told twice, and only if a program here has spoken to them.
 *
 * Pure: time comes in as an argument (microseconds), packets go out through the node.
 */
import { type Correspondent, type Locator, l64Of, locatorOf, sameLocator } from '../ilnp/correspondent.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { ADVERTISEMENT, type LocatorEntry, locatorUpdatePacket } from '../wire/locator-update.ts';
import { authenticationOption } from '../wire/update-authentication.ts';
import { address } from './address.ts';
import type { Node } from './node.ts';
import { sameLocators, type UpdateEntry, UpdateLog } from './update-log.ts';
import { COUNT_UPDATES_ACKNOWLEDGED, COUNT_UPDATES_GIVEN_UP, COUNT_UPDATES_SENT } from './verdict.ts';

const FIRST_WAIT_US = 1e6;
const ATTEMPTS = 7;
/** Whoever forges the source of a packet shall not make us send many. */
const ATTEMPTS_FOR_STRANGERS = 2;
/** Who was silent for longer may have gone elsewhere without telling us; names have the word. */
export const ACTIVE_US = 600e6;
/**
 * Who was silent for longer has no session any more (RFC 6743 section 2): TCP asks after two hours. Who has told us nothing
 * for ACTIVE_US is told in a few attempts, and then when programs speak to it again.
 */
const SESSION_US = 3 * 3600e6;
const ATTEMPTS_FOR_SILENT = 3;
/** So many attempts that one does not answer are enough to ask names where it is. */
const ATTEMPTS_ALONE = 2;
/** Updates per call of `run`: many correspondents are told one after the other. */
const BURST = 64;
const BURST_GAP_US = 10_000;

/** What a Locator loses in preference that does not work for a correspondent. */
const BEHIND = 30_000;
const PREFERENCE_MAX = 0xffff;

interface Outstanding {
  attempts: number;
  due: number;
  readonly entry: UpdateEntry;
}

export class Updates {
  /** What has become of them. */
  readonly log = new UpdateLog();
  readonly #node: Node;
  /** Who has not acknowledged the newest set, in the order they are told. */
  readonly #outstanding = new Map<Correspondent, Outstanding>();
  #set: readonly LocatorEntry[] = [];
  /** For correspondents at global Locators: without unique local ones, unless there are no others (RFC 6748 section 2.1). */
  #outsideSet: readonly LocatorEntry[] = [];
  /** Which set has the newest number (update-authentication.ts). */
  readonly #numbered = new WeakMap<Correspondent, readonly LocatorEntry[]>();

  constructor(node: Node) {
    this.#node = node;
  }

  /** How many have not acknowledged. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Those that wait for their acknowledgement. */
  *waiting(): IterableIterator<UpdateEntry> {
    for (const { entry } of this.#outstanding.values()) yield entry;
  }

  /** The Locators of the node have changed. */
  begin(now: number): void {
    this.#set = this.#node.locators.map((l) => ({ locator: l64Of(l), preference: l.preference, lifetime: l.lifetime }));
    const isOutside = this.#set.filter(({ locator }) => !ipv6.isUniqueLocalL64(locator));
    this.#outsideSet = isOutside.length === 0 ? this.#set : isOutside;
    for (const { entry } of this.#outstanding.values()) this.log.end(entry, 'superseded', now);
    this.#outstanding.clear();
    if (this.#set.length === 0) return; // nobody can be told
    for (const c of this.#node.ilcc.all()) {
      if (!c.proved && !c.isConfigured && !c.isSpokenTo) continue; // anybody can forge packets; it is no session of anybody here
      // who has not answered yet answers where we were when we asked
      const last = c.remoteNonce === null && now >= c.plainUntil ? c.sentAt : c.heardAt;
      if (last === 0) continue;
      if (now - last > (c.proved && c.isSpokenTo ? SESSION_US : ACTIVE_US)) c.isUntold = true;
      else this.#enter(c, now);
    }
    this.run(now);
  }

  /** This correspondent alone is told, at once: it is somewhere else than we thought, or another Locator of ours works. */
  tell(c: Correspondent, now: number): void {
    if (this.#set.length === 0) return;
    const before = this.#outstanding.get(c)?.entry;
    if (before !== undefined && sameLocators(before.locators, this.#setFor(c)))
      this.#outstanding.set(c, { attempts: 0, due: now, entry: before });
    else {
      if (before !== undefined) this.log.end(before, 'superseded', now);
      this.#outstanding.delete(c);
      this.#enter(c, now);
    }
    this.run(now);
  }

  /** The set that it knows, once, from `own` to `remote`: who hears it acknowledges it there. */
  ask(c: Correspondent, own: Locator, remote: Locator): void {
    this.#emit(c, own, remote, this.#outstanding.get(c)?.entry.locators ?? this.#setFor(c));
  }

  /** Nobody waits for this correspondent any more. */
  forget(c: Correspondent, now: number): void {
    const state = this.#outstanding.get(c);
    if (state === undefined) return;
    this.log.end(state.entry, 'given up', now);
    this.#outstanding.delete(c);
  }

  /** The way out is another one: what is not acknowledged is sent again at once, as if for the first time. */
  again(now: number): void {
    for (const state of this.#outstanding.values()) {
      state.attempts = 0;
      state.due = now;
    }
    this.run(now);
  }

  /** Sends what is due; call it again at `next()`. */
  run(now: number): void {
    let sent = 0;
    for (const [c, state] of this.#outstanding) {
      if (state.due > now) continue;
      if (sent === BURST) return;
      const isSilent = now - Math.max(c.heardAt, c.sentAt) > ACTIVE_US;
      if (state.attempts >= attemptsFor(c, isSilent)) {
        this.#outstanding.delete(c);
        c.isUntold = true;
        this.log.end(state.entry, 'given up', now);
        this.#node.counters[COUNT_UPDATES_GIVEN_UP]!++;
        if (!isSilent) this.#node.lost(c);
        continue;
      }
      if (state.attempts >= ATTEMPTS_ALONE && c.heardAt <= state.entry.beganAt && !isSilent) this.#node.lost(c);
      this.#send(c, now);
      state.entry.tries++;
      state.entry.changedAt = now;
      sent++;
      state.due = now + FIRST_WAIT_US * 2 ** state.attempts++;
    }
  }

  /** When `run` has something to do, or null. */
  next(now: number): number | null {
    let earliest: number | null = null;
    for (const { due } of this.#outstanding.values())
      if (earliest === null || due < earliest) earliest = Math.max(due, now + BURST_GAP_US);
    return earliest;
  }

  /** An acknowledgement; one of another set than the newest is passed over. */
  acknowledged(c: Correspondent, locators: readonly LocatorEntry[], now: number): void {
    const state = this.#outstanding.get(c);
    if (state === undefined || !sameLocators(locators, state.entry.locators)) return;
    this.#outstanding.delete(c);
    this.log.end(state.entry, 'acknowledged', now);
    this.#node.counters[COUNT_UPDATES_ACKNOWLEDGED]!++;
  }

  #enter(c: Correspondent, now: number): void {
    const entry: UpdateEntry = {
      way: 'sent',
      nid: c.nid,
      locators: this.#setFor(c),
      beganAt: now,
      tries: 0,
      state: 'waiting',
      changedAt: now,
    };
    this.#outstanding.set(c, { attempts: 0, due: now, entry });
    c.isUntold = false;
  }

  /** All Locators of this node; those that its own preferences put before the one that works stand behind it. */
  #setFor({ own, current }: Correspondent): readonly LocatorEntry[] {
    const all = ipv6.isUniqueLocalL64(l64Of(current)) ? this.#set : this.#outsideSet;
    const at = own === null ? 0 : all.findIndex(({ locator }) => sameLocator(locatorOf(locator), own));
    if (at <= 0) return all;
    const behind = all
      .slice(0, at)
      .map((entry) => ({ ...entry, preference: Math.min(entry.preference + BEHIND, PREFERENCE_MAX) }));
    return [...all.slice(at), ...behind].sort((a, b) => a.preference - b.preference);
  }

  #send(c: Correspondent, now: number): void {
    const source = c.own ?? this.#node.locators[0]!;
    const isSent = this.#emit(c, source, c.target(now), this.#outstanding.get(c)!.entry.locators);
    if (isSent) this.#node.counters[COUNT_UPDATES_SENT]!++;
  }

  #emit(c: Correspondent, own: Locator, remote: Locator, locators: readonly LocatorEntry[]): boolean {
    const envelope = { source: address(own, this.#node), destination: address(remote, c), nonce: c.localNonce };
    const sequence = this.#sequenceOf(c, locators);
    const { key } = c;
    const option = this.#node.authenticationOption;
    const packet = locatorUpdatePacket(
      { operation: ADVERTISEMENT, locators },
      envelope,
      key === null ? undefined : (message) => authenticationOption(message, envelope, { key, sequence, option }),
    );
    if (packet !== null) this.#node.emit(packet);
    return packet !== null;
  }

  /** The number of this set: a new one when it is another set than the last one that `c` was told by this run. */
  #sequenceOf(c: Correspondent, locators: readonly LocatorEntry[]): number {
    const last = this.#numbered.get(c);
    if (last !== undefined && sameLocators(last, locators)) return c.localSequence;
    this.#numbered.set(c, locators);
    c.localSequence = Math.max(c.localSequence + 1, this.#node.wallClock());
    return c.localSequence;
  }
}

/** Nobody waits for the answer of one who is silent. */
function attemptsFor(c: Correspondent, isSilent: boolean): number {
  if (!c.proved && !c.isConfigured) return ATTEMPTS_FOR_STRANGERS;
  return isSilent ? ATTEMPTS_FOR_SILENT : ATTEMPTS;
}
