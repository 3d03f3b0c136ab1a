/** The rewrite alone, C and TypeScript in turn, each in a process of its own. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anchor } from './anchors.mjs';
import { run } from './process.mjs';
import { REWRITE_SIZES } from './rows.mjs';

const REPETITIONS = 400; // of 4096 packets
const FORWARD = fileURLToPath(new URL('../dist/sbr/forward.js', import.meta.url));
const SCRIPT = fileURLToPath(new URL('./rewrite-sbr.mjs', import.meta.url));

const CONTESTANTS = [
  { variant: 'c-rewrite', file: anchor('rewrite'), argv: [anchor('rewrite')] },
  { variant: 'sbr', file: FORWARD, argv: [process.execPath, SCRIPT] },
];

/** Results of one round, like those of the loads. */
export async function rewriteRound(round, say) {
  const results = [];
  const order = round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed();
  for (const { name, bindings } of REWRITE_SIZES) {
    for (const { variant, file, argv } of order) {
      if (!existsSync(file)) continue;
      const { code, stdout, stderr } = await run(null, [...argv, `${bindings}`, `${REPETITIONS}`], {
        timeoutMs: 120_000,
      });
      if (code !== 0) {
        say(`  ${variant.padEnd(13)} rewrite ${name} failed: ${stderr.trim().slice(-300)}`);
        continue;
      }
      const { median, best } = JSON.parse(stdout);
      results.push({ round, variant, load: `rewrite-${name}`, values: { ns: median, bestNs: best } });
      say(`  ${variant.padEnd(13)} rewrite-${name} ${median} ns (best ${best})`);
    }
  }
  return results;
}
