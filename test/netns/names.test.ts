/**
 * Names, with Debian's name servers and with programs that know nothing of ILNP: getaddrinfo, dig and curl on an end
 * system ask its resolver; its own records follow it through dynamic updates; and sessions survive that both ends move at
 * the same time, because one finds the other again by its name.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Capture } from './support/capture.ts';
import {
  nameServersForThisFile,
  SERVERS,
  type ServerName,
  serverAddress,
  WRONG_SECRET,
} from './support/name-servers.ts';
import { openSession, startProbe } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { at, type HostName, shimLabForThisFile, stable } from './support/shim-lab.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const servers = nameServersForThisFile(lab);

interface Session {
  readonly nid: string;
  readonly views: readonly string[];
  readonly proved: boolean;
}

beforeAll(() => {
  for (const host of ['a', 'b'] as const) servers.resolvConf(host, 'nameserver ::1\noptions timeout:5 attempts:1\n');
});

afterEach(async () => {
  await lab.stop('a');
  await lab.stop('b');
  await lab.move('a', 1);
  await lab.move('b', 2);
});

const upstream = (server: ServerName): string => `names: { upstream: ["${serverAddress(server)}"] }`;
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
/** Addresses that programs on a host get for a name. */
const addresses = async (host: HostName, name: string): Promise<string[]> => [
  ...new Set(lines((await lab.run(host, 'getent', 'ahosts', name)).stdout).map((line) => line.split(/\s+/)[0]!)),
];
/** What dig makes of a name, without what differs from one time to the next. */
const dug = async (node: string, server: string, ...words: string[]): Promise<string[]> => {
  const said = await lab.exec(node, 'dig', `@${server}`, '+norec', '+nocookie', ...words);
  return lines(said)
    .filter((line) => !/^;; (Query time|SERVER|WHEN)|^; <<>>|opcode: QUERY|^;; WARNING/.test(line))
    .map((line) => line.replace(/^;; flags: [a-z ]+;/, ''))
    .sort();
};

/** Questions whose answers nobody has to touch. */
const UNTOUCHED = [
  'peer.example.com NID',
  'lan2.example.com L64',
  'mail.example.com MX',
  'big.example.com TXT', // too long for UDP
  '+tcp big.example.com TXT',
  '+noedns plain.example.com A',
  'plain.example.com AAAA',
  'none.example.com AAAA', // no such name
  'mail.example.com AAAA', // no such record
  'example.net AAAA', // refused
  '-x 2001:db8:c::c0',
  '+dnssec +cdflag peer.example.com AAAA', // from who validates by itself
];

