/**
 * Locator Updates (RFC 6743) of hosts inside, on their way out and their acknowledgements on the way back. A correspondent
 * must not take an inside Locator for one it can reach, nor learn what the site looks like inside: in its place the list
 * gets every global Locator under which the host can be reached now. What cannot be translated does not leave.
 */

import { Originals } from '../ilnp/originals.ts';
import { printOf } from '../ilnp/pairs.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { DROP_INSIDE_LOCATOR, DROP_NO_UPLINK, FORWARD } from '../packet/verdict.ts';
import { put16, u16 } from '../wire/bytes.ts';
import { segmentChecksum, segmentSum } from '../wire/checksum.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { ADVERTISEMENT, LOCATOR_ENTRY, LOCATOR_UPDATE, LOCATORS_AT } from '../wire/locator-update.ts';
import * as vnet from '../wire/virtio-net.ts';
import { ANY_INSIDE, COUNT_UPDATES_TRANSLATED, type Fib, GUEST, OWN, SCRATCH_LISTED, SUBNET_INSIDE } from './fib.ts';
import { outsideRow } from './subnet.ts';

const CODE = 1;
const NUM_OF_LOCS = 4;
const OPERATION = 5;
/** Inside Locators by which a host of this site may know itself. */
const OF_HOSTS = GUEST | OWN | SUBNET_INSIDE;
const MOST_LOCATORS = 255;
const NEXT_PREFERENCE = 10;
const RULES = { protocol: ipv6.ICMPV6, convention: 'full' } as const;
/** The list being written, or as it came. */
const list = new Uint8Array(MOST_LOCATORS * LOCATOR_ENTRY);
const listWords = new Int32Array(list.buffer);

/** True for a Locator Update or its acknowledgement at `icmp`, its fixed part before `end`. */
export const isUpdate = (b: Uint8Array, protocol: number, icmp: number, end: number): boolean =>
  protocol === ipv6.ICMPV6 && icmp + LOCATORS_AT <= end && b[icmp] === LOCATOR_UPDATE;

/**
 * Translates the ICMPv6 message at `icmp` if it is a Locator Update that lists inside Locators. `uplink`: of the session,
 * its Locator comes first. Returns FORWARD, or why it must not leave.
 */
export function translate(batch: PacketBatch, i: number, fib: Fib, icmp: number, uplink: number): number {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  if (!isUpdate(b, ipv6.ICMPV6, icmp, end)) return FORWARD;
  const octets = b[icmp + NUM_OF_LOCS]! * LOCATOR_ENTRY;
  const first = icmp + LOCATORS_AT;
  if (first + octets > end) return DROP_INSIDE_LOCATOR; // a fragment, or malformed
  if (!tellsInside(batch, fib, first, first + octets)) return FORWARD;

  if (
    b[icmp + CODE] !== 0 ||
    b[icmp + OPERATION] !== ADVERTISEMENT ||
    fib.pair < 0 ||
    octets > Originals.LONGEST ||
    first + octets !== end ||
    !isPlainest(batch, i, icmp)
  ) {
    return DROP_INSIDE_LOCATOR;
  }
  if (segmentSum(b, o, icmp, end - icmp, RULES) !== 0xffff) return DROP_INSIDE_LOCATOR;
  let length = 0;
  let isOwn = false;
  for (let k = first; k < end; k += LOCATOR_ENTRY) {
    const role = fib.role(batch.word[k >>> 2]!, batch.word[(k >>> 2) + 1]!);
    if ((role & OF_HOSTS) !== 0) {
      isOwn = true;
      length = globalsInto(batch, fib, k, role, uplink, length);
    } else if (role === 0 ? !ipv6.isUniqueLocal(b, k) : (role & ANY_INSIDE) === 0) {
      length = into(b, k, u16(b, k + 8), length);
    }
    if (length < 0) return DROP_INSIDE_LOCATOR;
  }
  if (length === 0) return isOwn ? DROP_NO_UPLINK : DROP_INSIDE_LOCATOR;
  if (first + length - o > ipv6.MIN_MTU) return DROP_INSIDE_LOCATOR; // it must get through wherever IPv6 does

  fib.pairs!.originals.keep(fib.pair, printOf(list, 0, length), b, first, octets);
  for (let k = 0; k < length; k++) b[first + k] = list[k]!;
  sealAnew(batch, i, icmp, length);
  fib.counters[COUNT_UPDATES_TRANSLATED]!++;
  return FORWARD;
}

