/** A plain IPv6 router: routes by destination prefix, one hop, Packet Too Big, Time Exceeded, no route. */
import { u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import type { L64 } from '../../src/wire/text.ts';
import * as icmp from './icmp.ts';
import type { Link } from './link.ts';
import type { Packet } from './packet.ts';

export class Router {
  readonly name: string;
  readonly #address: Uint8Array;
  readonly #routes = new Map<string, Link>();
  readonly #hosts = new Map<string, Link>();
  noRoute = 0;

  constructor(name: string, address: Uint8Array) {
    this.name = name;
    this.#address = address;
  }

  /** Packets to addresses under `l64` go over `link`. */
  route(l64: L64, link: Link): void {
    this.#routes.set(`${l64.hi}:${l64.lo}`, link);
  }

  /** Packets to one address go over `link`; undefined: as if there were nobody. */
  routeHost(address: Uint8Array, link: Link | undefined): void {
    if (link === undefined) this.#hosts.delete(keyOf(address, 0));
    else this.#hosts.set(keyOf(address, 0), link);
  }

  receive(packet: Packet): void {
    const link = this.#towards(packet.octets);
    if (link === undefined) {
      this.noRoute++;
      this.#answer(packet, { type: icmp.DESTINATION_UNREACHABLE, code: 0, value: 0 });
      return;
    }
    const { octets } = packet;
    if (octets[ipv6.HOP_LIMIT]! <= 1) {
      this.#answer(packet, { type: icmp.TIME_EXCEEDED, code: 0, value: 0 });
      return;
    }
    if (octets.length > link.config.mtu) {
      this.tooBig(packet, link.config.mtu);
      return;
    }
    octets[ipv6.HOP_LIMIT]!--;
    link.send(packet);
  }

  /** Tells the sender of a packet that it does not fit. */
  tooBig(packet: Packet, mtu: number): void {
    this.#answer(packet, { type: icmp.PACKET_TOO_BIG, code: 0, value: mtu });
  }

  #answer({ octets, origin }: Packet, kind: icmp.ErrorKind): void {
    const error = icmp.errorPacket(this.#address, octets, kind);
    if (error !== null) error.origin.corrupted = origin.corrupted;
    if (error !== null) this.#towards(error.octets)?.send(error);
  }

  #towards(octets: Uint8Array): Link | undefined {
    if (octets.length < ipv6.HEADER_LENGTH) return undefined;
    const host = this.#hosts.size === 0 ? undefined : this.#hosts.get(keyOf(octets, ipv6.DST));
    return host ?? this.#routes.get(`${u32(octets, ipv6.DST)}:${u32(octets, ipv6.DST + 4)}`);
  }
}

const keyOf = (b: Uint8Array, at: number): string =>
  `${u32(b, at)}:${u32(b, at + 4)}:${u32(b, at + 8)}:${u32(b, at + 12)}`;
