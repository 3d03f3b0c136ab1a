/**
 * Plays one kind of move with one fault, or with none, and says what it cost and what promise was broken. The invariants of
 * every scenario are looked at at every event; at the end the guest is at exactly one site and talks, no packet waits, and a
 * move that was called off has left nothing behind.
 */
import type { Binding } from '../../../src/ilnp/bindings.ts';
import type { Change } from '../../../src/sites/messages.ts';
import { disagreementOf } from '../agreement.ts';
import { type MoveOrder, Operator } from '../operator.ts';
import { REGISTRY } from '../registry.ts';
import { openSession, type Session } from '../sessions.ts';
import { standbyOf } from '../standby.ts';
import { World } from '../world.ts';
import { type Fault, parseFault } from './fault.ts';
import { HOME, type Kind, MOVE_AT_US, NEIGHBOUR } from './kinds.ts';

/** How often it is looked whether there is rest. */
const LOOK_US = 100_000;
/** Nothing has to be done for so long: longer than stragglers are waited for. */
const QUIET_US = 1.1e6;
const DEADLINE_US = 90e6;
/** When an operator moves by force what was at a site that is dead. */
const RESCUE_US = 3e6;
/** Probes of this time must arrive, most of them. */
const TALK_US = 600_000;

export interface Played {
  /** What there was of the move alone, if nothing went wrong. */
  readonly messages: number;
  readonly steps: number;
  readonly failures: readonly string[];
  readonly events: number;
  readonly virtualSeconds: number;
  /** Longest silence of a session, milliseconds. */
  readonly gapMs: number;
  /** What happened last, if something failed. */
  readonly last: readonly string[];
}

/** Plays `kind` with the fault of that name (fault.ts), null: without. `onWorld`: for tests that break it on purpose. */
export async function playKind(kind: Kind, fault: string | null, onWorld?: (world: World) => void): Promise<Played> {
  const play = new Play(kind, fault === null ? null : parseFault(fault));
  onWorld?.(play.world);
  return play.run();
}

class Play {
  readonly #kind: Kind;
  readonly #fault: Fault | null;
  readonly world: World;
  readonly #operator: Operator;
  readonly #sessions: readonly Session[];
  #messages = 0;
  #steps = 0;
  /** When it went wrong, and what is away since then. */
  #struckAt = Number.POSITIVE_INFINITY;
  #away: string | undefined;
  #isRescued = false;
  /** Nobody was active while the guest was carried over. */
  #wasEarly = false;

  constructor(kind: Kind, fault: Fault | null) {
    this.#kind = kind;
    this.#fault = fault;
    // what is lost without a fault is looked at closely
    const everyMs = fault === null ? 5 : 60;
    const sessions = kind.scenario.sessions.map((session) => ({ ...session, everyMs }));
    this.world = new World({ ...kind.scenario, sessions }, 1);
    this.#operator = new Operator(this.world);
    this.#sessions = sessions.map((spec, i) => openSession(this.world, spec, i));
  }

