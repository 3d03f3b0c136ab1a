/**
 * The contract of devices with a TUN behind it, in every way this kernel reads one. The other side are three more TUNs and
 * the kernel between, which forwards by the side a packet came from:
 *
 *   feeder p ──► kernel ──► TUN of port p ──► device        device ──► TUN of port p ──► kernel ──► feeder p
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { InheritedTun } from '../../native-free/inherited-tun.ts';
import type { Device } from '../../src/device/device.ts';
import * as libc from '../../src/device/libc.ts';
import { openDevice } from '../../src/device/open-device.ts';
import { openTun } from '../../src/device/tun.ts';
import { probeMultishot } from '../../src/device/uring-device.ts';
import { type DeviceRig, deviceContract } from '../support/device-contract.ts';

const CLONE_NEWNET = 0x40000000;
const NONBLOCK_CLOEXEC = 0o2004000;
const isRoot = process.getuid?.() === 0;
const PORTS = [0, 1, 2];
const ROOM = 65536;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

if (isRoot) {
  const unshare = koffi.load('libc.so.6').func('int unshare(int flags)') as (flags: number) => number;
  if (unshare(CLONE_NEWNET) !== 0) throw new Error(`unshare: errno ${koffi.errno()}`);
  writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
}

const ip = (...words: string[]): Buffer => execFileSync('ip', ['-6', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
let serial = 0;

type Way = 'uring' | 'uring-single' | 'poll' | 'inherited';

/** A device on three new TUNs. */
function tunRig(way: Way): DeviceRig {
  const id = serial++;
  const under = PORTS.map((p) => `dc${id}p${p}`);
  const feeders = PORTS.map((p) => `df${id}p${p}`);
  const fds: number[] = [];
  const open = (name: string): number => {
    const { fd } = openTun(name, { queues: 1, offload: false });
    fds.push(fd);
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/addr_gen_mode`, '1');
    ip('link', 'set', 'dev', name, 'mtu', '1500', 'txqueuelen', '5000', 'multicast', 'off', 'up');
    return fd;
  };
  const deviceFds = under.map(open);
  const feederFds = feeders.map(open);
  for (const p of PORTS) {
    ip('route', 'replace', `fd00:${p + 1}::/64`, 'dev', under[p]!);
    ip('route', 'add', 'default', 'dev', feeders[p]!, 'table', `${100 + 10 * id + p}`);
    ip('rule', 'add', 'iif', under[p]!, 'lookup', `${100 + 10 * id + p}`, 'priority', `${100 + p}`);
  }
  const room = libc.mapAnonymous(ROOM);
  const octets = new Uint8Array(room.buffer);
  const wakeFd = libc.eventfd(0, NONBLOCK_CLOEXEC);
  const queues = deviceFds.map((fd) => ({ fd, vnet: false, uso: false }));
  const inherited = way === 'inherited' ? new InheritedTun(deviceFds) : null;
  const device: Device = inherited ?? openDevice(queues, wakeFd, way as Exclude<Way, 'inherited'>).device;
  const wake = (): void => {
    if (inherited !== null) inherited.wake();
    else writeSync(wakeFd, ONE);
  };
  return {
    device,
    ports: PORTS.length,
    wake,
    arrive: (port, packets) => {
      for (const packet of packets) {
        octets.set(packet);
        if (libc.writeFrom(feederFds[port]!, room.address, packet.length) < 0)
          throw new Error(`feeder ${port}: errno ${libc.errno()}`);
      }
    },
    left: (port) => {
      wake();
      device.receive(); // sends what is held
      device.takeWake();
      const packets: Uint8Array[] = [];
      for (;;) {
        const length = libc.readInto(feederFds[port]!, room.address, ROOM);
        if (length < 0) return packets;
        if (octets[6] === 17) packets.push(octets.slice(0, length));
      }
    },
    cut: (port) => void ip('link', 'set', 'dev', under[port]!, 'down'),
    close: () => {
      device.close();
      for (const p of PORTS) ip('rule', 'del', 'priority', `${100 + p}`);
      const gone = inherited === null ? [...fds, wakeFd] : [...feederFds, wakeFd];
      for (const fd of gone) libc.close(fd);
    },
  };
}

/** A container may have no io_uring. */
function usableWays(): Way[] {
  try {
    return probeMultishot() ? ['uring', 'uring-single', 'poll', 'inherited'] : ['uring-single', 'poll', 'inherited'];
  } catch {
    return ['poll', 'inherited'];
  }
}

for (const way of isRoot ? usableWays() : (['poll'] as const))
  deviceContract(`TUN, ${way}`, () => tunRig(way), { skip: !isRoot });
