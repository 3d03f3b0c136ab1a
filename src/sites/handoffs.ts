/**
 * Moves without loss, of the Node Identifiers whose home is here: packets wait at every border that carries them while the
 * place changes. HomeMoves decides and tells (commit); here is what comes before and after.
 *
 *   prepare   everybody concerned will take part; `to` lets the guest's first packets wait     nothing has changed by that
 *   hold      home, the old site, the new one, and the others if they can, keep what goes towards the guest
 *   stopped   if that is said: as soon as the move is prepared and held the old site switches, and lets go towards the new one
 *   commit    HomeMoves: one epoch; the old site switches and lets go, then the new one, each what it holds
 *   release   home lets go last: what it holds is the newest; so do the others when they hear of the new place
 *   drain     for a while the old site sends stragglers on, and the guest's own last packets out
 *
 * `abort`, at any step before the commit, lets everybody go by the tables as they are. Nobody has to be alive for that:
 * every site ends its own hold when its time is over. After `stopped` home first has the old site take the guest back, which
 * takes both of them and home's disk; until then the guest is active nowhere.
 */
import { COMMIT_MS } from '../ilnp/keeping.ts';
import { IlnpError, saidOf } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { begun, type Handoff, reportOf, underWayOf } from './handoff.ts';
import type { HomeMove, HomeMoves } from './home-moves.ts';
import { KEEP_REQUEST_MS, KeepOrders } from './keep-orders.ts';
import { KeyedLock } from './keyed-lock.ts';
import { LateMoves } from './late-moves.ts';
import type { Change, WireNid } from './messages.ts';
import type { Step } from './move-report.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import { GRACE_MS, MIGRATION_MS, type SiteKeeping } from './site-keeping.ts';
import type { UnderWays } from './under-way.ts';
import type { WrittenAhead } from './written-ahead.ts';

/** When a commit takes longer, home lets go by its tables as they are then, unless they lead where nobody is. */
const COMMIT_PATIENCE_MS = 500;
const UNANSWERED = 'the registry has not said whether it has decided that';
/** Of an identifier that a re-read configuration has no more. */
const NOWHERE = { at: 'nowhere', epoch: 0 };

/** How a move is asked for. */
export interface HandoffOptions {
  /** The old site is dead. */
  readonly force: boolean;
  /** Packets wait while the place changes. */
  readonly hold: boolean;
  /** Who asks, for the report. */
  readonly by: string;
  /** Microseconds since the guest runs at the new site, for the report. */
  readonly resumedAgo?: number | undefined;
}

export class Handoffs {
  readonly #world: MovesWorld;
  readonly #home: HomeMoves;
  readonly #keeping: SiteKeeping;
  readonly #orders: KeepOrders;
  readonly #ahead: WrittenAhead;
  readonly #open = new Map<string, Handoff>();
  /** Moves that are over and of which packets may still be kept: ends the wait (#untilNext). */
  readonly #waiting = new Map<string, (isOver: boolean) => void>();
  /** Those of them that failed and whose decision is still to be carried out, or taken back. */
  readonly #stuck = new Map<string, Handoff>();
  readonly #late: LateMoves;
  readonly #lock = new KeyedLock();
  #closed = false;

  constructor(world: MovesWorld, home: HomeMoves, keeping: SiteKeeping, ahead: WrittenAhead) {
    this.#world = world;
    this.#home = home;
    this.#keeping = keeping;
    this.#orders = new KeepOrders(world, keeping);
    this.#ahead = ahead;
    this.#late = new LateMoves(world);
  }

  /** Moves that were begun and are not over. */
  get open(): number {
    return this.#open.size;
  }

