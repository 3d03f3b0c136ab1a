/**
 * The first words to a node that names say speaks ILNP, and that has not answered yet: which pair of Locators they go by,
 * when they go without a nonce, and when names are asked again.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { Node } from './node.ts';
import { COUNT_FALLBACKS } from './verdict.ts';

/** A correspondent that leaves the first packets with a nonce unanswered for so long is tried without. */
const SILENCE_US = 2.5e6;
/** How long each pair of Locators has, and how many are tried: what a program sends again within a second goes by the next. */
const TURN_US = 0.9e6;
const PAIRS = 4;
/** How long it then counts as a node without ILNP, if it did not say so itself. */
const PLAIN_AFTER_SILENCE_US = 60e6;
/** How often names are asked about one who is not where they have said. */
const DOUBT_EVERY_US = 10e6;

/**
 * No nonce of it is known, or one that anybody may have sent: it may be a node without ILNP all the same. `isFirst`: the
 * packet is a SYN, and answers none that came with a nonce.
 */
export const isDoubtful = (c: Correspondent, isFirst: boolean): boolean =>
  c.remoteNonce === null || (!c.proved && isFirst);

/** Nothing has come back so far: the next pair of Locators; false when all had their turn, and it is tried without. */
export function isWorthTrying(node: Node, c: Correspondent, now: number): boolean {
  const waited = now - c.askedAt;
  const pairs = pairsOf(node, c);
  if (waited <= Math.max(SILENCE_US, (pairs + 0.5) * TURN_US)) {
    if (c.tried + 1 < pairs && waited > (c.tried + 1) * TURN_US) tryPair(node, c, c.tried + 1);
    return true;
  }
  c.plainUntil = now + PLAIN_AFTER_SILENCE_US;
  c.answersPlain = false;
  c.remoteNonce = null;
  c.askedAt = 0;
  c.tried = 0;
  c.own = null;
  c.use(c.preferred(now));
  node.counters[COUNT_FALLBACKS]!++;
  node.lost(c);
  return false;
}

/**
 * No way leads to its Locator of these words from ours: that says nothing of ILNP (RFC 6740 section 8). Names may know
 * better by now, and who has not answered yet, or not the SYN, is tried by the next pair.
 */
export function unreachable(node: Node, c: Correspondent, { own, remote }: Way, now: number): void {
  const isSought = c.remoteNonce === null || c.askedAt !== 0;
  c.askedAt = 0;
  if (c.proved) return; // it tells us where it goes, and is asked (liveness.ts)
  const inUse = c.own ?? node.locators[0];
  const isInUse = c.current.l0 === remote.l0 && c.current.l1 === remote.l1;
  if (inUse === undefined || !isInUse || inUse.l0 !== own.l0 || inUse.l1 !== own.l1) return; // of an earlier try
  const pairs = isSought ? pairsOf(node, c) : 1;
  if (pairs > 1) tryPair(node, c, (c.tried + 1) % pairs);
  doubt(node, c, now);
}

/** The words of two Locators. */
interface Way {
  readonly own: { readonly l0: number; readonly l1: number };
  readonly remote: { readonly l0: number; readonly l1: number };
}

/** It is not where names have placed it; they may know better by now. */
export function doubt(node: Node, c: Correspondent, now: number): void {
  if (now - c.doubtedAt < DOUBT_EVERY_US) return;
  c.doubtedAt = now;
  node.lost(c);
}

const pairsOf = (node: Node, c: Correspondent): number => Math.min(node.locators.length * c.locators.length, PAIRS);

function tryPair(node: Node, c: Correspondent, k: number): void {
  c.tried = k;
  c.own = node.locators[Math.trunc(k / c.locators.length)]!;
  c.use(c.locators[k % c.locators.length]!);
}
