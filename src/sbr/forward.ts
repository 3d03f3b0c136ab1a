/**
 * The border router's path: one loop over a batch, one level, no allocation, exception, clock or I/O.
 *
 * Nearly all packets are plain TCP and UDP of the four straight flows between a guest and a correspondent:
 *
 *   home border    from outside, global -> guest, or site when it is away     from a far border, home's tag -> global
 *   guest's side   from home, site -> guest                                   from the guest, guest -> global or tag
 *
 * They are forwarded here when every condition is plainly met, without a call; everything else is left untouched for
 * decide.ts, which has the whole rule. A property test holds both against each other.
 *
 * The kernel decrements the Hop Limit when it forwards into the TUN and again out of it; one is given back, so that a
 * border is one hop (RFC 8200 section 3). Nothing written to a TUN is ever routed into a TUN (network/plan.ts), so that
 * this cannot feed a loop.
 */

import { firstProbe } from '../ilnp/locator-table.ts';
import type { PacketBatch } from '../packet/batch.ts';
import * as batches from '../packet/batch.ts';
import * as verdicts from '../packet/verdict.ts';
import { difference, fold, sum64, update } from '../wire/checksum.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import { decide } from './decide.ts';
import * as fibs from './fib.ts';
import { type Fib, roleHash } from './fib.ts';

// V8 folds a module's own constants into the code but loads imported ones at every use: 7 ns a packet (note 0003).
const { OUTSIDE, INSIDE, SITE } = batches;
const { FORWARD, ANSWERED } = verdicts;
const { TCP, UDP, HEADER_LENGTH, NEXT_HEADER, HOP_LIMIT, W_SRC_L64, W_DST_L64 } = ipv6;
const { FLAGS, NEEDS_CSUM, H_CSUM_START, H_CSUM_OFFSET } = vnet;
const { C_GUEST, C_SITE, C_HOME, C_STRAIGHT, CLASS_WORDS, HERE, HOME, L_SUM } = fibs;
const { COUNT_PACKETS_IN, COUNT_OCTETS_IN, COUNT_PACKETS_OUT, COUNT_OCTETS_OUT } = fibs;

/** Beyond this table size the slots of the next packets are loaded together, so that their cache misses overlap. */
const TOUCH_ABOVE_OCTETS = 1 << 20; // reason: the second-level cache of current machines; bench rewrite
const TOUCH_AHEAD = 32; // reason: their headers stay in the first-level cache until their turn; bench rewrite

/** First probes of those packets, by `i % TOUCH_AHEAD`. */
const probes = new Int32Array(TOUCH_AHEAD);

