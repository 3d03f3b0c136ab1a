/**
 * What must be remembered of single flows: which of our Locators one with a node without ILNP began with, because that
 * node knows no other; and under which Locator a program here knows a correspondent, when programs know several.
 *
 * A store of fixed size (ilnp/sessions.ts); what a stranger sends pushes nothing out that is alive.
 */
import type { Correspondent, Locator } from '../ilnp/correspondent.ts';
import { sameLocator } from '../ilnp/correspondent.ts';
import { IDLE_SECONDS, Sessions } from '../ilnp/sessions.ts';
import type { PacketBatch } from '../packet/batch.ts';
import * as ipv6 from '../wire/ipv6.ts';

const FLOWS = 16_384;
/** Ids of Locators in the store have eight bits, one of which says "none". */
const IDS = 254;
/** What is no connection and was silent for longer begins anew; seconds. */
const PAUSE_SECONDS = 60;
/** In place of a correspondent's Locator: the flow is told by NIDs. */
const ANY = -1;
const UDP_FLOW = 0x5bd1e995;
const ECHO_FLOW = 0x2545f491;
const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;

/**
 * Tells flows of one pair of addresses apart, the same in both directions; 0: no telling. `transport`, `end`: offsets in
 * the store; `outward`: our port is the first.
 */
export function flowOf(batch: PacketBatch, protocol: number, transport: number, end: number, outward: boolean): number {
  if (transport + 8 > end || (transport & 1) !== 0) return 0;
  const h = transport >>> 1;
  const { half, bytes } = batch;
  if (protocol === ipv6.TCP || protocol === ipv6.UDP) {
    const ports = outward ? (half[h]! << 16) | half[h + 1]! : (half[h + 1]! << 16) | half[h]!;
    return protocol === ipv6.TCP ? ports : ports ^ UDP_FLOW;
  }
  const isEcho = protocol === ipv6.ICMPV6 && (bytes[transport] === ECHO_REQUEST || bytes[transport] === ECHO_REPLY);
  return isEcho ? half[h + 2]! ^ ECHO_FLOW : 0;
}

/** What a flow needs to know of the node. */
interface OwnLocators {
  /** For what begins now. */
  beginAt(share: number): Locator;
  valid(l0: number, l1: number): Locator | null;
}

export class Flows {
  readonly #store = new Int32Array(Sessions.words(FLOWS));
  readonly #sessions: Sessions;
  /** Our Locators by id. */
  #own: Locator[] = [];

  constructor(seed: number) {
    this.#sessions = new Sessions(this.#store, seed);
  }

  /** Our Locator for a packet to the node at word `w` + W_DST_L64: the one its flow has while it is valid, else a new one. */
  ownFor(word: Int32Array, w: number, flow: number, node: OwnLocators, now: number): Locator {
    const preferred = node.beginAt(flow);
    const seconds = (now / 1e6) | 0;
    const at = w + ipv6.W_DST_L64;
    const entry = this.#open(word, at, word[at]!, word[at + 1]!, flow, seconds, true);
    if (entry < 0) return preferred;
    const id = this.#sessions.uplink(entry);
    const own = id < 0 ? undefined : this.#own[id];
    if (own !== undefined && node.valid(own.l0, own.l1) !== null) {
      this.#sessions.heard(entry, seconds);
      return own;
    }
    this.#sessions.setUplink(entry, this.#idOf(preferred), seconds);
    return preferred;
  }

  /** A packet from the node at word `w` + W_SRC_L64 came to our Locator `own`: a flow that begins so keeps it. */
  arrivedAt(word: Int32Array, w: number, flow: number, own: Locator, now: number): void {
    const seconds = (now / 1e6) | 0;
    const at = w + ipv6.W_SRC_L64;
    const entry = this.#open(word, at, word[at]!, word[at + 1]!, flow, seconds, false);
    if (entry < 0) return;
    if (this.#sessions.uplink(entry) < 0) this.#sessions.setUplink(entry, this.#idOf(own), seconds);
    else this.#sessions.heard(entry, seconds);
  }

  /** True for a flow to the node at word `w` + W_DST_L64 that has been plain IPv6, and lives. */
  runsPlain(word: Int32Array, w: number, flow: number, isTcp: boolean, now: number): boolean {
    const at = w + ipv6.W_DST_L64;
    const entry = this.#sessions.find(ANY, ANY, word[at]!, word[at + 1]!, word[at + 2]!, word[at + 3]!, flow);
    if (flow === 0 || entry < 0) return false;
    return this.#sessions.idle(entry, (now / 1e6) | 0) <= (isTcp ? IDLE_SECONDS : PAUSE_SECONDS);
  }

  /** A program here has sent to `c` under view `id`, at word `w` + W_DST_L64; view 0 needs no remembering. */
  viewUsed(word: Int32Array, w: number, flow: number, id: number, now: number): void {
    const seconds = (now / 1e6) | 0;
    const entry = this.#open(word, w + ipv6.W_DST_L64, ANY, ANY, flow, seconds, true);
    if (entry >= 0) this.#sessions.setUplink(entry, id, seconds);
  }

  /** Under which Locator the program that has this flow, from the node at word `w` + W_SRC_L64, knows `c`. */
  viewOf(word: Int32Array, w: number, flow: number, c: Correspondent): Locator {
    const at = w + ipv6.W_SRC_L64;
    const entry = this.#sessions.find(ANY, ANY, ANY, ANY, word[at + 2]!, word[at + 3]!, flow);
    const id = entry < 0 ? 0 : this.#sessions.uplink(entry);
    return c.views[id] ?? c.views[0]!;
  }

  #open(
    word: Int32Array,
    at: number,
    l0: number,
    l1: number,
    flow: number,
    seconds: number,
    mayEvict: boolean,
  ): number {
    return this.#sessions.open(ANY, ANY, l0, l1, word[at + 2]!, word[at + 3]!, flow, seconds, mayEvict);
  }

  #idOf(locator: Locator): number {
    const known = this.#own.findIndex((l) => sameLocator(l, locator));
    if (known >= 0) return known;
    if (this.#own.length === IDS) {
      // so many moves that no flow has the first Locators any more
      this.#store.fill(0);
      this.#own = [];
    }
    this.#own.push(locator);
    return this.#own.length - 1;
  }
}
