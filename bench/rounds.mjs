/** The order of a run, the same for every bench: rounds of all variants, each round measured whole, disturbances noticed. */
import { load as loadAverage, quiet, watchingOthers } from './machine.mjs';
import { SCRATCH } from './namespaces.mjs';
import { endAll } from './process.mjs';
import { DISTURBED_PERCENT } from './ratios.mjs';

const TRIES = 5;
export const say = (line) => process.stderr.write(`${line}\n`);

const compact = (values) =>
  Object.entries(values)
    .filter(([, value]) => Number.isFinite(value))
    .map(([name, value]) => `${name} ${Number(value).toPrecision(3)}`)
    .join(', ');

/**
 * Measures again, a bounded number of times, when other programs were busy meanwhile; the quietest try counts. Waits for
 * rest in between, but in one round not longer than its patience: who computes for hours is not waited for.
 */
async function undisturbed(measureOnce, patience) {
  let best;
  for (let turn = 0; turn < TRIES; turn++) {
    const { value: values, othersPercent } = await watchingOthers(measureOnce);
    if (best === undefined || othersPercent < best.othersPercent) best = { values, othersPercent };
    if (othersPercent <= DISTURBED_PERCENT || patience.ms <= 0) break;
    const begin = performance.now();
    const isQuiet = (await quiet(patience.ms)) <= DISTURBED_PERCENT;
    patience.ms -= performance.now() - begin;
    if (!isQuiet) break;
  }
  return best;
}

/** All loads of one variant. What fails is said and left out: one anchor must not cost the others their numbers. */
async function measure(variant, loads, { round, seconds, patience, ready }) {
  const results = [];
  let running;
  try {
    running = await variant.start(SCRATCH);
    await ready(running);
    for (const load of loads) {
      if (running.program?.ended) throw new Error(`ended: ${running.program.output.stderr.slice(-400)}`);
      try {
        const { values, othersPercent } = await undisturbed(() => load.run(running, seconds), patience);
        results.push({ round, variant: variant.name, load: load.name, values, othersPercent });
        const disturbed = othersPercent > DISTURBED_PERCENT ? `, disturbed: others used ${othersPercent} %` : '';
        say(`  ${variant.name.padEnd(13)} ${load.name.padEnd(8)} ${compact(values)}${disturbed}`);
      } catch (error) {
        say(`  ${variant.name.padEnd(13)} ${load.name.padEnd(8)} failed: ${error.message}`);
      }
    }
  } catch (error) {
    say(`  ${variant.name.padEnd(13)} failed: ${error.message}`);
  } finally {
    await running?.stop();
  }
  return results;
}

/**
 * Rounds of all variants; in odd rounds in reversed order, so that no variant always comes after the same one.
 * `ready(running)` waits until a started variant carries packets; `suits(load, variant)`: whether they belong together;
 * `alone(round)`: results of what is measured besides.
 */
export async function measureAll(variants, loads, options, { ready, suits, alone = async () => [] }) {
  const results = [];
  const deadline = performance.now() + options.minutes * 60_000;
  for (let round = 0; round < options.rounds; round++) {
    if (performance.now() > deadline) {
      say(`stopped after ${round} rounds: ${options.minutes} minutes are over`);
      break;
    }
    const patience = { ms: options.patience * 60_000 };
    const othersPercent = await quiet(0);
    say(`round ${round + 1} of ${options.rounds}; others use ${othersPercent} % of a processor, load ${loadAverage()}`);
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      const suited = loads.filter((load) => suits(load, variant));
      if (suited.length === 0) continue;
      results.push(...(await measure(variant, suited, { round, seconds: options.seconds, patience, ready })));
    }
    results.push(...(await alone(round)));
  }
  return results;
}

/** At a signal: everything that was started ends, `down` takes away the rest, and the process ends as failed. */
export function cleanUpOnSignals(down) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      say(`${signal}: cleaning up`);
      await endAll();
      down();
      process.exit(1); // in the same turn, so that nothing is made anew
    });
  }
}
