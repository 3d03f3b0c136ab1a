/**
 * Hosts without a binding, translated by their subnet: external L_pp || L_ss <-> internal L_pp || L_ss (RFC 6748 section
 * 2.3). A map of two /64 is a row of the table; a map of two shorter prefixes keeps L_ss, the identity map.
 *
 * Only a Locator that is an uplink's, too, is looked up by NID first: elsewhere the NID of a host may be that of a guest.
 */
import { INSIDE, type PacketBatch } from '../packet/batch.ts';
import { sum64 } from '../wire/checksum.ts';
import {
  type Fib,
  L_SUM,
  M_INSIDE,
  M_MASK,
  M_OUTSIDE,
  M_UPLINK,
  SCRATCH_DESTINATION,
  SCRATCH_SOURCE,
  SUBNET_WORDS,
} from './fib.ts';
import { rewrite } from './rewrite.ts';
import { learnUplink } from './uplink.ts';

/** Destination external -> internal. `role`: of the destination Locator. */
export function subnetInbound(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  role: number,
  now: number,
): number {
  const w = batch.offset[i]! >>> 2;
  if (fib.multihomed) learnUplink(fib, batch.word, w, (role >>> 8) & 0xff, now);
  batch.egress[i] = INSIDE;
  return rewrite(batch, i, fib, protocol, transport, 0, insideRow(fib, batch.word, w + 6, role));
}

/** Scratch row with the internal Locator for the external one at word `w`, whose `role` names the map. */
export function insideRow(fib: Fib, word: Int32Array, w: number, role: number): number {
  return exchange(fib, word, w, (role >>> 16) * SUBNET_WORDS, M_INSIDE, SCRATCH_DESTINATION);
}

/**
 * Scratch row `row` with the external Locator, through `uplink` if it has a map (`only`: or not at all), for the internal one
 * at word `w`; or 0.
 */
export function outsideRow(
  fib: Fib,
  word: Int32Array,
  w: number,
  uplink: number,
  row = SCRATCH_SOURCE,
  only = false,
): number {
  const m = fib.image.subnets;
  let found = -1;
  for (let k = 0; k < m.length; k += SUBNET_WORDS) {
    const differs =
      ((word[w]! ^ m[k + M_INSIDE]!) & m[k + M_MASK]!) | ((word[w + 1]! ^ m[k + M_INSIDE + 1]!) & m[k + M_MASK + 1]!);
    if (differs !== 0) continue;
    if ((found < 0 && !only) || m[k + M_UPLINK] === uplink) found = k;
  }
  return found < 0 ? 0 : exchange(fib, word, w, found, M_OUTSIDE, row);
}

/** Writes the Locator at word `w`, its masked part replaced by that of the map's side `to`, into row `row`. */
function exchange(fib: Fib, word: Int32Array, w: number, k: number, to: number, row: number): number {
  const m = fib.image.subnets;
  const locators = fib.locators;
  const l0 = (word[w]! & ~m[k + M_MASK]!) | (m[k + to]! & m[k + M_MASK]!);
  const l1 = (word[w + 1]! & ~m[k + M_MASK + 1]!) | (m[k + to + 1]! & m[k + M_MASK + 1]!);
  locators[row] = l0;
  locators[row + 1] = l1;
  locators[row + L_SUM] = sum64(l0, l1);
  return row;
}
