/**
 * The move machine of one border: moves asked for here or by other borders, and what borders tell each other.
 * No I/O, no clock, no randomness of its own; everything comes with MovesWorld.
 *
 * Whom we believe: a change of an identifier comes from its home, as the channel authenticated it, and only forwards in
 * its epoch. The one exception is home itself, which listens to reports from anybody about identifiers of its own,
 * because it may have lost its record; it answers by deciding anew with a greater epoch, never by copying an old one.
 */
import type { Binding } from '../ilnp/bindings.ts';
import { COMMIT_MS } from '../ilnp/keeping.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { BindingWriter } from './binding-writer.ts';
import { Departures } from './departures.ts';
import { type HandoffOptions, Handoffs } from './handoffs.ts';
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
import { type MovePlan, stepsOf } from './move-plan.ts';
import type { OpenDecision } from './move-record.ts';
import { knowsSite, type MovesWorld } from './moves-world.ts';
import { refusal } from './policy.ts';
import { SiteFeeds } from './site-feeds.ts';
import { SiteKeeping } from './site-keeping.ts';
import type { UnderWay } from './under-way.ts';
import { WrittenAhead } from './written-ahead.ts';

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

/** What can be asked of home about a move, besides the move itself. */
export type Step = 'prepare' | 'hold' | 'abort' | 'paused' | 'stopped' | 'resumed';

export class Moves {
  readonly #world: MovesWorld;
  readonly #writer: BindingWriter;
  readonly #ahead: WrittenAhead;
  readonly #home: HomeMoves;
  readonly #keeping: SiteKeeping;
  readonly #handoffs: Handoffs;
  readonly #feeds: SiteFeeds;
  readonly #departures: Departures;

  constructor(world: MovesWorld) {
    this.#world = world;
    this.#writer = new BindingWriter(world);
    this.#ahead = new WrittenAhead(world, (nid) => this.#writer.isUnsettled(nid));
    this.#home = new HomeMoves(world, this.#writer, this.#ahead, (change, heard) => this.#settled(change, heard));
    this.#feeds = new SiteFeeds(world, this.#home);
    this.#keeping = new SiteKeeping(world);
    this.#departures = new Departures(world.clock);
    this.#handoffs = new Handoffs(world, this.#home, this.#keeping, this.#ahead);
  }

  /** Decisions of this home that some site has not confirmed yet. */
  get unsettled(): number {
    return this.#home.open;
  }

