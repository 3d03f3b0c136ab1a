/**
 * Locator Updates of this node, RFC 6743: when its set of Locators changes, every active correspondent is told the whole
 * set, until it acknowledges it or has failed to for too long. The RFC has no timers; these are ours: 1 s, doubled each
 * time, seven attempts, in bursts of a few, and a newer set takes the place of the one under way.
 *
 * Pure: time comes in as an argument (microseconds), packets go out through the node.
 */
import { type Correspondent, l64Of } from '../ilnp/ilcc.ts';
import { native32, put32 } from '../wire/bytes.ts';
import { ADVERTISEMENT, type LocatorEntry, locatorUpdatePacket } from '../wire/locator-update.ts';
import type { Node } from './node.ts';
import { sameLocators, type UpdateEntry, UpdateLog } from './update-log.ts';
import { COUNT_UPDATES_ACKNOWLEDGED, COUNT_UPDATES_GIVEN_UP, COUNT_UPDATES_SENT } from './verdict.ts';

const FIRST_WAIT_US = 1e6;
const ATTEMPTS = 7;
/** Who was silent for longer is no correspondent of an active session (RFC 6743 section 2); it finds us by name. */
export const ACTIVE_US = 600e6;
/** So many attempts that one does not answer are enough to ask names where it is. */
const ATTEMPTS_ALONE = 2;
/** Updates per call of `run`: many correspondents are told one after the other. */
const BURST = 64;
const BURST_GAP_US = 10_000;

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
    for (const { entry } of this.#outstanding.values()) this.log.end(entry, 'superseded', now);
    this.#outstanding.clear();
    if (this.#set.length === 0) return; // nobody can be told
    for (const c of this.#node.ilcc.all()) {
      if (c.remoteNonce === null || now - c.heardAt > ACTIVE_US) continue;
      this.#outstanding.set(c, { attempts: 0, due: now, entry: this.#entry(c, now) });
    }
    this.run(now);
  }

  /** This correspondent is somewhere else than we thought: it hears of our Locators there, at once. */
  tell(c: Correspondent, now: number): void {
    if (this.#set.length === 0) return;
    const entry = this.#outstanding.get(c)?.entry ?? this.#entry(c, now);
    this.#outstanding.set(c, { attempts: 0, due: now, entry });
    this.run(now);
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
      if (state.attempts === ATTEMPTS) {
        this.#outstanding.delete(c);
        this.log.end(state.entry, 'given up', now);
        this.#node.counters[COUNT_UPDATES_GIVEN_UP]!++;
        this.#node.lost(c);
        continue;
      }
      if (state.attempts >= ATTEMPTS_ALONE && c.heardAt <= state.entry.beganAt) this.#node.lost(c);
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
    if (state === undefined || !sameLocators(locators, this.#set)) return;
    this.#outstanding.delete(c);
    this.log.end(state.entry, 'acknowledged', now);
    this.#node.counters[COUNT_UPDATES_ACKNOWLEDGED]!++;
  }

  #entry(c: Correspondent, now: number): UpdateEntry {
    return {
      way: 'sent',
      nid: c.nid,
      locators: this.#set,
      beganAt: now,
      tries: 0,
      state: 'waiting',
      changedAt: now,
    };
  }

  #send(c: Correspondent, now: number): void {
    const node = this.#node;
    const envelope = {
      source: address(node.locators[0]!, node),
      destination: address(c.target(now), c),
      nonce: c.localNonce,
    };
    const packet = locatorUpdatePacket({ operation: ADVERTISEMENT, locators: this.#set }, envelope);
    if (packet === null) return;
    node.emit(packet);
    node.counters[COUNT_UPDATES_SENT]!++;
  }
}

/** 16 octets from a Locator and a NID in the machine's order. */
function address(
  { l0, l1 }: { readonly l0: number; readonly l1: number },
  { nid0, nid1 }: { readonly nid0: number; readonly nid1: number },
): Uint8Array {
  const octets = new Uint8Array(16);
  for (const [k, x] of [l0, l1, nid0, nid1].entries()) put32(octets, 4 * k, native32(x));
  return octets;
}
