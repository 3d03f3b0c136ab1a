/**
 * End systems with several ways out: providers that go silent while their link stays up, an interface that vanishes, and
 * several routers on one link, each for a prefix of its own. Programs are curl, TCP records and UDP.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from './support/capture.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { at, END_CN, type HostName, type SiteNumber, shimLabForThisFile } from './support/shim-lab.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const KNOWS_B = '0+0+0+b1  bob  2001-db8-2-0,10  2001-db8-3-0,20\n';
const BOTH = ['eth0', 'eth1'];

type Counters = Readonly<Record<string, number>>;
const counters = (host: HostName): Promise<Counters> => lab.show<Counters>(host, 'counters');
interface ShownLocator {
  readonly locator: string;
  readonly gateway: string | null;
  readonly preference: number;
}
const locators = async (host: HostName): Promise<string[]> =>
  (await lab.show<ShownLocator[]>(host, 'locators')).map((l) => `${l.locator} ${l.gateway} ${l.preference}`);

/** The provider of a site drops everything, in both directions, and says nothing; its link stays up. */
async function silence(site: SiteNumber): Promise<void> {
  await lab.ip(`r${site}`, 'route add blackhole default metric 1');
  await lab.ip('core', `route add blackhole 2001:db8:${site}::/64 metric 1`);
}

async function heal(site: SiteNumber): Promise<void> {
  await lab.run(`r${site}`, 'ip', '-6', 'route', 'del', 'blackhole', 'default', 'metric', '1');
  await lab.run('core', 'ip', '-6', 'route', 'del', 'blackhole', `2001:db8:${site}::/64`, 'metric', '1');
}

beforeAll(async () => {
  await lab.plug('a', 3, 'eth1');
  await lab.plug('b', 3, 'eth1');
});
afterEach(async () => {
  for (const site of [1, 2, 3] as const) await heal(site);
  await lab.stop('cn');
  for (const host of ['a', 'b'] as const) {
    await lab.stop(host);
    await lab.ip(host, 'route flush proto ra', 'addr flush dev eth0 scope global', 'addr flush dev eth1 scope global');
  }
  for (const site of [1, 3]) await lab.ip('a', `route flush 2001:db8:${site}::/64 dev eth0`);
  await lab.move('a', 1);
  await lab.move('b', 2);
});

describe('a provider that goes silent', () => {
  // shows: H33, H2, H4
  test('is left for the other one, and used again once it works; downloads and datagrams go on', async () => {
    await lab.configure('a', 3, 'eth1', 2048);
    await lab.start('a', { hosts: KNOWS_B, interfaces: BOTH });
    await lab.start('b');
    const session = await openSession(lab, 'udp', { listener: 'b', connector: 'a', to: at('b', 2) });
    const records = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(100);

    const file = `${lab.directory}/served`;
    writeFileSync(file, 'x'.repeat(6_000_000));
    const words = [
      'netns',
      'exec',
      lab.namespace('b'),
      '/usr/bin/python3',
      '-m',
      'http.server',
      '--bind',
      '::',
      '8080',
    ];
    const server = spawn('ip', [...words, '--directory', lab.directory], { stdio: 'ignore' });
    try {
      await until('the server', async () => (await lab.exec('b', 'ss', '-6tlnH', 'sport = :8080')) !== '');
      const download = lab.exec(
        'a',
        'curl',
        '-sS',
        '--limit-rate',
        '600k',
        '-o',
        '/dev/null',
        '-w',
        '%{size_download}',
        `http://[${at('b', 2)}]:8080/served`,
      );
      await session.connector.receives(200);
      await silence(1);
      await until('the failover', async () => (await counters('a')).failovers === 1);
      await session.connector.receives(300);
      await session.listener.receives(300);
      const [peer] = await lab.show<{ locators: { locator: string; state: string }[] }[]>('b', 'sessions');
      expect(peer?.locators.find((l) => l.state === 'active')?.locator).toBe('2001:db8:3::/64');

      await heal(1);
      await until('the return', async () => (await counters('a')).failovers_undone === 1, 20_000);
      await session.connector.receives(300);
      expect(await download).toBe('6000000');
    } finally {
      server.kill('SIGKILL');
    }
    expectIntact(await records.end());
    const { connector } = await session.end();
    expect(connector.longestGap.ms).toBeLessThan(6000); // generous: the way is doubted after 0.5 s, left after 1 s
    expect(await counters('a')).toMatchObject({ failovers: 1, failovers_undone: 1 });
  });

  test('of a correspondent is left for the other one that it has, also by who begins to speak then', async () => {
    await lab.configure('b', 3, 'eth1', 2048);
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b', { interfaces: BOTH });
    const before = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await before.connector.receives(50);
    await silence(2);
    await before.connector.receives(100, 20_000);
    const after = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await after.connector.receives(50);
    expectIntact(await before.end());
    expectIntact(await after.end());
    await lab.stop('a');
    await lab.stop('b');

    await lab.start('a', { hosts: KNOWS_B }); // knows nothing of what does not work
    await lab.start('b', { interfaces: BOTH });
    const first = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await first.connector.receives(50);
    expectIntact(await first.end());
    expect(await counters('a')).toMatchObject({ fallbacks: 0 });
  });
});

