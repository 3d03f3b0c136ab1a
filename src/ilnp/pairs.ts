/**
 * The pairs of a guest and a correspondent that speak ILNP through a border, with what RFC 6748 section 3.2 needs of them:
 * the nonces of both directions, where the correspondent is, which uplink carries them and what the correspondent was told.
 *
 * A set-associative cache over words of fixed number, 4 entries a set, 80 octets an entry, in the machine's order:
 *
 *   | guest NID (2) | correspondent NID (2) | its Locator (2) | guest's Locator (2) | nonce out (3) | nonce in (3) |
 *   | state | last heard | last heard of the correspondent | what it was told | before that | when it acknowledged |
 *
 * Behind them and the originals (originals.ts): an octet for each set, whether it ever held an entry.
 *
 * Only packets of guests make an entry. A full set gives up a pair whose correspondent has never answered with a nonce, else
 * one that was silent for IDLE_SECONDS, else nothing: neither strangers outside nor a guest that speaks to nobody push out
 * live sessions. The words may be shared by workers: an update that is lost is repaired by the next packet, and a nonce that
 * is torn by the retransmission of what was sent with it.
 */

import { native32 } from '../wire/bytes.ts';
import type { L64, Nid } from '../wire/text.ts';
import { Originals } from './originals.ts';

const WORDS = 20;
const WAYS = 4;
const SET_OCTETS = 4 * WORDS * WAYS;
export const IDLE_SECONDS = 600;
/** A correspondent that was silent for so long may come back with another nonce; as in an end system (shim/validate.ts). */
const FORGETS_SECONDS = 120;
/** Longest nonce that is kept; implementations send 4 or 12 octets (RFC 6744 section 2). */
const NONCE_MAX = 12;

const CORRESPONDENT = 2;
export const P_LOCATOR = 4;
export const P_GUEST_L64 = 6;
const OUT = 8;
const IN = 11;
const STATE = 14;
const HEARD = 15;
const HEARD_IN = 16;
const TOLD = 17;
const TOLD_BEFORE = 18;
/** Microseconds of the wall clock, the low 32 bits. */
const ACKNOWLEDGED_AT = 19;
const WRAP_US = 2 ** 32;

/** Of the state: lengths of both nonces, ids of the uplink in use and of the one to come (border/session-store.ts), flags. */
const IN_SHIFT = 4;
const UPLINK_SHIFT = 8;
const NEXT_SHIFT = 16;
const NONE = 0xff;
const USED = 1 << 24;
/** The correspondent may believe something that is not so any more. */
const UNTOLD = 1 << 25;
const ACKNOWLEDGED = 1 << 26;
/** It was once told Locators of this site. */
const KNOWS_US = 1 << 27;
const FRESH = USED | (NONE << UPLINK_SHIFT) | (NONE << NEXT_SHIFT);

/** Who and where, in numbers. */
export interface PairPlace {
  readonly guest: Nid;
  readonly correspondent: Nid;
  /** Where the guest sends to. */
  readonly locator: L64;
}

/** What one border tells another of a pair whose guest moves there. */
export interface KnownPair extends PairPlace {
  /** From the guest to its correspondent, 4 or 12 octets; and the other way. */
  readonly nonceOut: Uint8Array;
  readonly nonceIn: Uint8Array;
}

/** Both NIDs, in the machine's order. */
export interface PairKey {
  readonly g0: number;
  readonly g1: number;
  readonly c0: number;
  readonly c1: number;
}

export class Pairs {
  readonly words: Int32Array;
  readonly originals: Originals;
  readonly #octets: Uint8Array;
  /** For each set, whether it ever held an entry: most never do, and who looks through all reads these instead. */
  readonly #used: Uint8Array;
  readonly #mask: number;
  readonly #seed: number;

  /** `store`: of `Pairs.octets(n)`, zeroed. `seed`: 32 random bits, the same for all who share the store. */
  constructor(store: ArrayBufferLike, seed: number) {
    const sets = (store.byteLength - Originals.OCTETS) / (SET_OCTETS + 1);
    if (!Number.isInteger(Math.log2(sets))) throw new RangeError('a store of pairs must hold 4 * 2^n entries');
    this.words = new Int32Array(store, 0, sets * WORDS * WAYS);
    this.originals = new Originals(new Int32Array(store, sets * SET_OCTETS, Originals.OCTETS / 4));
    this.#octets = new Uint8Array(store);
    this.#used = new Uint8Array(store, sets * SET_OCTETS + Originals.OCTETS);
    this.#mask = sets - 1;
    this.#seed = seed | 0;
  }

