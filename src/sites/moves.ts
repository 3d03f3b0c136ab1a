/**
 * The move machine of one border: moves asked for here or by other borders, and what borders tell each other.
 * No I/O, no clock, no randomness of its own; everything comes with MovesWorld.
 *
 * Whom we believe: a change of an identifier comes from its home, as the channel authenticated it, and only forwards in
 * its epoch. The one exception is home itself, which listens to reports from anybody about identifiers of its own,
 * because it may have lost its record; it answers by deciding anew with a greater epoch, never by copying an old one.
 */
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { BindingWriter } from './binding-writer.ts';
import { type HomeMove, HomeMoves } from './home-moves.ts';
import {
  type Change,
  errorReply,
  fromWire,
  type Reply,
  type Request,
  toWire,
  type WireChange,
  type WireNid,
} from './messages.ts';
import type { OpenDecision } from './move-record.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import { PeerFeed } from './peer-feed.ts';
import { refusal } from './policy.ts';

/** How long home may take for a move somebody else asked for. Reason: four exchanges of 2 s and the disk. */
const FORWARDED_MOVE_MS = 10_000;

/** What a move did. */
export interface MoveResult {
  readonly nid: Nid;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** Octets of signalling in TCP payload, both ways, on all connections; moves at the same time count for each other. */
  readonly octets: number;
  readonly microseconds: number;
}

/** What a registry says of an identifier: settled, or with `active` a move under way. */
export interface Heard extends Change {
  readonly active?: readonly string[];
}

interface Feeds {
  readonly set: PeerFeed;
  readonly report: PeerFeed;
}

export class Moves {
  readonly #world: MovesWorld;
  readonly #writer: BindingWriter;
  readonly #home: HomeMoves;
  readonly #feeds = new Map<string, Feeds>();
  /** Identifiers that ever moved, by home and nidKey. */
  readonly #moved = new Map<string, Map<string, Nid>>();

  constructor(world: MovesWorld) {
    this.#world = world;
    this.#writer = new BindingWriter(world.bindings, world.record, world.apply);
    this.#home = new HomeMoves(world, this.#writer, (change, heard) => this.#settled(change, heard));
  }

  /** Decisions of this home that some site has not confirmed yet. */
  get unsettled(): number {
    return this.#home.open;
  }

  /** Begins, after the record was loaded into the bindings; `open` are its decisions without an end. */
  start(open: Iterable<OpenDecision> = []): void {
    this.rescan();
    this.#home.resume(open);
  }

