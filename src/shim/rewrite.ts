/**
 * Where octets of a packet change at an end system: Locators, the checksum with them, and the Nonce option going in and
 * out. What stands before the option moves, never the payload.
 */
import type { Locator } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { put16 } from '../wire/bytes.ts';
import { checksumOffset, difference, fold, isZeroNone, sum64, update } from '../wire/checksum.ts';
import { OPTION_NONCE } from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';

const LONGEST_PAYLOAD = 0xffff;

/** Puts a Locator at word `w` of the packet; what a checksum over it grows by. */
export function put(word: Int32Array, w: number, locator: Locator): number {
  const delta = difference(locator.sum, sum64(word[w]!, word[w + 1]!));
  word[w] = locator.l0;
  word[w + 1] = locator.l1;
  return delta === 0xffff ? 0 : delta;
}

/**
 * Adds `delta` to what the transport checksum of packet `i` covers (RFC 1624), also a partial one. `at`: offset of the
 * upper layer in the store. False when the field is out of reach.
 */
export function adjustChecksum(batch: PacketBatch, i: number, protocol: number, at: number, delta: number): boolean {
  if (delta === 0 || delta === 0xffff) return true;
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  const half = batch.half;
  if (isPartial(batch, o)) {
    const h = o >>> 1;
    const field = half[h + vnet.H_CSUM_START]! + half[h + vnet.H_CSUM_OFFSET]!;
    if ((field & 1) !== 0 || field < ipv6.HEADER_LENGTH || o + field + 2 > end) return false;
    half[(o + field) >>> 1] = fold(half[(o + field) >>> 1]! + delta); // not complemented
    return true;
  }
  const field = checksumAt(protocol, at);
  if (field < 0) return true;
  if (field + 2 > end) return false;
  const old = half[field >>> 1]!;
  const isZeroNoSum = isZeroNone(protocol);
  if (isZeroNoSum && old === 0) return true;
  half[field >>> 1] = update(old, delta) || (isZeroNoSum ? 0xffff : 0);
  return true;
}

/** Where the checksum of an upper layer at `at` is, or -1. */
export function checksumAt(protocol: number, at: number): number {
  const offset = checksumOffset(protocol);
  return offset < 0 ? -1 : at + offset;
}

export const isPartial = (batch: PacketBatch, o: number): boolean =>
  batch.vnet && (batch.bytes[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0;

/** Gives back the hop that the kernel takes when it forwards between TUN and link: this node is none. */
export function giveHopBack(b: Uint8Array, o: number): void {
  if (b[o + ipv6.HOP_LIMIT] !== 255) b[o + ipv6.HOP_LIMIT]!++;
}

/**
 * Puts a Destination Options header with the nonce (4 or 12 octets) before the upper layer of a packet without extension
 * headers; false when it would get too long.
 */
export function insertNonce(batch: PacketBatch, i: number, nonce: Uint8Array): boolean {
  const b = batch.bytes;
  const from = batch.offset[i]!;
  const octets = 4 + nonce.length;
  if (ipv6.payloadLength(b, from) + octets > LONGEST_PAYLOAD) return false;
  const o = shift(batch, i, ipv6.HEADER_LENGTH, -octets);
  const at = o + ipv6.HEADER_LENGTH;
  b[at] = b[o + ipv6.NEXT_HEADER]!;
  b[at + 1] = octets / 8 - 1;
  b[at + 2] = OPTION_NONCE;
  b[at + 3] = nonce.length;
  for (let k = 0; k < nonce.length; k++) b[at + 4 + k] = nonce[k]!;
  b[o + ipv6.NEXT_HEADER] = ipv6.DESTINATION_OPTIONS;
  return true;
}

/** The same, with `longer`, the packet made elsewhere: a multiple of 8 octets longer than the one that is there. */
export function putLonger(batch: PacketBatch, i: number, longer: Uint8Array): void {
  const o = shift(batch, i, ipv6.HEADER_LENGTH, batch.length[i]! - longer.length);
  batch.bytes.set(longer, o);
}

/** Takes out the `octets` (a multiple of 8) of the extension header behind the IPv6 header. */
export function removeFirstHeader(batch: PacketBatch, i: number, octets: number): void {
  const b = batch.bytes;
  const from = batch.offset[i]!;
  b[from + ipv6.NEXT_HEADER] = b[from + ipv6.HEADER_LENGTH]!;
  shift(batch, i, ipv6.HEADER_LENGTH, octets);
}

/** Moves the first `headers` octets and the virtio-net header by `by`; the packet begins there. Returns where. */
export function shift(batch: PacketBatch, i: number, headers: number, by: number): number {
  const from = batch.offset[i]!;
  const before = batch.vnet ? vnet.VNET_LENGTH : 0;
  batch.bytes.copyWithin(from + by - before, from - before, from + headers);
  const o = from + by;
  batch.offset[i] = o;
  batch.length[i]! -= by;
  put16(batch.bytes, o + ipv6.PAYLOAD_LENGTH, ipv6.payloadLength(batch.bytes, o) - by);
  if (!batch.vnet) return o;
  const h = o >>> 1;
  if ((batch.bytes[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0) batch.half[h + vnet.H_CSUM_START]! -= by;
  if (batch.half[h + vnet.H_HEADER_LENGTH]! > ipv6.HEADER_LENGTH) batch.half[h + vnet.H_HEADER_LENGTH]! -= by;
  return o;
}
