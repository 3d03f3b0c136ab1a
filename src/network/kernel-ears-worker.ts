/** The thread behind KernelEars: poll, read, tell; ends when there is something to read from `stopFd`. */
import { parentPort, workerData } from 'node:worker_threads';
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';
import { NEIGHBOUR_ADVERTISEMENT } from '../wire/neighbour-discovery.ts';
import { formatIlv } from '../wire/text.ts';
import type { Heard } from './kernel-ears.ts';
import { LITTLE, messagesIn, openNetlink, RTM_DELROUTE, RTM_NEWROUTE } from './netlink.ts';
import { ROUTER_ADVERTISEMENT } from './router-advertisement.ts';

const POLLIN = 1;
const [GROUP_LINK, GROUP_IPV6_ADDRESS, GROUP_IPV6_ROUTE] = [0x1, 0x100, 0x400];
const [AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_ICMPV6] = [10, 3 | 0o2000000, 58];
/** linux/icmpv6.h: a bit per type, 1: not for us. */
const ICMPV6_FILTER = 1;
const MSG_DONTWAIT = 0x40;
const TABLE_MAIN = 254;

const { stopFd } = workerData as { stopFd: number };
const control = parentPort!;
const netlink = openNetlink(GROUP_LINK | GROUP_IPV6_ADDRESS | GROUP_IPV6_ROUTE);
const advertisements = openAdvertisements();
const octets = new Uint8Array(1 << 16);
const from = new Uint8Array(28);
const fromLength = new Uint32Array(1);

const fds = Int32Array.of(stopFd, POLLIN, netlink, POLLIN, advertisements, POLLIN);
say({ kind: 'listening' });
for (;;) {
  for (let k = 1; k < fds.length; k += 2) fds[k] = POLLIN;
  if (libc.poll(fds, fds.length / 2, -1) < 0 && libc.errno() !== libc.EINTR)
    throw new IlnpError('E_NETWORK', `poll: errno ${libc.errno()}`);
  if (fds[1]! >>> 16 !== 0) break;
  if (hearChanges()) say({ kind: 'changed' });
  hearAdvertisements();
}
libc.close(netlink);
libc.close(advertisements);

/** True when something changed that Locators depend on; what we do ourselves is in other tables. */
function hearChanges(): boolean {
  let changed = false;
  for (;;) {
    fromLength[0] = 12;
    const count = libc.recvfrom(netlink, octets, octets.length, MSG_DONTWAIT, from, fromLength);
    if (count < 0 && libc.errno() === libc.ENOBUFS)
      changed = true; // more than the socket could keep
    else if (count <= 0) return changed;
    else
      for (const { type, body } of messagesIn(octets.subarray(0, count)))
        changed ||= (type !== RTM_NEWROUTE && type !== RTM_DELROUTE) || body.getUint8(4) === TABLE_MAIN;
  }
}

function hearAdvertisements(): void {
  for (;;) {
    fromLength[0] = from.length;
    const count = libc.recvfrom(advertisements, octets, octets.length, MSG_DONTWAIT, from, fromLength);
    if (count <= 0) return;
    if (octets[0] === NEIGHBOUR_ADVERTISEMENT) {
      say({ kind: 'claimed', message: octets.slice(0, count) });
      continue;
    }
    const sender = new DataView(from.buffer);
    const l64 = { hi: sender.getUint32(8), lo: sender.getUint32(12) };
    if (l64.hi >>> 22 !== 0x3fa) continue; // a router speaks from a link-local address, which no other router forwards
    const router = formatIlv(l64, { hi: sender.getUint32(16), lo: sender.getUint32(20) });
    say({ kind: 'advertised', router, index: sender.getUint32(24, LITTLE), message: octets.slice(0, count) });
  }
}

function openAdvertisements(): number {
  const fd = libc.socket(AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_ICMPV6);
  if (fd < 0) throw new IlnpError('E_NETWORK', `no socket for Router Advertisements: errno ${libc.errno()}`);
  const filter = new Uint32Array(8).fill(0xffffffff);
  for (const type of [ROUTER_ADVERTISEMENT, NEIGHBOUR_ADVERTISEMENT]) filter[type >>> 5]! &= ~(1 << (type & 31));
  libc.setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter, filter.byteLength);
  return fd;
}

function say(heard: Heard): void {
  control.postMessage(heard);
}
