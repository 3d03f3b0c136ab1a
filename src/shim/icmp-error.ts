/**
 * ICMPv6 errors of an end system, RFC 4443: the packet they quote is told as its sender knows it, inbound as the program
 * here has sent it, outbound as it was on the wire. Without that no Packet Too Big reaches a program. Errors are rare:
 * they are written again as a whole.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { put16, put32, u16, u32 } from '../wire/bytes.ts';
import { fold, segmentChecksum, segmentSum, sum64, update } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import { nonceAt, OPTION_NONCE } from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import { mayBeZeroed, without } from './convention.ts';
import { unreachable } from './first-contact.ts';
import { flowOf } from './flows.ts';
import type { Node } from './node.ts';
import { checksumAt, giveHopBack, isPartial, put } from './rewrite.ts';
import { sameOctets } from './same-octets.ts';
import * as judge from './validate.ts';
import * as verdicts from './verdict.ts';
import { COUNT_FALLBACKS, COUNT_QUOTES } from './verdict.ts';

const ERROR_HEADER = 8;
const UNREACHABLE = 1;
const PACKET_TOO_BIG = 2;
const PARAMETER_PROBLEM = 4;
const UNRECOGNIZED_OPTION = 2;
const ICMP = { protocol: ipv6.ICMPV6, convention: 'full' } as const;
/** How long a node that said so counts as one without ILNP. */
const PLAIN_US = 600e6;

interface Found {
  /** The correspondent at one of whose Locators the error comes from; null: a router's or a stranger's. */
  readonly c: Correspondent | null;
  readonly found: number;
  readonly nonce: Uint8Array | null;
  /** Where its ICMPv6 header is. */
  readonly at: number;
  readonly now: number;
}

/** Translates the error for the program here, takes it in, or drops it. */
export function takeError(batch: PacketBatch, i: number, node: Node, { c, found, nonce, at, now }: Found): number {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const w = o >>> 2;
  const end = o + batch.length[i]!;
  const quote = at + ERROR_HEADER;
  if (c?.proved && (nonce === null || found === judge.REJECT_NONCE)) return verdicts.DROP_FORGED_ICMP;
  if (quote + ipv6.HEADER_LENGTH > end || b[quote]! >>> 4 !== 6 || ((quote - o) & 7) !== 0)
    return verdicts.DROP_QUOTE_UNKNOWN;
  if (!isPartial(batch, o) && segmentSum(b, o, at, end - at, ICMP) !== 0xffff) return verdicts.DROP_FORGED_ICMP;

  const q = quote >>> 2;
  const isOurs =
    word[q + ipv6.W_SRC_NID] === node.nid0 &&
    word[q + ipv6.W_SRC_NID + 1] === node.nid1 &&
    node.isLocal(word[q + ipv6.W_SRC_L64]!, word[q + ipv6.W_SRC_L64 + 1]!);
  if (!isOurs) return verdicts.DROP_QUOTE_UNKNOWN;
  const subject = node.ilcc.find(word[q + ipv6.W_DST_NID]!, word[q + ipv6.W_DST_NID + 1]!);
  const isAbout = subject?.isAt(word[q + ipv6.W_DST_L64]!, word[q + ipv6.W_DST_L64 + 1]!) ?? false;
  const option = quotedNonce(b, quote, end);
  if (option > 0) {
    const quoted = b.subarray(option + 2, Math.min(option + 2 + b[option + 1]!, end));
    if (subject === null || !isAbout || !sameOctets(quoted, subject.localNonce)) return verdicts.DROP_QUOTE_UNKNOWN;
  }

  let value = u32(b, at + 4);
  if (b[at] === PARAMETER_PROBLEM && b[at + 1] === UNRECOGNIZED_OPTION && option > 0 && quote + value === option) {
    if (subject!.proved) return verdicts.DROP_FORGED_ICMP; // it has answered with a nonce before
    subject!.plainUntil = now + PLAIN_US;
    subject!.askedAt = 0;
    subject!.remoteNonce = null;
    node.counters[COUNT_FALLBACKS]!++;
    return verdicts.TAKEN; // the program tries again by itself, and then without
  }
  if (b[at] === UNREACHABLE && option > 0)
    unreachable(
      node,
      subject!,
      { own: wordsAt(word, q + ipv6.W_SRC_L64), remote: wordsAt(word, q + ipv6.W_DST_L64) },
      now,
    );
  const octets = subject?.optionOctets ?? 0;
  const isShorter = option > 0 && isOnlyOption(b, quote);
  if (b[at] === PACKET_TOO_BIG && option > 0) {
    if (value < ipv6.MIN_MTU + octets) subject!.nonceOctetsMax = ipv6.MIN_MTU - octets;
    value = Math.max(value - octets, ipv6.MIN_MTU);
    put32(b, at + 4, value);
  } else if (b[at] === PARAMETER_PROBLEM && isShorter && value > ipv6.HEADER_LENGTH) {
    put32(b, at + 4, Math.max(value - octets, ipv6.NEXT_HEADER));
  }

  // the quote as the program has sent it; a wrong sum in it stays wrong
  const sums = fold(sumAt(word, q + ipv6.W_SRC_L64) + sumAt(word, q + ipv6.W_DST_L64));
  let delta = put(word, q + ipv6.W_SRC_L64, node.stable);
  if (isAbout) {
    const view = viewOfQuote(batch, node, quote, end, subject!);
    if (view !== undefined) delta += put(word, q + ipv6.W_DST_L64, view);
  }
  fixQuotedChecksum(batch, quote, end, delta, isAbout && subject!.zeroed ? sums : 0);
  let from = quote;
  if (isShorter) {
    b[quote + ipv6.NEXT_HEADER] = b[quote + ipv6.HEADER_LENGTH]!;
    put16(b, quote + ipv6.PAYLOAD_LENGTH, Math.max(u16(b, quote + ipv6.PAYLOAD_LENGTH) - octets, 0));
    b.copyWithin(quote + octets, quote, quote + ipv6.HEADER_LENGTH);
    from += octets;
  }

  // the error around it, without extension headers
  const isSession = c !== null && found <= judge.ACCEPT_PROVISIONAL && c.views.length > 0;
  put(word, w + ipv6.W_DST_L64, node.stable);
  if (isSession) put(word, w + ipv6.W_SRC_L64, c.views[0]!);
  const icmp = from - ERROR_HEADER;
  b.copyWithin(icmp, at, at + ERROR_HEADER);
  const start = icmp - ipv6.HEADER_LENGTH;
  const before = batch.vnet ? vnet.VNET_LENGTH : 0;
  b.copyWithin(start - before, o - before, o + ipv6.HEADER_LENGTH);
  batch.offset[i] = start;
  batch.length[i] = end - start;
  b[start + ipv6.NEXT_HEADER] = ipv6.ICMPV6;
  put16(b, start + ipv6.PAYLOAD_LENGTH, end - icmp);
  put16(b, icmp + 2, 0);
  put16(b, icmp + 2, segmentChecksum(b, start, icmp, end - icmp, ICMP));
  if (batch.vnet) b.fill(0, start - vnet.VNET_LENGTH, start);
  giveHopBack(b, start);
  node.counters[COUNT_QUOTES]!++;
  return isSession ? verdicts.ILNP : verdicts.PLAIN;
}