// shows: H3
test('a Locator under which another node has our Identifier is not used, the other one is', async () => {
  await lab.ip('air', 'link set dev eth1-b master lan1');
  await lab.ip('b', 'addr add 2001:db8:1::a1/64 dev eth1');
  try {
    await lab.configure('a', 3, 'eth1', 2048);
    await lab.start('a', { hosts: KNOWS_B, interfaces: BOTH });
    await lab.start('b');
    await until('the one that is free', async () => (await locators('a')).join() === '2001:db8:3::/64 fe80::3 10');
    expect(lab.log('a')).toContain(
      '"address":"2001:db8:1::a1","interface":"eth0","msg":"another node has this address',
    );
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    expectIntact(await session.end());
  } finally {
    await lab.ip('b', 'addr flush dev eth1 scope global');
    await lab.ip('air', 'link set dev eth1-b master lan3');
  }
});

test('an interface that vanishes and comes back is left and used again', async () => {
  await lab.configure('a', 3, 'eth1', 2048);
  await lab.start('a', { hosts: KNOWS_B, interfaces: ['eth1', 'eth0'] });
  await lab.start('b');
  const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
  await session.connector.receives(50);
  expect((await locators('a'))[0]).toBe('2001:db8:3::/64 fe80::3 10');
  await lab.ip('a', 'link del dev eth1');
  await until('one Locator', async () => (await locators('a')).join() === '2001:db8:1::/64 fe80::1 10');
  await session.connector.receives(100);
  await lab.plug('a', 3, 'eth1');
  await lab.configure('a', 3, 'eth1', 2048);
  await until('the other one again', async () => (await locators('a'))[0] === '2001:db8:3::/64 fe80::3 10');
  const capture = await Capture.start(lab, 'core', 's3', 'ip6 and not icmp6');
  await session.connector.receives(100);
  await capture.stop();
  expectIntact(await session.end());

  const sources = new Set((await capture.fields('tcp', ['ipv6.src'])).flat());
  await capture.remove();
  expect(sources).toContain(at('a', 3));
});

describe('with `spread: true`', () => {
  const CORE = '2001:db8:c::1';

  // shows: H33
  test('sessions of two correspondents leave by two providers, packets of one session never by both; plain ones are spread too', async () => {
    await lab.configure('a', 3, 'eth1', 2048);
    await lab.start('a', {
      hosts: `${KNOWS_B}0+0+0+c2  carol  2001-db8-c-0\n`, // whose share is another than that of b
      interfaces: BOTH,
      more: ['spread: true'],
    });
    await lab.start('b');
    await lab.start('cn');
    const captures = new Map<SiteNumber, Capture>();
    for (const site of [1, 3] as const)
      captures.set(site, await Capture.start(lab, `r${site}`, 'up0', 'ip6 and not icmp6'));
    const open = (kind: 'records' | 'udp', listener: string, to: string) =>
      openSession(lab, kind, { listener, connector: 'a', to });
    const sessions = [
      await open('records', 'b', at('b', 2)),
      await open('udp', 'b', at('b', 2)),
      await open('records', 'cn', END_CN),
      await open('udp', 'cn', END_CN),
    ];
    for (const { connector } of sessions) await connector.receives(100);
    const came = new Set<unknown>();
    for (let k = 0; k < 16 && came.size < 2; k++) {
      const plain = await openSession(lab, 'records', { listener: 'core', connector: 'a', to: CORE });
      came.add((await plain.listener.said('established')).remote);
      await plain.connector.receives(20);
      expectIntact(await plain.end());
    }
    await Promise.all(sessions.map((session) => session.end()));
    const ways = new Map<string, Set<string>>();
    for (const [site, capture] of captures) {
      await capture.stop();
      for (const host of [at('b', 2), END_CN]) {
        const names = ['ipv6.src', 'tcp.srcport', 'udp.srcport'];
        for (const [source, tcp, udp] of await capture.fields(
          `(tcp || udp) && !icmpv6 && ipv6.dst == ${host}`,
          names,
        )) {
          expect(source).toBe(at('a', site)); // by its own provider
          const session = `${host} ${tcp || udp}`;
          ways.set(session, (ways.get(session) ?? new Set()).add(source!));
        }
      }
      await capture.remove();
    }

    expect(ways.size).toBe(4);
    for (const [session, sources] of ways) expect(sources.size, session).toBe(1);
    const by = (host: string) => [...ways].filter(([s]) => s.startsWith(`${host} `)).map(([, [source]]) => source);
    const [b, cn] = [by(at('b', 2)), by(END_CN)];
    expect([new Set(b).size, new Set(cn).size]).toEqual([1, 1]);
    expect(new Set([...b, ...cn])).toEqual(new Set([at('a', 1), at('a', 3)]));
    expect(came).toEqual(new Set([at('a', 1), at('a', 3)]));
  });
});

