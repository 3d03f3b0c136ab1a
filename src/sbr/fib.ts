/**
 * What one worker of the border router decides from: flat, owned by the worker, replaced or changed only between two
 * batches (border/worker.ts), compiled from configuration and bindings by sbr/compile.ts.
 *
 *   NID ──table──► class ──► guest, site, home rows, uplink, flags ──► Locators
 *   L64 ──roles──► what this Locator is to us
 */
import { type LocatorTable, S_CLASS } from '../ilnp/locator-table.ts';
import type { Pairs } from '../ilnp/pairs.ts';
import type { Sessions } from '../ilnp/sessions.ts';
import { VERDICTS } from '../packet/verdict.ts';
import type { Keeper } from './keep.ts';

/** Words of a class of bindings; the rows point into `locators`, counted in words, 0 = none. */
export const C_GUEST = 0;
export const C_SITE = 1;
export const C_HOME = 2;
export const C_UPLINK = 3;
export const C_FLAGS = 4;
/** The same flags for the straight flows, zero in the twin of a class: kept bindings go through the whole rule. */
export const C_STRAIGHT = 5;
export const CLASS_WORDS = 8;

/** The guest is at this site. */
export const HERE = 1;
/** This site is the home: its uplinks carry the guest's global Locators. */
export const HOME = 2;
/** Packets of the binding are kept, see keep.ts. */
export const KEPT = 4;

/** Words of a Locator row: two of Locator (machine order) and the one's complement sum of its four 16-bit words. */
export const L_SUM = 2;

/** Rows of `locators` for Locators computed per packet (sbr/subnet.ts, translate.ts); row 0 means "none". */
export const SCRATCH_SOURCE = 4;
export const SCRATCH_DESTINATION = 8;
export const SCRATCH_LISTED = 12;
export const FIRST_ROW = 16;

/** Roles of a Locator, bits; index of the uplink in bits 8..15, of the subnet map in bits 16..30. */
export const UPLINK = 1;
/** Site Locator of some site. */
export const SITE_L64 = 2;
/** Site or link of this site. */
export const OWN = 4;
/** Configured in guests. */
export const GUEST = 8;
export const SUBNET_INSIDE = 16;
export const SUBNET_OUTSIDE = 32;
/** Addressed within and between sites, never from outside. */
export const ANY_INSIDE = SITE_L64 | GUEST | SUBNET_INSIDE;
/** Addressed from outside; inside, it leads to a hairpin. */
export const ANY_OUTSIDE = UPLINK | SUBNET_OUTSIDE;

/** Words of a subnet map: inside, outside, mask (2 each), uplink. */
export const M_INSIDE = 0;
export const M_OUTSIDE = 2;
export const M_MASK = 4;
export const M_UPLINK = 6;
export const SUBNET_WORDS = 8;

export const CONVENTION_FULL = 0;
export const CONVENTION_ZEROED = 1;
export const CONVENTION_AUTO = 2;

/** The compiled configuration; plain typed arrays, so that it can be sent to a worker as it is. */
export interface FibImage {
  readonly locators: Int32Array;
  /** Every class, then its twin for bindings that are kept, in the same order. */
  readonly classes: Int32Array;
  /** Open addressing: L64 (2 words), role, unused; a power of two of rows, at most half full. */
  readonly roles: Int32Array;
  readonly subnets: Int32Array;
  /** Row in `locators` of each uplink. */
  readonly uplinkRows: Int32Array;
  readonly uplinkUsable: Uint8Array;
  /** What sessions know each uplink by, whatever its place in the configuration. */
  readonly uplinkIds: Uint8Array;
  /** Index of the uplink the site has had for longest: that of sessions which began before there were several. */
  readonly oldestUplink: number;
  /** Uplink for new sessions of bindings that are not pinned, -1 when none is usable. */
  readonly preferredUplink: number;
  /** Row of this site's own Locator. */
  readonly siteRow: number;
  readonly convention: number;
  /** Source of the errors this border originates, per port: 3 addresses of 4 words. */
  readonly addresses: Int32Array;
  readonly errorRate: number;
  readonly errorBurst: number;
}

/** Counters after the verdicts: packets and octets in and out, per port. */
export const COUNT_PACKETS_IN = 32;
export const COUNT_OCTETS_IN = 35;
export const COUNT_PACKETS_OUT = 38;
export const COUNT_OCTETS_OUT = 41;
export const COUNT_STRAGGLERS = 44;
export const COUNT_SESSIONS_REFUSED = 45;
export const COUNT_QUOTES = 46;
export const COUNT_WRITE_FAILED = 47;
export const COUNT_PAIRS_REFUSED = 48;
export const COUNT_UPDATES_TRANSLATED = 49;
export const COUNT_RELEASED = 50;
export const COUNT_REPLAYED = 51;
export const COUNT_RETAINED = 52;
export const COUNT_HOLD_EXPIRED = 53;
/** Held packets that gave way to those of a guest with less; every packet has one verdict. */
export const COUNT_HOLD_GAVE_WAY = 54;
export const COUNTERS = 64;

if (VERDICTS.length > COUNT_PACKETS_IN) throw new RangeError('verdicts and counters overlap');

