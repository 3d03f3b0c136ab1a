/**
 * Moves of the Node Identifiers whose home is here. Home is their only writer, so there are no ties to break.
 *
 * A decision {at, epoch} carries the set of sites that may consider themselves active, and is carried out in one order:
 *
 *   1 on disk here     an epoch is used for one decision only, also after a crash (or what takes it back is: written-ahead.ts)
 *   2 release          every site of the set except `at` has switched (it forwards stragglers from then on)
 *   3 activate         `at` is told and has switched
 *   4 settle           our own table, the record; everybody else is told, best effort
 *
 * `at` joins the set before it is told and a site leaves it when it has acknowledged, so whatever is lost, delayed,
 * repeated or restarted, at most one site is active. A decision that gets stuck is replaced by one with a greater epoch
 * that takes it back, in the same order: a site that may have heard of activation must hear of the release first.
 * What is not settled is retried for ever. `force` leaves out sites that do not answer in step 2: the operator says they
 * are dead. Should one live, its epoch is too old and it is told as soon as it is heard of.
 */
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { BindingWriter } from './binding-writer.ts';
import { type Decision, opened, underWayOf } from './decision.ts';
import { Conflict, DecisionTeller, MAX_LEAP } from './decision-teller.ts';
import { KeyedLock } from './keyed-lock.ts';
import { type Change, MAX_EPOCH } from './messages.ts';
import type { OpenDecision } from './move-record.ts';
import { knowsSite, type MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import { refusal } from './policy.ts';
import type { UnderWays } from './under-way.ts';
import type { WrittenAhead } from './written-ahead.ts';

/** A registry that does not answer so long is taken to be slow, where somebody waits who has more to do; and where nobody has. */
const QUICK_MS = 250;
const PLAN_MS = 8000;
/** Reasons: a rollback should be quick, a dead site should cost little. */
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 5000;
/** Decisions carried out at a time in the background. */
const RETRY_WIDTH = 64;
/** A site that lost its state may answer with a newer epoch; more than this often it is not what it seems. */
const MAX_CONFLICTS = 3;

/** What a home did, or found already done. */
export interface HomeMove {
  readonly from: string;
  readonly epoch: number;
  /** Signalling octets that another border counted. */
  readonly octets: number;
}

/** Told during a move. */
interface CommitNews {
  readonly onTelling: (letGo: number) => void;
  readonly onSwitched: () => void;
}

const NOBODY: CommitNews = { onTelling: () => {}, onSwitched: () => {} };

export class HomeMoves {
  readonly #world: MovesWorld;
  readonly #writer: BindingWriter;
  readonly #ahead: WrittenAhead;
  readonly #teller: DecisionTeller;
  readonly #onSettled: (change: Change, heard: ReadonlySet<string>) => void;
  readonly #open = new Map<string, Decision>();
  readonly #lock = new KeyedLock();
  #retryMs = RETRY_FIRST_MS;
  #cancelRetry: (() => void) | undefined;
  #retrying = false;
  #closed = false;

  constructor(
    world: MovesWorld,
    writer: BindingWriter,
    ahead: WrittenAhead,
    onSettled: (change: Change, heard: ReadonlySet<string>) => void,
  ) {
    this.#world = world;
    this.#writer = writer;
    this.#ahead = ahead;
    this.#teller = new DecisionTeller(world, writer);
    this.#onSettled = onSettled;
  }

  /** Decisions not yet settled. */
  get open(): number {
    return this.#open.size;
  }

  *underWay(): UnderWays {
    for (const [key, decision] of this.#open) {
      const { earlyFrom, isCalledOff, problem } = decision;
      if (earlyFrom === null) yield [key, underWayOf(decision)];
      else if (isCalledOff) yield [key, underWayOf({ at: earlyFrom, active: [], problem })]; // else the hand-off says it
    }
  }

  isOpen(nid: Nid): boolean {
    return this.#open.has(nidKey(nid));
  }

  /**
   * A move to `to` may be decided in the next `ms`; resolves when what that takes is written here, or cannot be. Nothing is written ahead of
   * a decision that is open, which is on disk.
   */
  async foresee(nid: Nid, to: string, ms: number): Promise<void> {
    await this.#lock.run(nidKey(nid), async () => {
      if (!this.isOpen(nid)) return this.#ahead.write(nid, to, ms);
    });
  }

  /** Where its sites have let go to early, or are letting go; null when they have not, or that is called off. */
  earlyTo(nid: Nid): string | null {
    const decision = this.#open.get(nidKey(nid));
    return decision?.earlyFrom == null || decision.isCalledOff ? null : decision.at;
  }

  /** Where an identifier of ours is, or is to be again if a move that is early does not come. */
  placeOf(nid: Nid): string {
    return this.#open.get(nidKey(nid))?.earlyFrom ?? this.#binding(nid).at;
  }

  /**
   * The guest stands still on its way to `to`: the site that may be active lets go already, so that `commit` has only `to` to
   * tell. Only if what takes it back is on disk. Resolves when it has, or has not answered: `commit` or `recall` must follow.
   */
  async letGoEarly(nid: Nid, to: string): Promise<void> {
    await this.#lock.run(nidKey(nid), async () => {
      const { at, epoch } = this.#binding(nid);
      if (at === to || this.isOpen(nid)) return;
      const change = { nid, at: to, epoch: epoch + 1 };
      const active = [at];
      if (!(await this.#ahead.isAhead(change, active)) || !(await this.#ahead.take(change, active))) return;
      const isReleased = at === this.#world.site;
      const decision = { ...opened({ ...change, active }), isReleased, earlyFrom: at };
      this.#open.set(nidKey(nid), decision);
      await this.#teller.release(decision, false).catch((problem) => {
        decision.problem = problem;
      });
    });
  }

  /**
   * A move that is early does not come: who has let go has it again. Resolves with null when that is so; else with why it cannot be
   * now: then it is tried for ever. `behind`: so many segments are on their way back there.
   */
  recall(nid: Nid, behind: number): Promise<unknown> {
    return this.#lock.run(nidKey(nid), async () => {
      const decision = this.#open.get(nidKey(nid));
      if (decision?.earlyFrom == null) return null;
      decision.isCalledOff = true;
      const problem = await this.#recall(decision, decision.earlyFrom, behind);
      if (problem !== null) this.retrySoon();
      return problem;
    });
  }

  /** A site may have forgotten what it has confirmed: it has been told again, or will be. */
  connected(site: string): void {
    for (const { heard } of this.#open.values()) heard.delete(site);
    this.retrySoon();
  }

  /** Takes up the decisions that the record holds open. */
  resume(decisions: Iterable<OpenDecision>): void {
    for (const { nid, at, epoch, active } of decisions) {
      if (this.#world.bindings.get(nid) === undefined) continue;
      this.#open.set(nidKey(nid), opened({ nid, at, epoch, active: [...active, at] }));
    }
    this.retrySoon();
  }

  /** Takes up decisions that the registry holds open and that nobody here is carrying out. */
  takeUp(decisions: Iterable<OpenDecision>): void {
    for (const { nid, at, epoch, active } of decisions) {
      const key = nidKey(nid);
      // After the move that may be under way: it may be the one that has just been decided.
      void this.#lock.run(key, async () => {
        const binding = this.#world.bindings.get(nid);
        const pending = this.#open.get(key);
        if (binding === undefined || epoch <= Math.max(binding.epoch, pending?.epoch ?? 0)) return;
        // The registry knows who was active when it was asked; what was carried out since, we know.
        const wider = [...active, at, ...(pending?.active ?? [binding.at])];
        this.#open.set(key, opened({ nid, at, epoch, active: wider }));
        this.retrySoon();
      });
    }
  }

  /**
   * Whether an identifier of ours is at `to` and nothing is under way. No, also when a decision may have been made that we
   * do not know of: another one that it is there undoes that. E_REGISTRY before the registry was heard.
   */
  isSurelyAt(nid: Nid, to: string): boolean {
    const { registry } = this.#world;
    if (registry?.has(nid) && !registry.isSynced()) throw notHeard(registry.problem());
    return !this.isOpen(nid) && this.#binding(nid).at === to && (registry?.doubtOf(nid) ?? null) === null;
  }

  /** Sites that may consider themselves active for an identifier of ours. */
  activeSites(nid: Nid): ReadonlySet<string> {
    return this.#open.get(nidKey(nid))?.active ?? new Set([this.#binding(nid).at]);
  }

  /** Nobody is disturbed before everybody who must agree to a move has said that it listens. */
  async ready(nid: Nid, to: string, force: boolean): Promise<void> {
    const sites = new Set(force ? [to] : [...this.activeSites(nid), to]);
    const { foresee, record } = this.#world;
    const own = foresee({ ...this.#binding(nid), at: to });
    const room = record.append([]); // a registry would have the decision before our disk refuses it
    await Promise.all([
      own,
      room,
      this.#canDecide(nid, QUICK_MS),
      ...[...sites].map((site) => this.#ready(site, nid, to, force)),
    ]);
  }

  /** Why sites would not take part in a move; none: they would. Nobody is disturbed by the question. */
  async refusals(nid: Nid, to: string): Promise<string[]> {
    const sites = new Set([...this.activeSites(nid), to]);
    const asked = [this.#canDecide(nid, PLAN_MS), ...[...sites].map((site) => this.#ready(site, nid, to, false))];
    const refused = asked.map((one) =>
      one.then(
        () => [],
        (error: Error) => [error.message],
      ),
    );
    return (await Promise.all(refused)).flat();
  }

  /**
   * Moves an identifier of ours; the caller has checked that it and `to` exist, and asked who is ready. `onTelling`: `to` is
   * being told, everybody else has switched and let go so many segments. Where `to` is here, what is ordered then comes after
   * the switch. `onSwitched`: everybody concerned has switched, which may still have to be written down.
   */
  commit(nid: Nid, to: string, force: boolean, { onTelling, onSwitched }: CommitNews = NOBODY): Promise<HomeMove> {
    return this.#lock.run(nidKey(nid), async () => {
      const binding = this.#binding(nid);
      const pending = this.#open.get(nidKey(nid));
      const from = pending?.earlyFrom ?? pending?.at ?? binding.at;
      if (this.isSurelyAt(nid, to)) return { from, epoch: binding.epoch, octets: 0 };
      const isEarly = this.earlyTo(nid) === to;
      const active = new Set(pending?.active ?? [from]);
      if (pending?.earlyFrom != null && !isEarly) active.add(pending.at); // what waits there goes on from there
      const epoch = (pending ?? binding).epoch + 1;
      const decision = isEarly ? this.#confirm(pending!, from) : await this.#decide(nid, to, epoch, active);
      const settled = await this.#moveFrom(from, decision, { force, onTelling, onSwitched });
      return { from, epoch: settled, octets: 0 };
    });
  }

  /** Learns from other sites what they hold of ours: home lost its state, or they did. */
  async adopt(changes: readonly Change[]): Promise<void> {
    await Promise.all(changes.map((change) => this.#lock.run(nidKey(change.nid), () => this.#adoptOne(change))));
    if (this.#open.size > 0) this.retrySoon();
  }

  /** Tries the open decisions at once: some site was heard of. */
  retrySoon(): void {
    this.#retryMs = RETRY_FIRST_MS;
    this.#scheduleRetry(0);
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
  }

  async #moveFrom(
    from: string,
    first: Decision,
    { force, onTelling, onSwitched }: CommitNews & { readonly force: boolean },
  ): Promise<number> {
    const { nid, at } = first;
    let decision = first;
    for (let conflicts = 0; ; conflicts++) {
      try {
        await this.#teller.carryOut(decision, force, onTelling);
        break;
      } catch (error) {
        if (error instanceof Conflict && conflicts < MAX_CONFLICTS) {
          const wider = new Set([...decision.active, error.have.at]);
          decision = await this.#decide(nid, at, error.have.epoch + 1, wider);
          continue;
        }
        throw await this.#giveUp(decision, from, force, error);
      }
    }
    await this.#settle(decision, onSwitched);
    return decision.epoch;
  }

  /** Replaces a stuck decision by one back to `from`; gives the error to report. */
  async #giveUp(decision: Decision, from: string, force: boolean, error: unknown): Promise<Error> {
    const reason = error instanceof Error ? error.message : String(error);
    decision.problem = error;
    // After force there is nothing to go back to: the old site is dead, so the new one is told until it hears.
    const target = force ? decision.at : from;
    let outcome = force ? `${target} is told as soon as it answers` : `it stays at ${target}`;
    if (target !== decision.at) {
      await this.#decide(decision.nid, target, decision.epoch + 1, decision.active).catch((cause) => {
        this.#world.log.warn({ nid: formatNid(decision.nid), reason: String(cause) }, 'a move could not be taken back');
        outcome = `it could not be taken back (${cause instanceof Error ? cause.message : cause}) and goes on as soon as it can`;
      });
    }
    this.retrySoon();
    return new IlnpError(
      error instanceof IlnpError ? error.code : 'E_PEER_UNREACHABLE',
      `move of ${formatNid(decision.nid)} to ${decision.at}: ${reason}; ${outcome}`,
      { cause: error },
    );
  }

  /**
   * Makes a decision durable before anybody hears of it; no epoch is ever used for two. If what takes it back is on disk, it
   * is not waited for.
   */
  async #decide(nid: Nid, at: string, epoch: number, active: ReadonlySet<string>): Promise<Decision> {
    if (epoch > MAX_EPOCH) throw new IlnpError('E_FULL', `no epoch is left for ${formatNid(nid)} after ${epoch - 1}`);
    const isReleased = active.has(this.#world.site) && at !== this.#world.site;
    const decision: Decision = { ...opened({ nid, at, epoch, active: [...active] }), isReleased };
    const isAhead = await this.#ahead.take(decision, active);
    this.#write(decision);
    if (!isAhead) await decision.onDisk;
    this.#open.set(nidKey(nid), decision);
    return decision;
  }

  /** What was early is carried out. It is written as if nobody had let go, which a restart may repeat. */
  #confirm(decision: Decision, from: string): Decision {
    decision.earlyFrom = null;
    decision.problem = null;
    this.#write(decision, [from]);
    return decision;
  }

  /** Gives why it cannot be, or null. */
  async #recall(early: Decision, from: string, behind = 0): Promise<unknown> {
    let decision = early;
    try {
      decision = await this.#decide(early.nid, from, early.epoch + 1, early.active);
      decision.letGo = behind;
      await this.#teller.carryOut(decision, false);
      await this.#settle(decision);
      return null;
    } catch (problem) {
      decision.problem = problem;
      return problem;
    }
  }

  /**
   * Where this site is to let go, that is written with the decision: whatever is lost of the two, at the next start it is not
   * active by mistake.
   */
  #write(decision: Decision, active: Iterable<string> = decision.active): void {
    const { nid, at, epoch, isReleased } = decision;
    const change = { nid, at, epoch };
    decision.onDisk = this.#world.record.append([{ ...change, active: [...active] }, ...(isReleased ? [change] : [])]);
    decision.onDisk.catch(() => {}); // who waits for it is told
  }

  #binding(nid: Nid) {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined) throw new IlnpError('E_UNKNOWN_NID', `no binding for ${formatNid(nid)}`);
    return binding;
  }

  async #settle(decision: Decision, onSwitched = () => {}): Promise<void> {
    const { nid, at, epoch } = decision;
    await this.#writer.write([{ nid, at, epoch }]);
    onSwitched();
    await decision.onDisk.catch((error) => {
      decision.problem = error;
      this.#write(decision); // for the next try
      this.#scheduleRetry(RETRY_FIRST_MS);
      throw error;
    });
    this.#open.delete(nidKey(nid));
    // Not awaited: were this line lost, a restart would carry out the same decision again, which changes nothing.
    this.#world.record
      .append([{ nid, at, epoch, settled: true }])
      .catch((error) => this.#world.log.warn({ reason: String(error) }, 'a settled move was not recorded'));
    this.#onSettled({ nid, at, epoch }, decision.heard);
  }

  /**
   * A registry that is away now would not take the decision either, when the guest has been carried over. One that is slow may:
   * it is waited for no longer than `ms`.
   */
  async #canDecide(nid: Nid, ms: number): Promise<void> {
    const { registry, clock } = this.#world;
    if (!registry?.has(nid)) return;
    if (!registry.isSynced()) throw notHeard(registry.problem());
    let cancel = (): void => {};
    const patience = new Promise<void>((over) => {
      cancel = clock.after(ms, over);
    });
    const asked = registry.ask(nid).catch((error: Error) => {
      throw new IlnpError('E_REGISTRY', `${error.message}; nothing has changed`, { cause: error });
    });
    asked.catch(() => {}); // who is not waited for any more
    await Promise.race([asked, patience]).finally(cancel);
  }

  async #ready(site: string, nid: Nid, to: string, force: boolean): Promise<void> {
    if (site === this.#world.site) return;
    try {
      await this.#world.send(site, { kind: 'ready', nid: [nid.hi, nid.lo], to });
    } catch (error) {
      if (!(error instanceof IlnpError)) throw error;
      const hint = force || site === to ? '' : `; if ${site} is dead, --force moves without it`;
      throw new IlnpError(error.code, `${error.message}; nothing has changed${hint}`, { cause: error });
    }
  }

  async #adoptOne({ nid, at, epoch }: Change): Promise<void> {
    const binding = this.#world.bindings.get(nid);
    if (binding === undefined || binding.home !== this.#world.site) return;
    const pending = this.#open.get(nidKey(nid));
    const known = pending ?? binding;
    if (epoch < known.epoch || (epoch === known.epoch && at === known.at)) return;
    const { log, policy, site } = this.#world;
    const said = { nid: formatNid(nid), at, epoch };
    if (epoch - known.epoch > MAX_LEAP)
      return log.warn(said, 'another site says of our identifier what cannot be; that site must lose its record');
    const why = refusal(policy(), { nid, to: at, mover: null, site });
    // one of epoch 0 only says that it may not be where it was, and its new site may be gone from the configuration
    const isGone = epoch === 0 && !knowsSite(this.#world, at);
    const active = new Set([...(pending?.active ?? [binding.at]), ...(isGone ? [] : [at])]);
    log.warn({ ...said, ...(why !== null && { why }) }, 'another site knows more of our identifier than we do');
    const place = pending?.earlyFrom ?? known.at;
    await this.#decide(nid, epoch > known.epoch && why === null ? at : place, epoch + 1, active);
  }

  #scheduleRetry(ms: number): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#closed || this.#open.size === 0) return;
    this.#cancelRetry = this.#world.clock.after(ms, () => {
      this.#cancelRetry = undefined;
      void this.#retryAll();
    });
  }

  async #retryAll(): Promise<void> {
    if (this.#retrying) return this.#scheduleRetry(RETRY_FIRST_MS);
    this.#retrying = true;
    const keys = this.#open.keys();
    const worker = async (): Promise<void> => {
      for (const key of keys) if (!this.#closed) await this.#lock.run(key, () => this.#retry(key));
    };
    await Promise.all(Array.from({ length: Math.min(RETRY_WIDTH, this.#open.size) }, worker));
    this.#retrying = false;
    if (this.#cancelRetry !== undefined) return;
    this.#scheduleRetry(this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_LAST_MS);
  }

  async #retry(key: string): Promise<void> {
    const decision = this.#open.get(key);
    if (decision === undefined) return;
    const { earlyFrom, isCalledOff } = decision;
    if (earlyFrom !== null) {
      if (isCalledOff) await this.#recall(decision, earlyFrom);
      return;
    }
    try {
      await this.#teller.carryOut(decision, false);
      await this.#settle(decision);
    } catch (error) {
      decision.problem = error;
      if (!(error instanceof Conflict)) return; // tried again later
      const active = new Set([...decision.active, error.have.at]);
      await this.#decide(decision.nid, decision.at, error.have.epoch + 1, active).catch(() => {});
    }
  }
}

const notHeard = (problem: string | null): IlnpError => {
  const why = problem === null ? '' : ` (${problem})`;
  return new IlnpError('E_REGISTRY', `the registry has not been heard since the start${why}; nothing has changed`);
};
