/**
 * What an end system knows of one correspondent (RFC 6741 section 5): its Locators, the nonces, and whether it hears us.
 * Locators are in the machine's order, as in a packet; times are microseconds of a monotonic clock, given by the caller.
 */
import { native32 } from '../wire/bytes.ts';
import { sum64 } from '../wire/checksum.ts';
import type { L64, Nid } from '../wire/text.ts';

/** Locators kept of a correspondent, however many it names (RFC 6743 section 6). */
export const LOCATORS_KEPT = 16;
/** How long a Locator seen with a right nonce, but not announced, is answered to (the announcement may be lost). */
const PROVISIONAL_US = 10e6;
/** So long after an update packets may still come from a Locator that it has withdrawn; later they say it was an old one. */
const STRAGGLERS_US = 1e6;
/** A stranger that talks is spared so often at most (ilcc.ts). */
const MOST_CREDIT = 15;
/** Connections that begin at a time: SYNs of ours that may be answered, SYNs of its that may come again. */
const BEGINNINGS = 8;

/** A Locator as the path uses it. */
export interface Locator {
  /** Both halves in the machine's order. */
  readonly l0: number;
  readonly l1: number;
  /** Folded one's complement sum of its four words. */
  readonly sum: number;
}

export interface RemoteLocator extends Locator {
  /** Lower is preferred. */
  readonly preference: number;
  /** Until then it is valid. */
  readonly expires: number;
}

/** A Locator of this node. */
export interface LocalLocator extends Locator {
  /** Lower is preferred. */
  readonly preference: number;
  /** Seconds, 0..65535, as told to correspondents. */
  readonly lifetime: number;
}

/** RFC 6741 section 5.1: unexpired or not, in use or not. */
export type LocatorState = 'valid' | 'active' | 'expired' | 'aged';

export const locatorOf = ({ hi, lo }: L64): Locator => {
  const l0 = native32(hi) | 0;
  const l1 = native32(lo) | 0;
  return { l0, l1, sum: sum64(l0, l1) };
};

export const sameLocator = (a: Locator, b: Locator): boolean => a.l0 === b.l0 && a.l1 === b.l1;

export const l64Of = ({ l0, l1 }: Locator): L64 => ({ hi: native32(l0), lo: native32(l1) });

export class Correspondent {
  /** Machine order. */
  readonly nid0: number;
  readonly nid1: number;
  /** Of this direction, from us to it: 4 or 12 octets. */
  readonly localNonce: Uint8Array;
  /** Octets that a packet grows by when it takes our nonce: an option and the header around it. */
  readonly optionOctets: number;
  /** From it to us; null: it has not sent any. */
  remoteNonce: Uint8Array | null = null;
  /** Named by the operator or a resolver, not by a packet: it may be spoken to with a nonce before it has sent one. */
  isConfigured: boolean;
  /** What names said last, and when; programs may use any of these Locators for it. */
  named: readonly RemoteLocator[] = [];
  namedAt = 0;
  /** Whether its TCP and UDP sum over Locators (`full`) or not (RFC 6741 section 4.2), or as each packet shows. */
  checksum: 'full' | 'zeroed' | 'auto' = 'full';
  /** It does not, as far as is known. */
  zeroed = false;
  /** Shared with it, for the authentication of Locator Updates beyond the nonce; `required`: it must use it. */
  key: Uint8Array | null = null;
  isKeyRequired = false;
  /** It has used it: from then on it must. */
  usesKey = false;
  /** The newest sequence numbers, of what it has told us and of what it was told. */
  remoteSequence = 0;
  localSequence = 0;
  /** It has shown that it hears us. Never undone. */
  proved = false;
  /** Valid Locators, preferred first; never empty. */
  locators: readonly RemoteLocator[];
  /** Those it had before; kept until the next change (RFC 6741 section 5.2). */
  aged: readonly RemoteLocator[] = [];
  /** Locators under which programs here know it, the usual one first; empty until the first packet. */
  readonly views: Locator[] = [];
  /** What we send to. */
  current: RemoteLocator;
  /** Our Locator towards it; null: the first one of the node. */
  own: LocalLocator | null = null;
  /** Acknowledgement numbers that only who heard our last SYNs knows. */
  readonly challenges: number[] = [];
  /** The last connections that it has begun with a nonce, while nothing shows that it hears us: ports, first number, and so on. */
  readonly #begun: number[] = [];
  /** Ports of the last connections that it has begun as plain IPv6 (shim/plain-syn.ts). */
  readonly plainSyns: number[] = [];
  /** Octets that it was asked to send back as proof that it hears us, when it may be asked again, and the pause then. */
  question: Uint8Array | null = null;
  askAt = 0;
  askPause = 0;
  /** When it was first spoken to without an answer so far; 0: not at all. */
  askedAt = 0;
  /** When it was first spoken to since it was last heard on the pair in use; 0: not since. */
  waitingSince = 0;
  /** It does not know our newest Locators, and nobody tells it just now; it is told when programs speak to it again. */
  isUntold = false;
  /** It is among those whose answers are looked at. */
  isWatched = false;
  /** While it has not answered at all: how many pairs were tried in vain. */
  tried = 0;
  sentAt = 0;
  heardAt = 0;
  /** A program here has said something to it; what the kernel answers by itself does not count (wire/automatic.ts). */
  isSpokenTo = false;
  /** How often a stranger was heard again, at most MOST_CREDIT: who talks keeps its place among passers-by. */
  credit = -1;
  /** When names were last asked because its identifier was seen at another Locator. */
  doubtedAt = Number.NEGATIVE_INFINITY;
  /** Until then it is treated as a node without ILNP. */
  plainUntil = 0;
  /** Since it was last found silent it has answered as plain IPv6, and nothing has proved that it speaks ILNP. */
  answersPlain = false;
  /** Whom programs here have answered before another one took its place (shim/claim.ts). */
  answered: { readonly nonce: Uint8Array; readonly views: readonly Locator[]; readonly isSpokenTo: boolean } | null =
    null;
  /** Longest packet that still takes a nonce: a path with the smallest MTU has no room for it in the largest packet. */
  nonceOctetsMax = Number.POSITIVE_INFINITY;
  /** `heardAt` when it was found to answer nowhere; it is lost as long as it was not heard since. */
  #lostAt = -1;
  /** Its place in the cache, from 0, while it is there. */
  slot = -1;
  #provisionalUntil = 0;
  #replacedAt = Number.NEGATIVE_INFINITY;

