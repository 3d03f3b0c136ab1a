/**
 * Who has an identifier while nobody with it is proved: whoever spoke last, by its nonce. Programs here may already be
 * in session with another one; when that one speaks again they know it as before, so that a stranger's packet with any
 * nonce ends no session.
 */
import { type Correspondent, type Locator, type RemoteLocator, sameLocator } from '../ilnp/correspondent.ts';
import { sameOctets } from './same-octets.ts';

/** `nonce` comes from one of its Locators. */
export function learn(c: Correspondent, nonce: Uint8Array): void {
  remember(c);
  c.remoteNonce = nonce.slice();
  restore(c);
}

/** `nonce` comes from elsewhere: that one takes the place. */
export function takeOver(c: Correspondent, locator: RemoteLocator, nonce: Uint8Array): void {
  remember(c);
  c.takeOver(locator);
  c.remoteNonce = nonce.slice();
  restore(c);
}

/** Names place the identifier elsewhere than who has it: programs know who is there as the one they have answered. */
export function placed(c: Correspondent, named: readonly Locator[]): void {
  if (!c.proved && c.answered !== null && !named.some(({ l0, l1 }) => c.holds(l0, l1))) know(c, c.answered.views);
}

/** Who was answered first keeps its claim until somebody is proved; a program's word counts for more than its kernel's. */
function remember(c: Correspondent): void {
  const { remoteNonce, answered, isSpokenTo } = c;
  if (remoteNonce === null || c.proved || c.sentAt === 0) return;
  if (answered !== null && (answered.isSpokenTo || !isSpokenTo)) return;
  c.answered = { nonce: remoteNonce, views: [...c.views], isSpokenTo };
}

function restore(c: Correspondent): void {
  if (c.answered === null || !sameOctets(c.remoteNonce!, c.answered.nonce)) return;
  const { views, isSpokenTo } = c.answered;
  c.answered = null;
  if (isSpokenTo) c.isSpokenTo = true;
  know(c, views);
}

/** Programs know it by these, and by what they have called others with its identifier since. */
function know(c: Correspondent, views: readonly Locator[]): void {
  if (views.every((view, k) => k < c.views.length && sameLocator(view, c.views[k]!))) return; // nobody else has had other ones
  const between = c.views.splice(0, c.views.length, ...views);
  for (const { l0, l1 } of between) c.viewIndex(l0, l1);
}
