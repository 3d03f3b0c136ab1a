/**
 * ICMPv6 errors through the border, RFC 4443, and the packet they quote: without the quote in the
 * Locators its sender knows, Path MTU discovery and traceroute die.
 *
 * The quoted packet went the other way, so its source goes with the error's destination and its destination, the
 * *subject*, with the error's source. An error of a router between has a source of its own; inside Locators are
 * replaced in it as well. The quoted transport checksum follows its addresses, as far as the quote holds it.
 */
import { S_CLASS } from '../ilnp/locator-table.ts';
import { SESSION_ILNP } from '../ilnp/sessions.ts';
import { INSIDE, OUTSIDE, type PacketBatch, SITE } from '../packet/batch.ts';
import {
  DROP_ASTRAY,
  DROP_BAD_ADDRESS,
  DROP_FOREIGN_SOURCE,
  DROP_INSIDE_DESTINATION,
  DROP_NO_UPLINK,
  DROP_QUOTE_UNKNOWN,
  DROP_SPOOFED_SOURCE,
  DROP_UNKNOWN_DESTINATION,
  DROP_UNKNOWN_SOURCE,
  FORWARD,
} from '../packet/verdict.ts';
import { checksumOffset, difference, fold, isZeroNone, sum64, update } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import { isQuoteZeroed } from './convention.ts';
import * as fibs from './fib.ts';
import {
  ANY_INSIDE,
  ANY_OUTSIDE,
  C_FLAGS,
  C_GUEST,
  C_HOME,
  type Fib,
  GUEST,
  HOME,
  OWN,
  SITE_L64,
  SUBNET_INSIDE,
  SUBNET_OUTSIDE,
  UPLINK,
} from './fib.ts';
import { visitorUplink } from './pair.ts';
import { holds, mayLeave, payStraggler, rewrite, towards } from './rewrite.ts';
import { insideRow, outsideRow } from './subnet.ts';
import { asPair, flowOf, indexOf, uplinkOf } from './uplink.ts';

/** Octets of an ICMPv6 error before the packet it quotes. */
const ERROR_HEADER = 8;

