/**
 * What a border learns from packets with a nonce (RFC 6744) that pass it, and what it does with it: which uplink carries a
 * pair that speaks ILNP, and who may send Locator Updates (RFC 6740 section 9.5). Only packets of guests begin a pair.
 */

import { printOf } from '../ilnp/pairs.ts';
import { SESSION_ILNP } from '../ilnp/sessions.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { DROP_FORGED_UPDATE, FORWARD, TAKEN } from '../packet/verdict.ts';
import { isAutomatic } from '../wire/automatic.ts';
import { ACKNOWLEDGEMENT, LOCATOR_ENTRY, LOCATORS_AT } from '../wire/locator-update.ts';
import { COUNT_PAIRS_REFUSED, type Fib } from './fib.ts';
import { isUpdate, restore } from './translate.ts';
import { indexOf, markFlow, newUplink, uplinkOf } from './uplink.ts';

/** Octets of the option before the nonce. */
const OPTION_HEADER = 2;

/**
 * Notes the nonce of packet `i`, whose source is the guest's own and whose destination is nobody of ours. What the guest's
 * kernel answers by itself begins no pair: whoever forges questions would fill the store.
 */
export function heardGuest(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  now: number,
): void {
  const { pairs, nonce } = fib;
  if (pairs === null || nonce === 0) return;
  const { bytes: b, word } = batch;
  const w = batch.offset[i]! >>> 2;
  const seconds = (now / 1e6) | 0;
  const g0 = word[w + 4]!;
  const g1 = word[w + 5]!;
  const c0 = word[w + 8]!;
  const c1 = word[w + 9]!;
  const automatic = isAutomatic(b, protocol, transport, batch.offset[i]! + batch.length[i]!);
  const pair = automatic ? pairs.find(g0, g1, c0, c1) : pairs.open(g0, g1, c0, c1, seconds);
  fib.pair = pair;
  if (pair < 0) {
    if (!automatic) fib.counters[COUNT_PAIRS_REFUSED]!++;
    return;
  }
  const length = b[nonce + 1]!;
  const at = nonce + OPTION_HEADER;
  pairs.heardGuest(pair, b, at, length, word[w + 6]!, word[w + 7]!, word[w + 2]!, word[w + 3]!, seconds);
}

/** Notes the nonce of packet `i` towards a guest; nothing when the guest has not spoken to its sender. */
export function heardCorrespondent(batch: PacketBatch, i: number, fib: Fib, now: number): boolean {
  const { pairs, nonce } = fib;
  if (pairs === null) return false;
  const { bytes: b, word } = batch;
  const w = batch.offset[i]! >>> 2;
  const pair = pairs.find(word[w + 8]!, word[w + 9]!, word[w + 4]!, word[w + 5]!);
  fib.pair = pair;
  if (pair < 0 || nonce === 0) return false;
  const seconds = (now / 1e6) | 0;
  return pairs.heardCorrespondent(pair, b, nonce + OPTION_HEADER, b[nonce + 1]!, word[w + 2]!, word[w + 3]!, seconds);
}

/**
 * A packet with a nonce, or a Locator Update, from outside to a guest. A forged update ends here, and so does what answers an
 * update of our own; what answers one that we have translated is translated back. Whether data is true, the guest judges.
 */
export function fromCorrespondent(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  now: number,
): number {
  const b = batch.bytes;
  const end = batch.offset[i]! + batch.length[i]!;
  const tells = isUpdate(b, protocol, transport, end);
  if (!tells && fib.nonce === 0) return FORWARD;
  const isRight = heardCorrespondent(batch, i, fib, now);
  const { pair, pairs } = fib;
  if (!tells || pair < 0 || pairs!.inLength(pair) === 0) return FORWARD;
  if (!isRight) return DROP_FORGED_UPDATE;

  const first = transport + LOCATORS_AT;
  const octets = b[transport + 4]! * LOCATOR_ENTRY;
  if (first + octets > end) return FORWARD;
  if (b[transport + 5] !== ACKNOWLEDGEMENT) {
    const w = batch.offset[i]! >>> 2;
    pairs!.movedTo(pair, batch.word[w + 2]!, batch.word[w + 3]!);
    return FORWARD;
  }
  const print = printOf(b, first, octets);
  const isOurs = pairs!.told(pair) === print;
  if (isOurs) pairs!.acknowledge(pair, fib.now);
  if (restore(batch, i, fib, transport, print)) return FORWARD;
  return isOurs || pairs!.wasTold(pair, print) ? TAKEN : FORWARD;
}

/**
 * Index of the uplink for the packet of a guest with a nonce at word `w`, or -1. The one its pair uses while that is up; what
 * carries a nonce may go over to another at once (RFC 6744 section 4).
 */
export function pairUplink(fib: Fib, word: Int32Array, w: number, pinned: number, now: number): number {
  const { pair, pairs, image } = fib;
  if (pair < 0) return uplinkOf(fib, word, w, pinned, now);
  const known = indexOf(fib, pairs!.uplink(pair));
  const next = indexOf(fib, pairs!.next(pair));
  let chosen = known;
  if (known < 0 || image.uplinkUsable[known] !== 1) {
    chosen = known < 0 ? uplinkOf(fib, word, w, pinned, now) : newUplink(fib, pinned);
    if (chosen >= 0 && image.uplinkUsable[chosen] !== 1) chosen = newUplink(fib, pinned);
    if (next >= 0 && image.uplinkUsable[next] === 1) chosen = next;
    if (chosen < 0) return known;
    pairs!.setUplink(pair, image.uplinkIds[chosen]!);
  }
  if (fib.multihomed) markFlow(fib, word, w, SESSION_ILNP, now);
  return chosen;
}

/** Index of the uplink of this site for the pair of a guest that is a visitor here, once its correspondent knows; else -1. */
export function visitorUplink(fib: Fib, pair: number): number {
  const { pairs, image } = fib;
  if (pair < 0) return -1;
  const known = indexOf(fib, pairs!.uplink(pair));
  return known >= 0 && image.uplinkUsable[known] === 1 ? known : -1;
}
