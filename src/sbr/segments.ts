/**
 * How many packets on the wire a packet stands for. The sum stays the same wherever kernels and network cards join and
 * divide on the way between two borders; the octets, and the packets a border sees, do not.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { GSO_NONE, GSO_TCPV6, GSO_TYPE, H_CSUM_START, H_SEGMENT_SIZE } from '../wire/virtio-net.ts';

const GSO_KIND = 0x7f; // without the bit for ECN
const UDP_HEADER = 8;

/** Segments of packet `i`: of a super-packet as its virtio-net header says, else one. */
export function segmentsOf({ vnet, bytes, half, offset, length }: PacketBatch, i: number): number {
  if (!vnet) return 1;
  const o = offset[i]!;
  const kind = bytes[o + GSO_TYPE]! & GSO_KIND;
  const size = half[(o >>> 1) + H_SEGMENT_SIZE]!;
  if (kind === GSO_NONE || size === 0) return 1;
  const transport = half[(o >>> 1) + H_CSUM_START]!;
  const header = transport + (kind === GSO_TCPV6 ? (bytes[o + transport + 12]! >>> 4) * 4 : UDP_HEADER);
  return Math.max(1, Math.ceil((length[i]! - header) / size));
}
