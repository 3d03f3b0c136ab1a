/** Plays a scenario of end systems and says what came of it. One seed, one run. */
import type { RunOptions, RunResult } from '../run.ts';
import { openSession, type Session } from '../sessions.ts';
import type { EndsEvent, EndsScenario } from './scenario-schema.ts';
import { EndsWorld } from './world.ts';

const SECOND = 1e6;
const STEP_US = 100_000;

export interface RunEndsOptions extends Pick<RunOptions, 'seed' | 'tap' | 'onProgress'> {
  /** Called with the world before it begins, for tests that break it on purpose. */
  readonly onWorld?: ((world: EndsWorld) => void) | undefined;
}

/** Plays `scenario` with its own seed or another. */
export async function runEnds(scenario: EndsScenario, options: RunEndsOptions = {}): Promise<RunResult> {
  const world = new EndsWorld(scenario, options.seed ?? scenario.seed, options.tap);
  const { engine } = world;
  const sessions = scenario.sessions.map((spec, i) => openSession(world, spec, i));
  for (const event of scenario.events) schedule(world, event);
  options.onWorld?.(world);

  const step = async (until: number, isDone: () => boolean): Promise<void> => {
    for (let t = engine.now; t < until && engine.violation === undefined && !isDone(); ) {
      t = Math.min(until, t + STEP_US);
      await engine.run(t);
      options.onProgress?.(t / SECOND, world);
    }
  };
  await step(scenario.seconds * SECOND, () => false);
  for (const session of sessions) session.stop(scenario.seconds * SECOND);
  const end = (scenario.seconds + scenario.drainSeconds) * SECOND;
  await step(end, () => sessions.every((session, i) => session.isOver || isExcused(world, session, i)));
  return resultOf(world, sessions);
}

function schedule(world: EndsWorld, event: EndsEvent): void {
  world.engine.at(event.at * SECOND, () => {
    if (event.do === 'move') world.move(event);
    else if (event.do === 'cut') world.cut(event.network, event.forMs);
    else if (event.do === 'restart') world.restart(event.end, event.forMs);
    else if (event.do === 'replay') world.replay(event.what, event.times);
    else world.forge(event);
  });
}

/**
 * Sessions that were there when one of their ends restarted need not live; nor, after a move, those with a node without
 * ILNP, and those that were plain IPv6 because nothing had come through at first.
 */
function isExcused(world: EndsWorld, { connection }: Session, index: number): boolean {
  const { sessions, events, ends } = world.scenario;
  const { from, to, startAt } = sessions[index]!;
  if (connection !== undefined && world.station(from).excused.has(connection)) return true;
  const isPlain = ends.some(({ name, ilnp }) => ilnp !== 'speaks' && (name === from || name === to));
  return events.some(
    (event) =>
      (event.do === 'restart' &&
        (event.end === from || event.end === to) &&
        event.at + event.forMs / 1000 >= startAt) ||
      (event.do === 'move' && isPlain && (event.end === from || event.end === to)),
  );
}

function resultOf(world: EndsWorld, sessions: readonly Session[]): RunResult {
  const { engine, scenario } = world;
  const results = sessions.map((session) => session.result());
  const links: Record<string, number> = { packets: 0, cut: 0, queue: 0, loss: 0, mtu: 0, duplicated: 0, corrupted: 0 };
  for (const link of world.links) {
    links.packets! += link.packets;
    links.duplicated! += link.duplicated;
    links.corrupted! += link.corrupted;
    for (const [why, count] of Object.entries(link.drops)) links[why]! += count;
  }
  const failures = engine.violation === undefined ? [] : [engine.violation];
  if (engine.violation === undefined) {
    for (const [i, { name, lived, why }] of results.entries())
      if (scenario.expect.sessions === 'live' && !lived && !isExcused(world, sessions[i]!, i))
        failures.push(`${name}: expected to live, got: ${why}`);
    const gap = Math.max(0, ...results.map(({ gapMs }) => gapMs));
    if (scenario.expect.gapMs !== undefined && gap > scenario.expect.gapMs)
      failures.push(`longest silence: expected at most ${scenario.expect.gapMs} ms, got ${gap} ms`);
  }
  return {
    title: scenario.title,
    seed: engine.seed,
    trace: engine.trace.hash,
    virtualSeconds: engine.now / SECOND,
    events: engine.events,
    ok: failures.length === 0,
    failures,
    violation: engine.violation,
    moves: world.moves.map((move) => ({
      ...move,
      state: move.doneAt > 0 ? 'done' : 'under way',
      why: '',
      epoch: 0,
      octets: 0,
      agreementMs: (move.doneAt - move.at) / 1000,
    })),
    sessions: results,
    controlOctets: 0,
    borders: Object.fromEntries(world.ends.map((end) => [end.name, end.kernel?.counters() ?? {}])),
    links,
    timeline: sessions.flatMap((session) =>
      session.meters.map((meter) => ({ label: `${session.name}, ${meter.label}`, octets: meter.octets })),
    ),
    last: failures.length === 0 ? [] : engine.trace.last(),
  };
}