  /** Octets needed for at least `pairs` entries. */
  static octets(pairs: number): number {
    return (SET_OCTETS + 1) * 2 ** Math.ceil(Math.log2(Math.max(1, pairs / WAYS))) + Originals.OCTETS;
  }

  /** Index of the entry, or -1. */
  find(g0: number, g1: number, c0: number, c1: number): number {
    const e = this.words;
    const first = this.#set(g0, g1, c0, c1);
    for (let k = first; k < first + WORDS * WAYS; k += WORDS) {
      const isIt = e[k] === g0 && e[k + 1] === g1 && e[k + CORRESPONDENT] === c0 && e[k + CORRESPONDENT + 1] === c1;
      if (isIt && e[k + STATE] !== 0) return k;
    }
    return -1;
  }

  /** Finds or makes the entry; -1 when the set is full of live pairs. */
  open(g0: number, g1: number, c0: number, c1: number, seconds: number): number {
    const found = this.find(g0, g1, c0, c1);
    if (found >= 0) return found;
    const e = this.words;
    const first = this.#set(g0, g1, c0, c1);
    let victim = -1;
    let worth = Number.MAX_SAFE_INTEGER;
    for (let k = first; k < first + WORDS * WAYS; k += WORDS) {
      const idle = Math.max(0, seconds - e[k + HEARD]!);
      const isLive = this.inLength(k) > 0;
      if (e[k + STATE] !== 0 && isLive && idle < IDLE_SECONDS) continue;
      const value = e[k + STATE] === 0 ? -(2 ** 40) : (isLive ? 2 ** 33 : 0) - idle;
      if (value >= worth) continue;
      worth = value;
      victim = k;
    }
    if (victim < 0) return -1;
    this.#used[first / (WORDS * WAYS)] = 1;
    e.fill(0, victim, victim + WORDS);
    e[victim] = g0;
    e[victim + 1] = g1;
    e[victim + CORRESPONDENT] = c0;
    e[victim + CORRESPONDENT + 1] = c1;
    e[victim + HEARD] = seconds;
    e[victim + STATE] = FRESH;
    return victim;
  }

