/**
 * A packet for one of our Locators: who sends it, is it true (validate.ts), and back to what the program knows: without
 * the nonce, from the correspondent's Locator that the program uses, to our stable address.
 */
import { Correspondent, type Locator, type RemoteLocator } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { u32 } from '../wire/bytes.ts';
import { fold, sum64 } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import { OPTION_NONCE } from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { LOCATOR_UPDATE } from '../wire/locator-update.ts';
import { findNonce, NONCE_NONE, NONCE_SEVERAL } from '../wire/nonce-option.ts';
import { learn, takeOver } from './claim.ts';
import { isZeroed } from './convention.ts';
import { doubt } from './first-contact.ts';
import { flowOf } from './flows.ts';
import { takeError } from './icmp-error.ts';
import type { Node } from './node.ts';
import { took } from './plain-syn.ts';
import { ask, ECHO_REPLY, hasHeardSyn, isAnswer } from './proof.ts';
import { removeNonce } from './remove-nonce.ts';
import { adjustChecksum, giveHopBack, isPartial, put } from './rewrite.ts';
import { sameOctets } from './same-octets.ts';
import { type Control, takeUpdate } from './take-update.ts';
import * as judge from './validate.ts';
import { validate } from './validate.ts';
import * as verdicts from './verdict.ts';
import { COUNT_IN, COUNT_LEARNED, COUNT_NONCES_IN } from './verdict.ts';

const SYN = 0x02;
const ACK = 0x10;
const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;
/** How long a Locator is kept that a packet named and no Locator Update or record; seconds. */
const SEEN_LIFETIME = 3600;
/** A stranger is asked for proof when it has been heard more often than that; before, a hand-shake may bring it. */
const ENOUGH_HEARD = 1;

