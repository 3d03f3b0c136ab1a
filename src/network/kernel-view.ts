/** What the kernel of an end system has, as far as Locators depend on it: addresses, routes and links, by rtnetlink. */
import { ifIndexToName, ifNameToIndex } from '../device/libc.ts';
import { formatIlv, type L64, type Nid } from '../wire/text.ts';
import * as netlink from './netlink.ts';
import { attribute, attributes, LITTLE, number32, type RouteSocket } from './netlink.ts';

export interface KernelAddress {
  readonly interface: string;
  readonly l64: L64;
  readonly nid: Nid;
  readonly prefixLength: number;
  /** May be spoken from: neither tentative nor a duplicate. */
  readonly isUsable: boolean;
  readonly isDeprecated: boolean;
  /** Seconds that are left; Infinity: for ever. */
  readonly valid: number;
}

/** A way to a destination; several of one route are several of these. */
export interface KernelRoute {
  /** `default`, or a prefix as ip(8) writes it. */
  readonly destination: string;
  readonly interface: string;
  readonly gateway: string | null;
  readonly metric: number;
  /** RFC 4191: -1 low, 0 medium, 1 high. */
  readonly preference: number;
}

export interface KernelView {
  /** Interfaces of those asked for whose link is up. */
  readonly up: readonly string[];
  /** Addresses of global scope. */
  readonly addresses: readonly KernelAddress[];
  /** Of the main table. */
  readonly routes: readonly KernelRoute[];
}

const [IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS] = [1, 2, 6, 8];
const [DADFAILED, DEPRECATED, TENTATIVE, OPTIMISTIC] = [0x08, 0x20, 0x40, 0x04];
const [RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_PREF, RTA_TABLE] = [1, 4, 5, 6, 9, 20, 15];
const [FRA_IIFNAME, FRA_PRIORITY] = [3, 6];
const [NDA_DST, NTF_PROXY] = [1, 8];
const TABLE_MAIN = 254;
const UNICAST = 1;
const SCOPE_UNIVERSE = 0;
const IFF_LOWER_UP = 0x10000;
const FOR_EVER = 0xffffffff;
/** Router preference as in RFC 4191 section 2.1: 00 medium, 01 high, 11 low. */
const PREFERENCES: readonly number[] = [0, 1, 0, -1];

/** `names`: interfaces to look at. One that does not exist is down and has nothing. */
export function lookAtKernel(socket: RouteSocket, names: readonly string[]): KernelView {
  const byIndex = new Map<number, string>();
  const nameOf = (index: number): string => {
    const name = byIndex.get(index) ?? ifIndexToName(index);
    byIndex.set(index, name);
    return name;
  };
  const up: string[] = [];
  for (const name of names) {
    const index = ifNameToIndex(name);
    if (index === 0) continue;
    byIndex.set(index, name);
    const request = new Uint8Array(16);
    request.set(number32(index), 4);
    const link = socket.get(netlink.RTM_GETLINK, request);
    if (link !== undefined && (link.body.getUint32(8, LITTLE) & IFF_LOWER_UP) !== 0) up.push(name);
  }
  const ours = new Set(names);
  const addresses = socket
    .dump(netlink.RTM_GETADDR, Uint8Array.of(netlink.AF_INET6, 0, 0, 0, 0, 0, 0, 0))
    .flatMap(({ body }) => addressIn(body, nameOf))
    .filter((a) => ours.has(a.interface));
  const main = [netlink.AF_INET6, 0, 0, 0, TABLE_MAIN, 0, 0, 0, 0, 0, 0, 0];
  const routes = socket
    .dump(netlink.RTM_GETROUTE, Uint8Array.from(main))
    .flatMap(({ type, body }) => (type === netlink.RTM_NEWROUTE ? routesIn(body, nameOf) : []));
  return { up, addresses, routes };
}