  /** The guest has sent a nonce, `length` octets at `at`, to its correspondent at Locator l0 l1, from g0 g1. */
  heardGuest(
    pair: number,
    b: Uint8Array,
    at: number,
    length: number,
    l0: number,
    l1: number,
    from0: number,
    from1: number,
    seconds: number,
  ): void {
    const e = this.words;
    e[pair + P_LOCATOR] = l0;
    e[pair + P_LOCATOR + 1] = l1;
    e[pair + P_GUEST_L64] = from0;
    e[pair + P_GUEST_L64 + 1] = from1;
    if (e[pair + HEARD] !== seconds) e[pair + HEARD] = seconds;
    if (length > NONCE_MAX || this.#holds(pair + OUT, this.outLength(pair), b, at, length)) return;
    for (let k = 0; k < length; k++) this.#octets[4 * (pair + OUT) + k] = b[at + k]!;
    e[pair + STATE] = (e[pair + STATE]! & ~0xff) | length; // it has begun anew: so does its correspondent
  }

  /**
   * True when the nonce, in a packet from Locator l0 l1, is the one of the correspondent. Takes it from where the guest
   * sends to, when there was none or when the correspondent was silent for long.
   */
  heardCorrespondent(
    pair: number,
    b: Uint8Array,
    at: number,
    length: number,
    l0: number,
    l1: number,
    seconds: number,
  ): boolean {
    const e = this.words;
    if (!this.isIn(pair, b, at, length)) {
      const isOpen = this.inLength(pair) === 0 || seconds - e[pair + HEARD_IN]! > FORGETS_SECONDS;
      const isThere = e[pair + P_LOCATOR] === l0 && e[pair + P_LOCATOR + 1] === l1;
      if (!isOpen || !isThere || length === 0 || length > NONCE_MAX) return false;
      for (let k = 0; k < length; k++) this.#octets[4 * (pair + IN) + k] = b[at + k]!;
      e[pair + STATE] = (e[pair + STATE]! & ~(0xf << IN_SHIFT)) | (length << IN_SHIFT);
    }
    if (e[pair + HEARD_IN] !== seconds) e[pair + HEARD_IN] = seconds;
    return true;
  }

  /** The correspondent itself says that it is at Locator l0 l1 now. */
  movedTo(pair: number, l0: number, l1: number): void {
    this.words[pair + P_LOCATOR] = l0;
    this.words[pair + P_LOCATOR + 1] = l1;
  }

  /** True when the nonce is the one known of the correspondent. */
  isIn(pair: number, b: Uint8Array, at: number, length: number): boolean {
    return this.#holds(pair + IN, this.inLength(pair), b, at, length);
  }

  outLength(pair: number): number {
    return this.words[pair + STATE]! & 0xf;
  }

  /** 0: the correspondent has not sent any nonce. */
  inLength(pair: number): number {
    return (this.words[pair + STATE]! >>> IN_SHIFT) & 0xf;
  }

  /** Id of the uplink in use, -1 for none. */
  uplink(pair: number): number {
    return idOf(this.words[pair + STATE]! >>> UPLINK_SHIFT);
  }

  /** Id of the uplink the correspondent is being told of, -1 for none. */
  next(pair: number): number {
    return idOf(this.words[pair + STATE]! >>> NEXT_SHIFT);
  }

  /** The path uses this uplink from now on. */
  setUplink(pair: number, id: number): void {
    const state = this.words[pair + STATE]!;
    if (idOf(state >>> UPLINK_SHIFT) === id) return;
    const isSurprise = idOf(state >>> UPLINK_SHIFT) >= 0 && idOf(state >>> NEXT_SHIFT) !== id;
    this.words[pair + STATE] = (state & ~(NONE << UPLINK_SHIFT)) | (id << UPLINK_SHIFT) | (isSurprise ? UNTOLD : 0);
  }

  /** The correspondent is being told: `print` of the list (see `printOf`), first of it the uplink `id`. */
  tell(pair: number, print: number, id: number): void {
    const kept = this.words[pair + STATE]! & ~((NONE << NEXT_SHIFT) | UNTOLD | ACKNOWLEDGED);
    this.words[pair + TOLD_BEFORE] = this.words[pair + TOLD]!;
    this.words[pair + TOLD] = print;
    this.words[pair + STATE] = kept | (id << NEXT_SHIFT) | KNOWS_US;
  }

  /** The print of the last list it was told, 0 for none. */
  told(pair: number): number {
    return this.words[pair + TOLD]!;
  }

  /** True for the list before the last, whose acknowledgement may still be on its way. */
  wasTold(pair: number, print: number): boolean {
    return this.words[pair + TOLD_BEFORE] === print;
  }

  /** It has acknowledged: the path changes over. `now`: microseconds of the wall clock. */
  acknowledge(pair: number, now: number): void {
    if (!this.isAcknowledged(pair)) this.words[pair + ACKNOWLEDGED_AT] = (now % WRAP_US) | 0;
    const state = this.words[pair + STATE]! | ACKNOWLEDGED;
    const next = (state >>> NEXT_SHIFT) & NONE;
    this.words[pair + STATE] = next === NONE ? state : (state & ~(NONE << UPLINK_SHIFT)) | (next << UPLINK_SHIFT);
  }

  isAcknowledged(pair: number): boolean {
    return (this.words[pair + STATE]! & ACKNOWLEDGED) !== 0;
  }

  /** When it has first acknowledged what it was told last, if it has, less than an hour before `now`. */
  acknowledgedAt(pair: number, now: number): number {
    const ago = (now % WRAP_US) - (this.words[pair + ACKNOWLEDGED_AT]! >>> 0);
    return now - (ago < 0 ? ago + WRAP_US : ago);
  }

  isUntold(pair: number): boolean {
    return (this.words[pair + STATE]! & UNTOLD) !== 0;
  }

  /** True when the correspondent may send to Locators of this site. */
  knowsUs(pair: number): boolean {
    return (this.words[pair + STATE]! & KNOWS_US) !== 0;
  }

  /** The guest has come: whoever it speaks to has to be told. */
  arrived(pair: number): void {
    this.words[pair + STATE]! |= UNTOLD;
  }

  /** The guest has gone: what it used here is over, but its correspondents may go on to send here for a while. */
  departed(pair: number): void {
    const none = (NONE << UPLINK_SHIFT) | (NONE << NEXT_SHIFT);
    this.words[pair + STATE] = (this.words[pair + STATE]! & ~(UNTOLD | ACKNOWLEDGED)) | none;
    this.words[pair + TOLD] = 0;
  }

  place(pair: number): PairPlace {
    const e = this.words;
    const half = (k: number): number => native32(e[pair + k]!);
    return {
      guest: { hi: half(0), lo: half(1) },
      correspondent: { hi: half(CORRESPONDENT), lo: half(CORRESPONDENT + 1) },
      locator: { hi: half(P_LOCATOR), lo: half(P_LOCATOR + 1) },
    };
  }

  /** Null unless both nonces are known. */
  known(pair: number): KnownPair | null {
    const [nonceOut, nonceIn] = [this.nonceOut(pair), this.nonceIn(pair)];
    if (nonceOut.length === 0 || nonceIn.length === 0) return null;
    return { ...this.place(pair), nonceOut, nonceIn };
  }

  /** Takes what another border knows, unless packets have told us already; its correspondent has to be told. */
  learn({ guest, correspondent, locator, nonceOut, nonceIn }: KnownPair, seconds: number): void {
    const words = [guest, correspondent, locator].flatMap(({ hi, lo }) => [native32(hi) | 0, native32(lo) | 0]);
    const [g0, g1, c0, c1, l0, l1] = words as [number, number, number, number, number, number];
    const pair = this.open(g0, g1, c0, c1, seconds);
    if (pair < 0) return;
    if (this.outLength(pair) === 0) this.heardGuest(pair, nonceOut, 0, nonceOut.length, l0, l1, 0, 0, seconds);
    if (this.inLength(pair) === 0) this.heardCorrespondent(pair, nonceIn, 0, nonceIn.length, l0, l1, seconds);
    this.arrived(pair);
  }

  /** Copies; empty where unknown. */
  nonceOut(pair: number): Uint8Array {
    return this.#octets.slice(4 * (pair + OUT), 4 * (pair + OUT) + this.outLength(pair));
  }

  nonceIn(pair: number): Uint8Array {
    return this.#octets.slice(4 * (pair + IN), 4 * (pair + IN) + this.inLength(pair));
  }

  keyOf(pair: number): PairKey {
    const e = this.words;
    return { g0: e[pair]!, g1: e[pair + 1]!, c0: e[pair + CORRESPONDENT]!, c1: e[pair + CORRESPONDENT + 1]! };
  }

  /** Seconds since anything was heard of the pair. */
  idle(pair: number, seconds: number): number {
    return Math.max(0, seconds - Math.max(this.words[pair + HEARD]!, this.words[pair + HEARD_IN]!));
  }

  /** All entries; for the control plane. */
  *all(): IterableIterator<number> {
    for (let set = 0; set < this.#used.length; set++) {
      if (this.#used[set] === 0) continue;
      const first = set * WORDS * WAYS;
      for (let k = first; k < first + WORDS * WAYS; k += WORDS) if (this.words[k + STATE] !== 0) yield k;
    }
  }

  #holds(word: number, known: number, b: Uint8Array, at: number, length: number): boolean {
    if (known === 0 || known !== length) return false;
    let differs = 0;
    for (let k = 0; k < length; k++) differs |= this.#octets[4 * word + k]! ^ b[at + k]!;
    return differs === 0;
  }

  #set(g0: number, g1: number, c0: number, c1: number): number {
    let h = Math.imul(g0 ^ this.#seed, 0x9e3779b1) ^ Math.imul(g1, 0x85ebca77);
    h = Math.imul(h ^ (h >>> 15) ^ c0, 0xc2b2ae3d) ^ Math.imul(c1, 0x27d4eb2f);
    h ^= h >>> 16;
    return ((Math.imul(h, 0x9e3779b1) >>> 8) & this.#mask) * WORDS * WAYS;
  }
}

const idOf = (state: number): number => ((state & NONE) === NONE ? -1 : state & NONE);

/** What a list of Locators is recognised by when it is acknowledged: `length` octets at `o`; never 0. */
export function printOf(b: Uint8Array, o: number, length: number): number {
  let h = 0x811c9dc5;
  for (let k = o; k < o + length; k++) h = Math.imul(h ^ b[k]!, 0x01000193);
  return h | 0 || 1;
}
