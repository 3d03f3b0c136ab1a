/** From a frame to the packet in it: the link layer is read as far as needed to skip it. */
import {
  captureError,
  type Direction,
  type Frame,
  LINK_ETHERNET,
  LINK_IPV6,
  LINK_RAW,
  LINK_SLL,
  LINK_SLL2,
} from './capture.ts';

/** Where the packet starts in the frame; `octets` behind it. */
export interface NetworkLayer {
  readonly at: number;
  readonly direction: Direction;
}

const IPV6 = 0x86dd;
const VLAN_TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
const SLL_OUTGOING = 4;

/** The packet in a frame that may be IPv6; null when it holds something else. Throws E_CAPTURE for a link type not read here. */
export function networkLayer(frame: Frame, file: string): NetworkLayer | null {
  const { octets: b, direction } = frame;
  switch (frame.interface.linkType) {
    case LINK_RAW: // of any version, as a TUN would hand it over
    case LINK_IPV6:
      return b.length > 0 ? { at: 0, direction } : null;
    case LINK_ETHERNET: {
      let at = 12;
      while (VLAN_TAGS.has(type(b, at))) at += 4;
      return type(b, at) === IPV6 ? { at: at + 2, direction } : null;
    }
    case LINK_SLL:
      return type(b, 14) === IPV6 ? { at: 16, direction: direction ?? cooked(type(b, 0)) } : null;
    case LINK_SLL2:
      return type(b, 0) === IPV6 && b.length > 20 ? { at: 20, direction: direction ?? cooked(b[10]!) } : null;
    default:
      throw captureError(
        file,
        `packet ${frame.number} at octet ${frame.offset}`,
        'link type 1 (Ethernet), 101 (raw IP), 113 or 276 (Linux cooked) or 229 (IPv6)',
        `${frame.interface.linkType}`,
      );
  }
}

const type = (b: Uint8Array, at: number): number => (at + 2 <= b.length ? (b[at]! << 8) | b[at + 1]! : -1);

const cooked = (packetType: number): Direction => (packetType === SLL_OUTGOING ? 'out' : 'in');
