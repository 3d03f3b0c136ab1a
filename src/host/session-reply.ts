/** A correspondent as operators read it. */
import { type Correspondent, l64Of } from '../ilnp/ilcc.ts';
import { formatIlv, formatL64, formatNid } from '../wire/text.ts';
import type { SessionReply } from './messages.ts';

/** `now`: microseconds of the clock that dated the entry. Nonces are nobody's business. */
export function sessionReply(c: Correspondent, now: number): SessionReply {
  const current = c.target(now);
  const locators = c.locators.some((l) => l.l0 === current.l0 && l.l1 === current.l1)
    ? c.locators
    : [...c.locators, current];
  return {
    nid: formatNid(c.nid),
    views: c.views.map((view) => formatIlv(l64Of(view), c.nid)),
    configured: c.isConfigured,
    proved: c.proved,
    plain: now < c.plainUntil,
    locators: locators.map((l) => ({
      locator: formatL64(l64Of(l)),
      preference: l.preference,
      state: c.stateOf(l, now),
    })),
    sentMs: c.sentAt === 0 ? null : Math.round((now - c.sentAt) / 1000),
    heardMs: c.heardAt === 0 ? null : Math.round((now - c.heardAt) / 1000),
  };
}
