/**
 * What the path of an end system works with: who we are, where we are, whom we talk to. One owner, the worker of the TUN.
 */
import { type Correspondent, type LocalLocator, type Locator, sameLocator } from '../ilnp/correspondent.ts';
import type { Ilcc } from '../ilnp/ilcc.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { EXPERIMENTAL_OPTION } from '../wire/update-authentication.ts';
import { Flows } from './flows.ts';
import { COUNTERS } from './verdict.ts';

/** Preferences of deprecated Locators, and of those without a router, are higher by multiples of this. */
const PREFERENCE_CLASS = 10_000;

/** Locators that were ours until a moment ago; packets on their way still come to them. */
const DRAINING = 8;
const ASKED_A_SECOND = 64;

/** True when correspondents who were told `old` need not hear of `l`. */
const isTold = (l: LocalLocator, old: LocalLocator): boolean =>
  sameLocator(l, old) && l.preference === old.preference && l.lifetime === old.lifetime;

const classOf = ({ preference }: LocalLocator): number => Math.trunc(preference / PREFERENCE_CLASS);

/** How long somebody has to come to another Locator of ours only, before it is answered from there. */
const FOLLOW_US = 1e6;

export interface NodeOptions {
  /** Identifier of this node, machine order. */
  readonly nid0: number;
  readonly nid1: number;
  /** The Locator under which programs on this node know it. */
  readonly stable: Locator;
  /** MTU of the links: a packet that the nonce would make longer goes without. */
  readonly mtu: number;
  readonly ilcc: Ilcc;
  readonly counters?: Float64Array;
  /** 32 random bits for the store of flows. */
  readonly seed: number;
  /** Octets of our nonces; 4 when absent. */
  readonly nonceOctets?: 4 | 12;
  /** So many octets from a cryptographic generator (RFC 6744 section 2). */
  readonly random: (octets: number) => Uint8Array;
  /** Type of the option that authenticates Locator Updates; that of RFC 4727 when absent. */
  readonly authenticationOption?: number;
  /** A number that grows over restarts: microseconds of the wall clock; 0 when absent. */
  readonly wallClock?: () => number;
  /** What has to be sent besides: whole packets in network order, handed to the kernel like those of the path. */
  readonly emit: (packet: Uint8Array) => void;
  /** A correspondent does not answer on any path, and again after every further round of trying; names may know better. */
  readonly lost?: (correspondent: Correspondent) => void;
  /** Correspondents, and flows of plain IPv6, are spread over Locators of one class of preference. */
  readonly spread?: boolean;
}

export class Node {
  readonly nid0: number;
  readonly nid1: number;
  readonly stable: Locator;
  readonly mtu: number;
  readonly ilcc: Ilcc;
  readonly counters: Float64Array;
  readonly nonceOctets: 4 | 12;
  readonly random: (octets: number) => Uint8Array;
  readonly authenticationOption: number;
  readonly wallClock: () => number;
  readonly emit: (packet: Uint8Array) => void;
  readonly lost: (correspondent: Correspondent) => void;
  readonly flows: Flows;
  readonly spread: boolean;
  /** Proved correspondents whom programs speak to since `Liveness` has looked. */
  readonly spokenTo: Correspondent[] = [];
  /** Locators of ours that somebody was found not to answer to; what begins now begins elsewhere. */
  silent: Locator[] = [];
  /** Valid Locators, preferred first. */
  locators: readonly LocalLocator[] = [];
  #draining: readonly Locator[] = [];
  #askedSince = Number.NEGATIVE_INFINITY;
  #asked = 0;

  constructor(options: NodeOptions) {
    this.nid0 = options.nid0;
    this.nid1 = options.nid1;
    this.stable = options.stable;
    this.mtu = options.mtu;
    this.ilcc = options.ilcc;
    this.counters = options.counters ?? new Float64Array(COUNTERS);
    this.nonceOctets = options.nonceOctets ?? 4;
    this.random = options.random;
    this.authenticationOption = options.authenticationOption ?? EXPERIMENTAL_OPTION;
    this.wallClock = options.wallClock ?? (() => 0);
    this.emit = options.emit;
    this.lost = (correspondent) => {
      correspondent.lose();
      options.lost?.(correspondent);
    };
    this.spread = options.spread ?? false;
    this.flows = new Flows(options.seed);
  }

  /** True when one more may be asked for proof now: what strangers send makes us send little. */
  mayAsk(now: number): boolean {
    if (now - this.#askedSince > 1e6) {
      this.#askedSince = now;
      this.#asked = 0;
    }
    return this.#asked++ < ASKED_A_SECOND;
  }

