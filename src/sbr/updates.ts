/**
 * Locator Updates that the border sends for its guests (RFC 6748 section 3.2, RFC 6743): a guest does not see that its global
 * Locators have changed, so the border tells its correspondents, with the nonce it has seen of that direction, until they
 * acknowledge (pair.ts takes the acknowledgement). Timers are those of an end system (shim/updates.ts): 1 s, doubled each
 * time, seven attempts, a few at a time; a newer list takes the place of the one under way.
 *
 * The border at which the guest is sends them, and no other. Pure: time comes in, packets go out.
 */
import { P_GUEST_L64, P_LOCATOR, type PairKey, type Pairs, printOf } from '../ilnp/pairs.ts';
import { native32, put32 } from '../wire/bytes.ts';
import { ADVERTISEMENT, LOCATORS_AT, locatorUpdatePacket } from '../wire/locator-update.ts';
import type { L64, Nid } from '../wire/text.ts';

const FIRST_WAIT_US = 1e6;
const ATTEMPTS = 7;
const BURST = 64;
const BURST_GAP_US = 10_000;
/** Preferences of the Locators of a list, in its order. */
const FIRST_PREFERENCE = 10;
/** Seconds a correspondent may keep a Locator. Reason: longer than most sessions are idle; an update replaces it anyway. */
const LIFETIME = 3600;
const FIXED = 44; // IPv6 header, and the Destination Options header up to the nonce

/** A global Locator under which a host of this site is reached. */
export interface Reach {
  /** What sessions know its uplink by (border/session-store.ts). */
  readonly id: number;
  readonly locator: L64;
}

export interface UpdatesWorld {
  readonly pairs: Pairs;
  /**
   * Where the host can be reached now, first where it should be; empty when nowhere. `inside`: the Locator it uses itself.
   * Null: the host is not here, and not ours to speak for.
   */
  readonly reach: (nid: Nid, inside: L64) => readonly Reach[] | null;
  readonly emit: (packets: readonly Uint8Array[]) => void;
  /** A correspondent has been told (again). */
  readonly onSent?: (pair: number, octets: number) => void;
  /** Wall clock as in the pairs. */
  readonly seconds: () => number;
}

interface Outstanding {
  readonly key: PairKey;
  attempts: number;
  due: number;
}

export class GuestUpdates {
  /** Who was silent for longer is no correspondent of an active session (RFC 6743 section 2). */
  static readonly ACTIVE_SECONDS = 600;
  sent = 0;
  givenUp = 0;
  readonly #world: UpdatesWorld;
  readonly #outstanding = new Map<number, Outstanding>();

  constructor(world: UpdatesWorld) {
    this.#world = world;
  }

  /** How many correspondents have not acknowledged. */
  get outstanding(): number {
    let n = 0;
    for (const pair of this.#outstanding.keys()) if (!this.#world.pairs.isAcknowledged(pair)) n++;
    return n;
  }

  /**
   * Global Locators, or guests, have come or gone: tells every correspondent for which that makes a difference. `choose`: a
   * session that could stay where it is goes where new ones go, because the operator has said so.
   */
  begin(now: number, options: { readonly choose: boolean } = { choose: false }): void {
    const { pairs } = this.#world;
    const seconds = this.#world.seconds();
    for (const pair of pairs.all()) {
      if (!isSendable(pairs.outLength(pair)) || pairs.inLength(pair) === 0) continue;
      if (pairs.idle(pair, seconds) > GuestUpdates.ACTIVE_SECONDS) continue;
      const reach = this.#reach(pair);
      const [first] = reach ?? [];
      if (first === undefined) continue;
      const packet = this.#packet(pair, reach!);
      if (packet === null) continue;
      const at = FIXED + pairs.outLength(pair) + LOCATORS_AT;
      const print = printOf(packet, at, packet.length - at);
      const told = pairs.told(pair);
      const isUntold = pairs.isUntold(pair);
      if (told === print && !isUntold) continue;
      const used = pairs.uplink(pair);
      const isLost = !reach!.some(({ id }) => id === used);
      if (!isLost && told === 0 && !isUntold && !(options.choose && used !== first.id)) continue; // it stays where it began
      pairs.tell(pair, print, first.id);
      this.#outstanding.set(pair, { key: pairs.keyOf(pair), attempts: 0, due: now });
    }
    this.run(now);
  }

  /** Sends what is due; call it again at `next`. */
  run(now: number): void {
    const { pairs } = this.#world;
    const packets: Uint8Array[] = [];
    for (const [pair, state] of this.#outstanding) {
      if (state.due > now) continue;
      if (packets.length === BURST) break;
      const reach = isSame(pairs.keyOf(pair), state.key) && !pairs.isAcknowledged(pair) ? this.#reach(pair) : null;
      const packet = reach === null || reach.length === 0 ? null : this.#packet(pair, reach);
      if (packet === null || state.attempts === ATTEMPTS) {
        this.#outstanding.delete(pair);
        if (packet !== null) this.givenUp++;
        continue;
      }
      packets.push(packet);
      this.#world.onSent?.(pair, packet.length);
      state.due = now + FIRST_WAIT_US * 2 ** state.attempts++;
    }
    this.sent += packets.length;
    if (packets.length > 0) this.#world.emit(packets);
  }

  /** When `run` has something to do, or null. */
  next(now: number): number | null {
    let earliest: number | null = null;
    for (const { due } of this.#outstanding.values())
      if (earliest === null || due < earliest) earliest = Math.max(due, now + BURST_GAP_US);
    return earliest;
  }

  #reach(pair: number): readonly Reach[] | null {
    const { pairs, reach } = this.#world;
    const { g0, g1 } = pairs.keyOf(pair);
    const inside = {
      hi: native32(pairs.words[pair + P_GUEST_L64]!),
      lo: native32(pairs.words[pair + P_GUEST_L64 + 1]!),
    };
    return reach({ hi: native32(g0), lo: native32(g1) }, inside);
  }

  #packet(pair: number, reach: readonly Reach[]): Uint8Array | null {
    const { pairs } = this.#world;
    const { g0, g1, c0, c1 } = pairs.keyOf(pair);
    const [l0, l1] = [pairs.words[pair + P_LOCATOR]!, pairs.words[pair + P_LOCATOR + 1]!];
    const { hi, lo } = reach[0]!.locator;
    const locators = reach.map(({ locator }, k) => ({
      locator,
      preference: FIRST_PREFERENCE * (k + 1),
      lifetime: LIFETIME,
    }));
    return locatorUpdatePacket(
      { operation: ADVERTISEMENT, locators },
      {
        source: octets(hi, lo, native32(g0), native32(g1)),
        destination: octets(...([l0, l1, c0, c1].map(native32) as [number, number, number, number])),
        nonce: pairs.nonceOut(pair),
      },
    );
  }
}

const isSendable = (length: number): boolean => length === 4 || length === 12;

const isSame = (a: PairKey, b: PairKey): boolean => a.g0 === b.g0 && a.g1 === b.g1 && a.c0 === b.c0 && a.c1 === b.c1;

function octets(...words: readonly [number, number, number, number]): Uint8Array {
  const address = new Uint8Array(16);
  words.forEach((x, k) => {
    put32(address, 4 * k, x);
  });
  return address;
}
