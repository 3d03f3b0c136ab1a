/**
 * Unsolicited Neighbor Advertisements, RFC 4861 section 7.2.6: a guest that has arrived without losing its link (a live
 * migration) must learn that its router has another link-layer address here.
 */
import { readFileSync } from 'node:fs';
import { parseIpv6 } from '../wire/text.ts';
import { sendOnLink } from './multicast.ts';

const NEIGHBOR_ADVERTISEMENT = 136;
const ALL_NODES = 1;
const ROUTER_OVERRIDE = 0xa0;
const TARGET_LINK_LAYER = 2;

/** Tells everybody on `name` that `address` is at this interface's link-layer address; true when it was sent. */
export function announce(name: string, address: string): boolean {
  const target = parseIpv6(address);
  const mac = linkLayerAddress(name);
  if (target === null || mac === null) return false;
  const message = new Uint8Array(32);
  message.set([NEIGHBOR_ADVERTISEMENT, 0, 0, 0, ROUTER_OVERRIDE, 0, 0, 0]);
  message.set(target, 8);
  message.set([TARGET_LINK_LAYER, 1, ...mac], 24);
  return sendOnLink(name, ALL_NODES, message);
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