  constructor(
    nid0: number,
    nid1: number,
    options: { localNonce: Uint8Array; locators: readonly RemoteLocator[]; isConfigured: boolean },
  ) {
    this.nid0 = nid0;
    this.nid1 = nid1;
    this.localNonce = options.localNonce;
    this.optionOctets = 4 + options.localNonce.length;
    this.isConfigured = options.isConfigured;
    this.locators = byPreference(options.locators);
    this.current = this.locators[0]!;
  }

  get nid(): Nid {
    return { hi: native32(this.nid0), lo: native32(this.nid1) };
  }

  /** True for one of its valid Locators. */
  holds(l0: number, l1: number): boolean {
    for (const locator of this.locators) if (locator.l0 === l0 && locator.l1 === l1) return true;
    return false;
  }

  /** True for a Locator under which programs here know it. */
  isView(l0: number, l1: number): boolean {
    for (const view of this.views) if (view.l0 === l0 && view.l1 === l1) return true;
    return false;
  }

  /** True for any Locator that means this correspondent: the one programs know, valid ones, those it had before. */
  isAt(l0: number, l1: number): boolean {
    if (this.isView(l0, l1) || this.holds(l0, l1)) return true;
    for (const locator of this.aged) if (locator.l0 === l0 && locator.l1 === l1) return true;
    for (const locator of this.named) if (locator.l0 === l0 && locator.l1 === l1) return true;
    return this.current.l0 === l0 && this.current.l1 === l1;
  }

  /** Index of the Locator among the views; added when there is room, else the usual one. */
  viewIndex(l0: number, l1: number): number {
    for (let k = 0; k < this.views.length; k++) if (this.views[k]!.l0 === l0 && this.views[k]!.l1 === l1) return k;
    if (this.views.length === LOCATORS_KEPT) return 0;
    this.views.push({ l0, l1, sum: sum64(l0, l1) });
    return this.views.length - 1;
  }

