/**
 * node table-sbr.mjs: memory and changes per second of the table of decisions (src/ilnp/locator-table.ts) with 1,000,000
 * bindings. A change is a move (another class), or one binding deleted and a new one put in its place (two changes).
 * Prints one line of JSON.
 */
import { LocatorTable } from '../dist/ilnp/locator-table.js';
import { random, SEED } from './site-fixture.mjs';

const BINDINGS = 1_000_000;
const CHANGES = 1_000_000;

const before = process.memoryUsage();
const table = new LocatorTable(BINDINGS, SEED);
const nids = new Int32Array(BINDINGS * 2);
const filling = performance.now();
for (let i = 0; i < BINDINGS; i++) {
  nids[2 * i] = random();
  nids[2 * i + 1] = random();
  table.put(nids[2 * i], nids[2 * i + 1], 0, 0);
}
const filled = performance.now();
const most = process.memoryUsage(); // what #grow left behind is still in it

for (let done = 0; done < CHANGES; ) {
  const k = (random() % BINDINGS) * 2;
  if (done % 2 === 0) {
    table.put(nids[k], nids[k + 1], 1, done);
    done++;
  } else {
    table.delete(nids[k], nids[k + 1]);
    nids[k] = random();
    nids[k + 1] = random();
    table.put(nids[k], nids[k + 1], 0, done);
    done += 2;
  }
}
const changed = performance.now();

console.log(
  JSON.stringify({
    size: table.size,
    megabytes: table.octets / 1e6,
    megabytesWhileFilling: (most.arrayBuffers - before.arrayBuffers - nids.byteLength) / 1e6,
    kiloPuts: BINDINGS / (filled - filling),
    kiloChanges: CHANGES / (changed - filled),
  }),
);
