/**
 * `npm run bench:micro`: nanoseconds of the functions of the path, with mitata. For finding out what costs how much;
 * floors are judged by `npm run bench`.
 */
import { bench, do_not_optimize, group, run, summary } from 'mitata';
import { Sessions } from '../dist/ilnp/sessions.js';
import { INSIDE, OUTSIDE } from '../dist/packet/batch.js';
import { forward } from '../dist/sbr/forward.js';
import { difference, sum64, update } from '../dist/wire/checksum.js';
import { upperLayer } from '../dist/wire/extension-headers.js';
import { parseNid } from '../dist/wire/text.js';
import { arrive, BATCH, makeBatches, random, SEED, site } from './site-fixture.mjs';

const SIZES = { '1k': 1000, '100k': 100_000, '1M': 1_000_000 };

/** Per iteration of the measured function, so that one call is well above the clock. */
const REPEAT = 256;

group(`forward, ${BATCH} packets that stay the same, copied back each time`, () => {
  for (const [name, size] of Object.entries(SIZES)) {
    const { fib, nids } = site(size);
    for (const [side, port] of [
      ['from outside', OUTSIDE],
      ['from inside', INSIDE],
    ]) {
      const [batch] = makeBatches(BATCH);
      arrive(batch, nids, port);
      const sent = batch.bytes.slice();
      bench(`${side}, ${name} bindings`, () => {
        batch.bytes.set(sent);
        forward(batch, fib, 0);
      });
    }
  }
  const [batch] = makeBatches(BATCH);
  const sent = batch.bytes.slice();
  bench('the copy alone', () => batch.bytes.set(sent));
});

group(`table, ${REPEAT} look-ups`, () => {
  summary(() => {
    for (const [name, size] of Object.entries(SIZES)) {
      const { table, nids } = site(size);
      const asked = Int32Array.from({ length: REPEAT * 64 }, () => random() % size);
      let turn = 0;
      bench(`find, ${name} bindings`, () => {
        let found = 0;
        turn = (turn + 1) & 63;
        for (let i = 0; i < REPEAT; i++) {
          const k = asked[turn * REPEAT + i] * 2;
          found += table.find(nids[k], nids[k + 1]);
        }
        do_not_optimize(found);
      });
      bench(`find what is not there, ${name} bindings`, () => {
        let found = 0;
        for (let i = 0; i < REPEAT; i++) found += table.find(random() | 0, i);
        do_not_optimize(found);
      });
    }
  });
});

group(`sessions, ${REPEAT} look-ups`, () => {
  const sessions = new Sessions(new Int32Array(Sessions.words(65_536)), SEED[0]);
  for (let i = 0; i < 30_000; i++) sessions.open(i, 1, 2, 3, i, 5, 100, true);
  bench('find', () => {
    let found = 0;
    for (let i = 0; i < REPEAT; i++) found += sessions.find(i * 100, 1, 2, 3, i * 100, 5);
    do_not_optimize(found);
  });
});

group(`octets, ${REPEAT} times`, () => {
  const words = Int32Array.from({ length: REPEAT }, () => random());
  bench('checksum: sum64, difference, update', () => {
    let kept = 0;
    for (let i = 0; i < REPEAT; i++) kept ^= update(i, difference(0x1234, sum64(words[i], words[REPEAT - 1 - i])));
    do_not_optimize(kept);
  });
  const packet = new Uint8Array(128);
  packet.set([0x60, 0, 0, 0, 0, 72, 60], 0);
  packet.set([17, 0, 0x8b, 4, 1, 2, 3, 4], 40); // destination options with a Nonce (RFC 6744), then UDP
  bench('extension headers: nonce, then UDP', () => {
    let kept = 0;
    for (let i = 0; i < REPEAT; i++) kept ^= upperLayer(packet, 0, 112);
    do_not_optimize(kept);
  });
  bench('text: parse a Node Identifier', () => {
    for (let i = 0; i < REPEAT; i++) do_not_optimize(parseNid('0123:4567:89ab:cdef'));
  });
});

await run();
