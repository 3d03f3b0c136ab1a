/**
 * Unsolicited Neighbor Advertisements, RFC 4861 section 7.2.6: a guest that has arrived without losing its link (a live
 * migration) must learn that its router has another link-layer address here.
 */
import { readFileSync } from 'node:fs';
import * as libc from '../device/libc.ts';
import { parseIpv6 } from '../wire/text.ts';

const AF_INET6 = 10;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;

const NEIGHBOR_ADVERTISEMENT = 136;
const ROUTER_OVERRIDE = 0xa0;
const TARGET_LINK_LAYER = 2;

/** Tells everybody on `name` that `address` is at this interface's link-layer address; true when it was sent. */
export function announce(name: string, address: string): boolean {
  const index = libc.ifNameToIndex(name);
  const target = parseIpv6(address);
  const mac = linkLayerAddress(name);
  if (index === 0 || target === null || mac === null) return false;
  const fd = libc.socket(AF_INET6, SOCK_RAW_CLOEXEC, IPPROTO_ICMPV6);
  if (fd < 0) return false;
  try {
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, Int32Array.of(index), 4);
    libc.setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, Int32Array.of(255), 4);
    const message = new Uint8Array(32);
    message.set([NEIGHBOR_ADVERTISEMENT, 0, 0, 0, ROUTER_OVERRIDE, 0, 0, 0]); // the kernel sums raw ICMPv6
    message.set(target, 8);
    message.set([TARGET_LINK_LAYER, 1, ...mac], 24);
    return libc.sendto(fd, message, message.length, 0, allNodes(index), 28) === message.length;
  } finally {
    libc.close(fd);
  }
}

/** struct sockaddr_in6 of ff02::1 on an interface. */
function allNodes(index: number): Uint8Array {
  const to = new Uint8Array(28);
  new Uint16Array(to.buffer)[0] = AF_INET6;
  to.set([0xff, 0x02], 8);
  to[23] = 1;
  new Uint32Array(to.buffer)[6] = index;
  return to;
}

function linkLayerAddress(name: string): number[] | null {
  try {
    const text = readFileSync(`/sys/class/net/${name}/address`, 'utf8').trim();
    const octets = text.split(':').map((x) => Number.parseInt(x, 16));
    return octets.length === 6 && octets.some((x) => x !== 0) ? octets : null;
  } catch {
    return null;
  }
}
