/**
 * What must be remembered per session of a guest with a correspondent: which uplink's Locator it began with (RFC 6748
 * section 3: a correspondent that does not speak ILNP keeps it for life), and per pair of nodes whether their transports
 * sum checksums with Locators zeroed.
 *
 * A set-associative cache over one Int32Array of fixed size, 8 entries a set, 32 octets an entry:
 *
 *   | NID (2) | correspondent L64 (2) | correspondent NID (2) | flow | state |
 *
 * Words are in the machine's order. The flow tells sessions of one pair apart (sbr/uplink.ts), 0 is the pair as a whole. A
 * full set gives up its longest idle entry, but a packet from outside may only push out one idle for IDLE_SECONDS, so
 * strangers cannot evict live sessions. The store may be a shared mapping: workers write whole entries whose parts belong
 * together for every interleaving (state last), and a lost update is repaired by the next packet.
 */

const WORDS = 8;
const WAYS = 8;
/** Reason: longer than the keep-alive of most transports, TCP's two hours included. */
export const IDLE_SECONDS = 3 * 3600;

const FLOW = 6;
const STATE = 7;
const UPLINK_MASK = 0xff;
/** Nonce seen: the pair speaks ILNP. */
export const SESSION_ILNP = 1 << 8;
/** Transport checksums of the pair are summed with Locators zeroed (RFC 6741 section 4.2). */
export const SESSION_ZEROED = 1 << 9;
/** Found out that they are not. */
export const SESSION_FULL = 1 << 10;
const USED = 1 << 11;
/** Last heard, in ticks of 4 seconds modulo 48 days: the upper 20 bits. */
const HEARD_SHIFT = 12;
const HEARD_MASK = -1 << HEARD_SHIFT;
const TICK_SECONDS = 4;
/** A time to come up to so many ticks away means that the clock was set back. */
const AHEAD_TICKS = (4 * 3600) / TICK_SECONDS;

/** An entry, for people; words are in the machine's order. */
export interface SessionView {
  readonly nid: readonly [number, number];
  readonly correspondent: readonly [number, number, number, number];
  /** 0: the pair as a whole. */
  readonly flow: number;
  /** Id, -1 when none was chosen. */
  readonly uplink: number;
  readonly isIlnp: boolean;
  /** Seconds since it was heard of. */
  readonly idle: number;
}

export class Sessions {
  readonly #entries: Int32Array;
  readonly #mask: number;
  readonly #seed: number;

  /** `store`: 32 octets times a power of two of at least 8 entries, zeroed or from an earlier run with the same seed. */
  constructor(store: Int32Array, seed: number) {
    const sets = store.length / (WORDS * WAYS);
    if (!Number.isInteger(Math.log2(sets)))
      throw new RangeError(`session store must hold 8 * 2^n entries, got ${sets * WAYS}`);
    this.#entries = store;
    this.#mask = sets - 1;
    this.#seed = seed | 0;
  }

  /** Words needed for at least `sessions` entries. */
  static words(sessions: number): number {
    return WORDS * WAYS * 2 ** Math.ceil(Math.log2(Math.max(1, sessions / WAYS)));
  }

  /** Index of the entry, or -1. All arguments are words of the machine's order; `flow` 0 = the pair. */
  find(n0: number, n1: number, l0: number, l1: number, c0: number, c1: number, flow: number): number {
    const e = this.#entries;
    const first = this.#set(n0, n1, l0, l1, c0, c1, flow);
    for (let k = first; k < first + WORDS * WAYS; k += WORDS) {
      if (
        e[k + 4] === c0 &&
        e[k + 5] === c1 &&
        e[k + FLOW] === flow &&
        e[k] === n0 &&
        e[k + 1] === n1 &&
        e[k + 2] === l0 &&
        e[k + 3] === l1 &&
        e[k + STATE] !== 0
      )
        return k;
    }
    return -1;
  }

