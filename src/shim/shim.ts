/**
 * The path of an end system: every packet that the kernel hands to the TUN is a program's, on its way out, or comes from
 * the network to one of our Locators. Time is an argument, what is to be sent besides goes through `Node.emit`: the same
 * object runs over a TUN and in memory.
 *
 *   program ── stable Locator ──► outbound ── current Locators, nonce ──► network
 *   program ◄── stable Locator ── inbound  ◄── any of our Locators ────── network
 */
import type { LocalLocator } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { inbound } from './inbound.ts';
import { takeLastHop } from './last-hop.ts';
import { Liveness } from './liveness.ts';
import type { Node } from './node.ts';
import { outbound } from './outbound.ts';
import type { Trace } from './trace.ts';
import { Updates } from './updates.ts';
import { DROP_BAD_ADDRESS, DROP_TRUNCATED, DROP_VERSION, PLAIN, TAKEN } from './verdict.ts';

/** How much of a dropped packet is kept for the log. */
const DROP_OCTETS = 80;

export class Shim {
  /** The first packet of each kind that is dropped; whoever logs them empties the list. */
  readonly drops: { readonly verdict: number; readonly packet: Uint8Array }[] = [];
  readonly node: Node;
  readonly updates: Updates;
  readonly liveness: Liveness;
  /** Who wants to see the next packets, or null. */
  trace: Trace | null = null;

  constructor(node: Node) {
    this.node = node;
    this.updates = new Updates(node);
    this.liveness = new Liveness(node, this.updates);
  }

  /** Decides and rewrites every packet of the batch. `now`: microseconds of a monotonic clock. */
  input(batch: PacketBatch, now: number): void {
    if (this.trace !== null) this.#traced(batch, now, this.trace);
    else for (let i = 0; i < batch.count; i++) this.#one(batch, i, now);
  }

  /** The Locators of this node are these now, or lead out by another router; all correspondents are told. */
  setLocators(locators: readonly LocalLocator[], now: number): void {
    const isOther = this.node.setLocators(locators);
    this.liveness.locatorsChanged(now);
    if (isOther) this.updates.begin(now);
    else this.updates.again(now);
  }

  /** Does what is due; call it again at `next()`. */
  run(now: number): void {
    this.updates.run(now);
    this.liveness.run(now);
  }

  /** When `run` has something to do, or null. */
  next(now: number): number | null {
    const [update, look] = [this.updates.next(now), this.liveness.next(now)];
    return update === null || look === null ? (update ?? look) : Math.min(update, look);
  }

  #traced(batch: PacketBatch, now: number, trace: Trace): void {
    for (let i = 0; i < batch.count; i++) {
      if (trace.left > 0) trace.before(batch, i, this.node, now);
      this.#one(batch, i, now);
      if (trace.left > 0) trace.after(batch, i);
    }
    if (trace.left === 0) this.trace = null;
  }

  #one(batch: PacketBatch, i: number, now: number): void {
    const verdict = this.#decide(batch, i, now);
    batch.verdict[i] = verdict;
    batch.egress[i] = 0;
    this.node.counters[verdict]!++;
    if (verdict > TAKEN && !this.drops.some((drop) => drop.verdict === verdict)) {
      const o = batch.offset[i]!;
      this.drops.push({ verdict, packet: batch.bytes.slice(o, o + Math.min(batch.length[i]!, DROP_OCTETS)) });
    }
  }

  #decide(batch: PacketBatch, i: number, now: number): number {
    const { bytes: b, word } = batch;
    const o = batch.offset[i]!;
    const length = batch.length[i]!;
    if (length < ipv6.HEADER_LENGTH) return DROP_TRUNCATED;
    if (b[o]! >>> 4 !== 6) return DROP_VERSION;
    if (ipv6.payloadLength(b, o) + ipv6.HEADER_LENGTH !== length) return DROP_TRUNCATED;
    const { node } = this;
    const w = o >>> 2;
    if (node.isDestination(word, w)) return inbound(batch, i, node, this, now);
    if (node.isSource(word, w))
      return takeLastHop(batch, i, node) ? inbound(batch, i, node, this, now) : outbound(batch, i, node, now);
    // from another address of this machine: the kernel sends it on by its own routes
    return ipv6.isUnforwardable(b, o + ipv6.SRC) || ipv6.isUnforwardable(b, o + ipv6.DST) ? DROP_BAD_ADDRESS : PLAIN;
  }
}
