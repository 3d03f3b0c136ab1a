/** Traceroute of a simulated host, with echo requests: a probe of every hop limit each round, and who answered. */

import { u16 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { formatGroups } from '../../src/wire/ipv6-text.ts';
import type { HostService } from './host.ts';
import * as icmp from './icmp.ts';
import type { Addresses, Packet } from './packet.ts';

/** More than any scenario has hops. */
const HOPS_MAX = 8;

export class Traceroute implements HostService {
  readonly protocol = 'echo';
  readonly port: number;
  readonly #addresses: Addresses;
  /** By sequence number, HOPS_MAX a round: who answered. */
  readonly #answers: (string | undefined)[] = [];
  #rounds = 0;

  /** `id`: identifier of its echo requests. */
  constructor(id: number, addresses: Addresses) {
    this.port = id;
    this.#addresses = addresses;
  }

  /** The probes of the next round, nearest first. */
  round(): Packet[] {
    const first = HOPS_MAX * this.#rounds++;
    return Array.from({ length: HOPS_MAX }, (_, hop) =>
      icmp.echoPacket(this.#addresses, {
        type: icmp.ECHO_REQUEST,
        id: this.port,
        sequence: first + hop,
        hopLimit: hop + 1,
      }),
    );
  }

  /** Takes an echo reply: the end of the way. */
  input(packet: Uint8Array): void {
    this.#answers[icmp.readEcho(packet).sequence] = addressAt(packet, ipv6.SRC);
  }

  /** Takes an error about one of its probes; `quote`: offset of the probe in it. */
  failed(packet: Uint8Array, quote: number): void {
    this.#answers[icmp.readEcho(packet, quote).sequence] = addressAt(packet, ipv6.SRC);
  }

  /** The ways that were found, in order, each once in a row: addresses, "*" for a hop that did not answer. */
  get ways(): string[] {
    const end = addressAt(this.#addresses.dst, 0);
    const ways: string[] = [];
    for (let round = 0; round < this.#rounds; round++) {
      const answers = Array.from({ length: HOPS_MAX }, (_, hop) => this.#answers[HOPS_MAX * round + hop] ?? '*');
      const length = answers.indexOf(end) + 1;
      const way = (length > 0 ? answers.slice(0, length) : answers).join(' ');
      if (way !== ways.at(-1)) ways.push(way);
    }
    return ways;
  }
}

const addressAt = (octets: Uint8Array, at: number): string =>
  formatGroups(Array.from({ length: 8 }, (_, i) => u16(octets, at + 2 * i)));
