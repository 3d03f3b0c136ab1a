/** Plays a scenario and says what came of it. One seed, one run: the result holds nothing of the real world. */
import { disagreementOf } from './agreement.ts';
import { runEnds } from './ends/run.ts';
import type { EndsScenario } from './ends/scenario-schema.ts';
import type { EndsWorld } from './ends/world.ts';
import type { Tap } from './link.ts';
import { type MoveReport, Operator } from './operator.ts';
import type { Scenario, ScenarioEvent } from './scenario-schema.ts';
import { openSession, type Session, type SessionResult } from './sessions.ts';
import { World } from './world.ts';

const SECOND = 1e6;
/** How long borders that were cut off may take to hear what they missed, after the sessions are over. */
const AGREEMENT_SECONDS = 30;
const STEP_US = 100_000;

export interface RunOptions {
  readonly seed?: number | undefined;
  readonly tap?: Tap | undefined;
  /** Called about every tenth of a virtual second. */
  readonly onProgress?: (seconds: number, world: World | EndsWorld) => void;
  /** Called with the world of borders before it begins, for tests that break it on purpose. */
  readonly onWorld?: (world: World) => void;
}

export interface RunResult {
  readonly title: string;
  readonly seed: number;
  /** Hash of everything that happened. */
  readonly trace: string;
  readonly virtualSeconds: number;
  readonly events: number;
  readonly ok: boolean;
  /** What was expected and did not happen, in words; empty if all did. */
  readonly failures: readonly string[];
  readonly violation: string | undefined;
  readonly moves: readonly MoveReport[];
  readonly sessions: readonly SessionResult[];
  /** Signalling octets of all borders. */
  readonly controlOctets: number;
  readonly borders: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Packets and why they ended, over all links. */
  readonly links: Readonly<Record<string, number>>;
  /** Octets in buckets of 100 ms, per direction of a session. */
  readonly timeline: readonly { readonly label: string; readonly octets: readonly number[] }[];
  /** The last lines of the trace, of a run that failed. */
  readonly last: readonly string[];
}

/** Plays `scenario` with its own seed or another. */
export async function runScenario(scenario: Scenario | EndsScenario, options: RunOptions = {}): Promise<RunResult> {
  if ('ends' in scenario) return runEnds(scenario, { ...options, onWorld: undefined });
  const seed = options.seed ?? scenario.seed;
  const world = new World(scenario, seed, options.tap);
  const { engine } = world;
  const operator = new Operator(world);
  const sessions = scenario.sessions.map((spec, i) => openSession(world, spec, i));
  for (const event of scenario.events) schedule(world, operator, event);
  options.onWorld?.(world);

  const step = async (until: number, isDone: () => boolean): Promise<void> => {
    for (let t = engine.now; t < until && engine.violation === undefined && !isDone(); ) {
      t = Math.min(until, t + STEP_US);
      await engine.run(t);
      options.onProgress?.(t / SECOND, world);
    }
  };
  await stepTo(step, scenario.seconds * SECOND);
  for (const session of sessions) session.stop(scenario.seconds * SECOND);
  const end = (scenario.seconds + scenario.drainSeconds) * SECOND;
  await step(end, () => operator.isIdle && sessions.every((session) => session.isOver));
  const agreed = (): boolean => disagreementOf(world) === undefined;
  if (scenario.expect.agreement) await step(engine.now + AGREEMENT_SECONDS * SECOND, agreed);
  return resultOf(world, operator, sessions);
}

const stepTo = (step: (until: number, isDone: () => boolean) => Promise<void>, until: number): Promise<void> =>
  step(until, () => false);

