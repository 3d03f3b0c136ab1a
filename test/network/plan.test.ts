import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SiteConfig } from '../../src/config/site-config.ts';
import { type Facts, plan, type Step } from '../../src/network/plan.ts';
import { formatL64, formatPrefix } from '../../src/wire/text.ts';
import { bound, l64, mapped, siteConfig } from '../support/sites.ts';
import { worlds } from '../support/worlds.ts';

const TUNS = ['ilnp0', 'ilnp0-in', 'ilnp0-site'];
const FACTS: Facts = {
  gateways: new Map([
    ['up0', 'fe80::f'],
    ['up1', 'fe80::e'],
  ]),
  addresses: new Set(),
};
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('b1', 'fd00:2::/64', 2, 2), bound('c1', 'fd00:9::/64', 3, 1)];
const SUBNETS = [
  mapped('fd01:203:405::/48', '2001:db8:100::/48'),
  mapped('fd01:203:405::/48', '2001:db8:1100::/48', 'isp2'),
];

const guestsOf = (config: SiteConfig) => config.bindings.map((b) => b.guest);
const planned = (config: SiteConfig, facts = FACTS): Step[] => plan(config, guestsOf(config), facts);
const text = (words: readonly string[]): string => words.join(' ');
/** Value behind a word, e.g. of `table`. */
const argument = (step: Step, word: string): string | undefined => {
  const at = step.run.indexOf(word);
  return at < 0 ? undefined : step.run[at + 1];
};
const routes = (steps: readonly Step[], table: string | undefined): Step[] =>
  steps.filter((s) => s.run[0] === 'route' && argument(s, 'table') === table);
/** Of the routes, those that let nothing pass: what they are about. */
const lastResorts = (steps: readonly Step[]): string[] =>
  steps
    .filter((s) => s.run.includes('unreachable'))
    .map((s) => text(s.run.slice(2)).replace(/ metric 4294967295 table .*/, ''));
const NOTHING_UNIQUE_LOCAL = ['unreachable fc00::/7', 'unreachable default from fc00::/7'];
const tableOf = (steps: readonly Step[], iif: string): string | undefined => {
  const rule = steps.find((s) => s.run[0] === 'rule' && argument(s, 'iif') === iif);
  return rule && argument(rule, 'lookup');
};

test('the plan of the lab site 1, with two uplinks, two peers, three guest Locators and a mapped subnet', async () => {
  const steps = planned(siteConfig(1, 3, BINDINGS, { subnets: SUBNETS }));
  const lines = steps.map((s) => `ip -6 ${text(s.run)}\n`).join('');

  await expect(lines).toMatchFileSnapshot('plan.site1.txt');
});

/** Any site, guests among the Locators of its inside link, gateway present or not. */
const sites = fc.tuple(worlds, fc.boolean(), fc.boolean(), fc.boolean()).map(([world, more, present, both]) => {
  const inside = world.inside.map((link) => ({ ...link, guests: more ? [l64('fd00:8::/64')] : [] }));
  const subnets = both && world.uplinks.length > 1 ? SUBNETS : world.subnets;
  const config = { ...world, inside, subnets };
  const facts = { ...FACTS, addresses: new Set(present ? ['lan0 fe80::1'] : []) };
  return { config, steps: planned(config, facts), present };
});

