/**
 * The site the bench's border router serves, as the tables of its path, and packets for it: for measuring functions of
 * the path without input and output. Same bindings, same packets and same pseudo-random sequence as anchors/rewrite.c.
 */
import { Bindings } from '../dist/ilnp/bindings.js';
import { LocatorTable } from '../dist/ilnp/locator-table.js';
import { INSIDE, OUTSIDE, PacketBatch } from '../dist/packet/batch.js';
import { compile } from '../dist/sbr/compile.js';
import { COUNTERS, Fib } from '../dist/sbr/fib.js';
import { native32 } from '../dist/wire/bytes.js';
import { parseL64 } from '../dist/wire/text.js';

export const BATCH = 256; // packets the data path gets at most in one turn
const SLOT = 128;
const HEADROOM = 16;
const LENGTH = 112;
export const SEED = [0x5eed1234, 0x7ab1e567];

const L64 = {
  global: parseL64('2001:db8:b::/64'),
  guest: parseL64('fd00:b:0:1::/64'),
  correspondent: parseL64('2001:db8:c::/64'),
};

let state = 0x12345678;
/** xorshift32, the sequence of anchors/locator.h; unsigned. */
export function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}

/** Tables of a site with one uplink, one inside link and `bindings` guests; `nids` holds theirs, two words each. */
export function site(bindings) {
  const config = {
    site: 'site1',
    checksum: 'full',
    uplinks: [{ name: 'isp1', interface: 'gc', l64: L64.global, preference: 10 }],
    inside: [{ interface: 'gv', l64: L64.guest, guests: [], arrivals: false }],
    peers: [],
    subnets: [],
    policy: [],
    pair: undefined,
    icmp: { rate: 10, burst: 10 },
  };
  const classes = new Bindings(1, SEED);
  const classIndex = classes.classOf({ guest: L64.guest, home: 'site1', uplink: 'isp1', at: 'site1' });
  const image = compile(config, classes, { uplinkUp: [true], outsideAddress: null, insideAddress: null });
  const table = new LocatorTable(bindings, SEED);
  const nids = new Int32Array(bindings * 2);
  for (let i = 0; i < bindings; i++) {
    nids[2 * i] = random();
    nids[2 * i + 1] = random();
    table.put(nids[2 * i], nids[2 * i + 1], classIndex, 0);
  }
  return { fib: new Fib(image, table, null, new Float64Array(COUNTERS)), table, nids, classIndex };
}

/** Batches over one store of `packets` packets, as the device lends them. */
export function makeBatches(packets, vnet = false) {
  const store = new ArrayBuffer(packets * SLOT);
  return Array.from({ length: packets / BATCH }, (_, turn) => {
    const batch = new PacketBatch(store, BATCH, vnet);
    batch.count = BATCH;
    for (let i = 0; i < BATCH; i++) batch.offset[i] = (turn * BATCH + i) * SLOT + HEADROOM;
    return batch;
  });
}

function putL64(batch, o, { hi, lo }) {
  batch.word[o >>> 2] = native32(hi);
  batch.word[(o >>> 2) + 1] = native32(lo);
}

/** Makes every packet of the batch anew: UDP from the correspondent to a guest chosen at random, or the other way. */
export function arrive(batch, nids, port = OUTSIDE) {
  const [there, here] = port === INSIDE ? [24, 8] : [8, 24];
  for (let i = 0; i < batch.count; i++) {
    const o = batch.offset[i];
    batch.length[i] = LENGTH;
    batch.port[i] = port;
    batch.bytes[o] = 0x60;
    batch.bytes[o + 5] = LENGTH - 40;
    batch.bytes[o + 6] = 17;
    batch.bytes[o + 7] = 63;
    putL64(batch, o + there, L64.correspondent);
    putL64(batch, o + there + 8, { hi: 0, lo: 0xc0 });
    putL64(batch, o + here, port === INSIDE ? L64.guest : L64.global);
    const k = (random() % (nids.length / 2)) * 2;
    batch.word[(o + here + 8) >>> 2] = nids[k];
    batch.word[(o + here + 12) >>> 2] = nids[k + 1];
    batch.half[(o + 46) >>> 1] = random() | 1;
  }
}

/** One packet of `length` octets as `arrive` makes them, alone: for devices that copy. */
export function packet(nids, { length, next, port = OUTSIDE }) {
  const batch = new PacketBatch(new ArrayBuffer((length + 7) & ~7), 1, false);
  batch.count = 1;
  arrive(batch, nids, port);
  batch.bytes[4] = (length - 40) >>> 8;
  batch.bytes[5] = (length - 40) & 0xff;
  batch.bytes[6] = next;
  return batch.bytes.subarray(0, length);
}
