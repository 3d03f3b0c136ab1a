/** Sites as the tests need them: configuration, bindings and compiled tables without a file or a device. */
import type { BindingConfig, SiteConfig, SubnetConfig } from '../../src/config/site-config.ts';
import { Bindings } from '../../src/ilnp/bindings.ts';
import { LocatorTable } from '../../src/ilnp/locator-table.ts';
import { Pairs } from '../../src/ilnp/pairs.ts';
import { Sessions } from '../../src/ilnp/sessions.ts';
import type { PacketBatch } from '../../src/packet/batch.ts';
import { compile } from '../../src/sbr/compile.ts';
import { COUNTERS, Fib } from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { type L64, type Nid, parseL64, parseNid, parsePrefix } from '../../src/wire/text.ts';
import { batchOf, octetsOf, packetOf } from './packets.ts';

export const l64 = (text: string): L64 => parseL64(text)!;
export const nid = (text: string): Nid => parseNid(text)!;

export const LIMITS: SiteConfig['limits'] = {
  bindings: 1000,
  sessions: 1024,
  holdOctets: 64 << 20,
  holdPackets: 65_536,
  holdMs: 5000,
};

/** The sites of the lab: number n has uplink 2001:db8:n::/64 (site 1 also 2001:db8:11::/64) and inside fd00:n::/64. */
export function siteConfig(
  n: number,
  sites: number,
  bindings: readonly BindingConfig[],
  extra: Partial<SiteConfig> = {},
): SiteConfig {
  const uplinks = [
    {
      name: 'isp1',
      interface: 'up0',
      l64: l64(`2001:db8:${n}::/64`),
      preference: 10,
      via: undefined,
      onLink: false,
      probe: undefined,
    },
  ];
  if (n === 1)
    uplinks.push({ ...uplinks[0]!, name: 'isp2', interface: 'up1', l64: l64('2001:db8:11::/64'), preference: 20 });
  const others = Array.from({ length: sites }, (_, k) => k + 1).filter((k) => k !== n);
  return {
    site: `site${n}`,
    tun: { name: 'ilnp0', queues: 1, io: 'auto', offload: true },
    network: 'auto',
    checksum: 'full',
    uplinks,
    inside: [{ interface: 'lan0', l64: l64(`fd00:${n}::/64`), gateway: 'fe80::1', guests: [], arrivals: false }],
    peers: others.map((k) => ({
      site: `site${k}`,
      l64: l64(`fd00:${k}::/64`),
      interface: 'link0',
      via: `fd00:12::${k}`,
      control: undefined,
    })),
    bindings,
    subnets: [],
    policy: [],
    pair: undefined,
    dns: undefined,
    control: { socket: '/run/ilnp/site1.sock', listen: undefined, keyFile: undefined },
    registries: [],
    state: '/var/lib/ilnp',
    icmp: { rate: 10, burst: 10 },
    limits: LIMITS,
    log: { level: 'info' },
    ...extra,
  };
}

export const bound = (id: string, guest: string, home: number, at: number, uplink?: string): BindingConfig => ({
  nid: nid(`0:0:0:${id}`),
  guest: l64(guest),
  home: `site${home}`,
  uplink,
  at: `site${at}`,
});

/** The tables of one site. */
export function fibOf(config: SiteConfig, uplinkUp = config.uplinks.map(() => true)): Fib {
  const bindings = new Bindings(config.limits.bindings, [1, 2]);
  const table = new LocatorTable(config.limits.bindings, [3, 4]);
  for (const b of config.bindings) {
    const index = bindings.put({ ...b, epoch: 0 });
    table.put(native32(b.nid.hi), native32(b.nid.lo), index, 0);
  }
  const image = compile(config, bindings, {
    uplinkUp,
    outsideAddress: octetsOf('2001:db8:f1::2'),
    insideAddress: octetsOf('fd00:1::1'),
  });
  const sessions = new Sessions(new Int32Array(Sessions.words(config.limits.sessions)), 5);
  const pairs = new Pairs(new SharedArrayBuffer(Pairs.octets(config.limits.sessions)), 6);
  return new Fib(image, table, sessions, new Float64Array(COUNTERS), pairs);
}

/** What one packet became. */
export interface Outcome {
  readonly verdict: number;
  readonly egress: number;
  readonly packet: Uint8Array;
  readonly batch: PacketBatch;
}

/** Sends one packet through a border's path; `now` in microseconds. */
export function pass(fib: Fib, port: number, packet: Uint8Array, now = 1e6): Outcome {
  const batch = batchOf(port, [packet]);
  forward(batch, fib, now);
  return { verdict: batch.verdict[0]!, egress: batch.egress[0]!, packet: packetOf(batch), batch };
}

/** A subnet map by text. */
export const mapped = (inside: string, outside: string, uplink = 'isp1'): SubnetConfig => ({
  inside: parsePrefix(inside)!,
  outside: parsePrefix(outside)!,
  uplink,
});