/** Decides and rewrites the ICMPv6 error whose ICMPv6 header is at `icmp`. */
export function forwardError(batch: PacketBatch, i: number, fib: Fib, port: number, icmp: number, now: number): number {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const w = o >>> 2;
  const quote = icmp + ERROR_HEADER;
  const q = quote >>> 2;
  if (quote + ipv6.HEADER_LENGTH > o + batch.length[i]! || b[quote]! >>> 4 !== 6) return DROP_QUOTE_UNKNOWN;

  const role = fib.role(word[w + 6]!, word[w + 7]!);
  const sourceRole = fib.role(word[w + 2]!, word[w + 3]!);
  const subjectRole = fib.role(word[q + 6]!, word[q + 7]!);
  const c = classOf(fib, word, w + 8);
  const subject = (subjectRole & (SITE_L64 | GUEST)) === 0 ? -1 : classOf(fib, word, q + 8);

  if (port === OUTSIDE) {
    if (sourceRole !== 0 || ipv6.isUniqueLocal(b, o + ipv6.SRC)) return DROP_SPOOFED_SOURCE;
    if (ipv6.isUnforwardable(b, o + ipv6.SRC)) return DROP_BAD_ADDRESS;
    if ((role & ANY_OUTSIDE) === 0) return DROP_INSIDE_DESTINATION;
    // the packet of a guest to a guest never went outside
    if (subjectRole !== 0 || ipv6.isUniqueLocal(b, quote + ipv6.DST)) return DROP_QUOTE_UNKNOWN;
  }
  if (port === INSIDE && ipv6.isUnforwardable(b, o + ipv6.DST)) return DROP_BAD_ADDRESS;
  if (port === INSIDE && sourceRole === 0) return DROP_UNKNOWN_SOURCE;
  if (port === INSIDE && subject >= 0) {
    const mayGo = mayLeave(batch, i, fib, q + 8, fib.classes[subject + C_FLAGS]!);
    if (mayGo !== FORWARD) return mayGo;
  }

  // where to: the destination of the error, and the source of what it quotes
  let destinationRow = 0;
  if (c >= 0 && (role & (UPLINK | SITE_L64 | GUEST)) !== 0) {
    if ((role & UPLINK) !== 0 && (fib.classes[c + C_FLAGS]! & HOME) === 0) {
      const isVisitor = fib.knowsUs(word[w + 8]!, word[w + 9]!, word[q + 8]!, word[q + 9]!);
      if (!isVisitor) return DROP_UNKNOWN_DESTINATION;
    }
    destinationRow = towards(batch, i, fib, c);
    if (destinationRow < 0) return -destinationRow;
    const straggles = port === SITE && batch.egress[i] === SITE && (role & UPLINK) === 0;
    if (straggles && !payStraggler(batch, i, fib)) return DROP_ASTRAY;
  } else if ((role & SUBNET_OUTSIDE) !== 0) {
    destinationRow = insideRow(fib, word, w + 6, role);
    batch.egress[i] = INSIDE;
  } else if ((role & SITE_L64) !== 0) {
    batch.egress[i] = (role & OWN) !== 0 ? INSIDE : SITE; // a host, not a guest
  } else if ((role & SUBNET_INSIDE) !== 0) {
    batch.egress[i] = INSIDE;
  } else if (role !== 0) {
    return DROP_UNKNOWN_DESTINATION;
  } else {
    batch.egress[i] = OUTSIDE;
  }

  // on whose behalf: the source of the error, and the destination of what it quotes
  let sourceRow = 0;
  if (port !== OUTSIDE && (role & ANY_INSIDE) === 0) {
    const flags = subject < 0 ? 0 : fib.classes[subject + C_FLAGS]!;
    const visitor = subject >= 0 && (flags & HOME) === 0 ? subjectVisitor(fib, word, q) : -1;
    if (visitor >= 0) {
      sourceRow = fib.image.uplinkRows[visitor]!; // its correspondent knows it as one of this site
    } else if (subject >= 0 && (flags & HOME) === 0) {
      sourceRow = fib.classes[subject + C_HOME]!;
      batch.egress[i] = SITE; // the home border knows under which Locator the session runs
      destinationRow = 0;
    } else if (subject >= 0) {
      const uplink = subjectUplink(batch, i, fib, quote, fib.classes[subject + fibs.C_UPLINK]!, now);
      if (uplink < 0) return DROP_NO_UPLINK;
      sourceRow = fib.image.uplinkRows[uplink]!;
    } else if ((subjectRole & SUBNET_INSIDE) !== 0) {
      sourceRow = outsideRow(fib, word, q + 6, subjectUplink(batch, i, fib, quote, -1, now));
    } else if (port === INSIDE) {
      return DROP_UNKNOWN_SOURCE;
    } else if ((subjectRole & UPLINK) !== 0) {
      sourceRow = fib.image.uplinkRows[(subjectRole >>> 8) & 0xff]!; // the packet as it came from outside
    } else if (sourceRole !== 0) {
      return DROP_FOREIGN_SOURCE;
    } else if (role === 0) {
      batch.egress[i] = SITE; // this gateway's own error about its own traffic
    }
  } else if (batch.egress[i] === SITE && port === INSIDE) {
    if (subject >= 0 || (sourceRole & OWN) !== 0) sourceRow = fib.image.siteRow;
  } else if (batch.egress[i] === INSIDE && port === SITE && subject >= 0 && (subjectRole & SITE_L64) !== 0) {
    sourceRow = fib.classes[subject + C_GUEST]!;
  }

  if (batch.egress[i] === OUTSIDE) {
    if (ipv6.isUnforwardable(b, o + ipv6.DST)) return DROP_BAD_ADDRESS;
    if (ipv6.isUniqueLocal(b, o + ipv6.DST)) return DROP_NO_UPLINK; // not of the world
  }

  // the quote first: what changes in it, sum and all, the outer checksum covers
  const sameDestination = word[q + 4] === word[w + 8] && word[q + 5] === word[w + 9];
  const ofSource = destinationRow !== 0 && sameDestination ? exchange(fib, word, q + 2, destinationRow) : 0;
  const ofDestination = sourceRow !== 0 && subjectRole !== 0 ? exchange(fib, word, q + 6, sourceRow) : 0;
  if (ofSource !== 0 || ofDestination !== 0) {
    const upper = chain.upperLayer(b, quote, o + batch.length[i]!);
    const field = quotedChecksum(batch, i, fib, quote, upper);
    let grown = fold(ofSource + ofDestination);
    // neither a stop on the way (RFC 8200 section 8.1) nor a care-of address (RFC 6275 section 11.3.1) is
    const covered = fold((chain.isHomed(upper) ? 0 : ofSource) + (chain.isRouted(upper) ? 0 : ofDestination));
    if (field > 0 && covered !== 0 && covered !== 0xffff) {
      const zero = isZeroNone(chain.protocolOf(upper)) ? 0xffff : 0;
      const old = batch.half[field]!;
      const updated = update(old, covered) || zero;
      batch.half[field] = updated;
      grown = fold(grown + difference(updated, old));
    }
    const partial = batch.vnet && (b[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0;
    const at = (icmp + 2) >>> 1;
    if (!partial) batch.half[at] = update(batch.half[at]!, grown);
  }

  // a router's own address stays when the world knows it; any other, and all that goes to a home border, gets the Locator
  // of the subject
  const isSubject = word[w + 4] === word[q + 8] && word[w + 5] === word[q + 9];
  const isOfTheWorld =
    sourceRole === 0 && !ipv6.isUniqueLocal(b, o + ipv6.SRC) && !ipv6.isUnforwardable(b, o + ipv6.SRC);
  const keepSource = !isSubject && (batch.egress[i] === INSIDE || (isOfTheWorld && batch.egress[i] !== SITE));
  fib.counters[fibs.COUNT_QUOTES]!++;
  return rewrite(batch, i, fib, ipv6.ICMPV6, icmp, keepSource ? 0 : sourceRow, destinationRow);
}

/** Class of the binding of the NID at word `at`, counted in words; -1 when it has none. */
function classOf(fib: Fib, word: Int32Array, at: number): number {
  const slot = fib.table.find(word[at]!, word[at + 1]!);
  return slot < 0 ? -1 : (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
}

/** Index of the uplink that a visitor's pair uses here, or -1; the quoted packet's header is at word `q`. */
function subjectVisitor(fib: Fib, word: Int32Array, q: number): number {
  if (fib.pairs === null) return -1;
  return visitorUplink(fib, fib.pairs.find(word[q + 8]!, word[q + 9]!, word[q + 4]!, word[q + 5]!));
}

/** The uplink of the session between subject (destination of the quote) and correspondent (its source). */
function subjectUplink(batch: PacketBatch, i: number, fib: Fib, quote: number, pinned: number, now: number): number {
  const word = batch.word;
  const q = quote >>> 2;
  if (!fib.multihomed || fib.sessions === null) return uplinkOf(fib, word, q, pinned, now);
  const end = batch.offset[i]! + batch.length[i]!;
  const upper = chain.upperLayer(batch.bytes, quote, end);
  const at = quote + chain.offsetOf(upper);
  const flow = chain.isFragment(upper) ? 0 : flowOf(batch, chain.protocolOf(upper), at, end, false);
  const known = sessionUplink(fib, word, q, flow);
  if (known >= 0) return known;
  const paired = flow === 0 ? -1 : sessionUplink(fib, word, q, 0);
  if (paired >= 0) return paired;
  return pinned >= 0 ? pinned : fib.image.preferredUplink;
}

/** Uplink of the flow, or -1; the quoted packet's header is at word `q`. */
function sessionUplink(fib: Fib, word: Int32Array, q: number, flow: number): number {
  const sessions = fib.sessions!;
  const entry = sessions.find(word[q + 8]!, word[q + 9]!, word[q + 2]!, word[q + 3]!, word[q + 4]!, word[q + 5]!, flow);
  const known = entry < 0 ? -1 : indexOf(fib, sessions.uplink(entry));
  if (known < 0 || !sessions.has(entry, SESSION_ILNP)) return known;
  return asPair(fib, word[q + 8]!, word[q + 9]!, word[q + 4]!, word[q + 5]!, known);
}

/** Puts the Locator of the row at word `w`; what the sum over it has grown by. */
function exchange(fib: Fib, word: Int32Array, w: number, row: number): number {
  if (holds(fib, row, word, w)) return 0;
  const delta = difference(fib.locators[row + fibs.L_SUM]!, sum64(word[w]!, word[w + 1]!));
  word[w] = fib.locators[row]!;
  word[w + 1] = fib.locators[row + 1]!;
  return delta;
}

/**
 * Index into `half` of the transport checksum of the quoted packet when it is in the quote and covers Locators, or 0.
 * `upper`: of its chain.
 */
function quotedChecksum(batch: PacketBatch, i: number, fib: Fib, quote: number, upper: number): number {
  const end = batch.offset[i]! + batch.length[i]!;
  const protocol = chain.protocolOf(upper);
  if (fib.image.convention !== fibs.CONVENTION_FULL && isQuoteZeroed(fib, batch.word, quote >>> 2, upper)) return 0;
  const offset = checksumOffset(protocol);
  const at = quote + chain.offsetOf(upper) + offset;
  if (offset < 0 || at + 2 > end) return 0;
  return isZeroNone(protocol) && batch.half[at >>> 1] === 0 ? 0 : at >>> 1;
}
