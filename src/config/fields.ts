/**
 * The forms of single values: names, addresses, host and port, which Locators and identifiers may be configured at
 * all. Pure; null or false for what is not acceptable. Address families beyond IPv6 appear only in the control channel.
 */
import { isIPv4 } from 'node:net';
import { writeName } from '../wire/dns-name.ts';
import { formatGroups, type Groups, parseGroups } from '../wire/ipv6-text.ts';
import { compareNids } from '../wire/nid-order.ts';
import { parseNid } from '../wire/text.ts';
import { isUnicastPrefix } from '../wire/unicast.ts';
import type { Endpoint, NidRange } from './site-config.ts';

/** IFNAMSIZ of Linux less the final zero. */
const INTERFACE_NAME_MAX = 15;
const INTERFACE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+@-]*$/;
const DNS_PORT = 53;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const ENDPOINT = /^(?:\[([^\]%]+)(?:%([^\]]+))?\]|([0-9.]+)):([1-9]\d{0,4})$/;

/** Accepts a name of a site or an uplink: it appears in paths and commands. */
export const isName = (text: string): boolean => NAME.test(text);

/** Accepts what Linux takes as an interface name and a shell leaves alone. */
export function isInterfaceName(text: string): boolean {
  const special = text === 'all' || text === 'default'; // these mean every interface under /proc/sys/net
  return text.length <= INTERFACE_NAME_MAX && INTERFACE_NAME.test(text) && !special;
}

/** Reads one Node Identifier, or the first and the last of a range with a hyphen and spaces between them. */
export function parseNidRange(text: string): NidRange | null {
  const [first = '', last = first, ...more] = text.split(/ +- +/);
  const from = parseNid(first);
  const to = parseNid(last);
  if (from === null || to === null || more.length > 0) return null;
  return compareNids(from, to) <= 0 ? { from, to } : null;
}

/** Accepts an http(s) address of a host and a port, and nothing behind them: no secrets, no path. */
export function isEtcdUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && `${url.origin}` === text.replace(/\/$/, '');
}

/** Reads the address of a neighbour, unicast or link-local, and gives it in RFC 5952 form. */
export function parseNextHop(text: string): string | null {
  const groups = parseGroups(text);
  return groups !== null && (isUnicast(groups) || isLinkLocal(groups)) ? formatGroups(groups) : null;
}

/** Reads `[address]:port` of a listener: any unicast address, `[::]`, `[fe80::1%eth0]`, or IPv4. */
export function parseListen(text: string): Endpoint | null {
  const [, v6, zone, v4, digits] = ENDPOINT.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535) return null;
  if (v4 !== undefined) return isIPv4(v4) ? { host: v4, port } : null;

  const groups = parseGroups(v6 ?? '');
  if (groups === null) return null;
  const host = formatGroups(groups);
  const linkLocal = isLinkLocal(groups);
  if (linkLocal !== (zone !== undefined)) return null; // a link-local address means nothing without its link
  if (linkLocal) return isInterfaceName(zone ?? '') ? { host: `${host}%${zone}`, port } : null;
  return isUnicast(groups) || host === '::' || host === '::1' ? { host, port } : null;
}

/** Reads `[address]:port` of a peer: as a listener, but one address. */
export function parsePeerControl(text: string): Endpoint | null {
  const endpoint = parseListen(text);
  return endpoint === null || endpoint.host === '::' || endpoint.host === '0.0.0.0' ? null : endpoint;
}

/** Reads the address of a DNS server: as a peer, or without a port, which is 53 then. */
export function parseDnsServer(text: string): Endpoint | null {
  const bare = text.includes(':') ? `[${text}]:${DNS_PORT}` : `${text}:${DNS_PORT}`;
  return parsePeerControl(text) ?? parsePeerControl(bare);
}

/** Accepts a domain name other than the root, with or without its last dot. */
export const isDomainName = (text: string): boolean => text !== '.' && writeName(text) !== null;

const isLinkLocal = (groups: Groups): boolean => (groups[0] & 0xffc0) === 0xfe80;

const isUnicast = (groups: Groups): boolean => isUnicastPrefix({ hi: (groups[0] << 16) >>> 0, lo: 0, length: 64 });
