/**
 * TCP segments, RFC 9293 section 3.1, as far as simulated hosts use them: no options but the maximum segment size in a
 * SYN, windows scaled by a fixed factor that both ends know.
 */
import { put16, put32, u16, u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { type Addresses, ipv6Packet, type Packet } from './packet.ts';

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

const TCP_HEADER = 20;
/** Windows are carried in units of this many octets, the SYN's too: both ends are ours (RFC 7323 without negotiation). */
const WINDOW_UNIT = 256;

export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** 32 bits, unsigned. */
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** Octets. */
  readonly window: number;
  /** 0 when the option is absent. */
  readonly mss: number;
}

/** Makes the packet of a segment; `payload` octets are written by `fill`. */
export function tcpPacket(
  addresses: Addresses,
  segment: Segment,
  payload = 0,
  fill: (octets: Uint8Array, at: number) => void = () => {},
): Packet {
  const header = TCP_HEADER + (segment.mss > 0 ? 4 : 0);
  return ipv6Packet(addresses, { protocol: ipv6.TCP, length: header + payload }, (b, at) => {
    put16(b, at, segment.sourcePort);
    put16(b, at + 2, segment.destinationPort);
    put32(b, at + 4, segment.sequence);
    put32(b, at + 8, segment.acknowledgement);
    b[at + 12] = (header / 4) << 4;
    b[at + 13] = segment.flags;
    put16(b, at + 14, Math.min(0xffff, Math.floor(segment.window / WINDOW_UNIT)));
    if (segment.mss > 0) {
      put16(b, at + 20, 0x0204);
      put16(b, at + 22, segment.mss);
    }
    fill(b, at + header);
  });
}

/** A segment in a packet; `data`: offset of its first octet of data in the packet. */
export interface ReadSegment extends Segment {
  readonly data: number;
}

/** Reads the segment of a packet whose checksum has been found right; null if its header is no TCP header. */
export function readSegment(b: Uint8Array): ReadSegment | null {
  const at = ipv6.HEADER_LENGTH;
  if (b.length < at + TCP_HEADER) return null;
  const header = (b[at + 12]! >>> 4) * 4;
  if (header < TCP_HEADER || at + header > b.length) return null;
  const hasMss = header >= TCP_HEADER + 4 && u16(b, at + 20) === 0x0204;
  return {
    sourcePort: u16(b, at),
    destinationPort: u16(b, at + 2),
    sequence: u32(b, at + 4),
    acknowledgement: u32(b, at + 8),
    flags: b[at + 13]!,
    window: u16(b, at + 14) * WINDOW_UNIT,
    mss: hasMss ? u16(b, at + 22) : 0,
    data: at + header,
  };
}
