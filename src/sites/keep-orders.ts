/** What home orders the sites of a move to keep, this one among them; what they say they did is noted with the move. */
import { COMMIT_MS } from '../ilnp/keeping.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { Handoff } from './handoff.ts';
import type { MovesWorld } from './moves-world.ts';
import { type KeepWhat, MIGRATION_MS, type SiteKeeping } from './site-keeping.ts';

/** A site that does not answer so long is not waited for. Reason: packets may be waiting elsewhere. */
export const KEEP_REQUEST_MS = 1500;
/** A site without which a move can go on is waited for so long. */
const PATIENCE_MS = 250;

export class KeepOrders {
  readonly #world: Pick<MovesWorld, 'clock' | 'holdMs' | 'send' | 'site' | 'wall'>;
  readonly #keeping: SiteKeeping;

  constructor(world: Pick<MovesWorld, 'clock' | 'holdMs' | 'send' | 'site' | 'wall'>, keeping: SiteKeeping) {
    this.#world = world;
    this.#keeping = keeping;
  }

  /** Resolves when the site does it; rejects with its error, or E_PEER_UNREACHABLE. */
  async order(handoff: Handoff, site: string, what: KeepWhat): Promise<void> {
    const { nid, sites, held, counts } = handoff;
    const { clock, holdMs, send, wall } = this.#world;
    const ms = { hold: holdMs() + COMMIT_MS, expect: MIGRATION_MS, end: 0 }[what];
    sites.add(site);
    if (site === this.#world.site) counts.set(site, { ...(await this.#keeping.ordered(nid, what, ms)) });
    else {
      const asked = clock.now();
      const reply = await send(site, { kind: 'keep', nid: [nid.hi, nid.lo], what, ms }, KEEP_REQUEST_MS);
      if (reply.kind !== 'kept') throw new IlnpError('E_PROTOCOL', `${site} answered ${reply.kind} to keep`);
      const { kind, firstAgo, acknowledgedAgo, ...said } = reply;
      // by our clock, as if the answer had taken as long as the question
      const then = wall() - (clock.now() - asked) / 2;
      const at = (ago: number | null): number => (ago === null ? 0 : then - ago);
      counts.set(site, { ...said, firstAt: at(firstAgo), acknowledgedAt: at(acknowledgedAgo) });
    }
    if (what === 'hold') held.add(site);
    if (what === 'end') sites.delete(site);
  }

  /** The same; resolves when it is done, or has failed, or takes too long. */
  tryTo(handoff: Handoff, site: string, what: KeepWhat): Promise<void> {
    return new Promise((over) => {
      const cancel = this.#world.clock.after(PATIENCE_MS, over);
      const end = (): void => {
        cancel();
        over();
      };
      this.order(handoff, site, what).then(end, end);
    });
  }

  /** Everybody who was asked lets go what is left, and says what was kept; by site. None rejects. */
  ends(handoff: Handoff): Map<string, Promise<void>> {
    return new Map([...handoff.sites].map((site) => [site, this.order(handoff, site, 'end').catch(() => {})]));
  }
}
