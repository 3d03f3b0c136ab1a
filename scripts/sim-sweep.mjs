#!/usr/bin/env node
// Plays random scenarios of many seeds on all processors: scripts/sim-sweep.mjs [SEEDS] [FIRST]. Needs a build (npm run build).
// A seed that fails is printed with the line that repeats it; then it belongs into test/native-free/sim-seeds.test.ts.
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (isMainThread) await sweep(Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1));
else await play(workerData);

async function sweep(seeds, first) {
  if (!Number.isSafeInteger(seeds) || !Number.isSafeInteger(first) || seeds < 1) {
    process.stderr.write('usage: scripts/sim-sweep.mjs [SEEDS] [FIRST]\n');
    process.exit(2);
  }
  const threads = Math.min(seeds, availableParallelism());
  const started = performance.now();
  const sums = { seeds: 0, failed: 0, events: 0, virtualSeconds: 0, moves: 0 };
  await Promise.all(Array.from({ length: threads }, (_, thread) => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { first, seeds, thread, threads } });
    worker.on('message', ({ failures, seed, ...counts }) => {
      sums.seeds++;
      for (const [name, count] of Object.entries(counts)) sums[name] += count;
      if (failures.length === 0) return;
      sums.failed++;
      for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
      process.stdout.write(`again: ilnp sim random --seed ${seed}\n`);
    });
    worker.on('error', reject);
    worker.on('exit', resolve);
  })));
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`${sums.seeds} seeds, ${sums.failed} failed, ${sums.events} events, ${sums.moves} moves, `);
  process.stdout.write(`${sums.virtualSeconds.toFixed(0)} virtual seconds in ${seconds.toFixed(1)} s on ${threads} threads\n`);
  process.exit(sums.failed === 0 && sums.seeds === seeds ? 0 : 1);
}

async function play({ first, seeds, thread, threads }) {
  const { randomScenario } = await import('../dist/native-free/sim/random-scenario.js');
  const { runScenario } = await import('../dist/native-free/sim/run.js');
  for (let seed = first + thread; seed < first + seeds; seed += threads) {
    const { failures, events, virtualSeconds, moves } = await runScenario(randomScenario(seed), { seed });
    parentPort.postMessage({ seed, failures, events, virtualSeconds, moves: moves.length });
  }
}
