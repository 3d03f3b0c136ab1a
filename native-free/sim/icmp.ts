/** ICMPv6 of simulated hosts and routers, RFC 4443: errors that quote, echo. */
import { put16, put32, u16, u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { type Addresses, ipv6Packet, type Packet } from './packet.ts';

export const DESTINATION_UNREACHABLE = 1;
export const PACKET_TOO_BIG = 2;
export const TIME_EXCEEDED = 3;
export const ECHO_REQUEST = 128;
export const ECHO_REPLY = 129;

const HEADER = 8;
const QUOTE_MAX = ipv6.MIN_MTU - ipv6.HEADER_LENGTH - HEADER;

export interface ErrorKind {
  readonly type: number;
  readonly code: number;
  /** MTU of Packet Too Big, else 0. */
  readonly value: number;
}

/** Makes the error about `quoted` from `src` to its sender; null where none may be sent (RFC 4443 section 2.4 e). */
export function errorPacket(src: Uint8Array, quoted: Uint8Array, { type, code, value }: ErrorKind): Packet | null {
  if (quoted.length < ipv6.HEADER_LENGTH || ipv6.isUnforwardable(quoted, ipv6.SRC)) return null;
  const isError = quoted[ipv6.NEXT_HEADER] === ipv6.ICMPV6 && (quoted[ipv6.HEADER_LENGTH] ?? 0) < 128;
  if (isError) return null;
  const octets = Math.min(quoted.length, QUOTE_MAX);
  const dst = quoted.slice(ipv6.SRC, ipv6.SRC + 16);
  return ipv6Packet({ src, dst }, { protocol: ipv6.ICMPV6, length: HEADER + octets }, (b, at) => {
    b[at] = type;
    b[at + 1] = code;
    put32(b, at + 4, value);
    b.set(quoted.subarray(0, octets), at + HEADER);
  });
}

/** Makes an echo request or reply with 8 octets of data after the header. */
export function echoPacket(
  addresses: { readonly src: Uint8Array; readonly dst: Uint8Array },
  echo: { readonly type: number; readonly id: number; readonly sequence: number; readonly hopLimit?: number },
): Packet {
  const { type, id, sequence, hopLimit = 64 } = echo;
  return ipv6Packet(addresses, { protocol: ipv6.ICMPV6, length: HEADER + 8, hopLimit }, (b, at) => {
    b[at] = type;
    put16(b, at + 4, id);
    put16(b, at + 6, sequence & 0xffff);
    put32(b, at + 8, sequence);
  });
}

/** Answers an echo request, with all it carried (RFC 4443 section 4.2). */
export function echoReply(addresses: Addresses, request: Uint8Array): Packet {
  const length = request.length - ipv6.HEADER_LENGTH;
  return ipv6Packet(addresses, { protocol: ipv6.ICMPV6, length }, (b, at) => {
    b.set(request.subarray(ipv6.HEADER_LENGTH), at);
    b[at] = ECHO_REPLY;
    put16(b, at + 2, 0);
  });
}

/** What an ICMPv6 error says about which packet. `quote`: offset of the quoted packet. */
export interface ReadError extends ErrorKind {
  readonly quote: number;
}

/** Reads an ICMPv6 error whose quote holds an IPv6 header and 8 octets, or null. */
export function readError(b: Uint8Array): ReadError | null {
  const at = ipv6.HEADER_LENGTH;
  const quote = at + HEADER;
  if (b[ipv6.NEXT_HEADER] !== ipv6.ICMPV6 || b[at]! >= 128) return null;
  if (b.length < quote + ipv6.HEADER_LENGTH + 8) return null;
  return { type: b[at]!, code: b[at + 1]!, value: u32(b, at + 4), quote };
}

/** Identifier and sequence of the echo message in the packet at `o`. */
export const readEcho = (b: Uint8Array, o = 0): { readonly id: number; readonly sequence: number } => ({
  id: u16(b, o + ipv6.HEADER_LENGTH + 4),
  sequence: u32(b, o + ipv6.HEADER_LENGTH + 8),
});
