/** Router Solicitation, RFC 4861 section 4.1: asks the routers of a link to advertise now. */
import { sendOnLink } from './multicast.ts';

const ROUTER_SOLICITATION = 133;
const ALL_ROUTERS = 2;

/** True when it was sent. */
export const solicit = (name: string): boolean =>
  sendOnLink(name, ALL_ROUTERS, Uint8Array.of(ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0));
