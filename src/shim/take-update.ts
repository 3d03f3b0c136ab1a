/**
 * A Locator Update or its acknowledgement from a correspondent, RFC 6743 section 4: with the right nonce it replaces the
 * Locators we have of it and is acknowledged, as often as it comes; without it is a forgery.
 */
import { type Correspondent, type Locator, l64Of, locatorOf, type RemoteLocator } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { sum64 } from '../wire/checksum.ts';
import * as ipv6 from '../wire/ipv6.ts';
import {
  ACKNOWLEDGEMENT,
  acknowledgementOf,
  LOCATORS_AT,
  type LocatorEntry,
  readLocatorUpdate,
} from '../wire/locator-update.ts';
import { authenticated, authenticationOption } from '../wire/update-authentication.ts';
import type { Liveness } from './liveness.ts';
import type { Node } from './node.ts';
import { sameOctets } from './same-octets.ts';
import type { Updates } from './updates.ts';
import {
  COUNT_UPDATES_TAKEN,
  DROP_BAD_UPDATE,
  DROP_FORGED_UPDATE,
  DROP_REPLAYED_UPDATE,
  DROP_UNAUTHENTICATED_UPDATE,
  TAKEN,
} from './verdict.ts';

/** What goes on besides packets. */
export interface Control {
  readonly updates: Updates;
  readonly liveness: Liveness;
}

interface From {
  readonly c: Correspondent | null;
  readonly nonce: Uint8Array | null;
  /** Where its ICMPv6 header is. */
  readonly at: number;
  readonly now: number;
}

export function takeUpdate(
  batch: PacketBatch,
  i: number,
  node: Node,
  { updates, liveness }: Control,
  { c, nonce, at, now }: From,
): number {
  const o = batch.offset[i]!;
  const w = o >>> 2;
  const end = o + batch.length[i]!;
  if (c === null || c.remoteNonce === null || nonce === null || !sameOctets(nonce, c.remoteNonce))
    return DROP_FORGED_UPDATE;
  if (end - at < LOCATORS_AT) return DROP_BAD_UPDATE;
  const update = readLocatorUpdate(batch.bytes, o, at, end - at);
  if (typeof update === 'string') return DROP_BAD_UPDATE;
  const key = c.key && { key: c.key, option: node.authenticationOption };
  const sequence = key && authenticated(batch.bytes, o, at, end, key);
  if (sequence === false) return DROP_UNAUTHENTICATED_UPDATE;
  if (sequence === null && c.key !== null && (c.isKeyRequired || c.usesKey)) return DROP_UNAUTHENTICATED_UPDATE;
  if (sequence !== null) c.usesKey = true;
  if (update.operation === ACKNOWLEDGEMENT) {
    if (sequence !== null && sequence !== c.localSequence) return TAKEN; // of an older set, perhaps a replay
    updates.acknowledged(c, update.locators, now);
    node.heard(c, batch.word, w, now);
    liveness.answered(c, locatorAt(batch.word, w + ipv6.W_DST_L64), locatorAt(batch.word, w + ipv6.W_SRC_L64), now);
    return TAKEN;
  }
  if (sequence !== null && sequence < c.remoteSequence) return DROP_REPLAYED_UPDATE;
  const usable = update.locators.filter((entry) => isUsable(entry, node)).map((entry) => remoteOf(entry, now));
  if (usable.length === 0) return DROP_BAD_UPDATE; // the old set is better than none
  if (sequence !== null) c.remoteSequence = sequence;
  if (c.replace(usable, now)) liveness.relocated(c, now);
  node.heard(c, batch.word, w, now);
  node.counters[COUNT_UPDATES_TAKEN]!++;
  updates.log.received(c.nid, update.locators, now);
  const answer = acknowledgementOf(
    batch.bytes.slice(o, end),
    c.localNonce,
    key && sequence !== null
      ? (message, envelope) => authenticationOption(message, envelope, { ...key, sequence })
      : undefined,
  );
  if (answer !== null) node.emit(answer);
  return TAKEN;
}

const locatorAt = (word: Int32Array, w: number): Locator => ({
  l0: word[w]!,
  l1: word[w + 1]!,
  sum: sum64(word[w]!, word[w + 1]!),
});

/**
 * Global unicast (2000::/3), or unique local (fc00::/7) where this node has one too: elsewhere it leads to somebody else,
 * or nowhere. Everything else can be nobody's Locator.
 */
const isUsable = ({ locator }: LocatorEntry, { locators }: Node): boolean =>
  locator.hi >>> 29 === 1 ||
  (ipv6.isUniqueLocalL64(locator) && locators.some((own) => ipv6.isUniqueLocalL64(l64Of(own))));

const remoteOf = ({ locator, preference, lifetime }: LocatorEntry, now: number): RemoteLocator => ({
  ...locatorOf(locator),
  preference,
  expires: now + lifetime * 1e6,
});
