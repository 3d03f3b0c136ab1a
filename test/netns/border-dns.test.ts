/**
 * Names of guests behind borders, with Debian's name servers: what new sessions are led to follows a dead uplink, a change of
 * the configuration and a move to another site, written by the border that speaks for the guest and by nobody else.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import {
  nameServersForThisFile,
  SERVERS,
  type ServerName,
  serverAddress,
  WRONG_SECRET,
} from './support/name-servers.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();
const servers = nameServersForThisFile(lab);
const ILNP = 'vm-a1.example.com';
const PLAIN = 'vm-a2.example.com';

const ip = (node: string, words: string) => lab.exec(node, 'ip', '-6', ...words.split(' '));

interface Shown {
  readonly name: string;
  readonly records: string;
  readonly published: readonly string[] | null;
  readonly state: string;
  readonly problem: string | null;
}
const shown = async (site: 1 | 2, name: string, records: string): Promise<Shown | undefined> =>
  (await lab.show<Shown[]>('names', site)).find((one) => one.name === name && one.records === records);

/** What new sessions are led to: L64 records of the one that speaks ILNP, AAAA of both. */
async function led(server: ServerName): Promise<string> {
  const [l64, one, other] = await Promise.all([
    servers.records(server, ILNP, 'L64'),
    servers.records(server, ILNP, 'AAAA'),
    servers.records(server, PLAIN, 'AAAA'),
  ]);
  return [l64.sort().join(), one.join(), other.join()].join(' | ');
}
const becomes = (server: ServerName, wanted: string): Promise<unknown> =>
  until(wanted, async () => (await led(server)) === wanted);

const HOME = '10 2001:db8:1:0,20 2001:db8:11:0 | 2001:db8:1::a1 | 2001:db8:1::a2';
const SECOND = '20 2001:db8:11:0 | 2001:db8:11::a1 | 2001:db8:11::a2';
const AWAY = '10 2001:db8:2:0 | 2001:db8:1::a1 | 2001:db8:1::a2';

/** Both borders keep the names in this server. */
async function keepIn(server: ServerName, keyFile = servers.keyFile('a')): Promise<void> {
  const names = `[{ nid: "0:0:0:a1", name: ${ILNP} }, { nid: "0:0:0:a2", name: ${PLAIN}, ilnp: false }]`;
  const dns = `dns: { server: "${serverAddress(server)}", zone: example.com, keyFile: ${keyFile}, ttl: 2, names: ${names} }`;
  for (const site of [1, 2] as const) {
    lab.editConfig(site, (text) => `${text.replace(/^dns: .*\n/m, '')}${dns}\n`);
    await lab.reload(site);
  }
}

beforeAll(() => ip('sbr1', 'route add default via 2001:db8:f3::1 dev up1 metric 4096')); // to the server, also without isp1

describe.each(SERVERS)('in %s', (server) => {
  // shows: S19
  test('an uplink dies and comes back: names lead to the other one, then to both', async () => {
    await keepIn(server);
    await becomes(server, HOME);
    expect(await servers.records(server, ILNP, 'NID')).toEqual(['10 0:0:0:a1']);
    expect(await servers.records(server, PLAIN, 'L64')).toEqual([]);
    await ip('sbr1', 'link set up0 down');
    await becomes(server, SECOND);
    await ip('sbr1', 'link set up0 up');
    await ip('sbr1', 'addr add 2001:db8:f1::2/64 dev up0 nodad');
    await ip('sbr1', 'route replace default via 2001:db8:f1::1 dev up0');
    await becomes(server, HOME);
    expect(await servers.records(server, ILNP, 'NID')).toEqual(['10 0:0:0:a1']);
  });

  // shows: S19
  test('guests go to another site and come back: ILNP sessions are led there, those of plain IPv6 to the home', async () => {
    const capture = await Capture.start(lab, server, 'eth0', 'port 53');
    await lab.move('a1', 'site2');
    await lab.move('a2', 'site2');
    await becomes(server, AWAY);
    expect(await shown(1, ILNP, 'NID L64')).toMatchObject({ published: null, state: 'of another border' });
    await until('both sites to be done', async () => {
      const [plain, ilnp] = [await shown(1, ILNP, 'AAAA'), await shown(2, ILNP, 'NID L64')];
      return plain?.state === 'current' && ilnp?.published?.join() === '2001:db8:2::/64 10';
    });
    await lab.move('a1', 'site1');
    await lab.move('a2', 'site1');
    await becomes(server, HOME);
    await capture.stop();
    const updates = await capture.fields('dns.flags.opcode == 5 && dns.flags.response == 0', [
      'ipv6.src',
      'dns.ilnp.l64',
      'dns.count.add_rr',
    ]);
    await capture.remove();
    // one by each border that has got the guest, signed; nothing about the one that speaks plain IPv6 only
    expect(updates.map(String)).toEqual([
      '2001:db8:f2::2,20010db800020000,1',
      '2001:db8:f1::2,20010db800010000,20010db800110000,1',
    ]);
  });
});

test('the operator renumbers an uplink: the records follow', async () => {
  const renumber = async (from: string, to: string) => {
    lab.editConfig(1, (text) => text.replace(`l64: "${from}"`, `l64: "${to}"`));
    await lab.reload(1);
  };
  await renumber('2001:db8:11::/64', '2001:db8:12::/64');
  await becomes('bind', HOME.replace(':11:', ':12:'));
  await renumber('2001:db8:12::/64', '2001:db8:11::/64');
  await becomes('bind', HOME);
});

test('the end of a border takes nothing out, and a start says where guests are now', async () => {
  await lab.stop(1);
  expect(await led('bind')).toBe(HOME);
  lab.editConfig(1, (text) => text.replace('preference: 20', 'preference: 5'));
  await lab.start(1);
  await becomes('bind', '10 2001:db8:1:0,5 2001:db8:11:0 | 2001:db8:11::a1 | 2001:db8:11::a2');
});

test('a key that is not the right one: the log and ilnp show say so, the secret is nowhere', async () => {
  const before = await led('knot');
  await keepIn('knot', servers.keyFile('b', WRONG_SECRET));
  await until('the refusal', async () => (await lab.log(1)).includes('NOTAUTH: BADSIG: the secret is another one'));
  expect(await led('knot')).toBe(before);
  const said = JSON.stringify([await lab.show('names', 1), await lab.show('config', 1)]);
  expect(said).toContain('BADSIG');
  expect(said + (await lab.log(1))).not.toContain(WRONG_SECRET);
});