export class Fib {
  table: LocatorTable;
  image: FibImage;
  sessions: Sessions | null;
  /** Who speaks ILNP; null: nobody looks. */
  readonly pairs: Pairs | null;
  readonly counters: Float64Array;
  locators!: Int32Array;
  classes!: Int32Array;
  roles!: Int32Array;
  roleMask = 0;
  /** Rows of this site's own Locator and of its only uplink; for the straight flows. */
  siteRow = 0;
  uplinkRow = 0;
  #subnetCount = 0;
  /** More than one uplink: which one a session uses must be remembered. */
  multihomed = false;
  /** Nothing but the binding decides: one uplink, no subnet maps, checksums in the convention `full`. */
  straight = false;
  /** Flow of the packet being decided (sbr/uplink.ts); reckoned only where sessions are remembered. */
  flow = 0;
  /** It belongs to a TCP session that has begun already. */
  begun = false;
  /** Offset of its first Nonce option, 0 for none. */
  nonce = 0;
  /** Its pair of guest and correspondent, as far as it was looked up; -1 for none. */
  pair = -1;
  /** The packet being decided has segments left in its Routing header (wire/extension-headers.ts). */
  routed = false;
  /** It has a Home Address option (wire/extension-headers.ts). */
  homed = false;
  /** When the batch being decided came, microseconds. */
  now = 0;
  /** Packets of guests on the move; null where none is ever kept. */
  keeper: Keeper | null = null;
  /** Where the path leaves what it only computed to load memory early. */
  kept = 0;
  /** Errors this border may still originate now, and when that was reckoned (microseconds). */
  #errorTokens: number;
  #errorTime = 0;

  /** `counters`: COUNTERS numbers, possibly shared with the thread that shows them. */
  constructor(
    image: FibImage,
    table: LocatorTable,
    sessions: Sessions | null,
    counters: Float64Array,
    pairs: Pairs | null = null,
  ) {
    this.table = table;
    this.sessions = sessions;
    this.pairs = pairs;
    this.counters = counters;
    this.image = image;
    this.#errorTokens = image.errorBurst;
    this.load(image);
  }

  /** Takes a new configuration; between two batches only. */
  load(image: FibImage): void {
    this.keeper?.markAll(false);
    this.image = image;
    this.locators = image.locators;
    this.classes = image.classes;
    this.roles = image.roles;
    this.roleMask = image.roles.length / 4 - 1;
    this.#subnetCount = image.subnets.length / SUBNET_WORDS;
    this.multihomed = image.uplinkRows.length > 1;
    this.siteRow = image.siteRow;
    this.uplinkRow = image.uplinkRows.length === 1 ? image.uplinkRows[0]! : 0;
    this.straight =
      image.uplinkRows.length === 1 &&
      image.preferredUplink === 0 &&
      image.subnets.length === 0 &&
      image.convention === CONVENTION_FULL;
    this.keeper?.markAll(true);
  }

  /** Gives a binding the twin of its class, or the class itself. */
  setKept(nid0: number, nid1: number, isKept: boolean): void {
    const { slots } = this.table;
    const slot = this.table.find(nid0, nid1);
    if (slot < 0) return;
    const classes = this.classes.length / (2 * CLASS_WORDS);
    const plain = (slots[slot + S_CLASS]! - 1) % classes;
    slots[slot + S_CLASS] = plain + 1 + (isKept ? classes : 0);
  }

  /** What the Locator (two words, machine order) is to this site; 0 = nothing. */
  role(l0: number, l1: number): number {
    const roles = this.roles;
    let i = roleHash(l0, l1) & this.roleMask;
    for (;;) {
      const k = i << 2;
      const role = roles[k + 2]!;
      if (role === 0) return this.#subnetCount === 0 ? 0 : this.#subnetRole(l0, l1);
      if (roles[k] === l0 && roles[k + 1] === l1) return role;
      i = (i + 1) & this.roleMask;
    }
  }

  /** True when the correspondent c0 c1 of the guest g0 g1 was told Locators of this site. */
  knowsUs(g0: number, g1: number, c0: number, c1: number): boolean {
    const pairs = this.pairs;
    if (pairs === null) return false;
    const pair = pairs.find(g0, g1, c0, c1);
    return pair >= 0 && pairs.knowsUs(pair);
  }

  /** True when one more ICMPv6 error may be originated now (token bucket, RFC 4443 section 2.4 f). */
  mayAnswer(now: number): boolean {
    const { errorRate, errorBurst } = this.image;
    const elapsed = Math.max(0, now - this.#errorTime); // a wall clock may be set back
    this.#errorTokens = Math.min(errorBurst, this.#errorTokens + (elapsed * errorRate) / 1e6);
    this.#errorTime = now;
    if (this.#errorTokens < 1) return false;
    this.#errorTokens--;
    return true;
  }

  #subnetRole(l0: number, l1: number): number {
    const m = this.image.subnets;
    for (let s = 0, k = 0; s < this.#subnetCount; s++, k += SUBNET_WORDS) {
      const m0 = m[k + M_MASK]!;
      const m1 = m[k + M_MASK + 1]!;
      if (((l0 ^ m[k + M_INSIDE]!) & m0) === 0 && ((l1 ^ m[k + M_INSIDE + 1]!) & m1) === 0)
        return SUBNET_INSIDE | (s << 16);
      if (((l0 ^ m[k + M_OUTSIDE]!) & m0) === 0 && ((l1 ^ m[k + M_OUTSIDE + 1]!) & m1) === 0)
        return SUBNET_OUTSIDE | (m[k + M_UPLINK]! << 8) | (s << 16);
    }
    return 0;
  }
}

/** Hash of a Locator for the role table; its contents are ours, so no seed. */
export function roleHash(l0: number, l1: number): number {
  const h = Math.imul(l0, 0x9e3779b1) ^ Math.imul(l1, 0x85ebca77);
  return h ^ (h >>> 15);
}
