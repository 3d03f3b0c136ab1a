/**
 * What the API of tuntap2 (dist/device/tuntap2.js) costs beside the batch interface: packets of 100 octets, read and written
 * through both, in the same process and namespace. Needs root:   unshare -n node bench/tun-adapter.mjs
 */
import { execFileSync } from 'node:child_process';
import * as libc from '../dist/device/libc.js';
import { PolledDevice } from '../dist/device/polled-device.js';
import { openTun } from '../dist/device/tun.js';
import { Tun } from '../dist/device/tuntap2.js';

const GROUP = 400; // less than the queue of a TUN
const GROUPS = 100;
const ROUNDS = 5;

const ip = (...words) => execFileSync('ip', ['-6', ...words]);
const packet = new Uint8Array(100);
packet.set([0x60, 0, 0, 0, 0, 60, 59, 64]); // no next header
packet.set([0x20, 1, 0x0d, 0xb8], 8);
packet[23] = 1;
packet.set([0xfd, 0, 0, 1], 24);
packet[39] = 2;
const room = libc.mapAnonymous(4096);
new Uint8Array(room.buffer).set(packet);

execFileSync('sysctl', ['-qw', 'net.ipv6.conf.all.forwarding=1']);
const feeder = openTun('feed0', { queues: 1, offload: false });
ip('link', 'set', 'feed0', 'up');
const feed = () => {
  for (let k = 0; k < GROUP; k++) libc.writeFrom(feeder.fd, room.address, packet.length);
};

const route = (name) => {
  ip('link', 'set', name, 'up');
  ip('route', 'replace', 'fd00:1::/64', 'dev', name);
};

/** Nanoseconds of wall clock and of CPU per packet, feeding included: a worker reads while it is fed. */
async function measure(takeAll) {
  let wall = 0;
  let cpu = 0;
  for (let g = 0; g < GROUPS; g++) {
    const before = process.cpuUsage();
    const began = performance.now();
    feed();
    await takeAll();
    wall += performance.now() - began;
    const { user, system } = process.cpuUsage(before);
    cpu += user + system;
  }
  return { wall: (wall * 1e6) / (GROUP * GROUPS), cpu: (cpu * 1e3) / (GROUP * GROUPS) };
}

async function batches() {
  const { fd } = openTun('batch0', { queues: 1, offload: false });
  route('batch0');
  const device = new PolledDevice([{ fd, vnet: false, uso: false }], libc.eventfd(0, 0o4000), { coalesce: false });
  device.batch.egress.fill(0);
  const read = await measure(() => {
    for (let n = 0; n < GROUP; ) n += device.receive();
  });
  const { batch } = device;
  batch.count = 64;
  const began = performance.now();
  for (let k = 0; k < 200; k++) device.send();
  const write = ((performance.now() - began) * 1e6) / (200 * 64);
  libc.close(fd);
  return { read, write };
}

async function streams() {
  const tun = new Tun({ name: 'stream0' });
  route('stream0');
  let seen = 0;
  let full = () => {};
  tun.on('data', () => ++seen % GROUP === 0 && full());
  const take = async () => {
    if (seen === 0 || seen % GROUP !== 0)
      await new Promise((done) => {
        full = done;
      });
    seen = 0;
  };
  feed();
  await take(); // its worker has started
  const read = await measure(take);
  const copy = Buffer.from(packet);
  const began = performance.now();
  for (let k = 0; k < 200; k++)
    await new Promise((done) => {
      for (let i = 0; i < 63; i++) tun.write(copy);
      tun.write(copy, done);
    });
  const write = ((performance.now() - began) * 1e6) / (200 * 64);
  await new Promise((done) => tun.release(done));
  return { read, write };
}

const show = (name, { read, write }) =>
  console.log(
    `${name}  read ${Math.round(read.wall)} ns (CPU ${Math.round(read.cpu)}), write ${Math.round(write)} ns per packet`,
  );
for (let round = 0; round < ROUNDS; round++) {
  show('batches', await batches());
  show('streams', await streams());
}
process.exit(0);