function schedule(world: World, operator: Operator, event: ScenarioEvent): void {
  const { engine } = world;
  const at = event.at * SECOND;
  switch (event.do) {
    case 'move':
      engine.at(at, () => operator.order({ ...event, by: event.by }));
      return;
    case 'shuttle':
      for (let i = 0; i < event.times; i++) {
        const to = event.between[(i + 1) % event.between.length]!;
        engine.at(at + i * event.everyMs * 1000, () => operator.order({ ...event, by: event.by, to }));
      }
      return;
    case 'cut': {
      const [a, b] = event.between;
      engine.at(at, () => world.connect(a, b, event.what, false));
      if (event.forMs !== undefined) engine.at(at + event.forMs * 1000, () => world.connect(a, b, event.what, true));
      return;
    }
    case 'crash':
      engine.at(at, () => world.kill(event.site));
      engine.at(at + event.forMs * 1000, () => world.revive(event.site));
      return;
    case 'vanish':
      engine.at(at, () => {
        world.border(event.site).crash(true);
        for (const station of world.stations.values()) if (station.at === event.site) world.detach(station);
      });
      return;
    case 'uplink':
      engine.at(at, () => world.border(event.site).setUplink(event.uplink, event.up));
      if (event.forMs !== undefined)
        engine.at(at + event.forMs * 1000, () => world.border(event.site).setUplink(event.uplink, !event.up));
  }
}

function resultOf(world: World, operator: Operator, sessions: readonly Session[]): RunResult {
  const { engine, scenario } = world;
  const results = sessions.map((session) => session.result());
  const links: Record<string, number> = { packets: 0, cut: 0, queue: 0, loss: 0, mtu: 0, duplicated: 0, corrupted: 0 };
  for (const link of world.links) {
    links.packets! += link.packets;
    links.duplicated! += link.duplicated;
    links.corrupted! += link.corrupted;
    for (const [why, count] of Object.entries(link.drops)) links[why]! += count;
  }
  const borders = Object.fromEntries(
    world.borders.map((border) => {
      const drops = Object.entries(border.gateway.drops).filter(([, count]) => count > 0);
      const named = drops.map(([why, count]) => [`gateway_${why}`, count] as const);
      return [border.name, { ...border.verdicts(), ...Object.fromEntries(named) }];
    }),
  );
  const failures = failuresOf(world, operator, results);
  return {
    title: scenario.title,
    seed: engine.seed,
    trace: engine.trace.hash,
    virtualSeconds: engine.now / SECOND,
    events: engine.events,
    ok: failures.length === 0,
    failures,
    violation: engine.violation,
    moves: operator.moves,
    sessions: results,
    controlOctets: world.borders.reduce((sum, border) => sum + border.octets, 0),
    borders,
    links,
    timeline: sessions.flatMap((session) =>
      session.meters.map((meter) => ({ label: `${session.name}, ${meter.label}`, octets: meter.octets })),
    ),
    last: failures.length === 0 ? [] : engine.trace.last(),
  };
}

/** What was expected and did not happen. */
function failuresOf(world: World, operator: Operator, results: readonly SessionResult[]): string[] {
  const { expect } = world.scenario;
  const failures: string[] = [];
  if (world.engine.violation !== undefined) return [world.engine.violation];
  const count = (state: MoveReport['state']): number => operator.moves.filter((move) => move.state === state).length;
  for (const { name, lived, why } of results)
    if (expect.sessions === 'live' && !lived) failures.push(`${name}: expected to live, got: ${why}`);
  if (expect.moves !== undefined && count('done') !== expect.moves)
    failures.push(`moves done: expected ${expect.moves}, got ${count('done')}`);
  if (expect.failedMoves !== undefined && count('failed') !== expect.failedMoves)
    failures.push(`moves failed: expected ${expect.failedMoves}, got ${count('failed')}`);
  const gap = Math.max(0, ...results.map((result) => result.gapMs));
  if (expect.gapMs !== undefined && gap > expect.gapMs)
    failures.push(`longest silence: expected at most ${expect.gapMs} ms, got ${gap} ms`);
  for (const what of ['lost', 'overtaken'] as const)
    for (const result of results)
      if (expect[what] !== undefined && result[what] > expect[what])
        failures.push(`${result.name}: expected at most ${expect[what]} ${what}, got ${result[what]}`);
  for (const { guest, to, epoch, state } of operator.moves) {
    const { nid, home } = world.station(guest).guest!;
    const known = world.border(home).running?.bindings.get(nid);
    if (state === 'done' && known !== undefined && (known.epoch < epoch || (known.epoch === epoch && known.at !== to)))
      failures.push(`${guest} was moved to ${to} (${epoch}), its home says ${known.at} (${known.epoch})`);
  }
  const disagreement = expect.agreement ? disagreementOf(world) : undefined;
  if (disagreement !== undefined) failures.push(disagreement);
  return failures;
}
