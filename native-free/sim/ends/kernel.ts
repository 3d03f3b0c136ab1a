/**
 * What Linux does around the shim of an end: packets of programs go into the TUN and out by the link of their source
 * Locator, packets from links go into the TUN when they are for a Locator of this node. Between the two it forwards, and
 * takes a hop each way.
 */
import { l64Of, locatorOf } from '../../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../../src/ilnp/ilcc.ts';
import { HEADROOM, PacketBatch } from '../../../src/packet/batch.ts';
import { Node } from '../../../src/shim/node.ts';
import { Shim } from '../../../src/shim/shim.ts';
import { teach } from '../../../src/shim/teach.ts';
import { namedCounters } from '../../../src/shim/verdict.ts';
import { native32, u32 } from '../../../src/wire/bytes.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import type { L64, Nid } from '../../../src/wire/text.ts';
import type { SeededRandom } from '../../random.ts';
import type { Engine } from '../engine.ts';
import type { Below } from '../host-node.ts';
import { type Packet, packetOf } from '../packet.ts';

/** Octets of one slot: room for the largest packet and what goes in front of it. */
const SLOT = 2 * HEADROOM + 2048;
/** MTU of the links of ends. */
export const LINK_MTU = 1500;
/** As a shim's host file or a resolver's answer would have it. */
const KNOWN_SECONDS = 3600;
const LIMITS = { strangers: 256, known: 64 };
/** Lifetime of our own Locators in updates, seconds. */
const LIFETIME = 1800;
/** The shim's clock does not begin at 0, which it takes for "never". */
const CLOCK_US = 1e6;

const keyOf = ({ hi, lo }: L64): string => `${hi}:${lo}`;

/** What the shim made of a packet from the network. */
export interface Decided {
  readonly before: Uint8Array;
  readonly verdict: number;
  /** As the program gets it; null when it does not. */
  readonly after: Packet | null;
}

export interface KernelHooks {
  /** A packet for a program. */
  readonly deliver: (packet: Packet) => void;
  readonly onDecided: (decided: Decided, packet: Packet) => void;
  /** A packet on its way to the network, as it is on the wire. */
  readonly onLeave: (octets: Uint8Array) => void;
  /** Nobody answers under this identifier any more: names may know better. */
  readonly onLost: (nid: Nid) => void;
}

export class Kernel {
  readonly nid: Nid;
  readonly stable: L64;
  shim: Shim;
  /** Packets that no link would take, by reason. */
  readonly drops = { noLink: 0, noLocator: 0 };
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  readonly #hooks: KernelHooks;
  readonly #links = new Map<string, Below>();
  readonly #batch = new PacketBatch(new ArrayBuffer(SLOT), 1, false);
  #plannedAt = Number.POSITIVE_INFINITY;

  constructor(engine: Engine, who: { name: string; nid: Nid; stable: L64 }, hooks: KernelHooks) {
    this.#engine = engine;
    this.nid = who.nid;
    this.stable = who.stable;
    this.#random = engine.random(`shim ${who.name}`);
    this.#hooks = hooks;
    this.shim = this.#newShim();
  }

  /** The clock of the shim, microseconds. */
  get now(): number {
    return this.#engine.now + CLOCK_US;
  }

  /** A reboot: what it knew of others is gone. */
  restart(): void {
    const { locators } = this.shim.node;
    this.shim = this.#newShim();
    this.shim.node.setLocators(locators);
  }

  /** Names (a file of hosts, DNS) say where an ILNP node is; gives where it is taken to be now. */
  teach(nid: Nid, locators: readonly L64[]): L64[] {
    const [nid0, nid1] = [native32(nid.hi) | 0, native32(nid.lo) | 0];
    const { node } = this.shim;
    const named = locators.map((l64, k) => ({ ...locatorOf(l64), preference: 10 + k, lifetime: KNOWN_SECONDS }));
    teach(node, this.shim, { nid0, nid1, locators: named, isKnownName: true }, this.now);
    this.#plan();
    return node.ilcc.find(nid0, nid1)!.locators.map(l64Of);
  }