describe.each(SERVERS)('before %s', (server) => {
  // shows: D4, D5
  test('programs get one address for a name with ILNP records, and what they send there has a nonce', async () => {
    await lab.start('a', { more: [upstream(server)] });
    await lab.start('b');
    expect(await addresses('a', 'peer.example.com')).toEqual([at('b', 2)]);
    expect(await addresses('a', 'by-lp.example.com')).toEqual([at('b', 2)]);
    expect(await addresses('a', 'www.example.com')).toEqual([at('b', 2)]);

    const listener = startProbe(lab, 'b', 'records', 'listen', '--port', '8080');
    await listener.said('listening');
    const connector = startProbe(lab, 'a', 'records', 'connect', '--host', 'peer.example.com', '--port', '8080');
    const { remote } = await connector.said('established');
    await connector.receives(50);
    const [peer] = await lab.show<Session[]>('a', 'sessions');
    connector.stop();
    expectIntact({ connector: await connector.result(), listener: await listener.result() });
    expect(remote).toBe(at('b', 2));
    expect(peer).toMatchObject({ nid: '0:0:0:b1', proved: true, views: [at('b', 2)] });
  });

  test('curl fetches a page by name from a host that has moved since the name was looked up', async () => {
    await lab.start('a', { more: [upstream(server)] });
    await lab.start('b');
    const page = ['/usr/bin/python3', '-m', 'http.server', '8081', '--bind', '::', '--directory', lab.directory];
    const web = lab.run('b', 'timeout', '20', ...page);
    const curl = () =>
      lab.run('a', 'curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{remote_ip}', 'http://peer.example.com:8081/');
    await until('the page', async () => (await curl()).code === 0);
    await lab.move('b', 1);
    await until('its Locator Update', async () => {
      const [peer] = await lab.show<{ locators: { locator: string }[] }[]>('a', 'sessions');
      return peer?.locators[0]?.locator === '2001:db8:1::/64';
    });
    // the name still leads to site 2, the cache knows better
    expect(await curl()).toMatchObject({ code: 0, stdout: at('b', 2) });
    await lab.run('b', 'pkill', '-xf', page.join(' '));
    await web;
  });

  test('everything else is as the server says it, as far as dig shows', async () => {
    await lab.start('a', { more: [upstream(server)] });
    for (const words of UNTOUCHED) {
      const asked = words.split(' ');
      const [direct, through] = [await dug('cn', serverAddress(server), ...asked), await dug('a', '::1', ...asked)];
      expect(through, words).toEqual(direct);
      expect(direct.length, words).toBeGreaterThan(2);
    }
  });

  // shows: D3, D7, D8
  test('its own records follow a host from site to site, signed, and go when it ends', async () => {
    const capture = await Capture.start(lab, server, 'eth0', 'port 53');
    await lab.start('a', { more: [servers.config('a', server)] });
    const l64s = (): Promise<string[]> => servers.records(server, 'a.example.com', 'L64');
    const nids = (): Promise<string[]> => servers.records(server, 'a.example.com', 'NID');
    await until('the records of site 1', async () => (await l64s()).join() === '10 2001:db8:1:0');
    expect(await nids()).toEqual(['10 0:0:0:a1']);
    expect(await servers.records(server, 'a.example.com', 'AAAA')).toEqual([at('a', 1)]);
    await lab.move('a', 3);
    await until('the records of site 3', async () => (await l64s()).join() === '10 2001:db8:3:0');
    expect(await servers.records(server, 'a.example.com', 'AAAA')).toEqual([at('a', 3)]);
    const published = { published: ['2001:db8:3::/64 10'], isCurrent: true, problem: null };
    await until('the answer', async () =>
      isDeepStrictEqual((await lab.show<{ update: object }>('a', 'names')).update, published),
    );
    await lab.stop('a');
    expect([...(await l64s()), ...(await nids()), ...(await servers.records(server, 'a.example.com', 'AAAA'))]).toEqual(
      [],
    );
    await capture.stop();

    const fields = ['dns.count.updates', 'dns.ilnp.l64', 'dns.ilnp.nid', 'dns.tsig.mac_size'];
    const updates = await capture.fields('dns.flags.opcode == 5 && dns.flags.response == 0', fields);
    const answers = await capture.fields('dns.flags.opcode == 5 && dns.flags.response == 1', ['dns.flags.rcode']);
    await capture.remove();
    expect(new Set(updates.map(String))).toEqual(
      new Set(['6,20010db800010000,00000000000000a1,32', '6,20010db800030000,00000000000000a1,32', '3,,,32']),
    );
    expect(new Set(answers.flat())).toEqual(new Set(['0']));
  });

  test('a key that is not the right one is refused: the log says so, nothing changes, the secret is nowhere', async () => {
    const before = await servers.records(server, 'a.example.com', 'L64');
    writeFileSync(`${lab.directory}/wrong.key`, servers.key('a', WRONG_SECRET), { mode: 0o600 });
    await lab.start('a', { more: [servers.config('a', server, { keyFile: 'wrong.key' })] });
    await until('the refusal', () => lab.log('a').includes('NOTAUTH: BADSIG: the secret is another one'));
    expect(await servers.records(server, 'a.example.com', 'L64')).toEqual(before);
    const shown = JSON.stringify([await lab.show('a', 'config'), await lab.show('a', 'names')]);
    expect(shown).toContain('BADSIG');
    expect(shown + lab.log('a')).not.toContain(WRONG_SECRET);
  });

  test('both ends move at the same time, neither hears the other: the session lives, found by name', async () => {
    await lab.start('a', { more: [servers.config('a', server)] });
    await lab.start('b', { more: [servers.config('b', server, { subnet: 'lan-b.example.com' })] });
    await until('the records of both', async () => {
      const [a, b] = [await addresses('b', 'a.example.com'), await addresses('a', 'b.example.com')];
      return a.join() === at('a', 1) && b.join() === at('b', 2);
    });
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: 'b.example.com' });
    await session.connector.receives(50);
    // off both links before either has a new Locator: what they then tell each other leads to where nobody is
    await lab.ip('air', 'link set dev eth0-a master lan3', 'link set dev eth0-b master lan1');
    await Promise.all([lab.configure('a', 3), lab.configure('b', 1)]);
    await session.connector.receives(100, 40_000);
    await session.listener.receives(100, 40_000);
    expectIntact(await session.end());

    const found = /"locators":\["2001:db8:[13]::\/64"\],"msg":"names were asked for a lost correspondent"/;
    expect(lab.log('a') + lab.log('b')).toMatch(found);
    const [peer] = await lab.show<Session[]>('a', 'sessions');
    expect(peer?.views).toEqual([at('b', 2)]); // what the program has all the time
  }, 90_000);
});

describe('the resolver', () => {
  test('knows names of the hosts file, and its own', async () => {
    await lab.start('a', { hosts: '0+0+0+b1 bob 2001-db8-2-0\n', more: [servers.config('a', 'knot')] });
    await lab.start('b');
    expect(await addresses('a', 'bob')).toEqual([at('b', 2)]);
    await until('its own name', async () => (await addresses('a', 'a.example.com')).join() === stable('a'));
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: 'bob' });
    await session.connector.receives(20);
    expectIntact(await session.end());
  });

  test('says when something else listens where it should, and leaves nothing behind', async () => {
    const before = await snapshot(lab, 'a');
    const other = lab.run('a', 'timeout', '20', '/usr/bin/python3', '-c', LISTEN);
    await until('the other one', async () => (await lab.exec('a', 'ss', '-lnu')).includes('[::1]:53'));
    await expect(lab.start('a', { more: [upstream('knot')] })).rejects.toThrow(
      'E_NAMES: something else listens on [::1]:53 (ss -lnp',
    );
    await expectAsBefore(lab, 'a', before);
    await other;
  });

  test('does not begin with a key that others can read', async () => {
    const config = servers.config('a', 'knot');
    chmodSync(`${lab.directory}/a.key`, 0o644);
    await expect(lab.start('a', { more: [config] })).rejects.toThrow('E_KEY');
    chmodSync(`${lab.directory}/a.key`, 0o600);
  });
});

/** Holds the port for two seconds more than it is looked for. */
const LISTEN =
  'import socket,time; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.bind(("::1",53)); time.sleep(8)';
