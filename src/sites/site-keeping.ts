/**
 * What this site keeps of guests on the move, as the home of each orders it, or a hypervisor of this site by what it sees.
 * When the binding of one of them changes here, what waits for it is let go at once: that is how the other sites commit.
 */
import { COMMIT_MS, type KeepCounts, type KeepOrder } from '../ilnp/keeping.ts';
import type { Nid } from '../wire/text.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import type { UnderWays } from './under-way.ts';

/** How long a guest may still send from the site it has left, and stragglers for it are counted. */
export const GRACE_MS = 1000;
/** How long the counts are kept for home to ask for them. */
const COUNTS_MS = 3000;
/** Longest migration: copies are kept, and its first packets expected, so long. */
export const MIGRATION_MS = 600_000;
/**
 * Reason: copies are dated when their batch is read; QEMU reads what waits for its guest when its loop has time. With 0.5 ms one of a
 * dozen live migrations lost an echo, one a millisecond; with 2 ms one or two are sent twice (note 0012).
 */
const MARGIN_US = 2000;

/** What a home orders a site to do with the packets of a guest. */
export type KeepWhat = 'hold' | 'expect' | 'end';

export class SiteKeeping {
  readonly #world: Pick<MovesWorld, 'clock' | 'keep' | 'site' | 'holdMs'>;
  /** Held here until then, with the instant since when a guest of this site has heard nothing (wall clock), null: unknown. */
  readonly #held = new Map<string, { readonly until: number; readonly since: number | null }>();

  constructor(world: Pick<MovesWorld, 'clock' | 'keep' | 'site' | 'holdMs'>) {
    this.#world = world;
  }

  *underWay(): UnderWays {
    this.#forget();
    for (const key of this.#held.keys()) yield [key, { to: null, state: 'waiting', waitsFor: [], problem: null }];
  }

  isHeld(nid: Nid): boolean {
    return (this.#held.get(nidKey(nid))?.until ?? 0) > this.#world.clock.now();
  }

  /** Does what a home orders. */
  ordered(nid: Nid, what: KeepWhat, ms: number): Promise<KeepCounts> {
    if (what === 'hold') return this.hold(nid, ms);
    if (what === 'expect') return this.expect(nid, ms);
    return this.end(nid);
  }

  /**
   * Holds; a hold that is there already is prolonged. `since`: the guest has heard nothing since, by our wall clock; when that
   * is said twice, since the first time.
   */
  hold(nid: Nid, ms: number, since: number | null = null): Promise<KeepCounts> {
    this.#forget();
    const known = this.#held.get(nidKey(nid))?.since ?? null;
    const earliest = since === null ? known : Math.min(since - MARGIN_US, known ?? Number.POSITIVE_INFINITY);
    this.#held.set(nidKey(nid), { until: this.#world.clock.now() + ms * 1000, since: earliest });
    return this.#world.keep(nid, { what: 'hold', ms });
  }

  /** The guest may be here soon: what it sends waits until that is known. */
  expect(nid: Nid, ms: number): Promise<KeepCounts> {
    return this.#world.keep(nid, { what: 'expect', ms });
  }

  /** The guest may stop at any moment: copies of what is sent to it are kept for a while. */
  retain(nid: Nid, windowMs: number): Promise<KeepCounts> {
    return this.#world.keep(nid, { what: 'retain', ms: MIGRATION_MS, windowMs });
  }

  /** The guest has left, and packets for it wait on until it has a place: what it still sends from here passes. */
  depart(nid: Nid): Promise<KeepCounts> {
    return this.#world.keep(nid, { what: 'depart', ms: this.#world.holdMs() + COMMIT_MS });
  }

  /**
   * Lets go what is held, by the tables as they are now. `departs`: the guest has left this site. `behind`: so many segments
   * that other sites let go are on their way here.
   */
  release(nid: Nid, departs: boolean, behind: number): Promise<KeepCounts> {
    const since = departs ? (this.#held.get(nidKey(nid))?.since ?? null) : null;
    this.#held.delete(nidKey(nid));
    // who has left may have done so early, before the others have begun to wait for the end of the move
    const early = departs ? this.#world.holdMs() + COMMIT_MS : 0;
    const order: KeepOrder = { what: 'release', ms: early + GRACE_MS + COUNTS_MS, since, departs, behind };
    return this.#world.keep(nid, order);
  }

  /** Lets go what is held and forgets it; what was kept in all. */
  end(nid: Nid): Promise<KeepCounts> {
    this.#held.delete(nidKey(nid));
    return this.#world.keep(nid, { what: 'end' });
  }

  /** Bindings have changed here; resolves when what waited for them was sent, with the segments that went to other sites. */
  async switched(changes: Iterable<{ readonly nid: Nid; readonly departs: boolean }>, behind: number): Promise<number> {
    const held = [...changes].filter(({ nid }) => this.isHeld(nid));
    const released = await Promise.all(held.map(({ nid, departs }) => this.release(nid, departs, behind)));
    return released.reduce((sum, { letGo }) => sum + letGo, 0);
  }

  /** Holds that nobody has ended end by themselves, wherever packets are kept. */
  #forget(): void {
    const now = this.#world.clock.now();
    for (const [key, { until }] of this.#held) if (until <= now) this.#held.delete(key);
  }
}
