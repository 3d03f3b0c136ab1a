/** Names of a scenario as numbers on the wire: site n has uplinks 2001:db8:n::/64 (more than one bit apart), inside fd00:n::/64. */
import type { SiteConfig } from '../../src/config/site-config.ts';
import { type L64, type Nid, parseIpv6, parseL64 } from '../../src/wire/text.ts';
import type { Scenario } from './scenario-schema.ts';

const hex = (n: number): string => n.toString(16);

/** Site numbers count from 1. */
export const siteL64 = (site: number): L64 => parseL64(`fd00:${hex(site)}::/64`)!;
const uplinkL64 = (site: number, uplink: number): L64 => parseL64(`2001:db8:${hex(0x3000 * uplink + site)}::/64`)!;
export const outsideAddress = (site: number): Uint8Array => parseIpv6(`2001:db8:f0f0:${hex(site)}::2`)!;
export const insideAddress = (site: number): Uint8Array => parseIpv6(`fd00:${hex(site)}::1`)!;
export const routerAddress = (): Uint8Array => parseIpv6('2001:db8:f0f0::1')!;
export const correspondentL64 = (index: number): L64 => parseL64(`2001:db8:c00:${hex(index)}::/64`)!;
export const correspondentNid = (index: number): Nid => ({ hi: 0, lo: 0xc0 + index });
export const guestNid = (index: number): Nid => ({ hi: 0, lo: 0xa1 + index });

/** The 16 octets of a Locator and an identifier. */
export function addressOf(l64: L64, nid: Nid): Uint8Array {
  const octets = new Uint8Array(16);
  const view = new DataView(octets.buffer);
  for (const [i, word] of [l64.hi, l64.lo, nid.hi, nid.lo].entries()) view.setUint32(4 * i, word);
  return octets;
}

/** The configuration of each site, as their operators would write it. */
export function configsOf(scenario: Scenario): SiteConfig[] {
  const number = (name: string): number => scenario.sites.findIndex((site) => site.name === name) + 1;
  const bindings = scenario.guests.map((guest, i) => ({
    nid: guestNid(i),
    guest: siteL64(number(guest.home)),
    home: guest.home,
    uplink: guest.uplink,
    at: guest.at ?? guest.home,
  }));
  return scenario.sites.map((site, k) => ({
    site: site.name,
    tun: { name: 'ilnp0', queues: 1, io: 'auto', offload: false },
    network: 'manual',
    checksum: 'full',
    uplinks: site.uplinks.map((name, j) => ({
      name,
      interface: `up${j}`,
      l64: uplinkL64(k + 1, j),
      preference: 10 * (j + 1),
      via: undefined,
      onLink: false,
      probe: undefined,
    })),
    inside: [{ interface: 'lan0', l64: siteL64(k + 1), gateway: 'fe80::1', guests: [], arrivals: false }],
    peers: scenario.sites
      .filter((other) => other !== site)
      .map((other) => ({
        site: other.name,
        l64: siteL64(number(other.name)),
        interface: 'link0',
        via: `fd00:ffff::${hex(number(other.name))}`,
        control: undefined,
      })),
    bindings,
    subnets: [],
    policy: [],
    pair: undefined,
    dns: undefined,
    control: { socket: `/run/ilnp/${site.name}.sock`, listen: undefined, keyFile: undefined },
    registries: [],
    state: '/var/lib/ilnp',
    icmp: { rate: 10, burst: 10 },
    limits: {
      bindings: Math.max(64, bindings.length),
      sessions: 1024,
      holdOctets: 16 << 20,
      holdPackets: 16_384,
      holdMs: 5000,
    },
    log: { level: 'silent' },
  }));
}
