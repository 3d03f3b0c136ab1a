/**
 * What a machine says about itself on its link, as an Ethernet frame: Neighbor Solicitations and Advertisements (RFC 4861
 * sections 4.3, 4.4, with the checks of 7.1) and the reverse ARP of a hypervisor (RFC 903), which has no IP address in it.
 */
import { type Bytes, u16 } from './bytes.ts';
import { segmentSum } from './checksum.ts';
import * as ipv6 from './ipv6.ts';

const ETHERNET_HEADER = 14;
export const NEIGHBOUR_SOLICITATION = 135;
export const NEIGHBOUR_ADVERTISEMENT = 136;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_RARP = 0x8035;
const RARP_REQUEST_REVERSE = 3;
const MESSAGE = 24;
const FULL = { protocol: ipv6.ICMPV6, convention: 'full' } as const;

export interface Sighting {
  /** Link-layer address of the sender, `52:54:00:12:34:56`. */
  readonly mac: string;
  /** The IPv6 address that the sender says is its own, 16 octets; null in a reverse ARP. */
  readonly address: Uint8Array | null;
  /** It answers a solicitation (RFC 4861 section 4.4, flag S). */
  readonly isAnswer: boolean;
}

/** Reads a frame; null for all that does not say where its sender is. */
export function readSighting(frame: Bytes): Sighting | null {
  if (frame.length < ETHERNET_HEADER) return null;
  const mac = macText(frame, 6);
  const type = u16(frame, 12);
  if (type === ETHERTYPE_RARP) {
    const isReverse = frame.length >= 42 && u16(frame, 20) === RARP_REQUEST_REVERSE && macText(frame, 22) === mac;
    return isReverse ? { mac, address: null, isAnswer: false } : null;
  }
  if (type !== ETHERTYPE_IPV6 || frame.length < ETHERNET_HEADER + ipv6.HEADER_LENGTH + MESSAGE) return null;
  const packet = frame.subarray(ETHERNET_HEADER);
  const length = ipv6.payloadLength(packet, 0);
  const at = ipv6.HEADER_LENGTH;
  // hop limit 255: it has not come through a router (RFC 4861 section 7.1)
  if (packet[0]! >>> 4 !== 6 || packet[ipv6.NEXT_HEADER] !== ipv6.ICMPV6 || packet[ipv6.HOP_LIMIT] !== 255) return null;
  if (length < MESSAGE || at + length > packet.length || packet[at + 1] !== 0) return null;
  if (segmentSum(packet, 0, at, length, FULL) !== 0xffff) return null;
  const target = packet.slice(at + 8, at + MESSAGE);
  const kind = packet[at];
  if (kind === NEIGHBOUR_ADVERTISEMENT) {
    if (target[0] === 0xff) return null;
    return { mac, address: target, isAnswer: (packet[at + 4]! & 0x40) !== 0 };
  }
  if (kind !== NEIGHBOUR_SOLICITATION) return null;
  const source = packet.slice(ipv6.SRC, ipv6.SRC + 16);
  const isTentative = source.every((octet) => octet === 0); // duplicate address detection: RFC 4862 section 5.4
  return { mac, address: isTentative ? target : source, isAnswer: false };
}

/** A Neighbor Solicitation for `target`, its checksum zero: the kernel of a raw socket fills it in. */
export function neighbourSolicitation(target: Bytes, mac: Bytes): Uint8Array {
  const message = new Uint8Array(MESSAGE + 8);
  message[0] = NEIGHBOUR_SOLICITATION;
  message.set(target, 8);
  message.set([1, 1, ...mac], MESSAGE); // source link-layer address
  return message;
}

/** The solicited-node multicast address of `target` (RFC 4291 section 2.7.1). */
export function solicitedNode(target: Bytes): Uint8Array {
  const address = new Uint8Array(16);
  address.set([0xff, 0x02]);
  address.set([1, 0xff, target[13]!, target[14]!, target[15]!], 11);
  return address;
}

const macText = (b: Bytes, o: number): string =>
  Array.from({ length: 6 }, (_, k) => b[o + k]!.toString(16).padStart(2, '0')).join(':');
