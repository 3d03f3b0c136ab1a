/**
 * node rewrite-sbr.mjs BINDINGS REPETITIONS: nanoseconds per packet of `forward` (src/sbr/forward.ts) alone, no input or
 * output; the counterpart of anchors/rewrite.c, same packets in the same slots. Prints one line of JSON.
 */
import { Bindings } from '../dist/ilnp/bindings.js';
import { LocatorTable } from '../dist/ilnp/locator-table.js';
import { OUTSIDE, PacketBatch } from '../dist/packet/batch.js';
import { FORWARD } from '../dist/packet/verdict.js';
import { compile } from '../dist/sbr/compile.js';
import { COUNTERS, Fib } from '../dist/sbr/fib.js';
import { forward } from '../dist/sbr/forward.js';
import { native32 } from '../dist/wire/bytes.js';
import { parseL64 } from '../dist/wire/text.js';
import { median } from './ratios.mjs';

const PACKETS = 4096;
const BATCH = 256; // packets the data path gets at most in one turn
const SLOT = 128;
const HEADROOM = 16;
const LENGTH = 112;
const SEED = [0x5eed1234, 0x7ab1e567];

/** xorshift32, the sequence of anchors/locator.h. */
function random() {
  random.state ^= random.state << 13;
  random.state ^= random.state >>> 17;
  random.state ^= random.state << 5;
  return random.state >>> 0;
}
random.state = 0x12345678;

const L64 = {
  global: parseL64('2001:db8:b::/64'),
  guest: parseL64('fd00:b:0:1::/64'),
  correspondent: parseL64('2001:db8:c::/64'),
};

/** A site of one uplink and one inside link, as the bench's own border router has. */
function site() {
  const config = {
    site: 'site1',
    checksum: 'full',
    uplinks: [{ name: 'isp1', interface: 'gc', l64: L64.global, preference: 10 }],
    inside: [{ interface: 'gv', l64: L64.guest, guests: [] }],
    peers: [],
    subnets: [],
    icmp: { rate: 10, burst: 10 },
  };
  const bindings = new Bindings(1, SEED);
  const classIndex = bindings.classOf({ guest: L64.guest, home: 'site1', uplink: 'isp1', at: 'site1' });
  const image = compile(config, bindings, { uplinkUp: [true], outsideAddress: null, insideAddress: null });
  return { image, classIndex };
}

function fill(bindings) {
  const { image, classIndex } = site();
  const table = new LocatorTable(bindings, SEED);
  const nids = new Int32Array(bindings * 2);
  for (let i = 0; i < bindings; i++) {
    nids[2 * i] = random();
    nids[2 * i + 1] = random();
    table.put(nids[2 * i], nids[2 * i + 1], classIndex, 0);
  }
  return { fib: new Fib(image, table, null, new Float64Array(COUNTERS)), nids };
}

/** Batches over one store, as the device lends them. */
function makeBatches() {
  const store = new ArrayBuffer(PACKETS * SLOT);
  return Array.from({ length: PACKETS / BATCH }, (_, turn) => {
    const batch = new PacketBatch(store, BATCH, false);
    batch.count = BATCH;
    batch.offset.forEach((_, i) => {
      batch.offset[i] = (turn * BATCH + i) * SLOT + HEADROOM;
    });
    return batch;
  });
}

/** Makes every packet of the batch anew: UDP to a NID chosen at random. */
function arrive(batch, nids) {
  const put = (o, { hi, lo }) => {
    batch.word[o >>> 2] = native32(hi);
    batch.word[(o >>> 2) + 1] = native32(lo);
  };
  for (let i = 0; i < BATCH; i++) {
    const o = batch.offset[i];
    batch.length[i] = LENGTH;
    batch.port[i] = OUTSIDE;
    batch.bytes[o] = 0x60;
    batch.bytes[o + 5] = LENGTH - 40;
    batch.bytes[o + 6] = 17;
    batch.bytes[o + 7] = 63;
    put(o + 8, L64.correspondent);
    put(o + 16, { hi: 0, lo: 0xc0 });
    put(o + 24, L64.global);
    const k = (random() % (nids.length / 2)) * 2;
    batch.word[(o + 32) >>> 2] = nids[k];
    batch.word[(o + 36) >>> 2] = nids[k + 1];
    batch.half[(o + 46) >>> 1] = random() | 1;
  }
}

function measure(bindings, repetitions) {
  const { fib, nids } = fill(bindings);
  const batches = makeBatches();
  const took = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const batch of batches) arrive(batch, nids);
    const begin = process.hrtime.bigint();
    for (let turn = 0; turn < batches.length; turn++) forward(batches[turn], fib, repetition);
    took.push(Number(process.hrtime.bigint() - begin) / PACKETS);
  }
  const sent = fib.counters[FORWARD] / repetitions / PACKETS;
  return { bindings, best: Math.min(...took), median: median(took), rewritten: sent };
}

const [bindings, repetitions] = process.argv.slice(2).map(Number);
if (!(bindings > 0 && repetitions > 0)) {
  process.stderr.write('usage: node rewrite-sbr.mjs BINDINGS REPETITIONS\n');
  process.exit(2);
}
const result = measure(bindings, repetitions);
console.log(JSON.stringify(result, (_, v) => (typeof v === 'number' ? Number(v.toFixed(3)) : v)));