/** Packet `i`, checked to be a whole one whose destination is ours. */
export function inbound(batch: PacketBatch, i: number, node: Node, control: Control, now: number): number {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const w = o >>> 2;
  const end = o + batch.length[i]!;
  node.counters[COUNT_IN]!++;
  if (ipv6.isUnforwardable(b, o + ipv6.SRC)) return verdicts.DROP_BAD_ADDRESS;

  const option = nonceOf(b, o, end);
  if (option === NONCE_SEVERAL) return verdicts.DROP_TWO_NONCES;
  if (option < 0) return verdicts.DROP_BAD_OPTIONS;
  const nonce = option === NONCE_NONE ? null : b.subarray(option + 2, option + 2 + b[option + 1]!);
  if (nonce !== null) node.counters[COUNT_NONCES_IN]!++;

  const upper = chain.upperLayer(b, o, end);
  const protocol = chain.protocolOf(upper);
  const at = o + chain.offsetOf(upper);
  const type = protocol === ipv6.ICMPV6 && at < end ? b[at]! : -1;
  const s0 = word[w + ipv6.W_SRC_L64]!;
  const s1 = word[w + ipv6.W_SRC_L64 + 1]!;
  const n0 = word[w + ipv6.W_SRC_NID]!;
  const n1 = word[w + ipv6.W_SRC_NID + 1]!;
  const isSelf = n0 === node.nid0 && n1 === node.nid1; // an error of our own kernel about a packet of ours
  let c = isSelf ? null : node.ilcc.find(n0, n1);

  if (type === LOCATOR_UPDATE) return takeUpdate(batch, i, node, control, { c, nonce, at, now });
  const isError = type >= 0 && type < 128;
  if (c === null && nonce !== null && !isSelf && !isError) c = enter(node, n0, n1, { l0: s0, l1: s1 }, now);
  if (type === ECHO_REPLY && c !== null && nonce !== null && isAnswer(b, c, at, end))
    return proven(node, c, nonce, { l0: s0, l1: s1, sum: sum64(s0, s1) }, now);
  let isKnown = c?.holds(s0, s1) ?? false;
  let found = c === null ? judge.AS_PLAIN : validate(c, isKnown, nonce, now);
  // another nonce than before, or another Locator than names know, but it has heard the SYN of a new session
  const mayAnswer = nonce !== null && (found === judge.AS_PLAIN || (found === judge.REJECT_NONCE && isKnown));
  const answers = mayAnswer && c !== null && hasHeardSyn(b, c, protocol, at, end);
  if (c !== null && nonce !== null && found === judge.AS_PLAIN && !c.isConfigured && !isError) {
    takeOver(c, seenAt({ l0: s0, l1: s1, sum: sum64(s0, s1) }, now), nonce);
    isKnown = true;
    found = judge.ACCEPT_LEARN;
  }
  if (answers) found = judge.ACCEPT_LEARN;
  else if (found === judge.AS_PLAIN && nonce !== null && c !== null) {
    if (c.remoteNonce === null && c.askedAt !== 0) found = judge.ACCEPT_LEARN;
    else {
      // answered as plain IPv6 it would not know the answer; unanswered it tries without a nonce, or names know it by then
      doubt(node, c, now);
      if (!isError) return verdicts.DROP_UNKNOWN_LOCATOR;
    }
  }
  if (isError) return takeError(batch, i, node, { c: isKnown ? c : null, found, nonce, at, now });
  const flow = chain.isFragment(upper) ? 0 : flowOf(batch, protocol, at, end, false);
  const syn = c !== null && !c.proved && protocol === ipv6.TCP ? synAt(b, at, end) : -1;
  // of a connection whose other end programs know by another address: it would be begun again, or our kernel would reset it
  if (found === judge.AS_PLAIN && nonce === null && c !== null && !c.isView(s0, s1)) {
    const isBegun = syn >= 0 && c.remoteNonce !== null && c.hasBegun(flow, syn);
    if (isBegun || hasHeardSyn(b, c, protocol, at, end)) return verdicts.DROP_UNKNOWN_LOCATOR;
  }
  // it may have started anew: who is at its Locator says so
  if (found === judge.REJECT_NONCE && isKnown) ask(node, c!, now);
  if (found === judge.REJECT_NONCE) return type >= 0 ? verdicts.DROP_FORGED_ICMP : verdicts.DROP_WRONG_NONCE;
  if (found === judge.REJECT_LOCATOR) return verdicts.DROP_UNKNOWN_LOCATOR;
  // an echo cut into fragments has no room for one
  if (type >= 0 && isKnown && c!.proved && nonce === null && !chain.isFragment(upper)) return verdicts.DROP_FORGED_ICMP;

  const isSession = c !== null && found !== judge.AS_PLAIN;
  if (isSession) {
    if (c!.remoteNonce === null) c!.askedAt = 0; // later only proof ends the wait: anybody can send a nonce
    if (found === judge.ACCEPT_LEARN) learn(c!, nonce!);
    if (!isKnown) {
      if (answers || found === judge.ACCEPT_PROVISIONAL) seen(c!, { l0: s0, l1: s1, sum: sum64(s0, s1) }, now);
    } else if (c!.isProvisional || found === judge.ACCEPT_LEARN) c!.settle(s0, s1);
    if (c!.views.length === 0) c!.viewIndex(s0, s1);
    node.heard(c!, word, w, now);
    if (!c!.proved) {
      if (syn >= 0 && nonce !== null) c!.begin(flow, syn);
      if (nonce !== null && hasHeardSyn(b, c!, protocol, at, end))
        prove(node, c!); // else it may be another's nonce
      else if (c!.credit > ENOUGH_HEARD || (c!.isConfigured && protocol !== ipv6.TCP)) ask(node, c!, now);
    }
  }

  if (syn >= 0) took(c!, flow, !isSession && !isKnown);

  const own = node.valid(word[w + ipv6.W_DST_L64]!, word[w + ipv6.W_DST_L64 + 1]!);
  if (!isSession && own !== null) node.flows.arrivedAt(word, w, flow, own, now);
  if (nonce === null && c !== null && !c.proved && !c.answersPlain)
    c.answersPlain = (isKnown && now < c.plainUntil) || answersWithout(b, c, flow, protocol, at, end);
  let view = c?.views[0];
  if (isSession && c!.views.length > 1) view = node.flows.viewOf(word, w, flow, c!);
  const zeroed = isSession && c!.checksum !== 'full' && isZeroed(batch, i, c!, upper, nonce !== null);
  const locators = zeroed ? fold(sum64(word[w + ipv6.W_DST_L64]!, word[w + ipv6.W_DST_L64 + 1]!) + sum64(s0, s1)) : 0;
  let delta = put(word, w + ipv6.W_DST_L64, node.stable);
  if (chain.isRouted(upper)) delta = 0;
  // to this node itself by one of its Locators: the answer comes back the same way
  if (isSelf && own !== null && node.isStable(s0, s1)) delta = fold(delta + put(word, w + ipv6.W_SRC_L64, own));
  if (isSession) delta = fold(delta + put(word, w + ipv6.W_SRC_L64, view!));
  delta = fold(delta + locators);
  if (!adjustChecksum(batch, i, protocol, at, delta)) {
    return isPartial(batch, o) ? verdicts.DROP_OFFLOAD_HEADER : verdicts.DROP_TRANSPORT_TRUNCATED;
  }
  giveHopBack(b, o);
  if (option > 0) removeNonce(batch, i, option);
  return isSession ? verdicts.ILNP : verdicts.PLAIN;
}