/** Rules of IPv6 with an incoming interface, each as its priority and that: `6762 lo`. */
export function rulesIn(socket: RouteSocket): Set<string> {
  const header = Uint8Array.from([netlink.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const found = new Set<string>();
  for (const { body } of socket.dump(netlink.RTM_GETRULE, header)) {
    const of = attributes(body, 12);
    const name = of.get(FRA_IIFNAME);
    if (name === undefined) continue;
    const octets = new Uint8Array(name.buffer, name.byteOffset, name.byteLength - 1);
    found.add(`${of.get(FRA_PRIORITY)?.getUint32(0, LITTLE) ?? 0} ${new TextDecoder().decode(octets)}`);
  }
  return found;
}

/** The addresses that the kernel answers for on behalf of others, each with its interface: `2001:db8::1 eth0`. */
export function proxiesIn(socket: RouteSocket): Set<string> {
  const header = Uint8Array.from([netlink.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, NTF_PROXY, 0]);
  const found = new Set<string>();
  for (const { body } of socket.dump(netlink.RTM_GETNEIGH, header)) {
    const address = attributes(body, 12).get(NDA_DST);
    if (address?.byteLength === 16) found.add(`${textOf(address)} ${ifIndexToName(body.getInt32(4, LITTLE))}`);
  }
  return found;
}

/** True when this table of IPv6 has a route that leads somewhere. */
export function leadsSomewhere(socket: RouteSocket, table: number): boolean {
  const header = Uint8Array.from([netlink.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const filter = attribute(RTA_TABLE, number32(table));
  const request = new Uint8Array(header.length + filter.length);
  request.set(header);
  request.set(filter, header.length);
  return socket.dump(netlink.RTM_GETROUTE, request).some(({ type, body }) => {
    const of = attributes(body, 12).get(RTA_TABLE)?.getUint32(0, LITTLE);
    return type === netlink.RTM_NEWROUTE && of === table && body.getUint8(7) === UNICAST;
  });
}

function addressIn(body: DataView, nameOf: (index: number) => string): KernelAddress[] {
  const found = attributes(body, 8);
  const address = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS);
  if (address?.byteLength !== 16 || body.getUint8(3) !== SCOPE_UNIVERSE) return [];
  const flags = found.get(IFA_FLAGS)?.getUint32(0, LITTLE) ?? body.getUint8(2);
  const valid = found.get(IFA_CACHEINFO)?.getUint32(4, LITTLE) ?? FOR_EVER;
  const isTentative = (flags & TENTATIVE) !== 0 && (flags & OPTIMISTIC) === 0;
  return [
    {
      interface: nameOf(body.getUint32(4, LITTLE)),
      ...ilvOf(address),
      prefixLength: body.getUint8(1),
      isUsable: !isTentative && (flags & DADFAILED) === 0,
      isDeprecated: (flags & DEPRECATED) !== 0,
      valid: valid === FOR_EVER ? Number.POSITIVE_INFINITY : valid,
    },
  ];
}

function routesIn(body: DataView, nameOf: (index: number) => string): KernelRoute[] {
  const found = attributes(body, 12);
  const table = found.get(RTA_TABLE)?.getUint32(0, LITTLE) ?? body.getUint8(4);
  if (table !== TABLE_MAIN || body.getUint8(7) !== UNICAST) return [];
  const length = body.getUint8(1);
  const to = found.get(RTA_DST);
  const destination = to === undefined ? 'default' : `${textOf(to)}${length === 128 ? '' : `/${length}`}`;
  const metric = found.get(RTA_PRIORITY)?.getUint32(0, LITTLE) ?? 0;
  const preference = PREFERENCES[(found.get(RTA_PREF)?.getUint8(0) ?? 0) & 3]!;
  const one = (index: number, gateway: DataView | undefined): KernelRoute => ({
    destination,
    interface: nameOf(index),
    gateway: gateway === undefined ? null : textOf(gateway),
    metric,
    preference,
  });
  const hops = found.get(RTA_MULTIPATH);
  if (hops === undefined) {
    const index = found.get(RTA_OIF)?.getUint32(0, LITTLE) ?? 0;
    return index === 0 ? [] : [one(index, found.get(RTA_GATEWAY))];
  }
  const several: KernelRoute[] = [];
  for (let at = 0; at + 8 <= hops.byteLength; ) {
    const octets = hops.getUint16(at, LITTLE); // struct rtnexthop: length, flags, hops, interface
    if (octets < 8 || at + octets > hops.byteLength) break;
    const hop = new DataView(hops.buffer, hops.byteOffset + at, octets);
    several.push(one(hop.getUint32(4, LITTLE), attributes(hop, 8).get(RTA_GATEWAY)));
    at += (octets + 3) & ~3;
  }
  return several;
}

const ilvOf = (octets: DataView): { l64: L64; nid: Nid } => ({
  l64: { hi: octets.getUint32(0), lo: octets.getUint32(4) },
  nid: { hi: octets.getUint32(8), lo: octets.getUint32(12) },
});

function textOf(octets: DataView): string {
  const { l64, nid } = ilvOf(octets);
  return formatIlv(l64, nid);
}
