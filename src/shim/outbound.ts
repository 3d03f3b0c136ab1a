/**
 * A packet of a program on this node on its way out: our stable Locator becomes the current one, the Locator under which
 * programs know the correspondent becomes the one where it is, and the nonce goes in.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { isAutomatic } from '../wire/automatic.ts';
import { u32 } from '../wire/bytes.ts';
import { fold } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as options from '../wire/nonce-option.ts';
import * as vnet from '../wire/virtio-net.ts';
import { mayBeZeroed, without } from './convention.ts';
import { isDoubtful, isWorthTrying } from './first-contact.ts';
import { flowOf } from './flows.ts';
import { translateOwnQuote } from './icmp-error.ts';
import type { Node } from './node.ts';
import { isAnsweredPlain } from './plain-syn.ts';
import { adjustChecksum, giveHopBack, insertNonce, isPartial, put, putLonger } from './rewrite.ts';
import * as verdicts from './verdict.ts';
import { COUNT_NONCES_OUT, COUNT_OUT, COUNT_WITHOUT_NONCE } from './verdict.ts';

const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;
const TCP_SEQUENCE = 4;
const TCP_FLAGS = 13;

/** Packet `i`, checked to be a whole one from our stable address. */
export function outbound(batch: PacketBatch, i: number, node: Node, now: number): number {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const w = o >>> 2;
  const end = o + batch.length[i]!;
  node.counters[COUNT_OUT]!++;
  if (ipv6.isUnforwardable(b, o + ipv6.DST)) return verdicts.DROP_BAD_ADDRESS;
  if (node.locators.length === 0) return verdicts.DROP_NO_LOCATOR;

  const upper = chain.upperLayer(b, o, end);
  const protocol = chain.protocolOf(upper);
  const at = o + chain.offsetOf(upper);
  const isSyn = protocol === ipv6.TCP && at + 20 <= end && (b[at + TCP_FLAGS]! & SYN) !== 0;
  const isReset = protocol === ipv6.TCP && at + 20 <= end && (b[at + TCP_FLAGS]! & RST) !== 0;
  const named = correspondent(node, word, w);
  const flow = chain.isFragment(upper) ? 0 : flowOf(batch, protocol, at, end, true);
  // whose SYN had a nonce is not answered without
  const isFirst = isSyn && !named?.hasBegun(flow, -1);
  // what runs so stays so, what begins tries again
  const begins = isSyn && (b[at + TCP_FLAGS]! & ACK) === 0;
  const isPlain =
    named === null ||
    (!begins && named.answersPlain && node.flows.runsPlain(word, w, flow, protocol === ipv6.TCP, now)) ||
    (isFirst && !begins && isAnsweredPlain(named, flow)) ||
    !speaks(node, named, isFirst, now);
  const c = isPlain ? null : named;
  if (c !== null && c.sentAt === 0 && c.own === null) node.begin(c);
  const source = c === null ? node.flows.ownFor(word, w, flow, node, now) : (c.own ?? node.locators[0]!);
  const destination = c === null ? null : c.target(now);
  // also without a nonce: the answer to a SYN may have one; not by a reset, which is what anybody gets who knows the ports
  if (named !== null && (c !== null || isSyn) && !isReset) {
    const view = named.viewIndex(word[w + ipv6.W_DST_L64]!, word[w + ipv6.W_DST_L64 + 1]!);
    if (named.views.length > 1) node.flows.viewUsed(word, w, flow, view, now);
    if (isSyn) named.challenge((u32(b, at + TCP_SEQUENCE) + 1) >>> 0);
  }
  if (protocol === ipv6.ICMPV6 && at < end && b[at]! < 128) translateOwnQuote(batch, i, node, at);

  const zeroed = c?.zeroed === true && mayBeZeroed(protocol, upper);
  let delta = put(word, w + ipv6.W_SRC_L64, source);
  if (destination !== null) {
    const grown = put(word, w + ipv6.W_DST_L64, destination);
    if (!chain.isRouted(upper)) delta = fold(delta + grown);
    if (zeroed) delta = fold(delta + without(source.sum, destination.sum));
  }
  if (!adjustChecksum(batch, i, protocol, at, delta)) {
    return isPartial(batch, o) ? verdicts.DROP_OFFLOAD_HEADER : verdicts.DROP_TRANSPORT_TRUNCATED;
  }
  giveHopBack(b, o);
  if (c === null) return verdicts.PLAIN;

  if (!c.isSpokenTo && protocol !== ipv6.NO_NEXT_HEADER) c.isSpokenTo = !isAutomatic(b, protocol, at, end);
  node.spoke(c, now);
  if (isDoubtful(c, isFirst) && c.askedAt === 0) c.askedAt = now;
  const isSent = putNonce(batch, i, c, upper, at, Math.min(node.mtu - c.optionOctets, c.nonceOctetsMax));
  node.counters[isSent ? COUNT_NONCES_OUT : COUNT_WITHOUT_NONCE]!++;
  return verdicts.ILNP;
}

/** The correspondent that the packet at word `w` is for, or null. */
function correspondent(node: Node, word: Int32Array, w: number): Correspondent | null {
  const c = node.ilcc.find(word[w + ipv6.W_DST_NID]!, word[w + ipv6.W_DST_NID + 1]!);
  // else another node with the same NID (RFC 6741 section 5.4)
  return c?.isAt(word[w + ipv6.W_DST_L64]!, word[w + ipv6.W_DST_L64 + 1]!) ? c : null;
}

/** True for an ILNP session; else the packet shall go as plain IPv6. */
function speaks(node: Node, c: Correspondent, isFirst: boolean, now: number): boolean {
  if (now < c.plainUntil) return false;
  return !isDoubtful(c, isFirst) || c.askedAt === 0 || isWorthTrying(node, c, now);
}

/** Fragments go without: their offsets count what is behind the Fragment header. So does what is signed or too long. */
function putNonce(
  batch: PacketBatch,
  i: number,
  c: Correspondent,
  upper: number,
  at: number,
  longest: number,
): boolean {
  const o = batch.offset[i]!;
  if (chain.isFragment(upper) || chain.hasNonce(upper)) return false;
  if (segmentOctets(batch, o, batch.length[i]!, upper, at) > longest) return false;
  if (chain.offsetOf(upper) === ipv6.HEADER_LENGTH) return insertNonce(batch, i, c.localNonce);
  const longer = options.insertNonce(batch.bytes.slice(o, o + batch.length[i]!), c.localNonce);
  if (longer === null) return false;
  putLonger(batch, i, longer);
  return true;
}

/** Length of the packet, or of the largest that a super-packet is cut into. */
function segmentOctets(batch: PacketBatch, o: number, length: number, upper: number, at: number): number {
  if (!batch.vnet || batch.bytes[o + vnet.GSO_TYPE] === vnet.GSO_NONE) return length;
  const tcp = chain.protocolOf(upper) === ipv6.TCP && at + 20 <= o + length;
  const headers = at - o + (tcp ? (batch.bytes[at + 12]! >>> 4) << 2 : 8);
  return headers + batch.half[(o >>> 1) + vnet.H_SEGMENT_SIZE]!;
}
