/**
 * What the Linux gateway around a border router does to packets, after src/network/plan.ts: which side a packet came
 * from is its interface, TUN in and TUN out, a hop taken on each way, the next hop by side, by destination, by source tag.
 */

import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import type { L64, Nid } from '../../src/wire/text.ts';
import * as icmp from './icmp.ts';
import type { Link } from './link.ts';
import { isSame, type Packet, packetOf } from './packet.ts';
import type { SimPath } from './path.ts';

/** Where a packet that leaves a border goes, and why not. */
export type GatewayDrop = 'down' | 'no_route' | 'no_neighbour' | 'not_for_tun';

export interface GatewayOptions {
  readonly name: string;
  readonly siteL64: L64;
  readonly outsideAddress: Uint8Array;
  readonly insideAddress: Uint8Array;
  /** The path while the process runs; null while it is down: then nothing passes (`unreachable` routes). */
  readonly path: () => SimPath | null;
  readonly now: () => number;
  /** Sees every packet that the path hands over, also those for which this gateway has no route. */
  readonly onLeave: (side: number, octets: Uint8Array) => void;
}

const keyOf = ({ hi, lo }: L64 | Nid): string => `${hi}:${lo}`;
const keyAt = (b: Uint8Array, at: number): string => `${u32(b, at)}:${u32(b, at + 4)}`;

export class Gateway {
  readonly drops: Record<GatewayDrop, number> = { down: 0, no_route: 0, no_neighbour: 0, not_for_tun: 0 };
  /** Uplinks by their Locator, other borders by their site's Locator, guests on the inside link by identifier. */
  readonly #uplinks = new Map<string, Link>();
  readonly #peers = new Map<string, Link>();
  readonly #guests = new Map<string, Link>();
  readonly #options: GatewayOptions;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  addUplink(l64: L64, link: Link): void {
    this.#uplinks.set(keyOf(l64), link);
  }

  addPeer(l64: L64, link: Link): void {
    this.#peers.set(keyOf(l64), link);
  }

  /** A guest appears on the inside link, or leaves it (undefined). */
  setGuest(nid: Nid, link: Link | undefined): void {
    if (link === undefined) this.#guests.delete(keyOf(nid));
    else this.#guests.set(keyOf(nid), link);
  }

  /** Takes a packet that came over a link of side `side`. */
  receive(packet: Packet, side: number): void {
    const { octets } = packet;
    if (octets.length < ipv6.HEADER_LENGTH) return;
    if (!this.#isForTun(octets, side)) {
      this.drops.not_for_tun++;
      return;
    }
    if (octets[ipv6.HOP_LIMIT]! <= 1) {
      this.#answer(packet, side, { type: icmp.TIME_EXCEEDED, code: 0, value: 0 });
      return;
    }
    octets[ipv6.HOP_LIMIT]!--;
    this.#through(packet, side);
  }

  /** What waited in the path leaves. */
  letGo(): void {
    const path = this.#options.path();
    if (path === null) return;
    for (const { packet, egress } of path.letGo(this.#options.now())) this.#leave(packet, egress);
  }

  /** Into the TUN, the path, out of the TUN. */
  #through(packet: Packet, side: number): void {
    const path = this.#options.path();
    if (path === null) {
      this.drops.down++;
      return;
    }
    const passed = path.pass(packet, side, this.#options.now());
    if (passed !== null) this.#leave(passed.packet, passed.egress);
  }

  #leave(packet: Packet, side: number): void {
    const { octets } = packet;
    this.#options.onLeave(side, octets);
    if (octets[ipv6.HOP_LIMIT]! <= 1) {
      this.#answer(packet, side, { type: icmp.TIME_EXCEEDED, code: 0, value: 0 });
      return;
    }
    const link = this.#nextHop(octets, side);
    if (link === undefined) {
      this.drops[side === INSIDE ? 'no_neighbour' : 'no_route']++;
      return;
    }
    if (octets.length > link.config.mtu) {
      this.#answer(packet, side, { type: icmp.PACKET_TOO_BIG, code: 0, value: link.config.mtu });
      return;
    }
    octets[ipv6.HOP_LIMIT]!--;
    link.send(packet);
  }

  #nextHop(octets: Uint8Array, side: number): Link | undefined {
    if (side === OUTSIDE) return this.#uplinks.get(keyAt(octets, ipv6.SRC)) ?? this.#mainRoute(octets);
    if (side === INSIDE) return this.#guests.get(keyAt(octets, ipv6.DST_NID));
    return this.#peers.get(keyAt(octets, ipv6.DST)) ?? this.#peers.get(keyAt(octets, ipv6.SRC));
  }

  /** What this gateway says for itself leaves by its main table, whose default is its first uplink. */
  #mainRoute(octets: Uint8Array): Link | undefined {
    const src = octets.subarray(ipv6.SRC, ipv6.SRC + 16);
    return isSame(src, this.#options.outsideAddress) ? this.#uplinks.values().next().value : undefined;
  }

  /** An error of this kernel; it quotes a packet that must be translated, so it goes through the path from `SITE`. */
  #answer({ octets, origin }: Packet, side: number, kind: icmp.ErrorKind): void {
    const { outsideAddress, insideAddress } = this.#options;
    const error = icmp.errorPacket(side === OUTSIDE ? outsideAddress : insideAddress, octets, kind);
    if (error !== null) this.#through(packetOf(error.octets, origin.corrupted), SITE);
  }

  #isForTun(octets: Uint8Array, side: number): boolean {
    if (side === INSIDE) return true;
    const { siteL64, path } = this.#options;
    const running = path();
    if (running === null) return true; // the route is still there and says `unreachable`
    if (running.isOwn(octets, ipv6.DST)) return true;
    return side === SITE && keyAt(octets, ipv6.SRC) === keyOf(siteL64);
  }
}
