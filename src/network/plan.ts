/**
 * What the Linux gateway has to do so that every side of the border passes through its TUN, as `ip` commands with their
 * undoing. Pure: the same plan is run, printed (`network: manual`), or undone after a crash.
 *
 *   rule                    table            says
 *   iif <tun>               OUTSIDE_OUT      by source: the global Locator leaves by its own uplink
 *   iif <tun>-in            INSIDE_OUT       guests are on the inside links
 *   iif <tun>-site          SITE_OUT         by destination: to a site; by source: to the home border of a guest
 *   iif uplink              OUTSIDE_IN       what is addressed to any Locator of ours goes through the TUN
 *   iif inside              INSIDE_IN        everything does
 *   iif peer link           SITE_IN          what is addressed to us, or tagged with our site Locator
 *   iif lo, ICMPv6          SELF_ICMP        errors of this kernel quote packets that must be translated
 *   iif lo                  SELF             this gateway reaches guests like everybody else
 *
 * Tables of traffic out of a TUN never point into a TUN, and every table that loses its TUN ends in a blackhole: after a crash
 * nothing leaves with an inside Locator, and no error of the kernel speaks of one.
 */
import type { SiteConfig } from '../config/site-config.ts';
import { tunNames } from '../device/tun-names.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatL64, formatPrefix, type L64 } from '../wire/text.ts';

/** Numbers of rules, tables and of the origin that marks our objects (`ip ... protocol`); RFC 6740 chose them. */
const FIRST = 6740;
export const PROTOCOL = '174';
const [OUTSIDE_OUT, INSIDE_OUT, SITE_OUT, OUTSIDE_IN, INSIDE_IN, SITE_IN, SELF_ICMP, SELF] = [
  0, 1, 2, 3, 4, 5, 6, 7,
].map((n) => String(FIRST + n)) as [string, string, string, string, string, string, string, string];
/** RFC 4193. */
const UNIQUE_LOCAL = 'fc00::/7';
const LAST_RESORT = ['metric', '4294967295'];

/** One command of ip(8), its arguments, and how it is taken back (null: it goes with the TUN). */
export interface Step {
  readonly run: readonly string[];
  readonly undo: readonly string[] | null;
}

/** What must be known of the gateway before. */
export interface Facts {
  /** Next hop of the kernel's default route per interface, for uplinks without `via`. */
  readonly gateways: ReadonlyMap<string, string>;
  /** Addresses already present, `interface address`. */
  readonly addresses: ReadonlySet<string>;
}

