/**
 * What becomes of any packet, in the order it meets it: check, find, rewrite, verdict (RFC 6748). The straight flows take
 * the short cut in forward.ts; this is the rule.
 *
 * No allocation, exception, clock or I/O here. A packet leaves with the Locators of the side it goes to:
 *
 *   correspondent ── global L_1 ──► home border ── site L_L2 ──► far border ── guest L_V ──► guest
 *   guest ── guest L_V ──► far border ── site L_L1 of its home ──► home border ── global L_1 ──► correspondent
 *
 * The far border puts the home's own site Locator into the source, because a packet written into a TUN carries no mark:
 * the kernel finds the home border by that source in one look-up, however many sites there are (decision note 0002).
 */
import { S_CLASS } from '../ilnp/locator-table.ts';
import { INSIDE, OUTSIDE, type PacketBatch, SITE } from '../packet/batch.ts';
import {
  DROP_ASTRAY,
  DROP_BAD_ADDRESS,
  DROP_FOREIGN_SOURCE,
  DROP_INSIDE_DESTINATION,
  DROP_NO_UPLINK,
  DROP_SPOOFED_SOURCE,
  DROP_TRUNCATED,
  DROP_UNKNOWN_DESTINATION,
  DROP_UNKNOWN_SITE,
  DROP_UNKNOWN_SOURCE,
  DROP_VERSION,
  FORWARD,
} from '../packet/verdict.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { isZeroed } from './convention.ts';
import * as fibs from './fib.ts';
import {
  ANY_INSIDE,
  ANY_OUTSIDE,
  C_FLAGS,
  C_GUEST,
  C_HOME,
  type Fib,
  GUEST,
  HERE,
  HOME,
  KEPT,
  OWN,
  SITE_L64,
  SUBNET_INSIDE,
  SUBNET_OUTSIDE,
  UPLINK,
} from './fib.ts';
import { forwardError } from './icmp-error.ts';
import { fromCorrespondent, heardCorrespondent, heardGuest, pairUplink, visitorUplink } from './pair.ts';
import { holds, mayLeave, payStraggler, rewrite, towards } from './rewrite.ts';
import { insideRow, outsideRow, subnetInbound } from './subnet.ts';
import { translate } from './translate.ts';
import { unreachable } from './unreachable.ts';
import { flowOf, learnUplink, noteSession } from './uplink.ts';

const SYN = 2; // flag of a TCP segment that begins a session, octet 13 (RFC 9293 section 3.1)

/** Decides and rewrites packet `i`, which came from side `port`; returns its verdict. */
export function decide(batch: PacketBatch, i: number, fib: Fib, port: number, now: number): number {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const length = batch.length[i]!;

  if (length < ipv6.HEADER_LENGTH) return DROP_TRUNCATED;
  if (b[o]! >>> 4 !== 6) return DROP_VERSION;
  const end = o + ipv6.HEADER_LENGTH + ipv6.payloadLength(b, o);
  if (end > o + length) return DROP_TRUNCATED;
  if (end < o + length) batch.length[i] = end - o; // padding behind the packet is not ours to carry

  let protocol = b[o + ipv6.NEXT_HEADER]!;
  let transport = o + ipv6.HEADER_LENGTH;
  let nonce = false;
  let fragment = false;
  fib.now = now;
  fib.routed = false;
  fib.homed = false;
  fib.begun = false;
  fib.flow = 0;
  fib.nonce = 0;
  fib.pair = -1;
  if (protocol !== ipv6.TCP && protocol !== ipv6.UDP && protocol !== ipv6.ICMPV6) {
    const upper = chain.upperLayer(b, o, end);
    protocol = chain.protocolOf(upper);
    transport = o + chain.offsetOf(upper);
    nonce = chain.hasNonce(upper);
    fragment = chain.isFragment(upper);
    fib.routed = chain.isRouted(upper);
    fib.homed = chain.isHomed(upper);
    if (nonce) fib.nonce = chain.firstNonce(b, o, end);
  }
  // An error speaks of another packet, whose Locators tell where it belongs.
  if (protocol === ipv6.ICMPV6 && transport + 8 <= end && b[transport]! < 128)
    return forwardError(batch, i, fib, port, transport, now);
  if (fib.multihomed || (fib.keeper !== null && fib.keeper.watched > 0)) {
    fib.flow = fragment ? 0 : flowOf(batch, protocol, transport, end, port !== OUTSIDE);
    fib.begun = protocol === ipv6.TCP && transport + 14 <= end && (b[transport + 13]! & SYN) === 0;
  }
  if (fib.image.convention !== fibs.CONVENTION_FULL && isZeroed(batch, i, fib, protocol, transport, nonce, now))
    protocol = ipv6.NO_NEXT_HEADER; // RFC 6741 section 4.2: the checksum does not cover Locators

  if (port === OUTSIDE) return fromOutside(batch, i, fib, protocol, transport, now);
  if (port === INSIDE) return fromInside(batch, i, fib, protocol, transport, now);
  return fromSite(batch, i, fib, protocol, transport, now);
}

