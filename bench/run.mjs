/**
 * `npm run bench`: the border router and its anchors, one interleaved run in the same namespaces.
 * Prints tables of ratios, writes JSON and a picture, names every missed floor. Exit codes: 0 done, 1 a floor was missed
 * or the run failed, 2 wrong command line. See README.md beside this file.
 */
import { memoryRound, rewriteRound, tableRound } from './alone.mjs';
import { prepare } from './anchors.mjs';
import * as lab from './lab.mjs';
import { LOADS, suits } from './loads.mjs';
import { machine } from './machine.mjs';
import { isUsageError, parse, usage } from './options.mjs';
import { picture } from './picture.mjs';
import { endAll } from './process.mjs';
import { judge } from './ratios.mjs';
import { print, writeFiles } from './record.mjs';
import { misses } from './report.mjs';
import { cleanUpOnSignals, measureAll, say } from './rounds.mjs';
import { ROWS, TABLES } from './rows.mjs';
import { EXTRA_VARIANTS, VARIANTS } from './variants.mjs';

/** What needs neither namespaces nor root. */
const ALONE = ['rewrite', 'memory'];
const needsLab = ({ only }) => only === null || only.some((word) => !ALONE.includes(word));

const KNOWN = {
  loads: [...new Set([...LOADS.map((load) => load.only), 'rewrite', 'table', 'memory'])],
  variants: [...VARIANTS, ...EXTRA_VARIANTS].map((variant) => variant.name),
};
const USAGE = usage('npm run bench', KNOWN.loads);

async function measureAlone(round, options) {
  const results = [];
  if (wants(options, 'rewrite')) results.push(...(await rewriteRound(round, say)));
  if (wants(options, 'table')) results.push(...(await tableRound(round, say)));
  if (wants(options, 'memory')) results.push(...(await memoryRound(round, say)));
  return results;
}

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

async function bench(options) {
  cleanUpOnSignals(lab.down);
  let results;
  try {
    const tools = await prepare(say);
    const { variants, loads } = choose(options, tools);
    if (needsLab(options)) lab.up();
    results = await measureAll(variants, loads, options, {
      ready: (running) => lab.reachable(running.address, { program: running.program }),
      suits,
      alone: (round) => measureAlone(round, options),
    });
  } finally {
    await endAll();
    lab.down();
  }
  const judged = ROWS.map((row) => judge(results, row)).filter(
    (row) => options.only === null || row.verdict !== 'absent',
  );
  return { machine: machine(), options, results, judged };
}

async function main() {
  const options = parse(process.argv.slice(2), KNOWN);
  if (options.help) return console.log(USAGE);
  if (needsLab(options) && process.getuid() !== 0)
    throw new Error(`the bench makes network namespaces: run it as root, or with --only ${ALONE.join(',')}`);
  const record = await bench(options);
  print(record, { head: 'ilnp sbr', tables: TABLES, variants: [...KNOWN.variants, 'c-rewrite'] });
  console.log('* encrypts and runs on both ends on these processors: not like for like');
  console.log(`written: ${writeFiles(record, { picture: picture(record) })}`);
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