  /** What is under way with which identifier, by nidKey; of one that more is known of, what home knows. */
  underWay(): ReadonlyMap<string, UnderWay> {
    const parts = [this.#keeping, this.#writer, this.#handoffs, this.#home];
    return new Map(parts.flatMap((part) => [...part.underWay()]));
  }

  /** Begins, after the record was loaded into the bindings: `moved`; `open` are its decisions without an end. */
  start(open: Iterable<OpenDecision> = [], moved: Iterable<Change> = []): void {
    this.#feeds.loaded(moved);
    this.#feeds.rescan();
    this.#home.resume(open);
  }

  /** Looks through the bindings again: the configuration was re-read. */
  rescan(): void {
    this.#feeds.rescan();
  }

  /**
   * Moves `nid` to site `to`, wherever its home is. Rejects with E_UNKNOWN_NID, E_UNKNOWN_SITE, E_PEER_UNREACHABLE,
   * E_STATE, E_POLICY; the message says where the identifier is then. `force`: sites that do not answer are dead. `hold`:
   * packets wait while the place changes, unless false. `by`: who asks, for the report. `mover`: the site whose border asks;
   * absent: this one.
   */
  async move(
    nid: Nid,
    to: string,
    options: Partial<HandoffOptions> & { readonly mover?: string } = {},
  ): Promise<MoveResult> {
    const { clock, octets, site } = this.#world;
    const { force = false, hold = true, by = `at ${site}`, resumedAgo } = options;
    const how = { force, hold, by, ...(resumedAgo !== undefined && { resumedAgo }) };
    const started = clock.now();
    const before = octets();
    const { home } = this.#binding(nid);
    this.#checkSite(to);
    if (home === site) this.#checkPolicy(nid, to, options.mover ?? site);
    const moved = await (home === site ? this.#handoffs.move(nid, to, how) : this.#askHome(home, nid, to, how));
    return {
      nid,
      from: moved.from,
      to,
      epoch: moved.epoch,
      octets: octets() - before + moved.octets,
      microseconds: Math.round(clock.now() - started),
    };
  }

  /** What a move would do and why it would be refused; nothing changes. `mover`: the site whose border asks. */
  async plan(nid: Nid, to: string, mover: string = this.#world.site): Promise<MovePlan> {
    const { holdMs, policy, site } = this.#world;
    const binding = this.#binding(nid);
    const { home } = binding;
    this.#checkSite(to);
    if (home !== site) {
      const reply = await this.#world.send(home, { kind: 'plan', nid: [nid.hi, nid.lo], to }, FORWARDED_MOVE_MS);
      if (reply.kind !== 'planned') throw new IlnpError('E_PROTOCOL', `${home} answered ${reply.kind} to plan`);
      const { from, epoch, steps, refusals } = reply;
      return { from, epoch, steps, refusals };
    }
    const forbidden = refusal(policy(), { nid, to, mover, site });
    const refusals = [...(forbidden === null ? [] : [forbidden]), ...(await this.#home.refusals(nid, to))];
    const epoch = binding.epoch + 1;
    const active = [...this.#home.activeSites(nid)];
    const steps = stepsOf({ nid: formatNid(nid), home, to, epoch, active, holdMs: holdMs() });
    return { from: this.#home.placeOf(nid), epoch, steps, refusals };
  }

  /**
   * The steps of a move one by one, for whoever carries the guest: prepare, hold, then `move`, or abort. Times in `ago` are
   * microseconds before now.
   */
  async step(
    nid: Nid,
    step: Step,
    options: { readonly to?: string | null; readonly by?: string; readonly ago?: number; readonly mover?: string } = {},
  ): Promise<void> {
    const { site } = this.#world;
    const { to = null, by = `at ${site}`, ago = 0, mover = site } = options;
    const { home } = this.#binding(nid);
    if (to !== null) this.#checkSite(to);
    if (home !== site) {
      const request = { kind: 'step', nid: [nid.hi, nid.lo], step, to, by, ago } as const;
      const reply = await this.#world.send(home, { ...request, nid: [nid.hi, nid.lo] }, FORWARDED_MOVE_MS);
      if (reply.kind !== 'ready') throw new IlnpError('E_PROTOCOL', `${home} answered ${reply.kind} to step`);
      return;
    }
    this.#checkPolicy(nid, to, mover);
    if (step === 'hold') await this.#handoffs.hold(nid, by);
    else if (step === 'abort') await this.#handoffs.abort(nid, `called off ${by}`);
    else if (step === 'stopped') this.#handoffs.stopped(nid, ago);
    else if (step !== 'prepare') this.#handoffs.note(nid, step, ago);
    else if (to === null) throw new IlnpError('E_USAGE', 'prepare: expected the site to move to');
    else if (!this.#home.isSurelyAt(nid, to)) await this.#handoffs.prepare(nid, to, by);
  }

  /** A guest of this site may stop at any moment: copies of what is sent to it are kept for `windowMs`. */
  async retain(nid: Nid, windowMs: number): Promise<void> {
    this.#binding(nid);
    await this.#keeping.retain(nid, windowMs);
  }

  /**
   * A guest of this site has stopped at `at`, microseconds since 1970 by this machine's clock: packets wait from now on, at
   * home too, and what was sent to it since is sent once more when it has a place, or at once towards the one it was prepared for.
   */
  async stopped(nid: Nid, at: number, by: string): Promise<void> {
    const { wall, holdMs, site } = this.#world;
    const binding = this.#binding(nid);
    if (binding.at !== site)
      throw new IlnpError(
        'E_USAGE',
        `${formatNid(nid)} is at ${binding.at}: tell the border there that it has stopped`,
      );
    await this.#keeping.hold(nid, holdMs() + COMMIT_MS, at);
    await this.step(nid, 'hold', { by });
    await this.step(nid, 'stopped', { by, ago: Math.max(0, wall() - at) });
  }

  /** A guest may appear at this site: what it sends waits until home has said that it is here. */
  async expect(nid: Nid): Promise<void> {
    this.#binding(nid);
    await this.#keeping.expect(nid, this.#world.holdMs());
  }

  /** Answers a request of site `from`, as the channel authenticated it; never rejects. */
  async handle(from: string, request: Request): Promise<Reply> {
    try {
      switch (request.kind) {
        case 'move':
          return await this.#handleMove(from, request);
        case 'ready':
          return await this.#handleReady(from, request);
        case 'foresee':
          this.#checkSite(request.to);
          await this.#ahead.write(this.#theirs(from, nidOf(request.nid)).nid, request.to, request.ms);
          return { kind: 'ready' };
        case 'set':
          return await this.#handleSet(from, request.changes, request.behind);
        case 'report':
          await this.#home.adopt(
            request.changes.map(fromWire).filter(({ at, epoch }) => epoch === 0 || knowsSite(this.#world, at)),
          );
          return { kind: 'ready' };
        case 'keep':
          return await this.#handleKeep(from, request);
        case 'step': {
          const { step, to, by, ago } = request;
          await this.step(this.#ours(nidOf(request.nid)), step, { to, by, ago, mover: from });
          return { kind: 'ready' };
        }
        case 'plan':
          return { kind: 'planned', ...(await this.plan(this.#ours(nidOf(request.nid)), request.to, from)) };
        case 'seen':
        case 'spoken':
        case 'mirror':
        case 'copy':
        case 'witness':
        case 'register':
        case 'withdraw':
        case 'admit':
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
      if (binding === undefined || !knowsSite(this.#world, at)) continue;
      if (active !== undefined) {
        if (ours) open.push({ nid, at, epoch, active });
      } else if (ours && (this.#home.isOpen(nid) || epoch === binding.epoch)) reported.push({ nid, at, epoch });
      else settled.push({ nid, at, epoch });
    }
    await this.#switch(settled);
    this.#home.takeUp(open);
    void this.#home.adopt(reported).catch(() => {});
  }

  /** Site `site` can be reached (again): says what it may lack, asks what we lack, goes on with what was stuck. */
  connected(site: string): void {
    this.#handoffs.connected(site);
    this.#home.connected(site);
    this.#feeds.connected(site);
  }

  /** Stops all that is planned; what was decided is taken up again by the next start. */
  close(): void {
    this.#home.close();
    this.#handoffs.close();
    this.#ahead.close();
    this.#feeds.close();
  }

  async #askHome(home: string, nid: Nid, to: string, how: HandoffOptions): Promise<HomeMove> {
    const request = { kind: 'move', nid: [nid.hi, nid.lo] as WireNid, to, ...how } as const;
    const reply = await this.#world.send(home, request, FORWARDED_MOVE_MS);
    if (reply.kind === 'moved') return reply;
    throw new IlnpError('E_PROTOCOL', `${home} answered ${reply.kind} to move`);
  }

  async #handleMove(mover: string, request: Request & { readonly kind: 'move' }): Promise<Reply> {
    const { force, hold, by, resumedAgo } = request;
    const nid = this.#ours(nidOf(request.nid));
    const { from, to, epoch, octets, microseconds } = await this.move(nid, request.to, {
      ...{ force, hold, by, mover },
      ...(resumedAgo !== undefined && { resumedAgo }),
    });
    return { kind: 'moved', from, to, epoch, octets, microseconds };
  }

  /** An identifier whose home is here. */
  #ours(nid: Nid): Nid {
    const { home } = this.#binding(nid);
    if (home === this.#world.site) return nid;
    throw new IlnpError('E_UNKNOWN_NID', `${formatNid(nid)} has its home at ${home} as ${this.#world.site} knows it`);
  }

  /** One whose home is the site that asks. */
  #theirs(from: string, nid: Nid): Binding {
    const binding = this.#binding(nid);
    if (binding.home === from) return binding;
    throw new IlnpError('E_UNKNOWN_NID', `${this.#world.site} knows ${formatNid(nid)} with home ${binding.home}`);
  }

  async #handleKeep(from: string, request: Request & { readonly kind: 'keep' }): Promise<Reply> {
    const { nid } = this.#theirs(from, nidOf(request.nid));
    const { what, ms } = request;
    if (what === 'end') this.#ahead.callOff(nid);
    const { firstAt, acknowledgedAt, ...counts } = await this.#keeping.ordered(nid, what, ms);
    const ago = (time: number): number | null => (time > 0 ? this.#world.wall() - time : null);
    return { kind: 'kept', ...counts, firstAgo: ago(firstAt), acknowledgedAgo: ago(acknowledgedAt) };
  }

  async #handleReady(from: string, request: { readonly nid: WireNid; readonly to: string }): Promise<Reply> {
    const binding = this.#theirs(from, nidOf(request.nid));
    const { nid } = binding;
    this.#checkSite(request.to);
    if (request.to === this.#world.site) this.#checkPolicy(nid, request.to, null); // home has looked at who asks
    await this.#world.foresee({ ...binding, at: request.to });
    await this.#world.record.append([]); // a site that cannot record the move must say so before anybody lets go
    return { kind: 'ready' };
  }

  async #handleSet(from: string, changes: readonly WireChange[], behind = 0): Promise<Reply> {
    const { policy, site } = this.#world;
    const refused: (Reply & { kind: 'have' })['refused'] = [];
    const accepted: Change[] = [];
    for (const change of changes.map(fromWire)) {
      const { nid, at } = change;
      const binding = this.#world.bindings.get(nid);
      const isNew = at === site && binding?.at !== site && !this.#departures.has(nid);
      if (binding === undefined || binding.home !== from) refused.push([nid.hi, nid.lo, 'E_UNKNOWN_NID']);
      else if (!knowsSite(this.#world, at)) refused.push([nid.hi, nid.lo, 'E_UNKNOWN_SITE']);
      // home asks before (ready); one that does not is told here
      else if (isNew && refusal(policy(), { nid, to: at, mover: null, site }) !== null)
        refused.push([nid.hi, nid.lo, 'E_POLICY']);
      else accepted.push(change);
    }
    const letGo = await this.#switch(accepted, behind);
    const newer: WireChange[] = [];
    for (const { nid, at, epoch } of accepted) {
      const binding = this.#world.bindings.get(nid);
      if (binding === undefined) continue;
      if (binding.epoch > 0) this.#feeds.remember(from, nid);
      if (binding.epoch !== epoch || binding.at !== at) newer.push(toWire(binding));
    }
    return { kind: 'have', newer, refused, letGo };
  }

  /**
   * Switches bindings that others have decided about, and lets go what waited for that here; the segments that went to other sites.
   * Waits for the disk where, without the line, this site would believe itself active at the next start. A site that forgets
   * anything else is told again when it comes back; not by a registry.
   */
  async #switch(changes: readonly Change[], behind = 0): Promise<number> {
    const { site, bindings, registry } = this.#world;
    const departs = ({ nid, at }: Change): boolean => at !== site && bindings.get(nid)?.at === site;
    for (const change of changes)
      if (departs(change) && change.epoch > this.#binding(change.nid).epoch) this.#departures.add(change.nid);
    const held = changes.filter(({ nid }) => this.#keeping.isHeld(nid));
    const switched = held.map((change) => ({ nid: change.nid, departs: departs(change) }));
    const safe = changes.map((change) => {
      const isAhead = this.#ahead.take(change);
      const { nid } = change;
      return departs(change) || this.#writer.isUnsettled(nid) || registry?.has(nid) ? isAhead : true;
    });
    let letGo = Promise.resolve(0);
    const { recorded } = await this.#writer.write(changes, {
      onOrdered: () => {
        letGo = this.#keeping.switched(switched, behind);
        letGo.catch(() => {}); // who waits for it is told
      },
    });
    if ((await Promise.all(safe)).includes(false)) await recorded;
    return letGo;
  }

  #settled(change: Change, heard: ReadonlySet<string>): void {
    this.#handoffs.settled(change.nid);
    if (this.#world.registry?.has(change.nid)) return;
    this.#feeds.settled(change.nid, heard);
  }

  #binding(nid: Nid): Binding {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined) {
      throw new IlnpError('E_UNKNOWN_NID', `${this.#world.site} has no binding for ${formatNid(nid)}`);
    }
    return binding;
  }

  #checkSite(site: string): void {
    if (knowsSite(this.#world, site)) return;
    const known = [this.#world.site, ...this.#world.peers()].join(', ');
    throw new IlnpError('E_UNKNOWN_SITE', `${this.#world.site} knows no site "${site}"; it knows ${known}`);
  }

  #checkPolicy(nid: Nid, to: string | null, mover: string | null): void {
    const { policy, site } = this.#world;
    const why = refusal(policy(), { nid, to, mover, site });
    if (why !== null) throw new IlnpError('E_POLICY', why);
  }
}

const nidOf = ([hi, lo]: WireNid): Nid => ({ hi, lo });