/**
 * Gives an acknowledgement back the list that the guest has sent. `print`: of the list at `icmp`. False when no list of this
 * guest was translated to that.
 */
export function restore(batch: PacketBatch, i: number, fib: Fib, icmp: number, print: number): boolean {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  const originals = fib.pairs!.originals;
  const length = originals.lengthOf(fib.pair, print);
  if (length === 0 || icmp + LOCATORS_AT + b[icmp + NUM_OF_LOCS]! * LOCATOR_ENTRY !== end) return false;
  if (!isPlainest(batch, i, icmp) || segmentSum(b, o, icmp, end - icmp, RULES) !== 0xffff) return false;
  originals.restore(fib.pair, b, icmp + LOCATORS_AT, length);
  sealAnew(batch, i, icmp, length);
  return true;
}

/** True when some Locator of the list at `from` is one that only exists inside. */
function tellsInside(batch: PacketBatch, fib: Fib, from: number, end: number): boolean {
  for (let o = from; o < end; o += LOCATOR_ENTRY) {
    if (ipv6.isUniqueLocal(batch.bytes, o)) return true;
    if ((fib.role(batch.word[o >>> 2]!, batch.word[(o >>> 2) + 1]!) & ANY_INSIDE) !== 0) return true;
  }
  return false;
}

/**
 * True for IPv6, one Destination Options header, ICMPv6, with a whole checksum: how everybody sends them. What has more
 * (a Routing header, authentication that covers the list) is not changed.
 */
function isPlainest(batch: PacketBatch, i: number, icmp: number): boolean {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  if (batch.vnet && (b[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0) return false;
  const options = o + ipv6.HEADER_LENGTH;
  return b[o + ipv6.NEXT_HEADER] === ipv6.DESTINATION_OPTIONS && icmp === options + 8 + 8 * b[options + 1]!;
}

/** Appends the global Locators for the inside one at `k`, that of `uplink` first; the new length, -1 when it is too long. */
function globalsInto(batch: PacketBatch, fib: Fib, k: number, role: number, uplink: number, length: number): number {
  const { uplinkRows, uplinkUsable } = fib.image;
  let preference = u16(batch.bytes, k + 8);
  for (let n = 0; n < uplinkRows.length && length >= 0; n++) {
    const u = n === 0 ? uplink : n <= uplink ? n - 1 : n;
    if (uplinkUsable[u] !== 1) continue;
    let row = uplinkRows[u]!;
    if ((role & (OWN | GUEST)) === 0) {
      row = outsideRow(fib, batch.word, k >>> 2, u, SCRATCH_LISTED, true);
      if (row === 0) continue;
    }
    if (isListed(fib.locators[row]!, fib.locators[row + 1]!, length)) continue;
    const at = length;
    length = into(batch.bytes, k, preference, length);
    if (length < 0) return length;
    listWords[at >>> 2] = fib.locators[row]!;
    listWords[(at >>> 2) + 1] = fib.locators[row + 1]!;
    preference = Math.min(preference + NEXT_PREFERENCE, 0xffff);
  }
  return length;
}

/** Appends the entry at `k`, with another preference; the new length. */
function into(b: Uint8Array, k: number, preference: number, length: number): number {
  if (length + LOCATOR_ENTRY > list.length) return -1;
  for (let n = 0; n < LOCATOR_ENTRY; n++) list[length + n] = b[k + n]!;
  put16(list, length + 8, preference);
  return length + LOCATOR_ENTRY;
}

function isListed(l0: number, l1: number, length: number): boolean {
  for (let k = 0; k < length >>> 2; k += LOCATOR_ENTRY >>> 2)
    if (listWords[k] === l0 && listWords[k + 1] === l1) return true;
  return false;
}

/** The message now has `length` octets of list. */
function sealAnew(batch: PacketBatch, i: number, icmp: number, length: number): void {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const end = icmp + LOCATORS_AT + length;
  b[icmp + NUM_OF_LOCS] = length / LOCATOR_ENTRY;
  batch.length[i] = end - o;
  put16(b, o + ipv6.PAYLOAD_LENGTH, end - o - ipv6.HEADER_LENGTH);
  put16(b, icmp + 2, 0);
  put16(b, icmp + 2, segmentChecksum(b, o, icmp, end - icmp, RULES));
}