/** The steps, in order. Guest Locators: all that any binding uses. */
export function plan(config: SiteConfig, guests: readonly L64[], facts: Facts): Step[] {
  refuseSharedInterfaces(config);
  const [outside, inside, site] = tunNames(config.tun.name);
  const ours = ownPrefixes(config, guests);
  const steps: Step[] = [];
  const route = (table: string, ...words: string[]): void => {
    const what = [...words, 'table', table, 'protocol', PROTOCOL];
    steps.push({ run: ['route', 'add', ...what], undo: ['route', 'del', ...what] });
  };
  const rule = (n: number, table: string, ...words: string[]): void => {
    const what = [...words, 'lookup', table, 'priority', String(FIRST + n), 'protocol', PROTOCOL];
    steps.push({ run: ['rule', 'add', ...what], undo: ['rule', 'del', ...what] });
  };
  for (const tun of [outside, inside, site])
    steps.push({
      run: ['link', 'set', 'dev', tun, 'mtu', '65535', 'txqueuelen', '4096', 'multicast', 'off', 'up'],
      undo: null,
    });

  for (const link of config.inside) {
    if (link.gateway !== undefined && !facts.addresses.has(`${link.interface} ${link.gateway}`)) {
      const address = [`${link.gateway}/64`, 'dev', link.interface];
      steps.push({ run: ['addr', 'add', ...address, 'nodad'], undo: ['addr', 'del', ...address] });
    }
  }

  // out of the TUNs
  for (const uplink of config.uplinks) {
    const via = uplink.via ?? facts.gateways.get(uplink.interface);
    if (via === undefined && config.uplinks.length > 1)
      throw new IlnpError(
        'E_NETWORK',
        `uplink ${uplink.name}: expected \`via\` or a default route on ${uplink.interface}, got neither`,
      );
    const sources = [
      formatL64(uplink.l64),
      ...config.subnets.filter((s) => s.uplink === uplink.name).map((s) => formatPrefix(s.outside)),
    ];
    for (const source of new Set(sources)) {
      if (via !== undefined) route(OUTSIDE_OUT, 'default', 'from', source, 'via', via, 'dev', uplink.interface);
      if (via !== undefined) route(OUTSIDE_OUT, 'unreachable', 'default', 'from', source, ...LAST_RESORT);
    }
  }
  // whatever else is written into the TUN, or said by this kernel: nothing unique local leaves by an uplink
  route(OUTSIDE_OUT, 'unreachable', UNIQUE_LOCAL, ...LAST_RESORT);
  route(OUTSIDE_OUT, 'unreachable', 'default', 'from', UNIQUE_LOCAL, ...LAST_RESORT);
  for (const link of config.inside) {
    for (const prefix of new Set([link.l64, ...link.guests].map(formatL64)))
      route(INSIDE_OUT, prefix, 'dev', link.interface);
  }
  for (const prefix of new Set(config.subnets.map((s) => formatPrefix(s.inside)))) // one may have a map per uplink
    route(INSIDE_OUT, prefix, 'dev', config.inside[0]!.interface, 'metric', '2048');
  route(INSIDE_OUT, 'default', 'dev', config.inside[0]!.interface);
  for (const peer of config.peers) {
    const hop = ['via', peer.via, 'dev', peer.interface];
    route(SITE_OUT, formatL64(peer.l64), ...hop);
    route(SITE_OUT, 'default', 'from', formatL64(peer.l64), ...hop);
  }
  // errors that this border sends to the other borders themselves
  const hops = new Set(config.peers.map((peer) => `${peer.via}/128 dev ${peer.interface}`));
  for (const hop of hops) route(SITE_OUT, ...hop.split(' '));
  route(SITE_OUT, 'unreachable', 'default', ...LAST_RESORT); // the main table would let it out by an uplink
  rule(0, OUTSIDE_OUT, 'iif', outside);
  rule(1, INSIDE_OUT, 'iif', inside);
  rule(2, SITE_OUT, 'iif', site);

  // into the TUNs
  for (const prefix of ours) {
    route(OUTSIDE_IN, prefix, 'dev', outside);
    route(OUTSIDE_IN, 'blackhole', prefix, ...LAST_RESORT);
    route(SITE_IN, prefix, 'dev', site);
    route(SITE_IN, 'blackhole', prefix, ...LAST_RESORT);
    for (const table of [SELF_ICMP, SELF]) {
      route(table, prefix, 'dev', site); // also where the default says the same: the last resort is as specific
      route(table, 'unreachable', prefix, ...LAST_RESORT);
    }
  }
  // what is unique local to this site and the others is not forwarded to from outside, whatever the main table says; the
  // gateway's own addresses stay in reach, because the kernel asks its table `local` before any rule of ours
  if (!ours.includes(UNIQUE_LOCAL)) route(OUTSIDE_IN, 'blackhole', UNIQUE_LOCAL, ...LAST_RESORT);
  const tag = formatL64(config.inside[0]!.l64);
  route(SITE_IN, 'default', 'from', tag, 'dev', site);
  route(SITE_IN, 'blackhole', 'default', 'from', tag, ...LAST_RESORT);
  route(INSIDE_IN, 'default', 'dev', inside);
  route(INSIDE_IN, 'blackhole', 'default', ...LAST_RESORT);
  route(SELF_ICMP, 'default', 'dev', site);
  for (const name of distinct(config.uplinks)) rule(3, OUTSIDE_IN, 'iif', name);
  for (const name of distinct(config.inside)) rule(4, INSIDE_IN, 'iif', name);
  for (const name of distinct(config.peers)) rule(5, SITE_IN, 'iif', name);
  rule(6, SELF_ICMP, 'iif', 'lo', 'ipproto', 'ipv6-icmp');
  rule(7, SELF, 'iif', 'lo');
  return steps;
}

/** Every prefix that has a role here, as text, each once. */
function ownPrefixes(config: SiteConfig, guests: readonly L64[]): string[] {
  const locators = [
    ...config.uplinks.map((u) => u.l64),
    ...config.inside.flatMap((i) => [i.l64, ...i.guests]),
    ...config.peers.map((p) => p.l64),
    ...guests,
  ].map(formatL64);
  const subnets = config.subnets.flatMap((s) => [formatPrefix(s.inside), formatPrefix(s.outside)]);
  return [...new Set([...locators, ...subnets])];
}

const distinct = (links: readonly { readonly interface: string }[]): Set<string> =>
  new Set(links.map((l) => l.interface));

/** A packet's side is told by its interface, so that an interface cannot have two. */
function refuseSharedInterfaces(config: SiteConfig): void {
  const sides = { uplinks: distinct(config.uplinks), inside: distinct(config.inside), peers: distinct(config.peers) };
  const pairs = [
    ['uplinks', 'inside'],
    ['uplinks', 'peers'],
    ['inside', 'peers'],
  ] as const;
  for (const [a, b] of pairs)
    for (const name of sides[a])
      if (sides[b].has(name))
        throw new IlnpError('E_CONFIG', `interface ${name}: expected on one side only, got in ${a} and ${b}`);
}