describe('of any site', () => {
  test('traffic out of a TUN never meets a table that mentions a TUN', () => {
    fc.assert(
      fc.property(sites, ({ steps }) => {
        for (const tun of TUNS) {
          const table = tableOf(steps, tun);
          expect(routes(steps, table).length).toBeGreaterThan(0);
          for (const step of routes(steps, table)) expect(TUNS).not.toContain(argument(step, 'dev'));
        }
      }),
    );
  });

  test('three TUNs go up first, and everything else has an undo that names exactly what was done', () => {
    fc.assert(
      fc.property(sites, ({ steps }) => {
        expect(steps.slice(0, 3).map((s) => [argument(s, 'dev'), s.run.at(-1), s.undo])).toEqual(
          TUNS.map((tun) => [tun, 'up', null]),
        );
        for (const { run, undo } of steps.slice(3)) {
          expect(run[1]).toBe('add');
          expect(text(undo!)).toBe(text(run.filter((w) => w !== 'nodad')).replace(' add ', ' del '));
        }
      }),
    );
  });

  test('no route and no rule is made twice', () => {
    fc.assert(
      fc.property(sites, ({ steps }) => {
        const all = steps.map((s) => text(s.run));
        expect(all).toEqual([...new Set(all)]);
      }),
    );
  });

  test('what carries our mark is told apart: protocol 174 on routes and rules, tables and priorities of ours', () => {
    fc.assert(
      fc.property(sites, ({ steps }) => {
        for (const step of steps.filter((s) => s.run[0] === 'route' || s.run[0] === 'rule')) {
          expect(argument(step, 'protocol')).toBe('174');
          const numbers = [argument(step, 'table'), argument(step, 'lookup'), argument(step, 'priority')];
          for (const n of numbers) if (n !== undefined) expect(Math.floor((Number(n) - 6740) / 10)).toBe(0);
        }
      }),
    );
  });

  // shows: S1
  test('every Locator and prefix with a role enters its TUN from outside and from peers, and nowhere when that is gone', () => {
    fc.assert(
      fc.property(sites, ({ config, steps }) => {
        const prefixes = [
          ...config.uplinks.map((u) => formatL64(u.l64)),
          ...config.inside.flatMap((l) => [l.l64, ...l.guests].map(formatL64)),
          ...config.peers.map((p) => formatL64(p.l64)),
          ...guestsOf(config).map(formatL64),
          ...config.subnets.flatMap((s) => [formatPrefix(s.inside), formatPrefix(s.outside)]),
        ];
        for (const [side, tun] of [
          ['up0', 'ilnp0'],
          ['link0', 'ilnp0-site'],
        ] as const) {
          const table = routes(steps, tableOf(steps, side)).map((s) => text(s.run));
          for (const prefix of prefixes) {
            expect(table.filter((r) => r.startsWith(`route add ${prefix} dev ${tun} `))).toHaveLength(1);
            expect(table.filter((r) => r.startsWith(`route add blackhole ${prefix} metric 4294967295 `))).toHaveLength(
              1,
            );
          }
        }
      }),
    );
  });

  test('everything guests send enters the TUN of their side, and nothing passes when that is gone', () => {
    fc.assert(
      fc.property(sites, ({ steps }) => {
        expect(routes(steps, tableOf(steps, 'lan0')).map((s) => text(s.run.slice(2, 5)))).toEqual([
          'default dev ilnp0-in',
          'blackhole default metric',
        ]);
      }),
    );
  });

  // shows: S23
  test('no packet leaves by an uplink that does not own its source, and none to or from unique local addresses', () => {
    fc.assert(
      fc.property(sites, ({ config, steps }) => {
        const out = routes(steps, tableOf(steps, 'ilnp0'));
        expect(lastResorts(out)).toEqual(expect.arrayContaining(NOTHING_UNIQUE_LOCAL));
        for (const step of out.filter((s) => !NOTHING_UNIQUE_LOCAL.includes(lastResorts([s])[0]!))) {
          const from = argument(step, 'from')!;
          const owner = config.uplinks.find(
            (u) =>
              formatL64(u.l64) === from ||
              config.subnets.some((s) => s.uplink === u.name && formatPrefix(s.outside) === from),
          );
          expect(owner).toBeDefined();
          if (!step.run.includes('unreachable')) expect(argument(step, 'dev')).toBe(owner!.interface);
        }
      }),
    );
  });

  test('what comes out of the TUN of the other sites takes its ways to borders or none, whatever its addresses', () => {
    fc.assert(
      fc.property(sites, ({ config, steps }) => {
        const out = routes(steps, tableOf(steps, 'ilnp0-site'));
        expect(lastResorts(out)).toEqual(['unreachable default']);
        const ways = new Set(out.filter((s) => !s.run.includes('unreachable')).map((s) => argument(s, 'dev')));
        expect(ways).toEqual(new Set(config.peers.map((p) => p.interface)));
      }),
    );
  });

  test('a gateway address is made when it is missing, and neither made nor taken away when it is there', () => {
    fc.assert(
      fc.property(sites, ({ steps, present }) => {
        const addresses = steps.filter((s) => s.run[0] === 'addr').map((s) => text(s.run));
        expect(addresses).toEqual(present ? [] : ['addr add fe80::1/64 dev lan0 nodad']);
      }),
    );
  });
});

test('the way to every site, and back to the home of every guest, is found in one table without a mark', () => {
  const steps = planned(siteConfig(1, 4, BINDINGS));
  const out = routes(steps, tableOf(steps, 'ilnp0-site')).map((s) => text(s.run.slice(2)));

  for (const n of [2, 3, 4]) {
    expect(out).toContain(`fd00:${n}::/64 via fd00:12::${n} dev link0 table 6742 protocol 174`);
    expect(out).toContain(`default from fd00:${n}::/64 via fd00:12::${n} dev link0 table 6742 protocol 174`);
  }
});

describe('next hops of uplinks', () => {
  const one = siteConfig(2, 2, BINDINGS);

  test('`via` is taken before the default route of the kernel', () => {
    const config = { ...one, uplinks: [{ ...one.uplinks[0]!, via: 'fe80::99' }] };
    const [route] = routes(planned(config), '6740');

    expect(argument(route!, 'via')).toBe('fe80::99');
  });

  test('with one uplink neither is needed: the kernel knows the way', () => {
    const steps = planned(one, { ...FACTS, gateways: new Map() });

    expect(lastResorts(routes(steps, '6740'))).toEqual(NOTHING_UNIQUE_LOCAL);
    expect(routes(steps, '6740')).toHaveLength(NOTHING_UNIQUE_LOCAL.length);
  });

  test('with two uplinks one of both is, and the error names the uplink', () => {
    expect(() => planned(siteConfig(1, 2, BINDINGS), { ...FACTS, gateways: new Map([['up0', 'fe80::f']]) })).toThrow(
      expect.objectContaining({ code: 'E_NETWORK', message: expect.stringContaining('isp2') }),
    );
  });
});

test.each([
  ['uplinks and inside', { interface: 'up0' }, {}],
  ['inside and peers', {}, { interface: 'lan0' }],
  ['uplinks and peers', {}, { interface: 'up0' }],
])('an interface in %s is refused with E_CONFIG', (_, ofInside, ofPeer) => {
  const config = siteConfig(2, 2, BINDINGS);
  const shared = {
    ...config,
    inside: [{ ...config.inside[0]!, ...ofInside }],
    peers: [{ ...config.peers[0]!, ...ofPeer }],
  };

  expect(() => planned(shared)).toThrow(expect.objectContaining({ code: 'E_CONFIG' }));
});