  /** Takes the whole set; true when it differs from the one before. */
  setLocators(locators: readonly LocalLocator[]): boolean {
    const next = [...locators].sort((a, b) => a.preference - b.preference);
    const before = this.locators;
    const isSame = next.length === before.length && next.every((l, k) => isTold(l, before[k]!));
    const gone = [...before, ...this.#draining].filter((old) => !next.some((l) => sameLocator(l, old)));
    this.#draining = gone.slice(0, DRAINING);
    this.locators = next;
    this.silent = [];
    return !isSame;
  }

  /** Our valid Locator of these words, or null. */
  valid(l0: number, l1: number): LocalLocator | null {
    for (const locator of this.locators) if (locator.l0 === l0 && locator.l1 === l1) return locator;
    return null;
  }

  /** Our Locator that preferences ask for. Only while there is one. */
  usualFor({ nid0, nid1 }: Correspondent): LocalLocator {
    return this.spread ? this.#shareOf(nid0 ^ nid1) : this.locators[0]!;
  }

  /** Our Locator for what begins now: the usual one, or where that is silent the first that is not. */
  beginAt(share: number): LocalLocator {
    const usual = this.spread ? this.#shareOf(share) : this.locators[0]!;
    if (this.silent.length === 0 || !this.#isSilent(usual)) return usual;
    return this.locators.find((l) => !this.#isSilent(l)) ?? usual;
  }

  /** Where a session with `c` begins. */
  begin(c: Correspondent): void {
    const own = this.beginAt(c.nid0 ^ c.nid1);
    if (own !== this.locators[0]) c.own = own;
  }

  #isSilent(locator: Locator): boolean {
    return this.silent.some((l) => sameLocator(l, locator));
  }

  #shareOf(share: number): LocalLocator {
    const { locators } = this;
    let equals = 1;
    while (equals < locators.length && this.isFirstClass(locators[equals]!)) equals++;
    const mixed = Math.imul(share ^ (share >>> 15) ^ (share >>> 24), 0x9e3779b1);
    return locators[(mixed >>> 16) % equals]!;
  }

  /** True for a Locator that is ours or was until a moment ago. */
  isLocal(l0: number, l1: number): boolean {
    if (this.valid(l0, l1) !== null) return true;
    for (const locator of this.#draining) if (locator.l0 === l0 && locator.l1 === l1) return true;
    return false;
  }

  /** The packet at word `w` is true and from `c`. It answers what programs have said if it comes to where they speak from. */
  heard(c: Correspondent, word: Int32Array, w: number, now: number): void {
    c.heard(now);
    const inUse = c.own ?? this.locators[0];
    const at = w + ipv6.W_DST_L64;
    if (inUse !== undefined && inUse.l0 === word[at] && inUse.l1 === word[at + 1]) c.waitingSince = 0;
    else if (!c.proved) this.#follow(c, this.valid(word[at]!, word[at + 1]!), now);
  }

  /** Who is not asked is answered from where it has found us, at first and when it does not come elsewhere any more. */
  #follow(c: Correspondent, own: LocalLocator | null, now: number): void {
    const isNeeded = c.sentAt === 0 || (c.waitingSince !== 0 && now - c.waitingSince > FOLLOW_US);
    if (own !== null && isNeeded && this.isFirstClass(own)) c.own = own;
  }

  /** True for a Locator that is neither deprecated nor without a router, as long as there is one that is not. */
  isFirstClass(locator: LocalLocator): boolean {
    return classOf(locator) === classOf(this.locators[0]!);
  }

  /** A program speaks to `c`. */
  spoke(c: Correspondent, now: number): void {
    c.sentAt = now;
    if (c.waitingSince !== 0) return;
    c.waitingSince = now;
    if (c.isWatched || !c.proved) return;
    c.isWatched = true;
    this.spokenTo.push(c);
  }

  /** True when the packet at word `w` is for one of our Locators. */
  isDestination(word: Int32Array, w: number): boolean {
    const at = w + ipv6.W_DST_L64;
    const isUs = word[at + 2] === this.nid0 && word[at + 3] === this.nid1;
    return isUs && this.isLocal(word[at]!, word[at + 1]!);
  }

  /** True when the packet at word `w` comes from our stable address: a program here has sent it. */
  isSource(word: Int32Array, w: number): boolean {
    const at = w + ipv6.W_SRC_L64;
    const isUs = word[at + 2] === this.nid0 && word[at + 3] === this.nid1;
    return isUs && this.isStable(word[at]!, word[at + 1]!);
  }

  /** True for the Locator of the stable address. */
  isStable(l0: number, l1: number): boolean {
    return l0 === this.stable.l0 && l1 === this.stable.l1;
  }
}