  /** What to send to now. An expired Locator is used while there is no other (RFC 6741 section 5.1). */
  target(now: number): RemoteLocator {
    if (this.#provisionalUntil !== 0 ? now > this.#provisionalUntil : now > this.current.expires) this.#select(now);
    return this.current;
  }

  /** Replaces the set, as a Locator Update says (RFC 6743 section 4); false when it only says again what was known. */
  replace(locators: readonly RemoteLocator[], now: number): boolean {
    const kept = byPreference(locators).slice(0, LOCATORS_KEPT);
    if (kept.length === 0) return false;
    const isSame =
      kept.length === this.locators.length &&
      kept.every((l, k) => sameLocator(l, this.locators[k]!) && l.preference === this.locators[k]!.preference);
    const inUse = kept.find((l) => sameLocator(l, this.current));
    if (!isSame) this.aged = this.locators.filter((old) => !kept.some((l) => sameLocator(l, old)));
    if (kept.some((l) => !this.holds(l.l0, l.l1))) this.plainUntil = 0; // who was silent was sought at the wrong place
    if (!isSame) this.#replacedAt = now;
    this.locators = kept;
    if (isSame && inUse !== undefined && this.#provisionalUntil === 0) this.current = inUse;
    else this.#select(now);
    return !isSame;
  }

  /** What preferences ask for; the path may have found that another one works. */
  preferred(now: number): RemoteLocator {
    return this.locators.find((l) => now <= l.expires) ?? this.locators[0]!;
  }

  /** It is spoken to there from now on, until it says otherwise or that expires. */
  use(locator: RemoteLocator): void {
    if (!sameLocator(locator, this.current)) this.nonceOctetsMax = Number.POSITIVE_INFINITY; // another path
    this.#provisionalUntil = 0;
    this.current = locator;
  }

  /** A right nonce came from a Locator that is not announced: answers go there for a while, if it is no straggler. */
  provisional(locator: Locator, now: number): void {
    if (now - this.#replacedAt < STRAGGLERS_US && this.aged.some((old) => sameLocator(old, locator))) return;
    this.current = { ...locator, preference: 65535, expires: now + PROVISIONAL_US };
    this.nonceOctetsMax = Number.POSITIVE_INFINITY;
    this.#provisionalUntil = now + PROVISIONAL_US;
  }

  /** We have sent it a SYN: who acknowledges this number hears us. */
  challenge(acknowledgement: number): void {
    if (this.challenges.includes(acknowledgement)) return;
    this.challenges.push(acknowledgement);
    if (this.challenges.length > BEGINNINGS) this.challenges.shift();
  }

  /** It has begun a connection here with a nonce: a SYN with the number `sequence`, and the ports in one word. */
  begin(ports: number, sequence: number): void {
    if (this.hasBegun(ports, sequence)) return;
    this.#begun.push(ports, sequence);
    if (this.#begun.length > 2 * BEGINNINGS) this.#begun.splice(0, 2);
  }

  /** True for a segment of such a connection; `sequence`: of a SYN, -1 for all others. */
  hasBegun(ports: number, sequence: number): boolean {
    for (let k = 0; k < this.#begun.length; k += 2)
      if (this.#begun[k] === ports && (sequence < 0 || this.#begun[k + 1] === sequence)) return true;
    return false;
  }

  /** A stranger with the same NID, somewhere else, takes the place of one that has not shown that it hears us. */
  takeOver(locator: RemoteLocator): void {
    this.locators = [locator];
    this.aged = [];
    this.views.length = 0;
    this.#begun.length = 0;
    this.remoteNonce = null;
    this.askedAt = 0;
    this.isSpokenTo = false;
    this.#select(locator.expires);
  }

  /** True while it is answered at a Locator that is not announced. */
  get isProvisional(): boolean {
    return this.#provisionalUntil !== 0;
  }

  /** It has just been heard at this valid Locator: it is there. */
  settle(l0: number, l1: number): void {
    const found = this.locators.find((locator) => locator.l0 === l0 && locator.l1 === l1);
    if (found === undefined) return;
    this.use(found);
  }

  /** Something true came from it. */
  heard(now: number): void {
    this.heardAt = now;
    if (this.credit < MOST_CREDIT) this.credit++;
  }

  /** It answers nowhere: it is lost until it is heard again. */
  lose(): void {
    this.#lostAt = this.heardAt;
  }

  get isLost(): boolean {
    return this.#lostAt === this.heardAt;
  }

  /** What is known from elsewhere too is valid for as long as is said there. */
  renew(locators: readonly RemoteLocator[]): void {
    const later = (old: RemoteLocator): RemoteLocator => {
      const found = locators.find((l) => sameLocator(l, old));
      return found === undefined ? old : { ...old, expires: Math.max(old.expires, found.expires) };
    };
    this.locators = this.locators.map(later);
    if (this.#provisionalUntil === 0) this.current = later(this.current);
  }

  stateOf(locator: RemoteLocator, now: number): LocatorState {
    const inUse = sameLocator(locator, this.current);
    if (now <= locator.expires) return inUse ? 'active' : 'valid';
    return inUse ? 'expired' : 'aged';
  }

  #select(now: number): void {
    this.use(this.preferred(now));
  }
}

const byPreference = (locators: readonly RemoteLocator[]): RemoteLocator[] =>
  [...locators].sort((a, b) => a.preference - b.preference);
