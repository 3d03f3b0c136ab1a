/**
 * What the path of an end system works with: who we are, where we are, whom we talk to. One owner, the worker of the TUN.
 */
import { type Correspondent, type Ilcc, type Locator, sameLocator } from '../ilnp/ilcc.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { Flows } from './flows.ts';
import { COUNTERS } from './verdict.ts';

/** A Locator of this node. */
export interface LocalLocator extends Locator {
  /** Lower is preferred. */
  readonly preference: number;
  /** Seconds, 0..65535, as told to correspondents. */
  readonly lifetime: number;
}

/** Locators that were ours until a moment ago; packets on their way still come to them. */
const DRAINING = 8;

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
  /** What has to be sent besides: whole packets in network order, handed to the kernel like those of the path. */
  readonly emit: (packet: Uint8Array) => void;
  /** A correspondent does not answer on any path, and again after every further round of trying; names may know better. */
  readonly lost?: (correspondent: Correspondent) => void;
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
  readonly emit: (packet: Uint8Array) => void;
  readonly lost: (correspondent: Correspondent) => void;
  readonly flows: Flows;
  /** Valid Locators, preferred first. */
  locators: readonly LocalLocator[] = [];
  #draining: readonly Locator[] = [];

  constructor(options: NodeOptions) {
    this.nid0 = options.nid0;
    this.nid1 = options.nid1;
    this.stable = options.stable;
    this.mtu = options.mtu;
    this.ilcc = options.ilcc;
    this.counters = options.counters ?? new Float64Array(COUNTERS);
    this.nonceOctets = options.nonceOctets ?? 4;
    this.random = options.random;
    this.emit = options.emit;
    this.lost = (correspondent) => {
      correspondent.lose();
      options.lost?.(correspondent);
    };
    this.flows = new Flows(options.seed);
  }

  /** Takes the whole set; true when it differs from the one before. */
  setLocators(locators: readonly LocalLocator[]): boolean {
    const next = [...locators].sort((a, b) => a.preference - b.preference);
    const before = this.locators;
    const isSame =
      next.length === before.length &&
      next.every((l, k) => sameLocator(l, before[k]!) && l.preference === before[k]!.preference);
    const gone = [...before, ...this.#draining].filter((old) => !next.some((l) => sameLocator(l, old)));
    this.#draining = gone.slice(0, DRAINING);
    this.locators = next;
    return !isSame;
  }

  /** Our valid Locator of these words, or null. */
  valid(l0: number, l1: number): LocalLocator | null {
    for (const locator of this.locators) if (locator.l0 === l0 && locator.l1 === l1) return locator;
    return null;
  }

  /** True for a Locator that is ours or was until a moment ago. */
  isLocal(l0: number, l1: number): boolean {
    if (this.valid(l0, l1) !== null) return true;
    for (const locator of this.#draining) if (locator.l0 === l0 && locator.l1 === l1) return true;
    return false;
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
    return isUs && word[at] === this.stable.l0 && word[at + 1] === this.stable.l1;
  }
}
