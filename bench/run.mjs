/**
 * `npm run bench`: the border router and its anchors, one interleaved run in the same namespaces.
 * Prints tables of ratios, writes JSON and a picture, names every missed floor. Exit codes: 0 done, 1 a floor was missed
 * or the run failed, 2 wrong command line. See README.md beside this file.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { memoryRound, rewriteRound, tableRound } from './alone.mjs';
import { OUT, prepare } from './anchors.mjs';
import * as lab from './lab.mjs';
import { LOADS, suits } from './loads.mjs';
import { load as loadAverage, machine, quiet, watchingOthers } from './machine.mjs';
import { isUsageError, parse, USAGE } from './options.mjs';
import { picture } from './picture.mjs';
import { endAll, installed, must } from './process.mjs';
import { DISTURBED_PERCENT, isDisturbed, judge } from './ratios.mjs';
import { historyLine, misses, targetTable, valueTable } from './report.mjs';
import { ROWS, TABLES } from './rows.mjs';
import { EXTRA_VARIANTS, VARIANTS } from './variants.mjs';

const HISTORY = fileURLToPath(new URL('./history.jsonl', import.meta.url));
const TRIES = 5;
const say = (line) => process.stderr.write(`${line}\n`);

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
async function measure(variant, loads, { round, seconds, patience }) {
  const results = [];
  let running;
  try {
    running = await variant.start(lab.SCRATCH);
    await lab.reachable(running.address, { program: running.program });
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

/** Rounds of all variants; in odd rounds in reversed order, so that no variant always comes after the same one. */
async function measureAll(variants, loads, options) {
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
      results.push(...(await measure(variant, suited, { round, seconds: options.seconds, patience })));
    }
    if (wants(options, 'rewrite')) results.push(...(await rewriteRound(round, say)));
    if (wants(options, 'table')) results.push(...(await tableRound(round, say)));
    if (wants(options, 'memory')) results.push(...(await memoryRound(round, say)));
  }
  return results;
}

/** What needs neither namespaces nor root. */
const ALONE = ['rewrite', 'memory'];
const needsLab = ({ only }) => only === null || only.some((word) => !ALONE.includes(word));

const wants = (options, word) => options.only === null || options.only.includes(word);

function choose(options, tools) {
  const all = [...VARIANTS, ...EXTRA_VARIANTS];
  const names = options.variants ?? VARIANTS.map((variant) => variant.name);
  const usable = (thing) => thing.needs.every((tool) => tools.has(tool));
  return {
    variants: all.filter((variant) => names.includes(variant.name) && usable(variant)),
    loads: LOADS.filter((load) => wants(options, load.only) && usable(load)),
  };
}

function writeFiles(record) {
  mkdirSync(OUT, { recursive: true });
  const stem = `${OUT}${record.machine.at.replace(/[:.]/g, '-')}`;
  writeFileSync(`${stem}.json`, `${JSON.stringify(record, null, 1)}\n`);
  const svg = picture(record);
  for (const file of [stem, `${OUT}latest`]) writeFileSync(`${file}.svg`, svg);
  if (installed('rsvg-convert')) must(['rsvg-convert', '-o', `${OUT}latest.png`, `${OUT}latest.svg`]);
  if (record.options.history) appendFileSync(HISTORY, `${historyLine(record)}\n`);
  return `${stem}.json`;
}

async function bench(options) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, async () => {
      say(`${signal}: cleaning up`);
      await endAll();
      if (needsLab(options)) lab.down();
      process.exit(1); // in the same turn, so that nothing is made anew
    });
  }
  let results;
  try {
    const tools = await prepare(say);
    const { variants, loads } = choose(options, tools);
    if (needsLab(options)) lab.up();
    results = await measureAll(variants, loads, options);
  } finally {
    await endAll();
    if (needsLab(options)) lab.down();
  }
  const judged = ROWS.map((row) => judge(results, row)).filter(
    (row) => options.only === null || row.verdict !== 'absent',
  );
  return { machine: machine(), options, results, judged };
}

function print(record) {
  const { results, judged } = record;
  const names = [...VARIANTS, ...EXTRA_VARIANTS].map((variant) => variant.name);
  for (const shape of TABLES) {
    const text = valueTable(results, shape, [...names, 'c-rewrite']);
    if (text !== '') console.log(`${text}\n`);
  }
  console.log(targetTable(judged));
  console.log('* encrypts and runs on both ends on these processors: not like for like');
  const disturbed = results.filter(isDisturbed);
  const worst = Math.max(0, ...disturbed.map(({ othersPercent }) => othersPercent));
  const how = disturbed.length > 0 ? `, the worst by ${worst} % of a processor` : '';
  console.log(`${disturbed.length} of ${results.length} measurements were disturbed by other programs${how}`);
}

async function main() {
  const known = {
    loads: [...new Set([...LOADS.map((load) => load.only), 'rewrite', 'table', 'memory'])],
    variants: [...VARIANTS, ...EXTRA_VARIANTS].map((variant) => variant.name),
  };
  const options = parse(process.argv.slice(2), known);
  if (options.help) return console.log(USAGE);
  if (needsLab(options) && process.getuid() !== 0)
    throw new Error(`the bench makes network namespaces: run it as root, or with --only ${ALONE.join(',')}`);
  const record = await bench(options);
  print(record);
  console.log(`written: ${writeFiles(record)}`);
  for (const line of misses(record.judged)) {
    console.log(line);
    process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  say(isUsageError(error) ? `${error.message}\n\n${USAGE}` : `bench: ${error.stack}`);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
