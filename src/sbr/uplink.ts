/**
 * Which uplink, hence which global Locator, a session uses: the one it began with (RFC 6748 section 3; a correspondent
 * that does not speak ILNP keeps it for life), for a new one the binding's own, else the preferred.
 */
import { COUNT_SESSIONS_REFUSED, type Fib } from './fib.ts';

/** Index of the uplink for the outbound packet at word `w`, or -1. `pinned`: the binding's own, -1 when it has none. */
export function uplinkOf(fib: Fib, word: Int32Array, w: number, pinned: number, now: number): number {
  const sessions = fib.sessions;
  if (!fib.multihomed || sessions === null) return fib.image.uplinkRows.length === 1 ? 0 : newUplink(fib, pinned);
  const seconds = (now / 1e6) | 0;
  const entry = sessions.open(
    word[w + 4]!,
    word[w + 5]!,
    word[w + 6]!,
    word[w + 7]!,
    word[w + 8]!,
    word[w + 9]!,
    seconds,
    true,
  );
  if (entry < 0) return newUplink(fib, pinned);
  const known = sessions.uplink(entry);
  if (known >= 0 && known < fib.image.uplinkRows.length) {
    sessions.heard(entry, seconds);
    return known;
  }
  const chosen = newUplink(fib, pinned);
  if (chosen >= 0) sessions.setUplink(entry, chosen, seconds);
  return chosen;
}

/** Notes that the correspondent of the inbound packet at word `w` knows the guest by the Locator of `uplink`. */
export function learnUplink(fib: Fib, word: Int32Array, w: number, uplink: number, now: number): void {
  const sessions = fib.sessions;
  if (sessions === null) return;
  const seconds = (now / 1e6) | 0;
  const entry = sessions.open(
    word[w + 8]!,
    word[w + 9]!,
    word[w + 2]!,
    word[w + 3]!,
    word[w + 4]!,
    word[w + 5]!,
    seconds,
    false,
  );
  if (entry < 0) fib.counters[COUNT_SESSIONS_REFUSED]!++;
  else if (sessions.uplink(entry) !== uplink) sessions.setUplink(entry, uplink, seconds);
  else sessions.heard(entry, seconds);
}

function newUplink(fib: Fib, pinned: number): number {
  return pinned >= 0 && fib.image.uplinkUsable[pinned] === 1 ? pinned : fib.image.preferredUplink;
}
