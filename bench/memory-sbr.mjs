/**
 * node memory-sbr.mjs single|mixed REPETITIONS: nanoseconds per packet of the border's path without a TUN: received from a
 * device in memory, forwarded, sent to another one (native-free/memory-device.ts). Two copies and no system call; what a
 * TUN adds is the difference to the UDP loads. Prints one line of JSON.
 *
 *   single  one flow of UDP from outside, 112 octets a packet, one binding
 *   mixed   1,000 bindings; both directions; UDP and TCP of 112 to 1,492 octets, echo, 1 of 64 to nobody
 */
import { MemoryDevice, memoryLink } from '../dist/native-free/door.js';
import { INSIDE, OUTSIDE } from '../dist/packet/batch.js';
import { FORWARD } from '../dist/packet/verdict.js';
import { forward } from '../dist/sbr/forward.js';
import { put16 } from '../dist/wire/bytes.js';
import { median } from './ratios.mjs';
import { packet, random, site } from './site-fixture.mjs';

const PACKETS = 4096;
const TURN = 64; // packets that wait when the border looks
const [TCP, UDP, ICMPV6] = [6, 17, 58];

const LOADS = {
  single: { bindings: 1, make: (nids) => ({ port: OUTSIDE, octets: packet(nids, { length: 112, next: UDP }) }) },
  mixed: {
    bindings: 1000,
    make: (nids) => {
      const port = random() % 2 === 0 ? OUTSIDE : INSIDE;
      const next = [UDP, TCP, TCP, ICMPV6][random() % 4];
      const length = next === ICMPV6 ? 112 : [112, 132, 576, 1492][random() % 4];
      const octets = packet(nids, { length, next, port });
      if (next === ICMPV6) put16(octets, 40, 0x8000); // echo request
      if (random() % 64 === 0) octets[port === OUTSIDE ? 39 : 23] ^= 0xff; // a NID that nobody has
      return { port, octets };
    },
  },
};

function measure(name, repetitions) {
  const { bindings, make } = LOADS[name];
  const { fib, nids } = site(bindings);
  const packets = Array.from({ length: PACKETS }, () => make(nids));
  const border = new MemoryDevice({ slots: TURN, largest: 1500 });
  const far = [OUTSIDE, INSIDE].map((port) => {
    const device = new MemoryDevice({ ports: 1, slots: TURN, largest: 1500 });
    memoryLink({ device: border, port }, { device, port: 0 });
    return device;
  });
  const plugs = [OUTSIDE, INSIDE].map((port) => border.plug(port));
  const took = [];
  let received = 0;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    let nanoseconds = 0;
    for (let at = 0; at < PACKETS; at += TURN) {
      for (let k = at; k < at + TURN; k++) plugs[packets[k].port].put(packets[k].octets, 0, packets[k].octets.length);
      const begin = process.hrtime.bigint();
      border.receive();
      forward(border.batch, fib, repetition);
      border.send();
      nanoseconds += Number(process.hrtime.bigint() - begin);
      for (const device of far) received += device.receive();
    }
    took.push(nanoseconds / PACKETS);
  }
  const sent = repetitions * PACKETS;
  return {
    load: name,
    best: Math.min(...took),
    median: median(took),
    forwarded: fib.counters[FORWARD] / sent,
    received: received / sent,
  };
}

const [name, repetitions] = [process.argv[2], Number(process.argv[3])];
if (!Object.hasOwn(LOADS, name ?? '') || !(repetitions > 0)) {
  process.stderr.write('usage: node memory-sbr.mjs single|mixed REPETITIONS\n');
  process.exit(2);
}
const result = measure(name, repetitions);
console.log(JSON.stringify(result, (_, v) => (typeof v === 'number' ? Number(v.toFixed(3)) : v)));
