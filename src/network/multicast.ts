/** Neighbour Discovery messages of our own, sent to a multicast group of a link (RFC 4861: hop limit 255). */
import * as libc from '../device/libc.ts';

const AF_INET6 = 10;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
/** The packet brings its header along. */
const IPPROTO_RAW = 255;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;

/** Sends an ICMPv6 message, whose checksum the kernel makes, to ff02::`group` on `name`; true when it was sent. */
export function sendOnLink(name: string, group: number, message: Uint8Array): boolean {
  const index = libc.ifNameToIndex(name);
  if (index === 0) return false;
  const fd = libc.socket(AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_ICMPV6);
  if (fd < 0) return false;
  try {
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, Int32Array.of(index), 4);
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, Int32Array.of(255), 4);
    return libc.sendto(fd, message, message.length, 0, groupAddress(group, index), 28) === message.length;
  } finally {
    libc.close(fd);
  }
}

/** Sends a whole IPv6 packet to its multicast destination on the link of `index`; true when it was sent. */
export function sendRaw(index: number, packet: Uint8Array): boolean {
  const fd = libc.socket(AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) return false;
  try {
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, Int32Array.of(0), 4); // our own kernel need not answer
    const to = new Uint8Array(28);
    new Uint16Array(to.buffer)[0] = AF_INET6;
    to.set(packet.subarray(24, 40), 8);
    new Uint32Array(to.buffer)[6] = index;
    return libc.sendto(fd, packet, packet.length, 0, to, 28) === packet.length;
  } finally {
    libc.close(fd);
  }
}

/** struct sockaddr_in6 of ff02::`group` on an interface. */
function groupAddress(group: number, index: number): Uint8Array {
  const to = new Uint8Array(28);
  new Uint16Array(to.buffer)[0] = AF_INET6;
  to.set([0xff, 0x02], 8);
  to[23] = group;
  new Uint32Array(to.buffer)[6] = index;
  return to;
}
