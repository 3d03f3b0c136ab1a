#!/usr/bin/env node
// Every fault at every step of every kind of move, on all processors: scripts/sim-every-step.mjs [--all] [KIND [FAULT]]. Needs a
// build (npm run build). Each kind is first played without faults, and its messages and steps are counted; then every message is
// lost, late, stalled with all behind it, and doubled, and every party is killed at every step, for 150 ms, for 4 s or for
// good, in turns; --all: in all three ways. KIND: its name, or how several begin. FAULT: one alone, as it is printed when it
// fails, or `none`; then the last events are printed.
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

const { KINDS } = await import('../dist/native-free/sim/every-step/kinds.js');
const { faultsOf } = await import('../dist/native-free/sim/every-step/fault.js');
const { playKind } = await import('../dist/native-free/sim/every-step/play.js');

/** Failures that are printed in full; when everything fails, more say nothing new. */
const FAILURES_SHOWN = 20;

if (!isMainThread) play();
else await main(process.argv[2] === '--all', ...process.argv.slice(process.argv[2] === '--all' ? 3 : 2));

async function main(everyWay, named, fault) {
  const kinds = KINDS.filter(({ name }) => named === undefined || name.startsWith(named));
  if (kinds.length === 0) {
    process.stderr.write(`usage: scripts/sim-every-step.mjs [--all] [KIND [FAULT]]; kinds: ${KINDS.map(({ name }) => name).join(', ')}\n`);
    process.exit(2);
  }
  if (fault === undefined) return sweep(kinds, everyWay);
  const { failures, last } = await playKind(KINDS.find(({ name }) => name === named) ?? kinds[0], fault === 'none' ? null : fault);
  for (const line of last) say(`  ${line}`);
  for (const failure of failures) say(`FAILED: ${failure}`);
  process.exit(failures.length === 0 ? 0 : 1);
}

async function sweep(kinds, everyWay) {
  const started = performance.now();
  const sums = { runs: 0, failed: 0, events: 0, virtualSeconds: 0 };
  const tasks = [];
  for (const kind of kinds) {
    const played = await playKind(kind, null);
    count(sums, kind.name, 'none', played);
    const faults = [...faultsOf(played, kind.parties, everyWay)];
    say(`${kind.name}: ${played.messages} messages, ${played.steps} steps, ${kind.parties.length} parties, ${faults.length} faults`);
    for (const fault of faults) tasks.push({ kind: kind.name, fault });
  }
  let next = 0;
  const hand = (worker) => worker.postMessage(tasks[next++] ?? null);
  await Promise.all(Array.from({ length: availableParallelism() }, () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    worker.on('message', ({ kind, fault, played }) => {
      count(sums, kind, fault, played);
      hand(worker);
    });
    worker.on('error', reject);
    worker.on('exit', resolve);
    hand(worker);
  })));
  const seconds = (performance.now() - started) / 1000;
  say(`${sums.runs} runs, ${sums.events} events, ${sums.virtualSeconds.toFixed(0)} virtual seconds, ${seconds.toFixed(0)} s, ${sums.failed} failed`);
  process.exit(sums.failed === 0 && sums.runs === tasks.length + kinds.length ? 0 : 1);
}

function count(sums, kind, fault, { failures, events, virtualSeconds }) {
  sums.runs++;
  sums.events += events;
  sums.virtualSeconds += virtualSeconds;
  if (failures.length === 0 || ++sums.failed > FAILURES_SHOWN) return;
  for (const failure of failures) say(`FAILED: ${failure}`);
  say(`again: scripts/sim-every-step.mjs ${kind} ${fault}`);
}

function play() {
  parentPort.on('message', async (task) => {
    if (task === null) return parentPort.close();
    const kind = KINDS.find(({ name }) => name === task.kind);
    parentPort.postMessage({ ...task, played: await outcome(kind, task.fault) });
  });
}

/** What throws has failed too, and must not take its name with it. */
async function outcome(kind, fault) {
  try {
    return await playKind(kind, fault);
  } catch (error) {
    return { failures: [error.stack], events: 0, virtualSeconds: 0 };
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