/** From an uplink: only global Locators of this site are addressed, and nobody outside has one as its source. */
function fromOutside(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  now: number,
): number {
  const word = batch.word;
  const w = batch.offset[i]! >>> 2;
  if (fib.role(word[w + 2]!, word[w + 3]!) !== 0 || ipv6.isUniqueLocal(batch.bytes, (w << 2) + ipv6.SRC))
    return DROP_SPOOFED_SOURCE;
  if (ipv6.isUnforwardable(batch.bytes, (w << 2) + ipv6.SRC)) return DROP_BAD_ADDRESS;
  const role = fib.role(word[w + 6]!, word[w + 7]!);
  if ((role & ANY_OUTSIDE) === 0) return DROP_INSIDE_DESTINATION;
  const heard = fromCorrespondent(batch, i, fib, protocol, transport, now);
  if (heard !== FORWARD) return heard;

  const slot = (role & UPLINK) === 0 ? -1 : fib.table.find(word[w + 8]!, word[w + 9]!);
  const c = slot < 0 ? -1 : (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
  if (c < 0 || (fib.classes[c + C_FLAGS]! & HOME) === 0) {
    // a visitor, or one that was: its correspondent was told that it is here
    if (c >= 0 && fib.knowsUs(word[w + 8]!, word[w + 9]!, word[w + 4]!, word[w + 5]!))
      return rewrite(batch, i, fib, protocol, transport, 0, towards(batch, i, fib, c));
    if ((role & SUBNET_OUTSIDE) !== 0) return subnetInbound(batch, i, fib, protocol, transport, role, now);
    return unreachable(batch, i, fib, OUTSIDE, now);
  }
  if (fib.multihomed) learnUplink(fib, word, w, (role >>> 8) & 0xff, now);
  else if ((fib.classes[c + C_FLAGS]! & KEPT) !== 0) noteSession(fib, word, w + 8, w + 2, now);
  return rewrite(batch, i, fib, protocol, transport, 0, towards(batch, i, fib, c));
}

/** From a guest: towards the world, towards another guest, or through its global Locator (hairpin, RFC 6748 2.8). */
function fromInside(batch: PacketBatch, i: number, fib: Fib, protocol: number, transport: number, now: number): number {
  const word = batch.word;
  const w = batch.offset[i]! >>> 2;
  const classes = fib.classes;
  if (ipv6.isUnforwardable(batch.bytes, (w << 2) + ipv6.DST)) return DROP_BAD_ADDRESS;
  const sourceSlot = fib.table.find(word[w + 4]!, word[w + 5]!);
  const c = sourceSlot < 0 ? -1 : (fib.table.slots[sourceSlot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
  const role = fib.role(word[w + 6]!, word[w + 7]!);

  if (c < 0 || !holds(fib, classes[c + C_GUEST]!, word, w + 2)) {
    // no bound guest: a host of this site may talk inside, and outside by a subnet map
    const own = fib.role(word[w + 2]!, word[w + 3]!);
    if ((own & (OWN | SUBNET_INSIDE)) === 0) return DROP_UNKNOWN_SOURCE;
    if (c >= 0 && (own & SUBNET_INSIDE) === 0) return DROP_UNKNOWN_SOURCE; // the NID of a guest, not its Locator
    if ((role & ANY_INSIDE) !== 0) {
      const tag = (own & OWN) !== 0 ? fib.image.siteRow : 0; // a mapped subnet is known under its own Locator
      return towardsInside(batch, i, fib, protocol, transport, role, tag, now);
    }
    if ((own & SUBNET_INSIDE) === 0) return DROP_UNKNOWN_SOURCE;
    if (role === 0) heardGuest(batch, i, fib, protocol, transport, now);
    const uplink = pairUplink(fib, word, w, -1, now);
    if (uplink < 0) return DROP_NO_UPLINK;
    const row = outsideRow(fib, word, w + 2, uplink);
    return fromGlobal(batch, i, fib, protocol, transport, role, uplink, row, now);
  }
  const flags = classes[c + C_FLAGS]!;
  if ((flags & (HERE | KEPT)) !== HERE) {
    const mayGo = mayLeave(batch, i, fib, w + 4, flags);
    if (mayGo !== FORWARD) return mayGo;
  }
  if ((role & ANY_INSIDE) !== 0) return towardsInside(batch, i, fib, protocol, transport, role, fib.image.siteRow, now);

  if (role === 0) heardGuest(batch, i, fib, protocol, transport, now);
  if ((flags & HOME) === 0) {
    const uplink = visitorUplink(fib, fib.pair);
    if (uplink >= 0) {
      const row = fib.image.uplinkRows[uplink]!;
      return fromGlobal(batch, i, fib, protocol, transport, role, uplink, row, now);
    }
    batch.egress[i] = SITE; // its answers leave where its global Locator belongs
    const homeRow = classes[c + C_HOME]!;
    if (homeRow === 0) return DROP_UNKNOWN_SITE;
    return rewrite(batch, i, fib, protocol, transport, homeRow, 0);
  }
  return withGlobalSource(batch, i, fib, protocol, transport, role, c, now);
}

/** From another border, or an ICMPv6 message of this gateway's own kernel. */
function fromSite(batch: PacketBatch, i: number, fib: Fib, protocol: number, transport: number, now: number): number {
  const word = batch.word;
  const w = batch.offset[i]! >>> 2;
  const role = fib.role(word[w + 6]!, word[w + 7]!);
  const sourceRole = fib.role(word[w + 2]!, word[w + 3]!);

  if ((role & (SITE_L64 | GUEST)) !== 0) {
    const slot = fib.table.find(word[w + 8]!, word[w + 9]!);
    if (slot < 0) {
      if ((role & (SITE_L64 | SUBNET_INSIDE)) === 0) return DROP_UNKNOWN_DESTINATION;
      batch.egress[i] = (role & (OWN | SUBNET_INSIDE)) !== 0 ? INSIDE : SITE; // a host, not a guest
      return rewrite(batch, i, fib, protocol, transport, 0, 0);
    }
    const c = (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
    const row = towards(batch, i, fib, c);
    if (row < 0) return -row;
    if (batch.egress[i] === SITE && !payStraggler(batch, i, fib)) return DROP_ASTRAY;
    if (fib.nonce > 0) heardCorrespondent(batch, i, fib, now);
    return rewrite(batch, i, fib, protocol, transport, guestSource(batch, i, fib, sourceRole), row);
  }
  // A guest homed here that is elsewhere: its far border tagged it with this site's own Locator.
  const slot = (sourceRole & (SITE_L64 | OWN)) === (SITE_L64 | OWN) ? fib.table.find(word[w + 4]!, word[w + 5]!) : -1;
  if (slot >= 0) {
    const c = (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
    if ((fib.classes[c + C_FLAGS]! & HOME) === 0) return DROP_FOREIGN_SOURCE;
    if (role === 0) heardGuest(batch, i, fib, protocol, transport, now);
    if ((role & SUBNET_INSIDE) === 0) return withGlobalSource(batch, i, fib, protocol, transport, role, c, now);
    batch.egress[i] = INSIDE; // a host of its home, which knows it as it knows itself
    return rewrite(batch, i, fib, protocol, transport, fib.classes[c + C_GUEST]!, 0);
  }
  if ((role & ANY_OUTSIDE) !== 0) return hairpin(batch, i, fib, protocol, transport, role, 0, now);
  if ((role & SUBNET_INSIDE) === 0 && sourceRole !== 0) return DROP_FOREIGN_SOURCE;
  batch.egress[i] = (role & SUBNET_INSIDE) !== 0 ? INSIDE : SITE; // SITE: this gateway's own message to somebody else
  return rewrite(batch, i, fib, protocol, transport, 0, 0);
}

/** Gives the source of a guest of class `c` the global Locator its session uses, then on. */
function withGlobalSource(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  role: number,
  c: number,
  now: number,
): number {
  const w = batch.offset[i]! >>> 2;
  const uplink = pairUplink(fib, batch.word, w, fib.classes[c + fibs.C_UPLINK]!, now);
  if (uplink < 0) return DROP_NO_UPLINK;
  if (role === 0 && !fib.multihomed && (fib.classes[c + C_FLAGS]! & KEPT) !== 0)
    noteSession(fib, batch.word, w + 4, w + 6, now);
  return fromGlobal(batch, i, fib, protocol, transport, role, uplink, fib.image.uplinkRows[uplink]!, now);
}

/** Under the global Locator of `sourceRow`, that of `uplink`, to the world or, towards an own global Locator, back. */
function fromGlobal(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  role: number,
  uplink: number,
  sourceRow: number,
  now: number,
): number {
  if ((role & ANY_OUTSIDE) !== 0) return hairpin(batch, i, fib, protocol, transport, role, sourceRow, now);
  const destination = batch.offset[i]! + ipv6.DST;
  if (ipv6.isUnforwardable(batch.bytes, destination)) return DROP_BAD_ADDRESS; // a far border may have missed it
  if (ipv6.isUniqueLocal(batch.bytes, destination)) return DROP_NO_UPLINK; // not of the world
  const told = protocol === ipv6.ICMPV6 ? translate(batch, i, fib, transport, uplink) : FORWARD;
  if (told !== FORWARD) return told;
  batch.egress[i] = OUTSIDE;
  return rewrite(batch, i, fib, protocol, transport, sourceRow, 0);
}

/** Towards an own global Locator from inside: turned around, both Locators translated (RFC 6748 2.8). */
function hairpin(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  role: number,
  sourceRow: number,
  now: number,
): number {
  const word = batch.word;
  const w = batch.offset[i]! >>> 2;
  const slot = (role & UPLINK) === 0 ? -1 : fib.table.find(word[w + 8]!, word[w + 9]!);
  const c = slot < 0 ? -1 : (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS;
  if (c >= 0 && (fib.classes[c + C_FLAGS]! & HOME) !== 0)
    return rewrite(batch, i, fib, protocol, transport, sourceRow, towards(batch, i, fib, c));
  if ((role & SUBNET_OUTSIDE) === 0) return unreachable(batch, i, fib, batch.port[i]!, now);
  batch.egress[i] = INSIDE;
  return rewrite(batch, i, fib, protocol, transport, sourceRow, insideRow(fib, word, w + 6, role));
}

/** Between guests and hosts that address each other by inside Locators; `tag`: row of the source between sites. */
function towardsInside(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  role: number,
  tag: number,
  now: number,
): number {
  const word = batch.word;
  const w = batch.offset[i]! >>> 2;
  const slot = (role & (SITE_L64 | GUEST)) === 0 ? -1 : fib.table.find(word[w + 8]!, word[w + 9]!);
  if (slot < 0) {
    if ((role & (SITE_L64 | SUBNET_INSIDE)) === 0) return unreachable(batch, i, fib, INSIDE, now);
    batch.egress[i] = (role & (OWN | SUBNET_INSIDE)) !== 0 ? INSIDE : SITE;
    return rewrite(batch, i, fib, protocol, transport, batch.egress[i] === SITE ? tag : 0, 0);
  }
  const row = towards(batch, i, fib, (fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS);
  return rewrite(batch, i, fib, protocol, transport, batch.egress[i] === SITE ? tag : 0, row);
}

/** At the far border a guest sees another guest under the Locator that one has configured. */
function guestSource(batch: PacketBatch, i: number, fib: Fib, sourceRole: number): number {
  if (batch.egress[i] !== INSIDE || (sourceRole & SITE_L64) === 0) return 0;
  const w = batch.offset[i]! >>> 2;
  const slot = fib.table.find(batch.word[w + 4]!, batch.word[w + 5]!);
  return slot < 0 ? 0 : fib.classes[(fib.table.slots[slot + S_CLASS]! - 1) * fibs.CLASS_WORDS + C_GUEST]!;
}