describe('routers that advertise', () => {
  const advertise = (site: SiteNumber, ...more: string[]) =>
    lab.exec(
      `r${site}`,
      '/usr/bin/python3',
      'test/netns/probes/advertise.py',
      'lan0',
      `fe80::${site}`,
      `2001:db8:${site}::`,
      ...more,
    );

  test('each has its own prefix: what comes from it leaves by that router; preferences and lifetimes count', async () => {
    await lab.ip('air', 'link set dev r3 master lan1');
    await lab.ip('a', 'addr flush dev eth0 scope global', 'route del default');
    try {
      await lab.start('a', { hosts: KNOWS_B });
      await lab.start('b');
      await advertise(1, '1800', '600');
      await advertise(3, '1800', '600');
      const two = ['2001:db8:1::/64 fe80::1 10', '2001:db8:3::/64 fe80::3 10'];
      await until('both', async () => (await locators('a')).sort().join() === two.join());

      await advertise(3, '1800', '600', '--preference', 'high');
      await until('the one of the better router', async () => (await locators('a'))[0] === two[1]);
      const [one, three] = [await Capture.start(lab, 'r1', 'up0'), await Capture.start(lab, 'r3', 'up0')];
      const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
      await session.connector.receives(50);

      await advertise(3, '1800', '0', '--preference', 'high'); // deprecated
      await until(
        'the other one',
        async () => (await locators('a')).join() === `${two[0]},2001:db8:3::/64 fe80::3 10010`,
      );
      await session.connector.receives(50);
      await advertise(1, '1800', '600', '--router', '0'); // its router says that it is none any more
      const rest = '2001:db8:3::/64 fe80::3 10010,2001:db8:1::/64 null 20010';
      await until('what has a router', async () => (await locators('a')).join() === rest);
      await session.connector.receives(50);
      expectIntact(await session.end());
      await one.stop();
      await three.stop();

      const sources = async (capture: Capture): Promise<string[]> => {
        const seen = (await capture.fields('tcp && ipv6.dst == 2001:db8:2::b1', ['ipv6.src'])).flat();
        await capture.remove();
        return [...new Set(seen)];
      };
      expect(await sources(one)).toEqual([at('a', 1)]);
      expect(await sources(three)).toEqual([at('a', 3)]);
    } finally {
      await lab.ip('air', 'link set dev r3 master lan3');
    }
  });

  test('of a link that a host is carried to, with its signal on, take it over at once; so does the first one when it is back', async () => {
    await lab.ip('a', 'addr flush dev eth0 scope global', 'route del default');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    await advertise(1, '1800', '600');
    await until('the first', async () => (await locators('a')).join() === '2001:db8:1::/64 fe80::1 10');
    const session = await openSession(lab, 'udp', { listener: 'b', connector: 'a', to: at('b', 2) });
    for (const site of [3, 1] as const) {
      await session.connector.receives(100);
      await lab.ip('air', `link set dev eth0-a master lan${site}`);
      await advertise(site, '1800', '600');
      const only = `2001:db8:${site}::/64 fe80::${site} 10`;
      await until(`site ${site} alone`, async () => (await locators('a')).join() === only);
    }
    await session.connector.receives(100);

    const { connector } = await session.end();
    expect(connector.longestGap.ms).toBeLessThan(5000); // generous: the old router has 0.6 s to answer
    const words = lab.log('a').match(/"router":"fe80::\d","msg":"another router is there and this one is gone/g);
    expect(words?.map((text) => text.slice(10, 17))).toEqual(['fe80::1', 'fe80::3']);
  });
});
