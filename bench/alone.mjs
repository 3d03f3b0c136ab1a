/** Parts of the border router alone, without TUN and kernel, each in a process of its own: rewrite, table, memory. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anchor } from './anchors.mjs';
import { watchingOthers } from './machine.mjs';
import { run } from './process.mjs';
import { MEMORY_LOADS, REWRITE_SIZES } from './rows.mjs';

const REPETITIONS = 400; // of 4096 packets
const TRIES = 3; // the lowest median counts: a neighbour on the machine can only make it higher
const TIMEOUT_MS = 120_000;

const here = (file) => fileURLToPath(new URL(file, import.meta.url));

/** The last line a program prints, as JSON; undefined (and a line said) when it fails. */
async function lineOf(argv, name, say) {
  const { code, stdout, stderr } = await run(null, argv, { timeoutMs: TIMEOUT_MS });
  if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1));
  say(`  ${name} failed: ${stderr.trim().slice(-300)}`);
  return undefined;
}

const CONTESTANTS = [
  { variant: 'c-rewrite', file: anchor('rewrite'), argv: [anchor('rewrite')] },
  { variant: 'sbr', file: here('../dist/sbr/forward.js'), argv: [process.execPath, here('./rewrite-sbr.mjs')] },
];

/** The rewrite of one packet, C and TypeScript in turn; results like those of the loads. */
export async function rewriteRound(round, say) {
  const results = [];
  const contestants = CONTESTANTS.filter(({ file }) => existsSync(file));
  const order = round % 2 === 0 ? contestants : contestants.toReversed();
  for (const { name, bindings } of REWRITE_SIZES) {
    const lowest = new Map();
    for (let turn = 0; turn < TRIES; turn++) {
      for (const { variant, argv } of order) {
        const measure = () => lineOf([...argv, `${bindings}`, `${REPETITIONS}`], `${variant} rewrite-${name}`, say);
        const { value: line, othersPercent } = await watchingOthers(measure);
        if (line === undefined) continue;
        const known = lowest.get(variant);
        if (known !== undefined && known.values.ns <= line.median) continue;
        lowest.set(variant, { values: { ns: line.median, bestNs: line.best }, othersPercent });
      }
    }
    for (const [variant, { values, othersPercent }] of lowest) {
      results.push({ round, variant, load: `rewrite-${name}`, values, othersPercent });
      say(`  ${variant.padEnd(13)} rewrite-${name} ${values.ns} ns (best ${values.bestNs})`);
    }
  }
  return results;
}

/** Memory and changes of the table of 1,000,000 bindings. */
export async function tableRound(round, say) {
  if (!existsSync(here('../dist/ilnp/locator-table.js'))) return [];
  const measure = () => lineOf([process.execPath, here('./table-sbr.mjs')], 'table', say);
  const { value: values, othersPercent } = await watchingOthers(measure);
  if (values === undefined) return [];
  say(`  ${'sbr'.padEnd(13)} table ${values.megabytes.toFixed(1)} MB, ${values.kiloChanges.toFixed(0)} k changes/s`);
  return [{ round, variant: 'sbr', load: 'table', values, othersPercent }];
}

/** The path between devices in memory; the lowest median of a few tries, as for rewrite. */
export async function memoryRound(round, say) {
  if (!existsSync(here('../dist/native-free/door.js'))) return [];
  const results = [];
  for (const { name } of MEMORY_LOADS) {
    const load = `memory-${name}`;
    let lowest;
    for (let turn = 0; turn < TRIES; turn++) {
      const argv = [process.execPath, '--no-addons', here('./memory-sbr.mjs'), name, `${REPETITIONS}`];
      const { value: line, othersPercent } = await watchingOthers(() => lineOf(argv, load, say));
      if (line === undefined || (lowest !== undefined && lowest.values.ns <= line.median)) continue;
      lowest = { values: { ns: line.median, bestNs: line.best }, othersPercent };
    }
    if (lowest === undefined) continue;
    results.push({ round, variant: 'sbr', load, ...lowest });
    say(`  ${'sbr'.padEnd(13)} ${load} ${lowest.values.ns} ns (best ${lowest.values.bestNs})`);
  }
  return results;
}
