/** A packet in the simulated network, and what is known of its history that no octet of it tells. */
import { put16, put32 } from '../../src/wire/bytes.ts';
import { segmentChecksum, segmentSum } from '../../src/wire/checksum.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';

/** Shared by all copies of a packet that somebody sent. */
interface Origin {
  /** Copies that links made, the first included. */
  copies: number;
  delivered: number;
  /** A link has flipped a bit of some copy. */
  corrupted: boolean;
}

export interface Packet {
  readonly octets: Uint8Array;
  readonly origin: Origin;
}

/** Gives a new packet of these octets; one that answers a packet with a flipped bit may itself be astray. */
export const packetOf = (octets: Uint8Array, corrupted = false): Packet => ({
  octets,
  origin: { copies: 1, delivered: 0, corrupted },
});

export interface Addresses {
  /** 16 octets each. */
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
}

/** Where the checksum is in a segment. */
const CHECKSUM_AT: Record<number, number> = { [ipv6.TCP]: 16, [ipv6.UDP]: 6, [ipv6.ICMPV6]: 2 };

/** Makes an IPv6 packet with `length` octets of payload, which `fill` writes at the given offset; then the checksum. */
export function ipv6Packet(
  { src, dst }: Addresses,
  options: { readonly protocol: number; readonly length: number; readonly hopLimit?: number },
  fill: (octets: Uint8Array, at: number) => void,
): Packet {
  const { protocol, length, hopLimit = 64 } = options;
  const octets = new Uint8Array(ipv6.HEADER_LENGTH + length);
  put32(octets, 0, 0x60000000);
  put16(octets, ipv6.PAYLOAD_LENGTH, length);
  octets[ipv6.NEXT_HEADER] = protocol;
  octets[ipv6.HOP_LIMIT] = hopLimit;
  octets.set(src, ipv6.SRC);
  octets.set(dst, ipv6.DST);
  fill(octets, ipv6.HEADER_LENGTH);
  const at = CHECKSUM_AT[protocol];
  if (at !== undefined) {
    const sum = segmentChecksum(octets, 0, ipv6.HEADER_LENGTH, length, { protocol, convention: 'full' });
    put16(octets, ipv6.HEADER_LENGTH + at, sum);
  }
  return packetOf(octets);
}

/** True for a whole IPv6 packet whose transport checksum, if it has one we know, is right. */
export function isIntact(octets: Uint8Array): boolean {
  if (octets.length < ipv6.HEADER_LENGTH || octets[0]! >>> 4 !== 6) return false;
  if (ipv6.payloadLength(octets, 0) + ipv6.HEADER_LENGTH !== octets.length) return false;
  const protocol = octets[ipv6.NEXT_HEADER]!;
  const at = CHECKSUM_AT[protocol];
  if (at === undefined) return true;
  const length = octets.length - ipv6.HEADER_LENGTH;
  if (length < at + 2) return false;
  return segmentSum(octets, 0, ipv6.HEADER_LENGTH, length, { protocol, convention: 'full' }) === 0xffff;
}

/** Protocol, addresses and length in a few words. */
export const labelOf = (octets: Uint8Array): string =>
  `${protocolName(octets[ipv6.NEXT_HEADER] ?? -1)} ${octets.length}`;

const protocolName = (protocol: number): string =>
  protocol === ipv6.TCP ? 'tcp' : protocol === ipv6.UDP ? 'udp' : protocol === ipv6.ICMPV6 ? 'icmp' : `${protocol}`;

/** True if both hold the same octets. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