  /** Finds or makes the entry; -1 when the set is full of sessions that must not be pushed out. */
  open(
    n0: number,
    n1: number,
    l0: number,
    l1: number,
    c0: number,
    c1: number,
    flow: number,
    seconds: number,
    mayEvict: boolean,
  ): number {
    const found = this.find(n0, n1, l0, l1, c0, c1, flow);
    if (found >= 0) return found;
    const e = this.#entries;
    const first = this.#set(n0, n1, l0, l1, c0, c1, flow);
    let victim = first;
    let idle = -1;
    for (let k = first; k < first + WORDS * WAYS; k += WORDS) {
      const age = e[k + STATE] === 0 ? Number.MAX_SAFE_INTEGER : idleSeconds(e[k + STATE]!, seconds);
      if (age > idle) {
        idle = age;
        victim = k;
      }
    }
    if (!mayEvict && idle < IDLE_SECONDS) return -1;
    e[victim + STATE] = 0;
    e[victim] = n0;
    e[victim + 1] = n1;
    e[victim + 2] = l0;
    e[victim + 3] = l1;
    e[victim + 4] = c0;
    e[victim + 5] = c1;
    e[victim + FLOW] = flow;
    e[victim + STATE] = USED | UPLINK_MASK | heardAt(seconds); // no uplink chosen yet
    return victim;
  }

  /** Id of the uplink the session uses (border/session-store.ts), or -1 when none was chosen. */
  uplink(entry: number): number {
    const index = this.#entries[entry + STATE]! & UPLINK_MASK;
    return index === UPLINK_MASK ? -1 : index;
  }

  setUplink(entry: number, id: number, seconds: number): void {
    this.#entries[entry + STATE] = (this.#entries[entry + STATE]! & ~UPLINK_MASK & ~HEARD_MASK) | id | heardAt(seconds);
  }

  has(entry: number, flag: number): boolean {
    return (this.#entries[entry + STATE]! & flag) !== 0;
  }

  set(entry: number, flag: number, seconds: number): void {
    this.#entries[entry + STATE] = (this.#entries[entry + STATE]! & ~HEARD_MASK) | flag | heardAt(seconds);
  }

  /** Seconds since the session was heard of. */
  idle(entry: number, seconds: number): number {
    return idleSeconds(this.#entries[entry + STATE]!, seconds);
  }

  heard(entry: number, seconds: number): void {
    const state = this.#entries[entry + STATE]!;
    const now = heardAt(seconds);
    if ((state & HEARD_MASK) !== now) this.#entries[entry + STATE] = (state & ~HEARD_MASK) | now;
  }

  /** Entries of some nodes; walks the whole store. `has`: whether this NID, two words, is meant. */
  *of(has: (n0: number, n1: number) => boolean, seconds: number): Generator<SessionView> {
    const e = this.#entries;
    for (let k = 0; k < e.length; k += WORDS) {
      if (e[k + STATE] === 0 || !has(e[k]!, e[k + 1]!)) continue;
      yield {
        nid: [e[k]!, e[k + 1]!],
        correspondent: [e[k + 2]!, e[k + 3]!, e[k + 4]!, e[k + 5]!],
        flow: e[k + FLOW]!,
        uplink: this.uplink(k),
        isIlnp: this.has(k, SESSION_ILNP),
        idle: this.idle(k, seconds),
      };
    }
  }

  /** Entries in use; walks the whole store. */
  count(): number {
    let n = 0;
    for (let k = STATE; k < this.#entries.length; k += WORDS) if (this.#entries[k] !== 0) n++;
    return n;
  }

  #set(n0: number, n1: number, l0: number, l1: number, c0: number, c1: number, flow: number): number {
    let h = Math.imul(n0 ^ this.#seed, 0x9e3779b1) ^ Math.imul(n1, 0x85ebca77);
    h = Math.imul(h ^ (h >>> 15) ^ c0, 0xc2b2ae3d) ^ Math.imul(c1, 0x27d4eb2f);
    h = Math.imul(h ^ (h >>> 13) ^ l0, 0x165667b1) ^ l1 ^ Math.imul(flow, 0x2545f491);
    h ^= h >>> 16;
    return ((Math.imul(h, 0x9e3779b1) >>> 8) & this.#mask) * WORDS * WAYS;
  }
}

const heardAt = (seconds: number): number => Math.floor(seconds / TICK_SECONDS) << HEARD_SHIFT;

/** Seconds since the entry was heard of, in whole ticks; a time to come counts as now. */
function idleSeconds(state: number, seconds: number): number {
  const ticks = (heardAt(seconds) - (state & HEARD_MASK)) >>> HEARD_SHIFT;
  return ticks >= (1 << 20) - AHEAD_TICKS ? 0 : ticks * TICK_SECONDS;
}