  async run(): Promise<Played> {
    const { engine } = this.world;
    await engine.run(MOVE_AT_US);
    engine.onStep = () => this.#step();
    this.world.lines.fate = () => this.#message();
    this.#operator.order(this.#kind.order);
    const isQuiet = await this.#untilQuiet();
    const [messages, steps] = [this.#messages, this.#steps];
    const failures = engine.violation === undefined && !isQuiet ? [`never at rest: ${this.#unrest(engine.now)}`] : [];
    if (isQuiet) failures.push(...(await this.#broken()));
    if (engine.violation !== undefined) failures.push(engine.violation);
    return {
      messages,
      steps,
      failures,
      events: engine.events,
      virtualSeconds: engine.now / 1e6,
      gapMs: Math.max(...this.#sessions.map((session) => session.result().gapMs)),
      last: failures.length === 0 ? [] : engine.trace.last(),
    };
  }

  /** Who is away and does not come back. Of a pair there is still one. */
  get #dead(): string | undefined {
    const fault = this.#fault;
    const isDead = fault !== null && 'party' in fault && fault.backMs === null && !this.#isOfPair(fault.party);
    return isDead ? this.#away : undefined;
  }

  #isOfPair(party: string): boolean {
    return this.world.borders.some(({ name, pair }) => pair && (party === name || party === standbyOf(name)));
  }

  get #nid() {
    return this.world.station('a1').guest!.nid;
  }

  #message() {
    const fault = this.#fault;
    this.#messages++;
    if (fault === null || !('message' in fault) || fault.message !== this.#messages) return null;
    this.#struckAt = this.world.engine.now + ('lateMs' in fault.fate ? fault.fate.lateMs * 1000 : 0);
    return fault.fate;
  }

  #step(): void {
    const fault = this.#fault;
    this.#steps++;
    this.#wasEarly ||=
      this.world.station('a1').at === undefined && !this.world.borders.some((one) => one.isActive(this.#nid));
    if (fault === null || !('party' in fault) || fault.step !== this.#steps) return;
    const { engine } = this.world;
    const { party, backMs } = fault;
    this.#struckAt = engine.now;
    this.#away = party;
    this.world.kill(party);
    if (this.#isOfPair(party)) this.#away = undefined;
    if (backMs === null && this.#isOfPair(party)) return;
    if (backMs === null) engine.after(RESCUE_US, () => this.#rescue(party));
    else
      engine.after(backMs * 1000, () => {
        this.world.revive(party);
        this.#away = undefined;
      });
  }

  /** The operator says that a site is dead for good. */
  #rescue(dead: string): void {
    this.#isRescued = true;
    const { from, order } = this.#kind;
    const isNeeded = dead === from || (dead === order.to && order.callOff === undefined);
    if (dead === HOME || !isNeeded) return;
    const to = dead === from ? order.to : from;
    this.#operator.order({ ...order, by: HOME, to, hold: 'switch', callOff: undefined, force: true });
  }

  async #untilQuiet(): Promise<boolean> {
    const { engine } = this.world;
    let quietSince = MOVE_AT_US;
    for (let now = MOVE_AT_US; engine.violation === undefined && now < DEADLINE_US; now += LOOK_US) {
      await engine.run(now);
      if (this.#unrest(now) !== undefined) quietSince = now;
      else if (now - quietSince > QUIET_US) return true;
    }
    return false;
  }

  /** What is still going on. */
  #unrest(now: number): string | undefined {
    const { borders } = this.world;
    // without its home a guest cannot be moved; whoever carries it waits
    if (!this.#operator.isIdle && this.#dead !== HOME) return 'a move is under way';
    if (this.#struckAt !== Number.POSITIVE_INFINITY && now <= this.#struckAt) return 'a message is late';
    if (this.#dead === undefined ? this.#away !== undefined : !this.#isRescued) return `${this.#away} is away`;
    const away = borders.find(({ name, running }) => running === undefined && name !== this.#dead);
    if (away !== undefined) return `${away.name} is away`;
    const holding = borders.find((border) => (border.running?.path.heldSince ?? null) !== null);
    if (holding !== undefined) return `${holding.name} holds packets`;
    // without a registry nobody hears of a move but those who take part
    const asked = this.#dead === REGISTRY ? borders.filter(({ name }) => this.#kind.parties.includes(name)) : borders;
    return disagreementOf(this.world, asked) ?? this.#unsettled();
  }

  /** What the registry has and home has not, or not yet. */
  #unsettled(): string | undefined {
    const entry = this.world.registry?.entry(this.#nid) ?? null;
    const known = this.world.border(HOME).running?.bindings.get(this.#nid);
    if (entry === null || known === undefined || this.#dead === REGISTRY) return undefined;
    const isSettled = entry.active === undefined && entry.epoch === known.epoch && entry.binding?.at === known.at;
    return isSettled ? undefined : `the registry says ${JSON.stringify(entry)}, home ${known.at} (${known.epoch})`;
  }

  /** What is not as it should be. */
  async #broken(): Promise<string[]> {
    const broken: string[] = [];
    const home = this.world.border(HOME).running;
    if (home !== undefined) broken.push(...this.#misplaced(home.bindings.get(this.#nid)!));
    const before = this.#sessions.map((session) => session.result().octets);
    const { engine } = this.world;
    await engine.run(engine.now + TALK_US);
    for (const [i, session] of this.#sessions.entries()) {
      const { name, octets } = session.result();
      const heard = (octets - before[i]!) / 64;
      const isCutOff = this.#dead === this.#kind.from && name.startsWith(`udp ${NEIGHBOUR} `);
      if (home !== undefined && heard < 5 && !isCutOff)
        broken.push(`${name}: ${heard} datagrams in ${TALK_US / 1e6} s`);
    }
    for (const session of this.#sessions) session.stop(engine.now);
    await engine.run(engine.now + TALK_US);
    if (this.#fault === null) broken.push(...this.#imperfect());
    return broken;
  }

  /** The guest is where its home says, there alone. */
  #misplaced({ at, epoch }: Binding): string[] {
    const { borders, stations } = this.world;
    const { from, order } = this.#kind;
    const broken: string[] = [];
    const living = borders.filter(({ name }) => name !== this.#dead);
    const active = living.filter((border) => border.isActive(this.#nid)).map(({ name }) => name);
    if (active.join() !== at) broken.push(`home says ${at}, active is ${active.join(' and ') || 'nobody'}`);
    const place = stations.get('a1')!.at;
    if (place !== at) broken.push(`the guest is at ${place}, its home says ${at}`);
    const done = this.#operator.moves.find(({ state }) => state === 'done');
    if (done !== undefined && epoch < done.epoch) broken.push(`a move that was done (${done.epoch}) is forgotten`);
    if (order.callOff !== undefined && this.#operator.moves.length === 1) {
      const before = this.#kind.scenario.guests[0]!.epoch;
      // who starts again while a move that was written ahead could have been decided makes sure that it was not; who hears nothing
      // from home strikes it out when it was prepared for too long
      const isMadeSure = (this.#fault !== null || isEarly(order)) && epoch > before;
      const isLeft = (entry: Change): boolean =>
        entry.at !== from && (this.#fault === null || (entry.epoch !== before && entry.epoch !== epoch));
      if (at !== from || (epoch !== before && !isMadeSure)) broken.push(`called off, but now at ${at} (${epoch})`);
      for (const { name, disk } of borders)
        for (const entry of [...disk.moved.values(), ...disk.open.values()])
          if (isLeft(entry)) broken.push(`called off, and ${name} has recorded ${entry.at}`);
    }
    return broken;
  }

  /** What must not be when nothing goes wrong. */
  #imperfect(): string[] {
    const { isLossless, order } = this.#kind;
    const expected = order.callOff === undefined ? 'done' : 'called off';
    const broken = this.#operator.moves
      .filter(({ state }) => state !== expected)
      .map(({ state, why }) => `move: expected ${expected}, got ${state} ${why}`);
    if (isEarly(order) !== this.#wasEarly) broken.push(`let go early: ${this.#wasEarly}`);
    for (const session of isLossless ? this.#sessions : []) {
      const { name, lost, overtaken } = session.result();
      if (lost + overtaken > 0) broken.push(`${name}: ${lost} lost, ${overtaken} overtaken`);
    }
    return broken;
  }
}

/** The old site lets go while the guest stands still, so what is called off has been decided twice. */
const isEarly = ({ hold }: MoveOrder): boolean => hold === 'paused' || hold === 'told' || hold === 'late';
