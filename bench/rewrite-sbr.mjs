/**
 * node rewrite-sbr.mjs BINDINGS REPETITIONS: nanoseconds per packet of `forward` (src/sbr/forward.ts) alone, no input or
 * output; the counterpart of anchors/rewrite.c, same packets in the same slots. Prints one line of JSON.
 */
import { FORWARD } from '../dist/packet/verdict.js';
import { forward } from '../dist/sbr/forward.js';
import { median } from './ratios.mjs';
import { arrive, makeBatches, site } from './site-fixture.mjs';

const PACKETS = 4096;

function measure(bindings, repetitions) {
  const { fib, nids } = site(bindings);
  const batches = makeBatches(PACKETS);
  const took = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const batch of batches) arrive(batch, nids);
    const begin = process.hrtime.bigint();
    for (let turn = 0; turn < batches.length; turn++) forward(batches[turn], fib, repetition);
    took.push(Number(process.hrtime.bigint() - begin) / PACKETS);
  }
  const rewritten = fib.counters[FORWARD] / repetitions / PACKETS;
  return { bindings, best: Math.min(...took), median: median(took), rewritten };
}

const [bindings, repetitions] = process.argv.slice(2).map(Number);
if (!(bindings > 0 && repetitions > 0)) {
  process.stderr.write('usage: node rewrite-sbr.mjs BINDINGS REPETITIONS\n');
  process.exit(2);
}
const result = measure(bindings, repetitions);
console.log(JSON.stringify(result, (_, v) => (typeof v === 'number' ? Number(v.toFixed(3)) : v)));