/** Decides and rewrites every packet of the batch. `now`: microseconds; only ages sessions and limits errors. */
export function forward(batch: PacketBatch, fib: Fib, now: number): void {
  const { bytes: b, half, word, offset, length: lengths, port: ports, egress: egresses, count } = batch;
  const { counters, locators, classes, roles, roleMask, siteRow, uplinkRow } = fib;
  const { slots, mask, shift, seed0, seed1 } = fib.table;
  const isStraight = fib.straight;
  const hasVnet = batch.vnet;
  const large = slots.byteLength > TOUCH_ABOVE_OCTETS;

  for (let i = 0; i < count; i++) {
    if (large && i % TOUCH_AHEAD === 0) touchSlots(batch, fib, i, Math.min(i + TOUCH_AHEAD, count));
    const port = ports[i]!;
    const o = offset[i]!;
    const w = o >>> 2;
    const length = lengths[i]!;
    counters[COUNT_PACKETS_IN + port]!++;
    counters[COUNT_OCTETS_IN + port]! += length;

    // biome-ignore lint/suspicious/noConfusingLabels: the way out of the short cut, without a call
    straight: if (isStraight) {
      // check: a whole packet, transport checksum in reach
      const protocol = b[o + NEXT_HEADER]!;
      if (protocol !== TCP && protocol !== UDP) break straight;
      const at = protocol === TCP ? HEADER_LENGTH + 16 : HEADER_LENGTH + 6;
      if (length < at + 2 || b[o]! >>> 4 !== 6) break straight;
      if (((b[o + 4]! << 8) | b[o + 5]!) + HEADER_LENGTH !== length) break straight;

      // find: the end that is not the guest is nobody of ours and global unicast (2000::/3)
      const outbound = port === INSIDE || (port === SITE && !holds(word, w + W_DST_L64, locators, siteRow));
      const guest = w + (outbound ? W_SRC_L64 : W_DST_L64);
      const other = w + (outbound ? W_DST_L64 : W_SRC_L64);
      if ((b[other << 2]! & 0xe0) !== 0x20) break straight;
      let r = (roleHash(word[other]!, word[other + 1]!) & roleMask) << 2;
      while (roles[r + 2] !== 0) {
        if (roles[r] === word[other] && roles[r + 1] === word[other + 1]) break straight;
        r = (r + 4) & ((roleMask << 2) | 3);
      }
      const nid0 = word[guest + 2]!;
      const nid1 = word[guest + 3]!;
      const isProbed = large && port !== SITE; // touchSlots cannot tell which way those of SITE go
      let s = (isProbed ? probes[i % TOUCH_AHEAD]! : firstProbe(nid0, nid1, seed0, seed1, shift)) << 2;
      while (slots[s] !== nid0 || slots[s + 1] !== nid1) {
        if (slots[s + 2] === 0) break straight;
        s = (s + 4) & ((mask << 2) | 3);
      }
      if (slots[s + 2] === 0) break straight; // the NID of an empty slot is zero
      const c = (slots[s + 2]! - 1) * CLASS_WORDS;
      const flags = classes[c + C_STRAIGHT]!;

      // decide: the Locator it must carry, the Locator of the side it goes to
      let expected = 0;
      let row = 0;
      let egress = OUTSIDE;
      if (!outbound) {
        if ((flags & (port === OUTSIDE ? HOME : HERE)) === 0) break straight;
        expected = port === OUTSIDE ? uplinkRow : siteRow;
        row = (flags & HERE) !== 0 ? classes[c + C_GUEST]! : classes[c + C_SITE]!;
        egress = (flags & HERE) !== 0 ? INSIDE : SITE;
      } else if (port === INSIDE) {
        if ((flags & HERE) === 0) break straight;
        expected = classes[c + C_GUEST]!;
        row = (flags & HOME) !== 0 ? uplinkRow : classes[c + C_HOME]!;
        if ((flags & HOME) === 0) egress = SITE;
      } else {
        if ((flags & HOME) === 0) break straight;
        expected = siteRow;
        row = uplinkRow;
      }
      if (row === 0 || !holds(word, guest, locators, expected)) break straight;

      // rewrite: Locator, checksum by the difference (RFC 1624 equation 3), hop
      const grown = difference(locators[row + L_SUM]!, sum64(word[guest]!, word[guest + 1]!));
      const delta = grown === 0xffff ? 0 : grown; // both are zero, but only 0 leaves every field as it is
      const field = (o + at) >>> 1;
      if (hasVnet && (b[o + FLAGS]! & NEEDS_CSUM) !== 0) {
        if (half[(o >>> 1) + H_CSUM_START]! + half[(o >>> 1) + H_CSUM_OFFSET]! !== at) break straight;
        half[field] = fold(half[field]! + delta); // the partial sum is not complemented
      } else if (protocol === TCP) {
        half[field] = update(half[field]!, delta);
      } else if (half[field] !== 0) {
        half[field] = update(half[field]!, delta) || 0xffff; // zero would read as "no checksum"
      }
      word[guest] = locators[row]!;
      word[guest + 1] = locators[row + 1]!;
      if (b[o + HOP_LIMIT]! !== 255) b[o + HOP_LIMIT]!++;

      egresses[i] = egress;
      batch.verdict[i] = FORWARD;
      counters[FORWARD]!++;
      counters[COUNT_PACKETS_OUT + egress]!++;
      counters[COUNT_OCTETS_OUT + egress]! += length;
      continue;
    }

    const verdict = decide(batch, i, fib, port, now);
    batch.verdict[i] = verdict;
    counters[verdict]!++;
    if (verdict > ANSWERED) continue;
    counters[COUNT_PACKETS_OUT + egresses[i]!]!++;
    counters[COUNT_OCTETS_OUT + egresses[i]!]! += lengths[i]!;
  }
}

const holds = (word: Int32Array, w: number, locators: Int32Array, row: number): boolean =>
  word[w] === locators[row] && word[w + 1] === locators[row + 1];

/** Finds and loads the first probe of the packets from..to - 1. What it keeps only keeps the loads alive. */
function touchSlots(batch: PacketBatch, fib: Fib, from: number, to: number): void {
  const { offset, word, port } = batch;
  const { slots, shift, seed0, seed1 } = fib.table;
  let kept = 0;
  for (let i = from; i < to; i++) {
    const w = (offset[i]! >>> 2) + (port[i] === INSIDE ? W_SRC_L64 + 2 : W_DST_L64 + 2);
    const probe = firstProbe(word[w]!, word[w + 1]!, seed0, seed1, shift);
    probes[i % TOUCH_AHEAD] = probe;
    kept ^= slots[(probe << 2) + 2]!;
  }
  fib.kept = kept;
}