  *underWay(): UnderWays {
    for (const key of this.#waiting.keys()) {
      const stuck = this.#stuck.get(key); // a decision that stands home says better
      const problem = stuck !== undefined && this.#isInDoubt(stuck) ? UNANSWERED : null;
      yield [key, { to: stuck?.to ?? null, state: problem === null ? 'draining' : 'asked', waitsFor: [], problem }];
    }
    for (const [key, handoff] of this.#open) yield [key, underWayOf(handoff)];
  }

  /**
   * Asks everybody concerned; nothing changes but that the first packets of the guest will wait at `to`, or, if it has stopped
   * and is waited for already, what `stopped` says. When somebody does not take part, what waits already waits on: the guest goes
   * on somewhere.
   */
  prepare(nid: Nid, to: string, by: string): Promise<void> {
    return this.#step(
      nid,
      by,
      async (handoff) => {
        const { isHeld, times } = handoff;
        handoff.to = to;
        times.delete('prepared'); // for another site
        await this.#home.ready(nid, to, false);
        await Promise.all([
          this.#orders.order(handoff, to, 'expect'),
          this.#foresee(handoff, to, MIGRATION_MS),
          isHeld && !handoff.held.has(to) ? this.#orders.tryTo(handoff, to, 'hold') : null,
        ]);
        this.#done(handoff, 'prepared');
        this.#letGoSoon(handoff);
        if (isHeld || this.#closed) return;
        handoff.cancel();
        handoff.cancel = this.#world.clock.after(MIGRATION_MS, () => {
          this.abort(nid, 'it was prepared and never carried out').catch(() => {});
        });
      },
      true,
    );
  }

  /** From when this resolves on, packets wait; for the time that limits.holdMs allows. */
  hold(nid: Nid, by: string): Promise<void> {
    return this.#step(nid, by, async (handoff) => {
      await this.#holdAll(handoff, false);
      this.#letGoSoon(handoff);
    });
  }

  /** Says when something happened that only others see. */
  note(nid: Nid, step: 'paused' | 'resumed', agoUs = 0): void {
    const handoff = this.#open.get(nidKey(nid));
    if (handoff === undefined) return;
    handoff.times.set(step, this.#world.clock.now() - agoUs);
    if (step === 'resumed') handoff.isStopped = false;
  }

  /** The guest has stopped: while it is carried over, the old site lets go, as soon as all is prepared for that. Returns at once. */
  stopped(nid: Nid, agoUs: number): void {
    this.note(nid, 'paused', agoUs);
    const handoff = this.#open.get(nidKey(nid));
    if (handoff === undefined) return;
    handoff.isStopped = true;
    this.#letGoSoon(handoff);
  }

  /** A site may have been started anew: what it held is gone then. */
  connected(site: string): void {
    for (const { held } of this.#open.values()) held.delete(site);
  }

  /** Calls a move off that was prepared or held; nothing when there is none. `isOverdue`: packets may wait no longer. */
  abort(nid: Nid, why: string, isOverdue = false): Promise<void> {
    return this.#lock.run(nidKey(nid), async () => {
      const handoff = this.#open.get(nidKey(nid));
      if (handoff === undefined) return;
      handoff.isOverdue = isOverdue;
      const problem = await this.#callOff(handoff, 'aborted', why);
      if (problem === null) return;
      const code = problem instanceof IlnpError ? problem.code : 'E_PEER_UNREACHABLE';
      const later = `the move of ${formatNid(nid)} is called off, and it is back as soon as that can be`;
      throw new IlnpError(code, `${saidOf(problem)}; ${later}`, { cause: problem });
    });
  }

  /** Carries a move out, what is missing of its steps included; the caller has checked that it and `to` exist. */
  move(nid: Nid, to: string, { force, hold, by, resumedAgo }: HandoffOptions): Promise<HomeMove> {
    return this.#lock.run(nidKey(nid), async () => {
      const binding = this.#binding(nid);
      if (!this.#open.has(nidKey(nid)) && this.#home.isSurelyAt(nid, to))
        return { from: to, epoch: binding.epoch, octets: 0 };
      const handoff = this.#begin(nid, by);
      const place = this.#home.placeOf(nid);
      const before = this.#doubtOf(nid);
      if (this.#home.earlyTo(nid) !== null && to === place) await this.#recall(handoff); // it runs there
      if (resumedAgo !== undefined) handoff.times.set('resumed', this.#world.clock.now() - resumedAgo);
      const isPrepared = handoff.to === to && handoff.times.has('prepared');
      const isHeld = hold || handoff.isHeld;
      handoff.to = to;
      if (force) this.#ahead.callOff(nid);
      try {
        if (!isPrepared) {
          await this.#home.ready(nid, to, force);
          this.#done(handoff, 'prepared');
          if (isHeld && !force) void this.#foresee(handoff, to, this.#world.holdMs() + COMMIT_MS); // while packets wait
        }
        if (isHeld) await this.#holdAll(handoff, force);
        this.#checkThere(handoff, to);
        handoff.cancel();
        const moved = await this.#commit(handoff, to, force);
        void this.#drain(handoff, moved, place === to);
        return moved;
      } catch (cause) {
        const doubt = this.#doubtOf(nid);
        if (doubt !== before) handoff.doubt = doubt;
        const error = handoff.doubt === null ? cause : inDoubt(cause, to);
        const why = saidOf(error);
        if (this.#mayStand(handoff) && this.#home.earlyTo(nid) === null)
          void this.#callOffLater(handoff, 'failed', why, place);
        else await this.#callOff(handoff, 'failed', why);
        throw error;
      }
    });
  }

  /** What was decided of this identifier has been carried out. */
  settled(nid: Nid): void {
    const key = nidKey(nid);
    if (this.#stuck.has(key)) this.#waiting.get(key)?.(true);
    this.#late.settled(nid);
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#open.values()) cancel();
    for (const end of this.#waiting.values()) end(false);
  }

  /** `staysHeld`: a failure does not end a hold. */
  #step(nid: Nid, by: string, run: (handoff: Handoff) => Promise<void>, staysHeld = false): Promise<void> {
    return this.#lock.run(nidKey(nid), async () => {
      const handoff = this.#begin(nid, by);
      try {
        await run(handoff);
      } catch (error) {
        if (!(staysHeld && handoff.isHeld)) await this.#callOff(handoff, 'failed', saidOf(error));
        throw error;
      }
    });
  }

  /** Has the old site let go, when what is under way is done, if that can be. Nobody waits for it. */
  #letGoSoon(handoff: Handoff): void {
    if (!handoff.isStopped) return;
    const { nid } = handoff;
    this.#lock
      .run(nidKey(nid), () => this.#letGoEarly(handoff))
      .catch((error) => {
        this.#world.log.warn({ nid: formatNid(nid), reason: saidOf(error) }, 'the old site did not let go early');
      });
  }

  /** If the guest has stopped, the move is prepared and packets are held, at the new site too. Not with a registry. */
  async #letGoEarly(handoff: Handoff): Promise<void> {
    const { nid, to, times, isHeld, held, isStopped } = handoff;
    if (this.#closed || this.#open.get(nidKey(nid)) !== handoff || !isStopped || this.#home.isOpen(nid)) return;
    if (to === null || !times.has('prepared') || !isHeld || !held.has(to) || !this.#isThere(to)) return;
    // first: what the guest has sent before passes here all the time
    if (this.#home.placeOf(nid) === this.#world.site) await this.#keeping.depart(nid);
    await this.#home.letGoEarly(nid, to);
  }

  #begin(nid: Nid, by: string): Handoff {
    const known = this.#open.get(nidKey(nid));
    if (known !== undefined) return known;
    this.#binding(nid);
    const { clock, octets, wall } = this.#world;
    const handoff = begun({ nid, by, started: clock.now(), askedAt: wall(), octetsBefore: octets() });
    const stuck = this.#stuck.get(nidKey(nid));
    handoff.isBehind = stuck !== undefined;
    for (const site of stuck?.sites ?? []) handoff.sites.add(site);
    this.#waiting.get(nidKey(nid))?.(false);
    this.#late.forget(nid, this.#doubtOf(nid));
    this.#open.set(nidKey(nid), handoff);
    return handoff;
  }

  /** The move may come in the next `ms`: what has to be on disk for that is written here and at the old site. Never rejects. */
  async #foresee(handoff: Handoff, to: string, ms: number): Promise<void> {
    const { nid, sites } = handoff;
    if (this.#home.isOpen(nid) || this.#world.registry?.has(nid)) return;
    const at = this.#world.bindings.get(nid)?.at;
    const here = this.#home.foresee(nid, to, ms);
    if (at !== undefined && at !== this.#world.site) {
      sites.add(at); // told when nothing comes of it
      const request = { kind: 'foresee', nid: [nid.hi, nid.lo] as WireNid, to, ms } as const;
      await this.#world.send(at, request, KEEP_REQUEST_MS).catch(() => {}); // it will have to wait for its disk
    }
    await here;
  }

  /**
   * The new site and the bystanders first, where nothing is lost by waiting for answers; then the old one and home. Fails, with
   * nothing changed, unless the new one, the old one and home hold. Bystanders do if they can: their guests may talk to the moving
   * one, and what they send after they were told must not overtake what they sent before by way of the old site.
   */
  async #holdAll(handoff: Handoff, force: boolean): Promise<void> {
    const { nid, to } = handoff;
    const { clock, site: own, holdMs } = this.#world;
    const ms = holdMs();
    const hold = async (site: string): Promise<void> => {
      if (handoff.held.has(site)) return;
      try {
        await this.#orders.order(handoff, site, 'hold');
      } catch (error) {
        if (force && site !== to && site !== own) return;
        const reason = error instanceof Error ? error.message : String(error);
        const code = error instanceof IlnpError ? error.code : 'E_PEER_UNREACHABLE';
        const goal = to === null ? '' : ` to ${to}`;
        const at = this.#home.placeOf(nid);
        throw new IlnpError(code, `move of ${formatNid(nid)}${goal}: ${reason}; it stays at ${at}`, { cause: error });
      }
    };
    const needed = new Set([...this.#home.activeSites(nid), own]);
    const others = [...this.#world.peers()].filter((site) => site !== to && !needed.has(site));
    const bystanders = handoff.isHeld ? [] : others.map((site) => this.#orders.tryTo(handoff, site, 'hold'));
    if (to !== null && to !== own) await Promise.all([hold(to), ...bystanders]);
    await Promise.all([...[...needed].map(hold), ...bystanders]);
    if (handoff.isHeld) return;
    handoff.isHeld = true;
    this.#done(handoff, 'held');
    handoff.cancel();
    handoff.cancel = clock.after(ms, () => {
      this.abort(nid, `packets may wait ${ms} ms at most (limits.holdMs)`, true).catch(() => {}); // goes on by itself
    });
  }

  /** A site that has died since it said that it is ready must not be waited for when the old one has let go already. */
  #checkThere({ nid }: Handoff, to: string): void {
    if (this.#isThere(to)) return;
    const at = this.#home.placeOf(nid);
    throw new IlnpError('E_PEER_UNREACHABLE', `move of ${formatNid(nid)}: ${to} is gone; it stays at ${at}`);
  }

  #isThere(to: string): boolean {
    return to === this.#world.site || this.#world.isConnected(to);
  }

  /**
   * Has the place changed, then lets go here: what waits at home is the newest. What goes from here to a new site that holds
   * may go at once, behind the news: if it comes first, it waits there. Where home is the new site, it goes behind the switch.
   */
  async #commit(handoff: Handoff, to: string, force: boolean): Promise<HomeMove> {
    const { nid } = handoff;
    const { site, clock } = this.#world;
    const from = this.#home.placeOf(nid);
    let released: Promise<void> | undefined;
    let behind = 0;
    const release = (): Promise<void> => {
      released ??= this.#keeping.release(nid, from === site, behind).then((counts) => {
        handoff.counts.set(site, counts);
        this.#done(handoff, 'released');
      });
      released.catch(() => {}); // who waits for it is told
      return released;
    };
    const isHeld = handoff.held.has(site);
    let cancel = (): void => {};
    const bePatient = (): void => {
      cancel = clock.after(COMMIT_PATIENCE_MS, () => {
        // By our tables the guest is still here, and it is not, or it is to be taken back: what would be let go now would be lost.
        if (!this.#isThere(to) || (from === site && this.#binding(nid).at === site)) bePatient();
        else void release();
      });
    };
    if (isHeld) bePatient();
    try {
      const onTelling = (letGo: number): void => {
        if (to === site) behind = letGo;
        const waitsThere = from === site && handoff.held.has(to) && this.#isThere(to);
        if (isHeld && (to === site || waitsThere)) void release();
      };
      const onSwitched = (): void => {
        if (isHeld) void release();
      };
      const moved = await this.#home.commit(nid, to, force, { onTelling, onSwitched });
      this.#done(handoff, 'committed');
      if (isHeld) await release();
      return moved;
    } finally {
      cancel();
    }
  }

  /** Waits for stragglers, asks everybody what was kept, and reports. */
  async #drain(handoff: Handoff, moved: HomeMove, hasStayed: boolean): Promise<void> {
    this.#open.delete(nidKey(handoff.nid));
    this.#ahead.callOff(handoff.nid); // it was there already
    const octets = moved.octets + this.#world.octets() - handoff.octetsBefore;
    if (handoff.sites.size > 0) {
      const isOver = hasStayed || (await this.#untilNext(handoff, GRACE_MS));
      if (isOver && !this.#closed) {
        await Promise.all(this.#orders.ends(handoff).values());
        this.#done(handoff, 'drained');
      }
    }
    this.#world.reports.add(
      reportOf(handoff, { from: moved.from, epoch: moved.epoch, outcome: 'moved', why: null, octets }),
    );
  }

  /**
   * As #callOff, but the decision stands, or may, or is to be taken back: until that is done the tables may lead to where the guest is not.
   * Packets wait for it as long as they may.
   */
  async #callOffLater(handoff: Handoff, outcome: 'aborted' | 'failed', why: string, place?: string): Promise<void> {
    const key = nidKey(handoff.nid);
    handoff.cancel();
    this.#open.delete(key);
    this.#stuck.set(key, handoff);
    const from = place ?? this.#placed(handoff.nid).at;
    const isOver = await this.#untilNext(handoff, this.#world.holdMs() + COMMIT_MS);
    this.#stuck.delete(key);
    if (this.#closed) return;
    if (!isOver) handoff.sites.clear();
    if (this.#isInDoubt(handoff) || (isOver && this.#home.isOpen(handoff.nid)))
      this.#late.expect({ handoff, from, why });
    await this.#callOff(handoff, outcome, why, from);
  }

  /** What was decided for it is not carried out, or not known. */
  #mayStand(handoff: Handoff): boolean {
    return this.#home.isOpen(handoff.nid) || this.#isInDoubt(handoff);
  }

  /** The registry has been told of its decision and has not answered. */
  #isInDoubt({ nid, doubt }: Handoff): boolean {
    return doubt !== null && this.#doubtOf(nid) === doubt;
  }

  #doubtOf(nid: Nid): Change | null {
    return this.#world.registry?.doubtOf(nid) ?? null;
  }

  /** Resolves when the time is over; with false when the next move has begun, to which belongs what is kept then. */
  #untilNext({ nid }: Handoff, ms: number): Promise<boolean> {
    const key = nidKey(nid);
    return new Promise((done) => {
      const end = (isOver: boolean): void => {
        cancel();
        this.#waiting.delete(key);
        done(isOver);
      };
      const cancel = this.#world.clock.after(ms, () => end(true));
      this.#waiting.set(key, end);
    });
  }

  /**
   * Resolves when packets do not wait here any more; the other sites are told, and end by themselves when they do not hear. `from`:
   * where the guest was when a decision got stuck, which may have been carried out since.
   */
  async #callOff(handoff: Handoff, outcome: 'aborted' | 'failed', why: string, from?: string): Promise<unknown> {
    handoff.cancel();
    this.#ahead.callOff(handoff.nid);
    const { nid } = handoff;
    if (this.#open.get(nidKey(nid)) === handoff) {
      const isEarly = this.#home.earlyTo(nid) !== null;
      if (handoff.isBehind && !isEarly && this.#home.isOpen(nid)) {
        void this.#callOffLater(handoff, outcome, why);
        return null;
      }
      if (isEarly) {
        const place = this.#home.placeOf(nid);
        const problem = await this.#recall(handoff);
        if (problem !== null) {
          void this.#callOffLater(handoff, outcome, why, place);
          return problem;
        }
      }
      this.#open.delete(nidKey(nid));
    }
    const octets = this.#world.octets() - handoff.octetsBefore;
    const ends = this.#orders.ends(handoff);
    const { at, epoch } = this.#placed(nid);
    const isMoved = from !== undefined && at !== from && at === handoff.to;
    const result = isMoved ? ({ from, outcome: 'moved' } as const) : { from: at, outcome };
    const report = (): void => this.#world.reports.add(reportOf(handoff, { ...result, epoch, why, octets }));
    void Promise.all(ends.values()).then(report);
    await ends.get(this.#world.site);
    return null;
  }

  /**
   * The guest does not go on where it was let go to early: its old site has it again. Gives null, or why that cannot be now. What waits
   * at the new site is older than what waits elsewhere: it comes back first, to an old site that holds.
   */
  async #recall(handoff: Handoff): Promise<unknown> {
    const { nid } = handoff;
    const earlyTo = this.#home.earlyTo(nid)!;
    const from = this.#home.placeOf(nid);
    await this.#orders.tryTo(handoff, from, 'hold');
    if (this.#isThere(earlyTo)) await this.#orders.tryTo(handoff, earlyTo, 'end');
    handoff.held.delete(earlyTo); // also when it has not answered
    const letGo = handoff.counts.get(earlyTo)?.letGo ?? 0;
    const problem = await this.#home.recall(nid, from === this.#world.site ? 0 : letGo);
    if (from !== this.#world.site) handoff.held.delete(from); // it lets go when it has switched
    return problem;
  }

  /** Where it is, for a report: also of one that is configured no more. */
  #placed(nid: Nid): { readonly at: string; readonly epoch: number } {
    const binding = this.#world.bindings.get(nid);
    return binding === undefined ? NOWHERE : { at: this.#home.placeOf(nid), epoch: binding.epoch };
  }

  #done(handoff: Handoff, step: Step): void {
    handoff.times.set(step, this.#world.clock.now());
  }

  #binding(nid: Nid) {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined) throw new IlnpError('E_UNKNOWN_NID', `no binding for ${formatNid(nid)}`);
    return binding;
  }
}

/** As an error of a move to `to` that may come to pass. */
function inDoubt(error: unknown, to: string): unknown {
  if (!(error instanceof IlnpError)) return error;
  const doubt = `the registry may have decided it all the same: then it is at ${to} as soon as that is heard`;
  return new IlnpError(error.code, `${error.message}; ${doubt}`, { cause: error });
}
