/**
 * Writing Locators into a packet and trading them in its checksum: the one place where octets of a forwarded packet
 * change.
 */
import { INSIDE, type PacketBatch, SITE } from '../packet/batch.ts';
import {
  DROP_NOT_HERE,
  DROP_OFFLOAD_HEADER,
  DROP_TRANSPORT_TRUNCATED,
  DROP_UNKNOWN_SITE,
  FORWARD,
} from '../packet/verdict.ts';
import { checksumOffset, difference, fold, isZeroNone, sum64, update } from '../wire/checksum.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import { C_FLAGS, C_GUEST, C_SITE, COUNT_STRAGGLERS, type Fib, HERE, KEPT, L_SUM } from './fib.ts';

/**
 * Row of the destination Locator that leads to a guest of class `c`, and the egress with it. Negative: the verdict that ends
 * the way of the packet, because the guest is being moved or nobody knows its site.
 */
export function towards(batch: PacketBatch, i: number, fib: Fib, c: number): number {
  const flags = fib.classes[c + C_FLAGS]!;
  batch.egress[i] = (flags & HERE) !== 0 ? INSIDE : SITE;
  if ((flags & KEPT) !== 0) {
    const verdict = fib.keeper === null ? FORWARD : fib.keeper.towards(batch, i);
    if (verdict !== FORWARD) return -verdict;
  }
  if ((flags & HERE) !== 0) return fib.classes[c + C_GUEST]!;
  return fib.classes[c + C_SITE]! || -DROP_UNKNOWN_SITE;
}

/** Verdict for what a guest of class flags `flags` sends from here, its NID at word `w`; FORWARD: it may. */
export function mayLeave(batch: PacketBatch, i: number, fib: Fib, w: number, flags: number): number {
  const isHere = (flags & HERE) !== 0;
  if ((flags & KEPT) !== 0 && fib.keeper !== null) return fib.keeper.fromGuest(batch, i, w, isHere);
  return isHere ? FORWARD : DROP_NOT_HERE;
}

/** Hops that being sent on from one site to another costs, so that two sites that disagree cannot play ball for long. */
const STRAGGLER_HOPS = 16;

/** Takes the price of being sent on from site to site; false when the packet cannot pay. */
export function payStraggler(batch: PacketBatch, i: number, fib: Fib): boolean {
  const hops = batch.offset[i]! + ipv6.HOP_LIMIT;
  if (batch.bytes[hops]! <= STRAGGLER_HOPS) return false;
  batch.bytes[hops]! -= STRAGGLER_HOPS;
  fib.counters[COUNT_STRAGGLERS]!++;
  return true;
}

/** True when the Locator at word `w` of the packet is the one of `row`. */
export const holds = (fib: Fib, row: number, word: Int32Array, w: number): boolean =>
  word[w] === fib.locators[row] && word[w + 1] === fib.locators[row + 1];

/**
 * Writes the Locators of the rows (0: leave as it is; of the destination negative: a verdict, see `towards`), trades them in the transport checksum and gives back one hop.
 * Updates the field by the difference (RFC 1624 equation 3), so that a wrong checksum stays wrong.
 */
export function rewrite(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  sourceRow: number,
  destinationRow: number,
): number {
  if (destinationRow < 0) return -destinationRow;
  const word = batch.word;
  const locators = fib.locators;
  const w = batch.offset[i]! >>> 2;
  let delta = 0;
  if (sourceRow !== 0) {
    if (!fib.homed) delta = difference(locators[sourceRow + L_SUM]!, sum64(word[w + 2]!, word[w + 3]!));
    word[w + 2] = locators[sourceRow]!;
    word[w + 3] = locators[sourceRow + 1]!;
  }
  if (destinationRow !== 0) {
    if (!fib.routed)
      delta = fold(delta + difference(locators[destinationRow + L_SUM]!, sum64(word[w + 6]!, word[w + 7]!)));
    word[w + 6] = locators[destinationRow]!;
    word[w + 7] = locators[destinationRow + 1]!;
  }
  const hops = (w << 2) + ipv6.HOP_LIMIT;
  if (batch.bytes[hops]! !== 255) batch.bytes[hops]!++;
  return delta === 0 || delta === 0xffff ? FORWARD : adjustChecksum(batch, i, protocol, transport, delta);
}

/** Adds `delta` to what the transport checksum covers. `transport`: offset of the upper-layer header. */
function adjustChecksum(batch: PacketBatch, i: number, protocol: number, transport: number, delta: number): number {
  const o = batch.offset[i]!;
  const half = batch.half;
  const end = o + batch.length[i]!;
  if (batch.vnet && (batch.bytes[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0) {
    const h = o >>> 1;
    const at = half[h + vnet.H_CSUM_START]! + half[h + vnet.H_CSUM_OFFSET]!;
    if ((at & 1) !== 0 || at < ipv6.HEADER_LENGTH || o + at + 2 > end) return DROP_OFFLOAD_HEADER;
    const field = (o + at) >>> 1;
    half[field] = fold(half[field]! + delta); // the partial sum is not complemented
    return FORWARD;
  }
  const offset = checksumOffset(protocol);
  if (offset < 0) return FORWARD; // no checksum we know of, or out of our reach
  if (transport + offset + 2 > end) return DROP_TRANSPORT_TRUNCATED;
  const field = (transport + offset) >>> 1;
  const old = half[field]!;
  if (!isZeroNone(protocol)) half[field] = update(old, delta);
  else if (old !== 0) half[field] = update(old, delta) || 0xffff; // both mean the same sum
  return FORWARD;
}
