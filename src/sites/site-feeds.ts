/**
 * What this border tells other sites beside the moves themselves: of identifiers whose home is here, where they are; to other
 * homes, what we have heard of theirs. Only of those that ever moved; what a registry tells is left to it.
 */
import type { Nid } from '../wire/text.ts';
import type { HomeMoves } from './home-moves.ts';
import type { Change } from './messages.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import { PeerFeed } from './peer-feed.ts';

interface Feeds {
  readonly set: PeerFeed;
  readonly report: PeerFeed;
}

export class SiteFeeds {
  readonly #world: MovesWorld;
  readonly #home: HomeMoves;
  readonly #feeds = new Map<string, Feeds>();
  /** Identifiers that ever moved, by home and nidKey. */
  readonly #moved = new Map<string, Map<string, Nid>>();
  /** Those that may have left here on their first move, by nidKey: home knows. */
  readonly #doubtful = new Set<string>();

  constructor(world: MovesWorld, home: HomeMoves) {
    this.#world = world;
    this.#home = home;
  }

  /** What the record of moves held at the start. */
  loaded(changes: Iterable<Change>): void {
    for (const { nid, epoch } of changes) if (epoch === 0) this.#doubtful.add(nidKey(nid));
  }

  /** Looks through the bindings and the sites again. */
  rescan(): void {
    this.#moved.clear();
    for (const { nid, home, epoch } of this.#world.bindings.all())
      if (epoch > 0 || this.#doubtful.has(nidKey(nid))) this.remember(home, nid);
    const sites = new Set(this.#world.peers());
    for (const [site, feeds] of this.#feeds) {
      if (sites.has(site)) continue;
      feeds.set.close();
      feeds.report.close();
      this.#feeds.delete(site);
    }
  }

  /** An identifier has moved. */
  remember(home: string, nid: Nid): void {
    if (this.#world.registry?.has(nid)) return;
    const known = this.#moved.get(home) ?? new Map<string, Nid>();
    this.#moved.set(home, known);
    known.set(nidKey(nid), nid);
  }

  /** A move of ours is over; all but the sites that have `heard` of it are told. */
  settled(nid: Nid, heard: ReadonlySet<string>): void {
    this.remember(this.#world.site, nid);
    for (const site of this.#world.peers()) if (!heard.has(site)) this.#feedsOf(site).set.add([nid]);
  }

  /** Site `site` can be reached (again): says what it may lack, asks what we lack. */
  connected(site: string): void {
    const feeds = this.#feedsOf(site);
    feeds.set.add(this.#moved.get(this.#world.site)?.values() ?? []);
    feeds.set.kick();
    feeds.report.add(this.#moved.get(site)?.values() ?? []);
    feeds.report.kick();
  }

  close(): void {
    for (const feeds of this.#feeds.values()) {
      feeds.set.close();
      feeds.report.close();
    }
  }

  #feedsOf(site: string): Feeds {
    const existing = this.#feeds.get(site);
    if (existing !== undefined) return existing;
    const feed = (kind: 'set' | 'report', home: string): PeerFeed =>
      new PeerFeed({
        site,
        kind,
        world: this.#world,
        state: (nid) => this.#stateOf(nid, home),
        onNewer: (changes) => void this.#home.adopt(changes).catch(() => {}),
      });
    const feeds = { set: feed('set', this.#world.site), report: feed('report', site) };
    this.#feeds.set(site, feeds);
    return feeds;
  }

  /** What may be said about an identifier: nothing while it is being moved, since then only its mover speaks. */
  #stateOf(nid: Nid, home: string): Change | undefined {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined || binding.home !== home || this.#home.isOpen(nid)) return undefined;
    if (binding.epoch === 0 && !this.#doubtful.has(nidKey(nid))) return undefined;
    return { nid, at: binding.at, epoch: binding.epoch };
  }
}
