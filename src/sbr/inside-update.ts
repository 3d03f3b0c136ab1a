/**
 * Locator Updates (RFC 6743) that must not leave: a correspondent would take an inside Locator for one it can reach, and learn
 * what the site looks like inside. Nothing answers in the border's stead; translating the list comes with the end systems.
 */
import type { PacketBatch } from '../packet/batch.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { LOCATOR_ENTRY, LOCATOR_UPDATE, LOCATORS_AT } from '../wire/locator-update.ts';
import { ANY_INSIDE, type Fib } from './fib.ts';

const NUM_OF_LOCS = 4;

/** True when the ICMPv6 message at `icmp` lists an inside Locator, or its list goes on where it cannot be seen. */
export function tellsInside(batch: PacketBatch, i: number, fib: Fib, icmp: number): boolean {
  const b = batch.bytes;
  const end = batch.offset[i]! + batch.length[i]!;
  if (icmp + LOCATORS_AT > end || b[icmp] !== LOCATOR_UPDATE) return false;
  const behind = icmp + LOCATORS_AT + b[icmp + NUM_OF_LOCS]! * LOCATOR_ENTRY;
  if (behind > end) return true; // a fragment, or malformed
  for (let o = icmp + LOCATORS_AT; o < behind; o += LOCATOR_ENTRY) {
    if (ipv6.isUniqueLocal(b, o)) return true;
    if ((fib.role(batch.word[o >>> 2]!, batch.word[(o >>> 2) + 1]!) & ANY_INSIDE) !== 0) return true;
  }
  return false;
}
