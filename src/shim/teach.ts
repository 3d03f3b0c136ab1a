/**
 * What names say of a correspondent, taken into the cache. Its own word is better, as long as it is heard: Locators of a
 * live session stay, whatever the DNS says, until the correspondent is lost or was silent for so long that it would not
 * have told us of a change. Then the DNS has the word, and a lost correspondent is told at once where we are.
 *
 * Anybody can put a NID under a name of theirs, with their Locators: a session follows only the name it was taught by.
 */
import { Correspondent, type RemoteLocator, sameLocator } from '../ilnp/correspondent.ts';
import { sum64 } from '../wire/checksum.ts';
import { placed } from './claim.ts';
import type { Node } from './node.ts';
import type { Control } from './take-update.ts';
import { ACTIVE_US } from './updates.ts';

const LAST = 65_535;

/** A node that speaks ILNP, by its name; words in the machine's order. */
export interface NamedHost {
  readonly nid0: number;
  readonly nid1: number;
  /** The name is the one under which it was taught before. */
  readonly isKnownName: boolean;
  /** `lifetime`: seconds; Infinity: until something better is known. */
  readonly locators: readonly {
    readonly l0: number;
    readonly l1: number;
    readonly preference: number;
    readonly lifetime: number;
  }[];
}

/** `now`: microseconds. False when it is not believed: this would take a session over to Locators of a stranger. */
export function teach(node: Node, { updates, liveness }: Control, host: NamedHost, now: number): boolean {
  const { nid0, nid1 } = host;
  if ((nid0 === node.nid0 && nid1 === node.nid1) || host.locators.length === 0) return false;
  const locators = host.locators.map(
    ({ l0, l1, preference, lifetime }): RemoteLocator => ({
      l0,
      l1,
      sum: sum64(l0, l1),
      preference,
      expires: now + lifetime * 1e6,
    }),
  );
  const namedAt = Number.isFinite(locators[0]!.expires) ? now : Number.POSITIVE_INFINITY; // the operator's stay
  const c = node.ilcc.find(nid0, nid1);
  if (c === null) {
    node.ilcc.add(entryOf(node, host, locators, namedAt));
    return true;
  }
  if (!host.isKnownName && !locators.every(({ l0, l1 }) => c.isAt(l0, l1))) {
    // anybody can put this NID under a name
    if (c.named.some(({ expires }) => now <= expires) || isLive(c, now)) return false;
    if (c.proved) {
      updates.forget(c, now);
      node.ilcc.replace(c, entryOf(node, host, locators, namedAt)); // nobody else gets the nonce of its session
      return true;
    }
  }
  placed(c, locators);
  c.named = locators; // programs get these, whatever is used
  c.namedAt = Math.max(c.namedAt, namedAt);
  node.ilcc.name(c);
  const wasLost = c.isLost;
  if (isLive(c, now)) {
    c.renew(locators);
    return true;
  }
  const isNew = locators.some((l) => !c.locators.some((old) => sameLocator(old, l)));
  // the DNS may be late itself: what was known before is still tried, behind
  const before = wasLost ? c.locators.filter((old) => !locators.some((l) => sameLocator(l, old))) : [];
  const behind = before.map((old) => ({ ...old, preference: LAST, expires: locators[0]!.expires }));
  if (c.replace([...locators, ...behind], now)) liveness.relocated(c, now);
  if (wasLost && isNew) updates.tell(c, now);
  return true;
}

function entryOf(node: Node, host: NamedHost, locators: readonly RemoteLocator[], namedAt: number): Correspondent {
  const options = { localNonce: node.random(node.nonceOctets), locators, isConfigured: true };
  const entry = new Correspondent(host.nid0, host.nid1, options);
  entry.named = locators;
  entry.namedAt = namedAt;
  return entry;
}

/** It hears us, is heard, and tells us where it goes. */
function isLive(c: Correspondent, now: number): boolean {
  return c.proved && c.remoteNonce !== null && !c.isLost && now - c.heardAt <= ACTIVE_US;
}
