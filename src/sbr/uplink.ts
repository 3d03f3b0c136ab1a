/**
 * Which uplink, hence which global Locator, a session uses: the one it began with (RFC 6748 section 3; a correspondent
 * that does not speak ILNP keeps it for life), for a new one the binding's own, else the preferred.
 *
 * A session is a pair of nodes and a flow, because one correspondent may use two global Locators of a guest at once
 * (RFC 8305 does). Fragments, of which only the first shows its flow, and other protocols go with the pair.
 */
import { SESSION_ILNP } from '../ilnp/sessions.ts';
import type { PacketBatch } from '../packet/batch.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { COUNT_SESSIONS_REFUSED, type Fib } from './fib.ts';

const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
/** A session that was heard of within so many seconds does not go over to another uplink: anybody can send a packet. */
const TAKEN_SECONDS = 240; // reason: TCP has let go of its ports by then (2 MSL, RFC 9293)
/** Keep the flows of different protocols apart. */
const UDP_FLOW = 0x5bd1e995;
const ECHO_FLOW = 0x1b873593;

/**
 * The flow of the packet whose upper-layer header is at `transport`, seen from inside: the same for both directions, 0
 * when it does not show. `fromInside`: the source is the inside end. `end`: first octet behind what may be read.
 */
export function flowOf(
  batch: PacketBatch,
  protocol: number,
  transport: number,
  end: number,
  fromInside: boolean,
): number {
  if (transport + 8 > end) return 0;
  const h = transport >>> 1;
  const half = batch.half;
  if (protocol === ipv6.TCP || protocol === ipv6.UDP) {
    const ports = fromInside ? (half[h]! << 16) | half[h + 1]! : (half[h + 1]! << 16) | half[h]!;
    return protocol === ipv6.TCP ? ports : ports ^ UDP_FLOW;
  }
  if (protocol !== ipv6.ICMPV6) return 0;
  const type = batch.bytes[transport]!;
  return type === ECHO_REQUEST || type === ECHO_REPLY ? half[h + 2]! ^ ECHO_FLOW : 0;
}

/** Index of the uplink for the outbound packet at word `w`, or -1. `pinned`: the binding's own, -1 when it has none. */
export function uplinkOf(fib: Fib, word: Int32Array, w: number, pinned: number, now: number): number {
  const sessions = fib.sessions;
  if (!fib.multihomed || sessions === null) return fib.image.uplinkRows.length === 1 ? 0 : newUplink(fib, pinned);
  const seconds = (now / 1e6) | 0;
  const n0 = word[w + 4]!;
  const n1 = word[w + 5]!;
  const l0 = word[w + 6]!;
  const l1 = word[w + 7]!;
  const c0 = word[w + 8]!;
  const c1 = word[w + 9]!;
  const entry = sessions.open(n0, n1, l0, l1, c0, c1, fib.flow, seconds, true);
  if (entry < 0) return newUplink(fib, pinned);
  const known = indexOf(fib, sessions.uplink(entry));
  if (known >= 0) {
    sessions.heard(entry, seconds);
    return sessions.has(entry, SESSION_ILNP) ? asPair(fib, n0, n1, c0, c1, known) : known;
  }
  // sessions are not remembered while a site has only one uplink
  const chosen = fib.begun && pinned < 0 ? fib.image.oldestUplink : newUplink(fib, pinned);
  if (chosen >= 0) sessions.setUplink(entry, fib.image.uplinkIds[chosen]!, seconds);
  return chosen;
}

/** Notes that the correspondent of the inbound packet at word `w` knows the guest by the Locator of `uplink`. */
export function learnUplink(fib: Fib, word: Int32Array, w: number, uplink: number, now: number): void {
  learn(fib, word, w, fib.flow, uplink, now);
  if (fib.flow !== 0) learn(fib, word, w, 0, uplink, now); // for what will not show its flow
}

function learn(fib: Fib, word: Int32Array, w: number, flow: number, uplink: number, now: number): void {
  const sessions = fib.sessions;
  if (sessions === null) return;
  const seconds = (now / 1e6) | 0;
  const n0 = word[w + 8]!;
  const n1 = word[w + 9]!;
  const l0 = word[w + 2]!;
  const l1 = word[w + 3]!;
  const c0 = word[w + 4]!;
  const c1 = word[w + 5]!;
  const entry = sessions.open(n0, n1, l0, l1, c0, c1, flow, seconds, false);
  if (entry < 0) {
    fib.counters[COUNT_SESSIONS_REFUSED]!++;
    return;
  }
  const id = fib.image.uplinkIds[uplink]!;
  const known = sessions.uplink(entry);
  if (known === id) sessions.heard(entry, seconds);
  else if (known < 0 || sessions.idle(entry, seconds) >= TAKEN_SECONDS) sessions.setUplink(entry, id, seconds);
}

/**
 * Notes a plain session of a guest that somebody has asked about, where the only uplink need not be remembered. `guest`: word of
 * its NID, `other`: of the correspondent's address.
 */
export function noteSession(fib: Fib, word: Int32Array, guest: number, other: number, now: number): void {
  const { sessions, keeper, image, pairs } = fib;
  const n0 = word[guest]!;
  const n1 = word[guest + 1]!;
  if (sessions === null || fib.nonce !== 0 || keeper === null || !keeper.watches(n0, n1)) return;
  const seconds = (now / 1e6) | 0;
  const l0 = word[other]!;
  const l1 = word[other + 1]!;
  const c0 = word[other + 2]!;
  const c1 = word[other + 3]!;
  if (pairs !== null && pairs.find(n0, n1, c0, c1) >= 0) return; // speaks ILNP, whatever this packet has
  const entry = sessions.open(n0, n1, l0, l1, c0, c1, fib.flow, seconds, false);
  if (entry >= 0) sessions.setUplink(entry, image.uplinkIds[0]!, seconds);
}

/** Packets of the flow at word `w` have a nonce: those of them that have none go with their pair (a fragment has no room). */
export function markFlow(fib: Fib, word: Int32Array, w: number, flag: number, now: number): void {
  const sessions = fib.sessions;
  if (sessions === null) return;
  const seconds = (now / 1e6) | 0;
  for (let flow = fib.flow; ; flow = 0) {
    const entry = sessions.open(
      word[w + 4]!,
      word[w + 5]!,
      word[w + 6]!,
      word[w + 7]!,
      word[w + 8]!,
      word[w + 9]!,
      flow,
      seconds,
      true,
    );
    if (entry >= 0) sessions.set(entry, flag, seconds);
    if (flow === 0) return;
  }
}

/** Index of the uplink that the pair uses, or else `known`. */
export function asPair(fib: Fib, g0: number, g1: number, c0: number, c1: number, known: number): number {
  const pair = fib.pairs === null ? -1 : fib.pairs.find(g0, g1, c0, c1);
  const used = pair < 0 ? -1 : indexOf(fib, fib.pairs!.uplink(pair));
  return used >= 0 && fib.image.uplinkUsable[used] === 1 ? used : known;
}

/** Index of the uplink that sessions know by `id`, or -1: none, or no longer in the configuration. */
export const indexOf = (fib: Fib, id: number): number => (id < 0 ? -1 : fib.image.uplinkIds.indexOf(id));

/** Index of the uplink for what begins now, or -1. */
export function newUplink(fib: Fib, pinned: number): number {
  return pinned >= 0 && fib.image.uplinkUsable[pinned] === 1 ? pinned : fib.image.preferredUplink;
}
