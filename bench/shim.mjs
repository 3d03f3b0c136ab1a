/**
 * `npm run bench:shim`: end systems beside a C program that only copies packets through the same TUN, and beside no TUN at
 * all, one interleaved run. As run.mjs; see README.md beside this file.
 */
import { prepare } from './anchors.mjs';
import { machine } from './machine.mjs';
import { answers, remove } from './namespaces.mjs';
import { isUsageError, parse, usage } from './options.mjs';
import { endAll } from './process.mjs';
import { judge } from './ratios.mjs';
import { print, writeFiles } from './record.mjs';
import { misses } from './report.mjs';
import { cleanUpOnSignals, measureAll, say } from './rounds.mjs';
import { A, up } from './shim-lab.mjs';
import { LOADS, warmUp } from './shim-loads.mjs';
import { ROWS, TABLES } from './shim-rows.mjs';
import { EXTRA_VARIANTS, VARIANTS } from './shim-variants.mjs';

const ALL = [...VARIANTS, ...EXTRA_VARIANTS];
const KNOWN = { loads: [...new Set(LOADS.map(({ only }) => only))], variants: ALL.map(({ name }) => name) };
const USAGE = usage('npm run bench:shim', KNOWN.loads);

async function bench(options) {
  cleanUpOnSignals(remove);
  try {
    const tools = await prepare(say);
    const usable = ({ needs }) => needs.every((tool) => tools.has(tool));
    const names = options.variants ?? VARIANTS.map(({ name }) => name);
    const loads = LOADS.filter((load) => (options.only === null || options.only.includes(load.only)) && usable(load));
    up();
    return await measureAll(
      ALL.filter((variant) => names.includes(variant.name) && usable(variant)),
      loads,
      options,
      {
        ready: async (running) => {
          await answers(A, running.address, { program: running.program });
          await warmUp(running);
        },
        suits: (load, variant) => load.suits(variant),
      },
    );
  } finally {
    await endAll();
    remove();
  }
}

try {
  const options = parse(process.argv.slice(2), KNOWN);
  if (options.help) console.log(USAGE);
  else {
    if (process.getuid() !== 0) throw new Error('the bench makes network namespaces: run it as root');
    const results = await bench(options);
    const judged = ROWS.map((row) => judge(results, row)).filter(({ verdict }) => verdict !== 'absent');
    const record = { machine: machine(), options, results, judged };
    print(record, { head: 'ilnp shim', tables: TABLES, variants: KNOWN.variants });
    console.log(`written: ${writeFiles(record, { name: 'shim' })}`);
    for (const line of misses(judged)) {
      console.log(line);
      process.exitCode = 1;
    }
  }
} catch (error) {
  say(isUsageError(error) ? `${error.message}\n\n${USAGE}` : `bench: ${error.stack}`);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
