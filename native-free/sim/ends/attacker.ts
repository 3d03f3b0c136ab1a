/**
 * Two who mean harm: one on the path keeps packets and sends them again later; one off the path knows addresses, ports and
 * the protocol, and makes packets with nonces and sequence numbers of its own.
 */
import { put16, put32 } from '../../../src/wire/bytes.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import {
  ACKNOWLEDGEMENT,
  ADVERTISEMENT,
  LOCATOR_UPDATE,
  locatorUpdatePacket,
} from '../../../src/wire/locator-update.ts';
import { insertNonce } from '../../../src/wire/nonce-option.ts';
import type { SeededRandom } from '../../random.ts';
import { errorPacket } from '../icmp.ts';
import { ipv6Packet, type Packet, packetOf } from '../packet.ts';
import { addressOf } from '../place.ts';
import { datagram } from '../probe.ts';
import { ACK, RST, tcpPacket } from '../tcp-segment.ts';
import * as places from './place.ts';
import type { EndsEvent } from './scenario-schema.ts';

export type Forgery = Extract<EndsEvent, { do: 'forge' }>['what'];

const KEPT_UPDATES = 64;
const KEPT_PACKETS = 256;
const PARAMETER_PROBLEM = 4;
const PACKET_TOO_BIG = 2;
const PORTS = { client: 40_000, tcp: 5000, udp: 7000 };

/** True for a Locator Update or its acknowledgement as our nodes send it. */
export const isSignalling = (b: Uint8Array): boolean =>
  b.length > 56 &&
  b[ipv6.NEXT_HEADER] === ipv6.DESTINATION_OPTIONS &&
  b[40] === ipv6.ICMPV6 &&
  b[48 + 8 * b[41]!] === LOCATOR_UPDATE;

/** On the path: what it has seen, oldest first. */
export class Recorder {
  readonly #updates: Uint8Array[] = [];
  readonly #packets: Uint8Array[] = [];
  readonly #random: SeededRandom;
  #count = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  see(octets: Uint8Array): void {
    if (isSignalling(octets)) {
      if (this.#updates.length < KEPT_UPDATES) this.#updates.push(octets.slice());
    } else if (this.#packets.length < KEPT_PACKETS) this.#packets.push(octets.slice());
    else if (this.#count++ % 16 === 0) this.#packets[this.#random.below(KEPT_PACKETS)] = octets.slice();
  }

  /** One of what it has, or null. */
  again(what: 'updates' | 'packets'): Packet | null {
    const kept = what === 'updates' ? this.#updates : this.#packets;
    if (kept.length === 0) return null;
    const octets = kept[this.#random.below(kept.length)]!.slice();
    octets[ipv6.HOP_LIMIT] = 60;
    return packetOf(octets);
  }
}

/** Who is to believe what about whom. */
export interface Aim {
  /** Addresses on the wire, 16 octets each, and where `as` has never been. */
  readonly to: Uint8Array;
  readonly as: Uint8Array;
  readonly elsewhere: Uint8Array;
  readonly number: number;
}

/** Off the path: makes packet number `aim.number` of a kind. */
export function forged(what: Forgery, { to, as, elsewhere, number }: Aim, random: SeededRandom): Packet {
  const nonce = Uint8Array.from({ length: random.chance(0.5) ? 4 : 12 }, () => random.below(256));
  const src = random.chance(0.5) ? as : elsewhere;
  const dst = to;
  const guess = (flags: number): Packet =>
    tcpPacket(
      { src, dst },
      {
        sourcePort: random.chance(0.5) ? PORTS.tcp : PORTS.client,
        destinationPort: random.chance(0.5) ? PORTS.tcp : PORTS.client,
        sequence: random.next(),
        acknowledgement: random.next(),
        flags,
        window: 65535,
        mss: 0,
      },
      100,
    );
  const withNonce = (packet: Packet): Packet => packetOf(insertNonce(packet.octets, nonce)!);
  const update = (operation: typeof ADVERTISEMENT | typeof ACKNOWLEDGEMENT): Packet => {
    const locators = [{ locator: places.attackerL64(), preference: 1, lifetime: 65535 }];
    const packet = packetOf(locatorUpdatePacket({ operation, locators }, { source: src, destination: dst, nonce })!);
    return random.chance(0.8) ? packet : withoutNonce(packet);
  };
  /** An error about a packet that `to` might have sent to `as`. */
  const error = (source: Uint8Array, type: number, code: number, value: number): Packet => {
    const quoted = datagram({ src: to, dst: as }, PORTS.udp, number);
    return errorPacket(source, withNonce(quoted).octets, { type, code, value })!;
  };
  switch (what) {
    case 'data':
      return guess(ACK);
    case 'nonce':
      return withNonce(random.chance(0.5) ? guess(ACK) : datagram({ src, dst }, PORTS.udp, number));
    case 'update':
      return update(ADVERTISEMENT);
    case 'acknowledgement':
      return update(ACKNOWLEDGEMENT);
    case 'refusal':
      return error(as, PARAMETER_PROBLEM, 2, 42);
    case 'too-big':
      return error(random.chance(0.5) ? as : elsewhere, PACKET_TOO_BIG, 0, 1280 + random.below(200));
    case 'reset':
      return random.chance(0.5) ? guess(RST) : withNonce(guess(RST));
    case 'strangers': {
      const stranger = addressOf(places.attackerL64(), places.strangerNid(random.next()));
      return withNonce(datagram({ src: stranger, dst }, 9000 + random.below(3), number));
    }
  }
}

/** The same message in an IPv6 header alone. */
function withoutNonce({ octets }: Packet): Packet {
  const at = 48 + 8 * octets[41]!;
  const addresses = { src: octets.slice(ipv6.SRC, ipv6.SRC + 16), dst: octets.slice(ipv6.DST, ipv6.DST + 16) };
  return ipv6Packet(addresses, { protocol: ipv6.ICMPV6, length: octets.length - at }, (b, o) => {
    b.set(octets.subarray(at), o);
    put16(b, o + 2, 0);
    put32(b, o + 4, (octets[at + 4]! << 24) | (octets[at + 5]! << 16));
  });
}