/**
 * It has got a SYN of ours without a nonce, and has no other connection than that one: also when names have told us since
 * that it should be tried with one elsewhere. Only who was on the way of the SYN knows its number, so that nobody else
 * can bring it about.
 */
const answersWithout = (b: Uint8Array, c: Correspondent, flow: number, protocol: number, at: number, end: number) =>
  hasHeardSyn(b, c, protocol, at, end) && !c.hasBegun(flow, -1);

/** The number of a SYN that begins a connection, -1 for other segments. */
function synAt(b: Uint8Array, at: number, end: number): number {
  if (at + 20 > end || (b[at + TCP_FLAGS]! & (SYN | ACK)) !== SYN) return -1;
  return u32(b, at + TCP_SEQUENCE);
}

/** As `findNonce`, without its cost for what nearly all packets are. */
function nonceOf(b: Uint8Array, o: number, end: number): number {
  const next = b[o + ipv6.NEXT_HEADER]!;
  if (next === ipv6.TCP || next === ipv6.UDP || next === ipv6.ICMPV6) return NONCE_NONE;
  const at = o + ipv6.HEADER_LENGTH;
  if (next === ipv6.DESTINATION_OPTIONS && at + 8 <= end && b[at + 2] === OPTION_NONCE) {
    const behind = b[at]!;
    const octets = 8 * (b[at + 1]! + 1);
    if (
      b[at + 3] === octets - 4 &&
      at + octets <= end &&
      (behind === ipv6.TCP || behind === ipv6.UDP || behind === ipv6.ICMPV6)
    )
      return at + 2;
  }
  return findNonce(b, o, end);
}

/** A NID that has sent a nonce first: an entry of its own, a stranger's until it is proved to hear us. */
function enter(node: Node, nid0: number, nid1: number, from: Omit<Locator, 'sum'>, now: number): Correspondent {
  const locator = seenAt({ ...from, sum: sum64(from.l0, from.l1) }, now);
  const options = { localNonce: node.random(node.nonceOctets), locators: [locator], isConfigured: false };
  const c = new Correspondent(nid0, nid1, options);
  node.ilcc.add(c);
  node.counters[COUNT_LEARNED]!++;
  return c;
}

const seenAt = (locator: Locator, now: number): RemoteLocator => ({
  ...locator,
  preference: 10,
  expires: now + SEEN_LIFETIME * 1e6,
});

/** A Locator that came with a right nonce: answers go there until a Locator Update or time says otherwise. */
function seen(c: Correspondent, locator: Locator, now: number): void {
  if (c.current.l0 === locator.l0 && c.current.l1 === locator.l1) return;
  c.provisional(locator, now);
}

/** It has sent back what it was asked for, from `from`: this nonce is its own. */
function proven(node: Node, c: Correspondent, nonce: Uint8Array, from: Locator, now: number): number {
  // a stranger that claims its identifier elsewhere may have taken its place since it was asked
  const isOther = c.remoteNonce === null || !sameOctets(nonce, c.remoteNonce);
  if (isOther && !c.proved && !c.isConfigured && !c.holds(from.l0, from.l1)) takeOver(c, seenAt(from, now), nonce);
  else learn(c, nonce);
  c.question = null;
  c.askPause = 0;
  c.heard(now);
  prove(node, c);
  return verdicts.TAKEN;
}

function prove(node: Node, c: Correspondent): void {
  c.plainUntil = 0;
  c.answersPlain = false;
  c.askedAt = 0;
  c.answered = null;
  if (c.proved) return;
  node.ilcc.prove(c);
  c.waitingSince = 0; // the next word of a program has it watched (liveness.ts)
}
