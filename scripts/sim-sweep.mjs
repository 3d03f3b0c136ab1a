#!/usr/bin/env node
// Plays a scenario with very many seeds on all processors: scripts/sim-sweep.mjs [SEEDS] [FIRST] [SCENARIO]. Needs a build
// (npm run build). SCENARIO: what `ilnp sim` takes, `random` and `random-ends` making another one from each seed; default: both.
// A seed that fails is printed with the line that repeats it; then it belongs into test/native-free/failed-seeds.txt.
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const PROGRESS_MS = 10_000;
/** Failures that are printed in full; when everything fails, more say nothing new. */
const FAILURES_SHOWN = 20;
const PINNED = 'test/native-free/failed-seeds.txt';

if (isMainThread) await sweep(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1), process.argv[4]);
else await play();

async function sweep(seeds, first, named) {
  const scenarios = named === undefined ? ['random', 'random-ends'] : [named];
  if (!Number.isSafeInteger(seeds) || !Number.isSafeInteger(first) || seeds < 1 || first < 0) {
    process.stderr.write('usage: scripts/sim-sweep.mjs [SEEDS] [FIRST] [SCENARIO]\n');
    process.exit(2);
  }
  const threads = Math.min(seeds, availableParallelism());
  const started = performance.now();
  const sums = { runs: 0, failed: 0, events: 0, virtualSeconds: 0, moves: 0 };
  const rate = () => {
    const seconds = (performance.now() - started) / 1000;
    return `${seconds.toFixed(0)} s, ${(sums.runs / seconds).toFixed(1)} runs a second, ${sums.failed} failed`;
  };
  const progress = setInterval(() => say(`${sums.runs} of ${runs} runs, ${rate()}`), PROGRESS_MS);
  // seeds are handed out one by one: they do not take equally long
  let next = 0;
  const runs = seeds * scenarios.length;
  const hand = (worker) => {
    const run = next++;
    const seed = first + Math.floor(run / scenarios.length);
    worker.postMessage(run < runs ? { scenario: scenarios[run % scenarios.length], seed } : null);
  };
  await Promise.all(Array.from({ length: threads }, () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    worker.on('message', ({ failures, scenario, seed, ...counts }) => {
      sums.runs++;
      for (const [name, count] of Object.entries(counts)) sums[name] += count;
      if (failures.length > 0) failed(failures, `ilnp sim ${scenario} --seed ${seed}`, ++sums.failed);
      hand(worker);
    });
    worker.on('error', ({ message }) => reject(new Error(message)));
    worker.on('exit', resolve);
    hand(worker);
  }))).catch(({ message }) => {
    process.stderr.write(`sim-sweep: ${message}\n`);
    process.exit(1);
  });
  clearInterval(progress);
  say(`${sums.runs} runs of ${seeds} seeds, ${sums.events} events, ${sums.moves} moves, ${sums.virtualSeconds.toFixed(0)} virtual seconds`);
  say(`${rate()}, ${threads} threads`);
  if (sums.failed > 0) say(`a seed that fails becomes a test: add it to ${PINNED}`);
  process.exit(sums.failed === 0 && sums.runs === seeds * scenarios.length ? 0 : 1);
}

function failed(failures, again, count) {
  if (count > FAILURES_SHOWN) return;
  for (const failure of failures) say(`FAILED: ${failure}`);
  say(`again: ${again}`);
}

async function play() {
  const { randomScenario } = await import('../dist/native-free/sim/random-scenario.js');
  const { randomEnds } = await import('../dist/native-free/sim/ends/random-scenario.js');
  const { runScenario } = await import('../dist/native-free/sim/run.js');
  const { loadScenario } = await import('../dist/native-free/sim/scenario.js');
  const made = { random: randomScenario, 'random-ends': randomEnds };
  parentPort.on('message', async (task) => {
    if (task === null) return parentPort.close();
    const { scenario, seed } = task;
    const played = made[scenario]?.(seed) ?? loadScenario(scenario);
    parentPort.postMessage({ scenario, seed, ...(await outcome(played, seed, runScenario)) });
  });
}

/** What throws has failed too, and must not take the seed's number with it. */
async function outcome(scenario, seed, runScenario) {
  try {
    const { failures, events, virtualSeconds, moves } = await runScenario(scenario, { seed });
    return { failures, events, virtualSeconds, moves: moves.length };
  } catch (error) {
    return { failures: [error.stack], events: 0, virtualSeconds: 0, moves: 0 };
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
