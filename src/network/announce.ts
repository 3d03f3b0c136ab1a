/**
 * Unsolicited Neighbor Advertisements, RFC 4861 section 7.2.6: a guest that has arrived without losing its link (a live
 * migration) must learn that its router has another link-layer address here.
 */
import { macOctetsOf } from '../device/link-layer.ts';
import { NEIGHBOUR_ADVERTISEMENT } from '../wire/neighbour-discovery.ts';
import { parseIpv6 } from '../wire/text.ts';
import { sendOnLink } from './multicast.ts';

const ALL_NODES = 1;
const ROUTER_OVERRIDE = 0xa0;
const TARGET_LINK_LAYER = 2;

/** Tells everybody on `name` that `address` is at this interface's link-layer address; true when it was sent. */
export function announce(name: string, address: string): boolean {
  const target = parseIpv6(address);
  const mac = macOctetsOf(name);
  if (target === null || mac === null) return false;
  const message = new Uint8Array(32);
  message.set([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, ROUTER_OVERRIDE, 0, 0, 0]);
  message.set(target, 8);
  message.set([TARGET_LINK_LAYER, 1, ...mac], 24);
  return sendOnLink(name, ALL_NODES, message);
}
