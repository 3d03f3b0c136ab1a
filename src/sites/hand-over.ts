/** What is known of the sessions of guests that have gone to another site, told there. */
import type { KnownPair } from '../ilnp/pairs.ts';
import type { SendRequest, SitesLog } from './moves-world.ts';
import { MAX_SPOKEN, toSpoken } from './spoken.ts';

/** Never rejects: without it the new site learns of a session by its next packets. */
export async function handOver(
  site: string,
  sessions: readonly KnownPair[],
  send: SendRequest,
  log: SitesLog,
): Promise<void> {
  try {
    for (let from = 0; from < sessions.length; from += MAX_SPOKEN)
      await send(site, { kind: 'spoken', sessions: sessions.slice(from, from + MAX_SPOKEN).map(toSpoken) });
  } catch (error) {
    log.warn({ site, sessions: sessions.length, reason: (error as Error).message }, 'sessions were not handed over');
  }
}