/** In an error of this node about a packet it has received: the quote as it was on the wire, but for the nonce. */
export function translateOwnQuote(batch: PacketBatch, i: number, node: Node, at: number): void {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  const quote = at + ERROR_HEADER;
  const q = quote >>> 2;
  if (quote + ipv6.HEADER_LENGTH > end || b[quote]! >>> 4 !== 6 || ((quote - o) & 3) !== 0) return;
  if (isPartial(batch, o) || node.locators.length === 0) return;
  if (word[q + ipv6.W_DST_NID] !== node.nid0 || word[q + ipv6.W_DST_NID + 1] !== node.nid1) return;
  const c = node.ilcc.find(word[q + ipv6.W_SRC_NID]!, word[q + ipv6.W_SRC_NID + 1]!);
  const own = c?.own ?? node.locators[0]!;
  let delta = put(word, q + ipv6.W_DST_L64, own);
  const isAbout =
    c !== null && c.remoteNonce !== null && c.isAt(word[q + ipv6.W_SRC_L64]!, word[q + ipv6.W_SRC_L64 + 1]!);
  if (isAbout) delta += put(word, q + ipv6.W_SRC_L64, c.current);
  const gone = isAbout && c.zeroed ? without(c.current.sum, own.sum) : 0;
  fixQuotedChecksum(batch, quote, end, delta, gone);
  put16(b, at + 2, 0);
  put16(b, at + 2, segmentChecksum(b, o, at, end - at, ICMP)); // the outer addresses change after this, and its sum with them
  node.counters[COUNT_QUOTES]!++;
}

/** Under which Locator the program that has sent the quoted packet knows the node it was for. */
function viewOfQuote(batch: PacketBatch, node: Node, quote: number, end: number, subject: Correspondent) {
  if (subject.views.length < 2) return subject.views[0];
  const upper = chain.upperLayer(batch.bytes, quote, end);
  const at = quote + chain.offsetOf(upper);
  const flow = chain.isFragment(upper) ? 0 : flowOf(batch, chain.protocolOf(upper), at, end, true);
  // the flow is looked up by where its packets come from; in a quote that is the destination
  return node.flows.viewOf(batch.word, (quote >>> 2) + ipv6.W_DST_L64 - ipv6.W_SRC_L64, flow, subject);
}

/** Offset of the nonce right behind the IPv6 header of a quote, 0 when there is none. */
function quotedNonce(b: Uint8Array, quote: number, end: number): number {
  const at = quote + ipv6.HEADER_LENGTH;
  if (b[quote + ipv6.NEXT_HEADER] !== ipv6.DESTINATION_OPTIONS || at + 8 > end) return 0;
  return nonceAt(b, at, Math.min(at + 8 * (b[at + 1]! + 1), end));
}

/** True when nothing but the nonce, found there before, is in the header behind the IPv6 header of a quote. */
const isOnlyOption = (b: Uint8Array, quote: number): boolean => {
  const at = quote + ipv6.HEADER_LENGTH;
  return b[at + 2] === OPTION_NONCE && b[at + 3] === 8 * (b[at + 1]! + 1) - 4;
};

const wordsAt = (word: Int32Array, w: number) => ({ l0: word[w]!, l1: word[w + 1]! });

const sumAt = (word: Int32Array, w: number): number => sum64(word[w]!, word[w + 1]!);

/**
 * The transport checksum in a quote, as far as the quote has it. `zeroed`: what it grows by besides because one side of
 * this node sums without Locators.
 */
function fixQuotedChecksum(batch: PacketBatch, quote: number, end: number, delta: number, zeroed: number): void {
  const upper = chain.upperLayer(batch.bytes, quote, end);
  const protocol = chain.protocolOf(upper);
  const field = checksumAt(protocol, quote + chain.offsetOf(upper));
  if (field < 0 || field + 2 > end) return;
  const old = batch.half[field >>> 1]!;
  if (old === 0 && protocol === ipv6.UDP) return;
  batch.half[field >>> 1] = update(old, fold(delta + (mayBeZeroed(protocol, upper) ? zeroed : 0)));
}
