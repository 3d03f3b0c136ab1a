/**
 * Configuration and bindings -> the flat tables of the path (sbr/fib.ts). Runs on the control plane.
 */

import type { SiteConfig } from '../config/site-config.ts';
import type { Bindings } from '../ilnp/bindings.ts';
import { native32 } from '../wire/bytes.ts';
import { sum64 } from '../wire/checksum.ts';
import { type L64, prefixesOverlap } from '../wire/text.ts';
import type { FibImage } from './fib.ts';
import * as fibs from './fib.ts';

const CONVENTIONS = { full: fibs.CONVENTION_FULL, zeroed: fibs.CONVENTION_ZEROED, auto: fibs.CONVENTION_AUTO } as const;

/** What is compiled of a configuration. */
export type Compiled = Pick<SiteConfig, 'site' | 'checksum' | 'subnets' | 'icmp'> & {
  readonly uplinks: readonly Pick<SiteConfig['uplinks'][number], 'name' | 'l64' | 'preference'>[];
  readonly inside: readonly Pick<SiteConfig['inside'][number], 'l64' | 'guests'>[];
  readonly peers: readonly Pick<SiteConfig['peers'][number], 'site' | 'l64'>[];
};

/** What the border learns about its interfaces while it runs. */
export interface Surroundings {
  /** Per uplink: its link is up. */
  readonly uplinkUp: readonly boolean[];
  /** Per uplink: what the session store knows it by; absent: its place. */
  readonly uplinkIds?: Uint8Array;
  /** Source of the ICMPv6 errors this border originates: outside, inside (16 octets each), null = do not answer. */
  readonly outsideAddress: Uint8Array | null;
  readonly insideAddress: Uint8Array | null;
}

/** Compiles everything. Class indexes are those of `bindings`. */
export function compile(config: Compiled, bindings: Bindings, around: Surroundings): FibImage {
  const locators = new Rows();
  const site = config.inside[0]!.l64;
  const siteRow = locators.row(site);
  const uplinkRows = Int32Array.from(config.uplinks, (u) => locators.row(u.l64));
  const usable = Uint8Array.from(around.uplinkUp, (up) => (up ? 1 : 0));

  const uplinkIds = around.uplinkIds ?? Uint8Array.from(config.uplinks, (_, i) => i);

  const roles = new Map<string, { l64: L64; role: number }>();
  const addRole = (l64: L64, role: number): void => {
    const key = `${l64.hi}:${l64.lo}`;
    roles.set(key, { l64, role: (roles.get(key)?.role ?? 0) | role });
  };
  for (const [i, u] of config.uplinks.entries()) addRole(u.l64, fibs.UPLINK | (i << 8));
  for (const link of config.inside) {
    addRole(link.l64, fibs.SITE_L64 | fibs.OWN);
    for (const guest of link.guests) addRole(guest, fibs.GUEST);
  }
  for (const peer of config.peers) addRole(peer.l64, fibs.SITE_L64);
  for (const c of bindings.classes) addRole(c.guest, fibs.GUEST);
  for (const { l64 } of [...roles.values()]) addRole(l64, subnetRole(config, l64));

  const places = new Map([[config.site, site], ...config.peers.map((p) => [p.site, p.l64] as const)]);
  const twins = bindings.classes.length * fibs.CLASS_WORDS;
  const classes = new Int32Array(2 * twins);
  bindings.classes.forEach((c, index) => {
    const k = index * fibs.CLASS_WORDS;
    const at = places.get(c.at);
    const home = places.get(c.home);
    classes[k + fibs.C_GUEST] = locators.row(c.guest);
    classes[k + fibs.C_SITE] = at === undefined ? 0 : locators.row(at);
    classes[k + fibs.C_HOME] = home === undefined ? 0 : locators.row(home);
    classes[k + fibs.C_UPLINK] = c.home === config.site ? config.uplinks.findIndex((u) => u.name === c.uplink) : -1;
    classes[k + fibs.C_FLAGS] = (c.at === config.site ? fibs.HERE : 0) | (c.home === config.site ? fibs.HOME : 0);
    classes.copyWithin(twins + k, k, k + fibs.CLASS_WORDS);
    classes[k + fibs.C_STRAIGHT] = classes[k + fibs.C_FLAGS]!;
    classes[twins + k + fibs.C_FLAGS]! |= fibs.KEPT;
  });

  const addresses = new Int32Array(12);
  if (around.outsideAddress) addresses.set(new Int32Array(around.outsideAddress.slice().buffer), 0);
  if (around.insideAddress) addresses.set(new Int32Array(around.insideAddress.slice().buffer), 4);

  return {
    locators: locators.words(),
    classes,
    roles: roleTable([...roles.values()]),
    subnets: subnetTable(config),
    uplinkRows,
    uplinkUsable: usable,
    uplinkIds,
    oldestUplink: uplinkIds.indexOf(Math.min(...uplinkIds)), // ids are given in the order in which uplinks come
    preferredUplink: preferred(config, around.uplinkUp),
    siteRow,
    convention: CONVENTIONS[config.checksum],
    addresses,
    errorRate: config.icmp.rate,
    errorBurst: config.icmp.burst,
  };
}

