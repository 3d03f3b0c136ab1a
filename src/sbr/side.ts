/**
 * From which side a packet came, judged by its addresses alone. The border itself never has to guess, because a TUN belongs to
 * one side; a capture does not say. Where addresses allow more than one answer, the one is chosen that lets the packet
 * through, and strangers come from outside.
 */
import { S_CLASS } from '../ilnp/locator-table.ts';
import { INSIDE, OUTSIDE, type PacketBatch, SITE } from '../packet/batch.ts';
import { HEADER_LENGTH, isUnforwardable } from '../wire/ipv6.ts';
import {
  ANY_INSIDE,
  ANY_OUTSIDE,
  C_FLAGS,
  C_GUEST,
  CLASS_WORDS,
  type Fib,
  HERE,
  HOME,
  OWN,
  SITE_L64,
  SUBNET_INSIDE,
} from './fib.ts';
import { holds } from './rewrite.ts';

/** Never leaves its link: the gateway's kernel has it, the border does not see it. */
export const LINK_SCOPE = -1;

/** Port that packet `i` came by, or LINK_SCOPE. */
export function sideOf(batch: PacketBatch, i: number, fib: Fib): number {
  const word = batch.word;
  const o = batch.offset[i]!;
  const w = o >>> 2;
  if (batch.length[i]! < HEADER_LENGTH) return OUTSIDE;
  if (isUnforwardable(batch.bytes, o + 24) || isUnforwardable(batch.bytes, o + 8)) return LINK_SCOPE;
  const source = fib.role(word[w + 2]!, word[w + 3]!);
  const destination = fib.role(word[w + 6]!, word[w + 7]!);
  const c = classAt(fib, word, w + 4);
  const flags = c < 0 ? 0 : fib.classes[c + C_FLAGS]!;

  // as a guest that is here sends, or as any host of this site
  if (c >= 0 && (flags & HERE) !== 0 && holds(fib, fib.classes[c + C_GUEST]!, word, w + 2)) return INSIDE;
  if (c < 0 && (source & (OWN | SUBNET_INSIDE)) !== 0) return INSIDE;
  // under a site Locator: between borders, or a guest that should not be here
  if ((source & SITE_L64) !== 0) return (flags & HOME) !== 0 || (source & OWN) === 0 ? SITE : INSIDE;
  if ((source & ANY_INSIDE) !== 0) return (destination & ANY_OUTSIDE) !== 0 ? OUTSIDE : INSIDE;
  // from the world: the home border has given a packet for one of its guests the site Locator before sending it here
  if (source === 0 && (destination & SITE_L64) !== 0) {
    const guest = classAt(fib, word, w + 8);
    if (guest >= 0 && (fib.classes[guest + C_FLAGS]! & HOME) === 0) return SITE;
  }
  return OUTSIDE;
}

function classAt(fib: Fib, word: Int32Array, at: number): number {
  const slot = fib.table.find(word[at]!, word[at + 1]!);
  return slot < 0 ? -1 : (fib.table.slots[slot + S_CLASS]! - 1) * CLASS_WORDS;
}
