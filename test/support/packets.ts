/** Builders that make packets and a batch of them, with checksums computed the slow way, independent of src/. */
import { HEADROOM, PacketBatch } from '../../src/packet/batch.ts';
import { parseIpv6 } from '../../src/wire/text.ts';

const SLOT = 4096;

export const octetsOf = (address: string): Uint8Array => {
  const octets = parseIpv6(address);
  if (octets === null) throw new RangeError(`not an address: ${address}`);
  return octets;
};

/** One's complement sum by the book: 16-bit words, carries added at the end (RFC 1071 section 4.1). */
export function slowSum(...parts: Uint8Array[]): number {
  const all = Uint8Array.from(parts.flatMap((p) => [...p]));
  let total = 0n;
  for (let k = 0; k < all.length; k += 2) total += BigInt((all[k]! << 8) | (all[k + 1] ?? 0));
  while (total > 0xffffn) total = (total & 0xffffn) + (total >> 16n);
  return Number(total);
}

export interface Header {
  readonly src: string;
  readonly dst: string;
  readonly hopLimit?: number;
}

const be16 = (x: number): number[] => [(x >>> 8) & 0xff, x & 0xff];
const be32 = (x: number): number[] => [...be16(x >>> 16), ...be16(x & 0xffff)];

/** An IPv6 packet around `payload`, whose first header is `protocol`. */
export function ipv6({ src, dst, hopLimit = 64 }: Header, protocol: number, payload: Uint8Array): Uint8Array {
  return Uint8Array.from([
    ...[0x60, 0, 0, 0, ...be16(payload.length), protocol, hopLimit],
    ...octetsOf(src),
    ...octetsOf(dst),
    ...payload,
  ]);
}

/** Pseudo-header sum of RFC 8200 section 8.1, with Locators zeroed on demand (RFC 6741 section 4.2). */
function pseudo(src: Uint8Array, dst: Uint8Array, length: number, protocol: number, zeroed = false): Uint8Array {
  const from = zeroed ? 8 : 0;
  return Uint8Array.from([...src.slice(from), ...dst.slice(from), ...be32(length), 0, 0, 0, protocol]);
}

const CHECKSUM_AT: Record<number, number> = { 6: 16, 17: 6, 33: 6, 58: 2, 135: 4, 136: 6 };

/** Fills in the checksum of a segment. */
export function sealed(header: Header, protocol: number, segment: Uint8Array, zeroed = false): Uint8Array {
  const at = CHECKSUM_AT[protocol]!;
  const copy = segment.slice();
  copy.set([0, 0], at);
  const p = pseudo(octetsOf(header.src), octetsOf(header.dst), copy.length, protocol, zeroed);
  let sum = ~slowSum(p, copy) & 0xffff;
  if (sum === 0 && protocol === 17) sum = 0xffff;
  copy.set(be16(sum), at);
  return copy;
}

export const udpSegment = (h: Header, payload: Uint8Array, ports = [40000, 53]): Uint8Array =>
  sealed(
    h,
    17,
    Uint8Array.from([...be16(ports[0]!), ...be16(ports[1]!), ...be16(payload.length + 8), 0, 0, ...payload]),
  );

export const udp6 = (h: Header, payload: Uint8Array = new Uint8Array(8)): Uint8Array =>
  ipv6(h, 17, udpSegment(h, payload));

export const tcpSegment = (h: Header, payload: Uint8Array): Uint8Array =>
  sealed(
    h,
    6,
    Uint8Array.from([...be16(443), ...be16(50000), ...be32(1), ...be32(2), 0x50, 0x18, 1, 0, 0, 0, 0, 0, ...payload]),
  );

export const tcp6 = (h: Header, payload: Uint8Array = new Uint8Array(8)): Uint8Array =>
  ipv6(h, 6, tcpSegment(h, payload));

export const echo6 = (h: Header): Uint8Array =>
  ipv6(h, 58, sealed(h, 58, Uint8Array.from([128, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4])));

/** An ICMPv6 error that quotes `quote`, cut to `quoted` octets. */
export function error6(
  h: Header,
  type: number,
  code: number,
  value: number,
  quote: Uint8Array,
  quoted = 1232,
): Uint8Array {
  return ipv6(h, 58, sealed(h, 58, Uint8Array.from([type, code, 0, 0, ...be32(value), ...quote.slice(0, quoted)])));
}

/** A Destination Options header with options (RFC 8200 section 4.2), padded to 8 octets. */
export function destinationOptions(next: number, ...options: (readonly [number, Uint8Array])[]): Uint8Array {
  const body = options.flatMap(([type, data]) => [type, data.length, ...data]);
  const pad = (8 - ((body.length + 2) % 8)) % 8;
  if (pad === 1) body.push(0);
  else if (pad > 1) body.push(1, pad - 2, ...new Array<number>(pad - 2).fill(0));
  return Uint8Array.from([next, (body.length + 2) / 8 - 1, ...body]);
}

/** A Fragment header (RFC 8200 section 4.5); `offset` in octets. */
export const fragmentHeader = (next: number, offset: number, more: boolean, id = 7): Uint8Array =>
  Uint8Array.from([next, 0, ...be16(offset | (more ? 1 : 0)), ...be32(id)]);

export const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));

/** A batch with one packet per slot; `vnet`: each with a zeroed virtio-net header in front. */
export function batchOf(port: number, packets: readonly Uint8Array[], vnet = false): PacketBatch {
  const slot = Math.max(SLOT, ...packets.map((p) => (p.length + 2 * HEADROOM + 1407) & ~7));
  const batch = new PacketBatch(new ArrayBuffer(slot * packets.length), packets.length, vnet);
  packets.forEach((packet, i) => {
    batch.offset[i] = i * slot + HEADROOM;
    batch.length[i] = packet.length;
    batch.port[i] = port;
    batch.bytes.set(packet, i * slot + HEADROOM);
  });
  batch.count = packets.length;
  return batch;
}

/** The octets of packet `i` as they are now. */
export const packetOf = (batch: PacketBatch, i = 0): Uint8Array =>
  batch.bytes.slice(batch.offset[i]!, batch.offset[i]! + batch.length[i]!);

/** True when the transport checksum of an unfragmented packet without extension headers is right. */
export function hasRightChecksum(packet: Uint8Array, zeroed = false): boolean {
  const protocol = packet[6]!;
  const segment = packet.slice(40);
  const p = pseudo(packet.slice(8, 24), packet.slice(24, 40), segment.length, protocol, zeroed);
  return slowSum(p, segment) === 0xffff;
}

const text = (o: Uint8Array): string =>
  Array.from({ length: 8 }, (_, k) => ((o[2 * k]! << 8) | o[2 * k + 1]!).toString(16)).join(':');

/** Source and destination as text, eight groups without `::`. */
export const addressesOf = (packet: Uint8Array): { src: string; dst: string } => ({
  src: text(packet.slice(8, 24)),
  dst: text(packet.slice(24, 40)),
});

/** An address in the form of `addressesOf`. */
export const full = (address: string): string => text(octetsOf(address));
