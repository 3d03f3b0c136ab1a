/**
 * What the kernel makes of a frame written to a TUN with a virtio-net header, by the book and slowly: checksums completed,
 * super-packets cut into segments (Linux Documentation/networking/segmentation-offloads.rst). Independent of src/.
 */
import { slowSum } from './packets.ts';

export const NEEDS_CSUM = 1;
export const DATA_VALID = 2;
const GSO_UDP_L4 = 5;

export interface VnetHeader {
  readonly flags: number;
  readonly gsoType: number;
  readonly headerLength: number;
  readonly segmentSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

const FIN = 0x01;
const PSH = 0x08;

const be16 = (b: Uint8Array, o: number): number => (b[o]! << 8) | b[o + 1]!;
const put16 = (b: Uint8Array, o: number, x: number): void => b.set([(x >>> 8) & 0xff, x & 0xff], o);
const words = (...list: number[]): Uint8Array => Uint8Array.from(list.flatMap((x) => [(x >>> 8) & 0xff, x & 0xff]));
const minus = (a: number, b: number): number => (((a - b) % 0xffff) + 0xffff) % 0xffff;

/** The header in front of a frame, little endian. */
export function vnetOf(frame: Uint8Array): VnetHeader {
  const [headerLength, segmentSize, checksumStart, checksumOffset] = [2, 4, 6, 8].map(
    (o) => frame[o]! | (frame[o + 1]! << 8),
  ) as [number, number, number, number];
  return { flags: frame[0]!, gsoType: frame[1]!, headerLength, segmentSize, checksumStart, checksumOffset };
}

/** The packets on the wire for one frame. Throws when the kernel would refuse the frame. */
export function onTheWire(frame: Uint8Array): Uint8Array[] {
  const header = vnetOf(frame);
  const packet = frame.slice(10);
  if (be16(packet, 4) + 40 !== packet.length) throw new RangeError('payload length is not that of the frame');
  if (header.gsoType === 0) return [header.flags & NEEDS_CSUM ? completed(packet, header) : packet];
  if ((header.flags & NEEDS_CSUM) === 0) throw new RangeError('a super-packet without NEEDS_CSUM');
  const udp = header.gsoType === GSO_UDP_L4;
  if (packet[6] !== (udp ? 17 : 6) || header.checksumStart !== 40 || header.checksumOffset !== (udp ? 6 : 16))
    throw new RangeError('a super-packet of another protocol than it says');
  if (header.headerLength !== (udp ? 48 : 40 + (packet[52]! >>> 4) * 4)) throw new RangeError('wrong header length');
  if (header.segmentSize === 0) throw new RangeError('segments of no size');
  if (udp && be16(packet, 44) !== packet.length - 40) throw new RangeError('UDP length is not that of the frame');
  return segments(packet, header, udp);
}

function segments(packet: Uint8Array, { headerLength, segmentSize }: VnetHeader, udp: boolean): Uint8Array[] {
  const cut: Uint8Array[] = [];
  const total = packet.length - headerLength;
  const field = udp ? 46 : 56;
  for (let at = 0; at < total; at += segmentSize) {
    const size = Math.min(segmentSize, total - at);
    const segment = Uint8Array.from([
      ...packet.subarray(0, headerLength),
      ...packet.subarray(headerLength + at, headerLength + at + size),
    ]);
    put16(segment, 4, headerLength - 40 + size);
    if (udp) put16(segment, 44, 8 + size);
    else {
      new DataView(segment.buffer).setUint32(44, new DataView(packet.buffer).getUint32(44) + at);
      if (at + size < total) segment[53]! &= ~(FIN | PSH);
    }
    // of the partial sum only the length changes
    put16(segment, field, minus(be16(packet, field), minus(packet.length - 40, segment.length - 40)));
    cut.push(completed(segment, { checksumStart: 40, checksumOffset: udp ? 6 : 16 }));
  }
  return cut;
}

/** The checksum over everything from `checksumStart`, the partial sum in the field included. */
function completed(
  packet: Uint8Array,
  { checksumStart, checksumOffset }: Pick<VnetHeader, 'checksumStart' | 'checksumOffset'>,
): Uint8Array {
  const copy = packet.slice();
  const sum = ~slowSum(packet.slice(checksumStart)) & 0xffff;
  put16(copy, checksumStart + checksumOffset, packet[6] === 17 && sum === 0 ? 0xffff : sum);
  return copy;
}

/** The packet, whose checksum is right, as the kernel hands it over before its checksum was computed. */
export function withPartialSum(packet: Uint8Array): { packet: Uint8Array; checksumStart: number; offset: number } {
  const copy = packet.slice();
  const offset = packet[6] === 17 ? 6 : 16;
  const pseudo = slowSum(packet.slice(8, 40), words(packet.length - 40, packet[6]!));
  put16(copy, 40 + offset, pseudo);
  return { packet: copy, checksumStart: 40, offset };
}