  /** Looks through the bindings again: the configuration was re-read. */
  rescan(): void {
    this.#moved.clear();
    for (const { nid, home, epoch } of this.#world.bindings.all()) if (epoch > 0) this.#remember(home, nid);
    const sites = new Set(this.#world.peers());
    for (const [site, feeds] of this.#feeds) {
      if (sites.has(site)) continue;
      feeds.set.close();
      feeds.report.close();
      this.#feeds.delete(site);
    }
  }

  /**
   * Moves `nid` to site `to`, wherever its home is. Rejects with E_UNKNOWN_NID, E_UNKNOWN_SITE, E_PEER_UNREACHABLE,
   * E_STATE, E_POLICY; the message says where the identifier is then. `force`: sites that do not answer are dead.
   * `mover`: the site whose border asks; absent: this one.
   */
  async move(
    nid: Nid,
    to: string,
    options: { readonly force?: boolean; readonly mover?: string } = {},
  ): Promise<MoveResult> {
    const { clock, octets, site } = this.#world;
    const force = options.force ?? false;
    const started = clock.now();
    const before = octets();
    const { home } = this.#binding(nid);
    this.#checkSite(to);
    if (home === site) this.#checkPolicy(nid, to, options.mover ?? site);
    const moved = await (home === site ? this.#home.move(nid, to, force) : this.#askHome(home, nid, to, force));
    return {
      nid,
      from: moved.from,
      to,
      epoch: moved.epoch,
      octets: octets() - before + moved.octets,
      microseconds: Math.round(clock.now() - started),
    };
  }

  /** Answers a request of site `from`, as the channel authenticated it; never rejects. */
  async handle(from: string, request: Request): Promise<Reply> {
    try {
      switch (request.kind) {
        case 'move':
          return await this.#handleMove(from, request);
        case 'ready':
          return await this.#handleReady(from, request);
        case 'set':
          return await this.#handleSet(from, request.changes);
        case 'report':
          await this.#home.adopt(request.changes.map(fromWire).filter((change) => this.#isSite(change.at)));
          return { kind: 'ready' };
        case 'seen':
        case 'spoken':
        case 'mirror':
          throw new IlnpError('E_PROTOCOL', 'nothing about moves'); // answered elsewhere, where somebody does
        case 'registry':
          throw new IlnpError('E_REGISTRY', `${this.#world.site} keeps no registry`);
      }
    } catch (error) {
      return errorReply(error);
    }
  }

  /**
   * Takes over what the registry has of identifiers we know: what is settled, and open moves of ours that we do not know
   * (any more). A move of ours that somebody else has settled otherwise is decided anew, as for a report of a site.
   */
  async heard(entries: readonly Heard[]): Promise<void> {
    const settled: Change[] = [];
    const open: OpenDecision[] = [];
    const reported: Change[] = [];
    for (const { nid, at, epoch, active } of entries) {
      const binding = this.#world.bindings.get(nid);
      const ours = binding?.home === this.#world.site;
      if (binding === undefined || !this.#isSite(at)) continue;
      if (active !== undefined) {
        if (ours) open.push({ nid, at, epoch, active });
      } else if (ours && (this.#home.isOpen(nid) || epoch === binding.epoch)) reported.push({ nid, at, epoch });
      else settled.push({ nid, at, epoch });
    }
    await this.#writer.write(settled);
    this.#home.takeUp(open);
    void this.#home.adopt(reported).catch(() => {});
  }

  /** Site `site` can be reached (again): says what it may lack, asks what we lack, goes on with what was stuck. */
  connected(site: string): void {
    const feeds = this.#feedsOf(site);
    feeds.set.add(this.#moved.get(this.#world.site)?.values() ?? []);
    feeds.set.kick();
    feeds.report.add(this.#moved.get(site)?.values() ?? []);
    feeds.report.kick();
    this.#home.retrySoon();
  }

  /** Stops all that is planned; what was decided is taken up again by the next start. */
  close(): void {
    this.#home.close();
    for (const feeds of this.#feeds.values()) {
      feeds.set.close();
      feeds.report.close();
    }
  }

  async #askHome(home: string, nid: Nid, to: string, force: boolean): Promise<HomeMove> {
    const reply = await this.#world.send(home, { kind: 'move', nid: [nid.hi, nid.lo], to, force }, FORWARDED_MOVE_MS);
    if (reply.kind === 'moved') return reply;
    throw new IlnpError('E_PROTOCOL', `${home} answered ${reply.kind} to move`);
  }

  async #handleMove(
    mover: string,
    request: { readonly nid: WireNid; readonly to: string; readonly force: boolean },
  ): Promise<Reply> {
    const nid = nidOf(request.nid);
    const { home } = this.#binding(nid);
    if (home !== this.#world.site) {
      throw new IlnpError('E_UNKNOWN_NID', `${formatNid(nid)} has its home at ${home} as ${this.#world.site} knows it`);
    }
    const { from, to, epoch, octets, microseconds } = await this.move(nid, request.to, { force: request.force, mover });
    return { kind: 'moved', from, to, epoch, octets, microseconds };
  }

  async #handleReady(from: string, request: { readonly nid: WireNid; readonly to: string }): Promise<Reply> {
    const nid = nidOf(request.nid);
    const { home } = this.#binding(nid);
    if (home !== from)
      throw new IlnpError('E_UNKNOWN_NID', `${this.#world.site} knows ${formatNid(nid)} with home ${home}`);
    this.#checkSite(request.to);
    if (request.to === this.#world.site) this.#checkPolicy(nid, request.to, null); // home has looked at who asks
    await this.#world.record.append([]); // a site that cannot record the move must say so before anybody lets go
    return { kind: 'ready' };
  }

  async #handleSet(from: string, changes: readonly WireChange[]): Promise<Reply> {
    const refused: (Reply & { kind: 'have' })['refused'] = [];
    const accepted: Change[] = [];
    for (const change of changes.map(fromWire)) {
      const { nid, at } = change;
      const home = this.#world.bindings.get(nid)?.home;
      if (home === undefined || home !== from) refused.push([nid.hi, nid.lo, 'E_UNKNOWN_NID']);
      else if (!this.#isSite(at)) refused.push([nid.hi, nid.lo, 'E_UNKNOWN_SITE']);
      else accepted.push(change);
    }
    await this.#writer.write(accepted);
    const newer: WireChange[] = [];
    for (const { nid, at, epoch } of accepted) {
      const binding = this.#world.bindings.get(nid);
      if (binding === undefined) continue;
      if (binding.epoch > 0) this.#remember(from, nid);
      if (binding.epoch !== epoch || binding.at !== at) newer.push(toWire(binding));
    }
    return { kind: 'have', newer, refused };
  }

  #settled(change: Change, heard: ReadonlySet<string>): void {
    if (this.#world.registered?.(change.nid)) return;
    this.#remember(this.#world.site, change.nid);
    for (const site of this.#world.peers()) if (!heard.has(site)) this.#feedsOf(site).set.add([change.nid]);
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
    if (binding === undefined || binding.home !== home || binding.epoch === 0 || this.#home.isOpen(nid))
      return undefined;
    return { nid, at: binding.at, epoch: binding.epoch };
  }

  #remember(home: string, nid: Nid): void {
    if (this.#world.registered?.(nid)) return;
    const known = this.#moved.get(home) ?? new Map<string, Nid>();
    this.#moved.set(home, known);
    known.set(nidKey(nid), nid);
  }

  #binding(nid: Nid) {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined) {
      throw new IlnpError('E_UNKNOWN_NID', `${this.#world.site} has no binding for ${formatNid(nid)}`);
    }
    return binding;
  }

  #checkSite(site: string): void {
    if (this.#isSite(site)) return;
    const known = [this.#world.site, ...this.#world.peers()].join(', ');
    throw new IlnpError('E_UNKNOWN_SITE', `${this.#world.site} knows no site "${site}"; it knows ${known}`);
  }

  #checkPolicy(nid: Nid, to: string, mover: string | null): void {
    const { policy, site } = this.#world;
    const why = refusal(policy(), { nid, to, mover, site });
    if (why !== null) throw new IlnpError('E_POLICY', why);
  }

  #isSite(site: string): boolean {
    if (site === this.#world.site) return true;
    for (const peer of this.#world.peers()) if (peer === site) return true;
    return false;
  }
}

const nidOf = ([hi, lo]: WireNid): Nid => ({ hi, lo });
