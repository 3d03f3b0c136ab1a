/** Correspondents and Locator Updates as operators read them. */
import { type Correspondent, l64Of } from '../ilnp/correspondent.ts';
import type { UpdateEntry } from '../shim/update-log.ts';
import { formatIlv, formatL64, formatNid } from '../wire/text.ts';
import type { SessionReply, UpdateReply } from './messages.ts';

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

/** `now`: of the same clock. */
export const updateReply = (entry: UpdateEntry, now: number): UpdateReply => ({
  nid: formatNid(entry.nid),
  way: entry.way,
  locators: entry.locators.map(({ locator, preference, lifetime }) => ({
    locator: formatL64(locator),
    preference,
    lifetime,
  })),
  tries: entry.tries,
  state: entry.state,
  beganMs: Math.round((now - entry.beganAt) / 1000),
  changedMs: Math.round((now - entry.changedAt) / 1000),
});