/** What the subnet maps make of a Locator that has a role of its own as well. */
function subnetRole({ subnets }: Compiled, l64: L64): number {
  const whole = { ...l64, length: 64 };
  const inside = subnets.findIndex((s) => prefixesOverlap(s.inside, whole));
  if (inside >= 0) return fibs.SUBNET_INSIDE | (inside << 16);
  const outside = subnets.findIndex((s) => prefixesOverlap(s.outside, whole));
  return outside < 0 ? 0 : fibs.SUBNET_OUTSIDE | (outside << 16);
}

/** Lowest preference value among the uplinks that are up (RFC 6742: lower is preferred); -1 when none is. */
function preferred(config: Compiled, up: readonly boolean[]): number {
  let best = -1;
  config.uplinks.forEach((u, i) => {
    if (up[i] && (best < 0 || u.preference < config.uplinks[best]!.preference)) best = i;
  });
  return best;
}

function roleTable(roles: readonly { l64: L64; role: number }[]): Int32Array {
  const rows = 2 ** Math.ceil(Math.log2(roles.length * 2 + 2));
  const table = new Int32Array(rows * 4);
  for (const { l64, role } of roles) {
    const l0 = native32(l64.hi) | 0;
    const l1 = native32(l64.lo) | 0;
    let i = fibs.roleHash(l0, l1) & (rows - 1);
    while (table[i * 4 + 2] !== 0) i = (i + 1) & (rows - 1);
    table.set([l0, l1, role], i * 4);
  }
  return table;
}

function subnetTable(config: Compiled): Int32Array {
  const table = new Int32Array(config.subnets.length * fibs.SUBNET_WORDS);
  config.subnets.forEach((s, index) => {
    const n = s.inside.length;
    const mask = { hi: n >= 32 ? 0xffffffff : ~(0xffffffff >>> n) >>> 0, lo: n <= 32 ? 0 : ~(2 ** (64 - n) - 1) >>> 0 };
    const uplink = config.uplinks.findIndex((u) => u.name === s.uplink);
    const words = [s.inside.hi, s.inside.lo, s.outside.hi, s.outside.lo, mask.hi, mask.lo].map((x) => native32(x));
    table.set([...words, uplink], index * fibs.SUBNET_WORDS);
  });
  return table;
}

/** Locators, each once, with the sum that a checksum update needs. */
class Rows {
  readonly #words: number[] = new Array<number>(fibs.FIRST_ROW).fill(0);
  readonly #rows = new Map<string, number>();

  row(l64: L64): number {
    const key = `${l64.hi}:${l64.lo}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#words.length;
    const l0 = native32(l64.hi) | 0;
    const l1 = native32(l64.lo) | 0;
    this.#words.push(l0, l1, sum64(l0, l1), 0);
    this.#rows.set(key, row);
    return row;
  }

  words(): Int32Array {
    return Int32Array.from(this.#words);
  }
}
