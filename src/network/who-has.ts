/** Asks on a link who has an address, and whether a machine is still there: Neighbor Solicitations (RFC 4861 section 7.2). */
import { setTimeout as pause } from 'node:timers/promises';
import * as libc from '../device/libc.ts';
import { macOctetsOf } from '../device/link-layer.ts';
import { IlnpError } from '../runtime/errors.ts';
import { NEIGHBOUR_ADVERTISEMENT, neighbourSolicitation, solicitedNode } from '../wire/neighbour-discovery.ts';

const AF_INET6 = 10;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2004000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_ICMPV6 = 58;
const ICMPV6_FILTER = 1;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const LOOK_MS = 2;
const MESSAGE_MAX = 256;

/** True when somebody on `link` answers for `address` (16 octets) within `ms`; false also where nobody can be asked. E_NETWORK: no socket. */
export async function whoHas(link: string, address: Uint8Array, ms: number): Promise<boolean> {
  const fd = solicitingSocket(link);
  const room = libc.mapAnonymous(4096);
  try {
    if (!solicit(fd, link, address)) return false;
    const answer = new Uint8Array(room.buffer, 0, MESSAGE_MAX);
    const deadline = performance.now() + ms;
    for (let isLate = false; ; await pause(LOOK_MS)) {
      isLate = performance.now() >= deadline; // asked first: an answer that waited while this process had no time counts
      for (
        let n = libc.readInto(fd, room.address, MESSAGE_MAX);
        n > 0;
        n = libc.readInto(fd, room.address, MESSAGE_MAX)
      )
        if (n >= 24 && answer[0] === NEIGHBOUR_ADVERTISEMENT && address.every((octet, k) => answer[8 + k] === octet))
          return true;
      if (isLate) return false;
    }
  } finally {
    libc.close(fd);
    libc.unmap(room);
  }
}

/** Asks all of `link` who has `address`; the kernel takes the answer, as one to its own question. E_NETWORK: no socket. */
export function askOnce(link: string, address: Uint8Array): void {
  const fd = solicitingSocket(link);
  solicit(fd, link, address);
  libc.close(fd);
}

function solicitingSocket(link: string): number {
  const fd = libc.socket(AF_INET6, SOCK_RAW_CLOEXEC_NONBLOCK, IPPROTO_ICMPV6);
  if (fd < 0) throw new IlnpError('E_NETWORK', `a socket to ask on ${link}: errno ${libc.errno()}`);
  return fd;
}

function solicit(fd: number, link: string, address: Uint8Array): boolean {
  const index = libc.ifNameToIndex(link);
  const mac = macOctetsOf(link);
  const device = new TextEncoder().encode(`${link}\0`);
  if (index === 0 || mac === null || libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length) !== 0)
    return false;
  const filter = new Uint32Array(8).fill(0xffffffff); // a bit for each type that is kept away (RFC 3542 section 3.2)
  filter[NEIGHBOUR_ADVERTISEMENT >>> 5]! &= ~(1 << (NEIGHBOUR_ADVERTISEMENT & 31));
  libc.setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter, 32);
  libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, Int32Array.of(index), 4);
  libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, Int32Array.of(255), 4);
  const message = neighbourSolicitation(address, mac);
  const to = new Uint8Array(28); // struct sockaddr_in6
  new Uint16Array(to.buffer)[0] = AF_INET6;
  to.set(solicitedNode(address), 8);
  new Uint32Array(to.buffer)[6] = index;
  return libc.sendto(fd, message, message.length, 0, to, to.length) === message.length;
}
