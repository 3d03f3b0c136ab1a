/**
 * The 10 octets in front of a packet on a TUN with IFF_VNET_HDR (virtio 1.2 section 5.1.6, legacy layout, fields in the
 * machine's own order). Offsets are relative to the IPv6 header behind it.
 *
 *   -10 flags | -9 GSO type | -8 header length | -6 segment size | -4 checksum start | -2 checksum offset
 */
export const VNET_LENGTH = 10;

export const FLAGS = -10;
export const GSO_TYPE = -9;

/** The checksum field holds the folded, uncomplemented pseudo-header sum; whoever sends the frame completes it. */
export const NEEDS_CSUM = 1;
/** The checksum was verified by the receiving hardware. */
export const DATA_VALID = 2;

export const GSO_NONE = 0;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;

/** The same fields counted in 16-bit words from `offset >>> 1`. */
export const H_HEADER_LENGTH = -4;
export const H_SEGMENT_SIZE = -3;
export const H_CSUM_START = -2;
export const H_CSUM_OFFSET = -1;