  /** The links it has now, and the Locators it may speak of (a link without one is still listened to). */
  setLinks(links: ReadonlyMap<string, Below>, locators: readonly L64[]): void {
    this.#links.clear();
    for (const [key, link] of links) this.#links.set(key, link);
    this.shim.setLocators(
      locators.map((l64, k) => ({ ...locatorOf(l64), preference: 10 + k, lifetime: LIFETIME })),
      this.now,
    );
    this.#plan();
  }

  /** A program sends; gives what the shim has made of it. */
  send(packet: Packet): number {
    const after = this.#through(packet.octets);
    const verdict = this.#batch.verdict[0]!;
    if (after === null) this.drops.noLocator++;
    else this.#leave({ octets: after, origin: packet.origin });
    this.#plan();
    return verdict;
  }

  /** A packet from a link. */
  receive(packet: Packet): void {
    const before = packet.octets.slice();
    if (packet.octets.length >= ipv6.HEADER_LENGTH) packet.octets[ipv6.HOP_LIMIT]!--;
    const octets = this.#through(packet.octets);
    const after = octets === null ? null : { octets, origin: packet.origin };
    this.#hooks.onDecided({ before, verdict: this.#batch.verdict[0]!, after }, packet);
    if (after !== null) this.#hooks.deliver(after);
    this.#plan();
  }

  counters(): Record<string, number> {
    const named = Object.entries(namedCounters(this.shim.node.counters)).filter(([, count]) => count > 0);
    return Object.fromEntries(named);
  }

  #newShim(): Shim {
    const random = this.#random;
    const node = new Node({
      nid0: native32(this.nid.hi) | 0,
      nid1: native32(this.nid.lo) | 0,
      stable: locatorOf(this.stable),
      mtu: LINK_MTU,
      ilcc: new Ilcc(LIMITS, [random.next(), random.next()]),
      seed: random.next(),
      random: (octets) => Uint8Array.from({ length: octets }, () => random.below(256)),
      emit: (octets) => {
        // the kernel forwards it after the batch, when the shim is done
        this.#engine.after(0, () => this.#leave(packetOf(octets)));
      },
      lost: ({ nid }) => this.#hooks.onLost(nid),
    });
    return new Shim(node);
  }

  #through(octets: Uint8Array): Uint8Array | null {
    const batch = this.#batch;
    if (octets.length > SLOT - 2 * HEADROOM) return null;
    batch.bytes.set(octets, HEADROOM);
    batch.offset[0] = HEADROOM;
    batch.length[0] = octets.length;
    batch.count = 1;
    this.shim.input(batch, this.now);
    this.shim.drops.length = 0;
    if (batch.verdict[0]! > 1) return null;
    return batch.bytes.slice(batch.offset[0]!, batch.offset[0]! + batch.length[0]!);
  }

  #leave({ octets, origin }: Packet): void {
    octets[ipv6.HOP_LIMIT]!--;
    const link = this.#links.get(keyOf({ hi: u32(octets, ipv6.SRC), lo: u32(octets, ipv6.SRC + 4) }));
    if (link === undefined) {
      this.drops.noLink++;
      return;
    }
    this.#hooks.onLeave(octets);
    link.send({ octets, origin });
  }

  #plan(): void {
    const next = this.shim.next(this.now);
    if (next === null) return;
    const at = next - CLOCK_US;
    if (at >= this.#plannedAt && this.#plannedAt > this.#engine.now) return;
    this.#plannedAt = at;
    this.#engine.at(at, () => {
      if (this.#plannedAt !== at) return;
      this.#plannedAt = Number.POSITIVE_INFINITY;
      this.shim.run(this.now);
      this.#plan();
    });
  }
}
