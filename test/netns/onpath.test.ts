/**
 * Two end systems, one of them behind border routers: the guest sees nothing of what happens to uplinks and sites, its
 * correspondent is told by the border. A plain IPv6 session of the same guest stays where it began.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MoveReport } from '../../src/sites/move-report.ts';
import { octetsOf } from '../support/packets.ts';
import { CN, L1, L2, L11, SHOWS_INSIDE } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectNoLoss } from './support/sessions.ts';
import { ShimNode } from './support/shim-node.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();
/** The correspondent as an end system, under the Locator of its link. */
const SPEAKER = '2001:db8:c::c9';
/** Of the subnet to which a host goes. */
const L_OF_MAP = '2001:db8:35::';
const UPDATES = 'icmpv6.type == 156';

let guest: ShimNode;
let speaker: ShimNode;
let outside: Capture;

interface Shown {
  readonly nid: string;
  readonly locators: readonly { readonly locator: string; readonly state: string }[];
}
/** The Locators the correspondent has of the guest, the one in use marked. */
async function known(id = 'a1'): Promise<string[]> {
  const session = (await speaker.show<Shown[]>('sessions')).find(({ nid }) => nid === `0:0:0:${id}`);
  return (session?.locators ?? []).map(({ locator, state }) => `${locator} ${state}`);
}
/** The uplink of the guest at site 1, and whether the correspondent has acknowledged that. */
async function uplinkOf(): Promise<string> {
  const sessions = await lab.show<{ guest: string; uplink: string; told: string }[]>('sessions', 1);
  const { uplink, told } = sessions.find(({ guest: id }) => id === '0:0:0:a1')!;
  return `${uplink} ${told}`;
}
/** A Locator in the words of tshark. */
const asTshark = (l64: string): string => `0x${Buffer.from(octetsOf(l64)).toString('hex').slice(0, 16)}`;
const ip = (node: string, words: string) => lab.exec(node, 'ip', '-6', ...words.split(' '));

beforeAll(async () => {
  await ip('vm-a1', 'addr del fd00:1::a1/128 dev eth0');
  await ip('vm-a1', 'addr add fd00:1::1a1/64 dev eth0');
  speaker = await ShimNode.start(lab, 'cn', 'c9');
  guest = await ShimNode.start(lab, 'vm-a1', 'a1', '0+0+0+c9  cn  2001-db8-c-0\n');
  outside = await Capture.start(lab, 'core2', 'any', 'ip6');
});
afterAll(async () => {
  await guest?.stop();
  await speaker?.stop();
  await outside?.remove();
});

const plain = () => openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
const speaking = () => openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: SPEAKER });

describe('two providers', () => {
  // shows: S13, S14, S15, S16, S18
  test('the first one dies and comes back: the session goes on, the correspondent is told each time', async () => {
    const session = await speaking();
    await session.connector.receives(100);
    const before = await lab.counters(1);

    await ip('sbr1', 'link set up0 down');
    await until('the second Locator', async () => (await known()).join() === '2001:db8:11::/64 active');
    await session.connector.receives(100);
    await session.listener.receives(100);

    await ip('sbr1', 'link set up0 up');
    await ip('sbr1', 'addr add 2001:db8:f1::2/64 dev up0 nodad');
    await ip('sbr1', 'route replace default via 2001:db8:f1::1 dev up0');
    await until('both', async () => (await known()).join() === '2001:db8:1::/64 active,2001:db8:11::/64 valid');
    await session.connector.receives(100);
    await session.listener.receives(100);
    expectIntact(await session.end());

    const after = await lab.counters(1);
    expect(after.taken! - before.taken!).toBeGreaterThanOrEqual(2);
    expect(after.drop_forged_update).toBe(0);
    const own = await guest.show<Record<string, number>>('counters');
    expect(own.updates_acknowledged).toBeLessThanOrEqual(own.updates_sent!); // it is given none of what it has not sent
    expect(own.drop_bad_update! + own.drop_forged_update!).toBe(0);
  });

  // shows: S14, S18, S20, S33
  test('the operator prefers the other one: nothing is lost and nothing overtaken while sessions go over', async () => {
    const session = await openSession(lab, 'udp', { listener: 'cn', connector: 'vm-a1', to: SPEAKER });
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    lab.editConfig(1, (text) => text.replace('preference: 20', 'preference: 5'));
    await lab.reload(1);
    await until('the second Locator first', async () => (await known())[0] === '2001:db8:11::/64 active');
    await until('the acknowledgement', async () => (await uplinkOf()) === 'isp2 acknowledged');
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    lab.editConfig(1, (text) => text.replace('preference: 5', 'preference: 20'));
    await lab.reload(1);
    await until('the first Locator first', async () => (await known())[0] === '2001:db8:1::/64 active');
    await until('the acknowledgement', async () => (await uplinkOf()) === 'isp1 acknowledged');
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    expectNoLoss(await session.end());
  });
});

// shows: S17b
test('a host without a binding that goes to another subnet tells its correspondent itself, by a translated update', async () => {
  for (const n of [4, 5]) await ip('core', `route add 2001:db8:3${n}::/64 via 2001:db8:f1::2`);
  const maps = [4, 5].map((n) => `  - { inside: "fd05:0:0:${n}::/64", outside: "2001:db8:3${n}::/64", uplink: isp1 }`);
  lab.editConfig(1, (text) => `${text}\nsubnets:\n${maps.join('\n')}\n`);
  await lab.reload(1);
  await ip('vm-a2', 'addr add fd05:0:0:4::1/64 dev eth0');
  await ip('vm-a2', 'addr del fd00:1::a2/128 dev eth0');
  const host = await ShimNode.start(lab, 'vm-a2', 'e2', '0+0+0+c9  cn  2001-db8-c-0\n');
  const session = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a2', to: SPEAKER });
  await session.connector.receives(50);
  await until('the first Locator', async () => (await known('e2')).join() === '2001:db8:34::/64 active');

  await ip('vm-a2', 'addr add fd05:0:0:5::1/64 dev eth0');
  await ip('vm-a2', 'addr del fd05:0:0:4::1/64 dev eth0');
  await until('the other Locator', async () => (await known('e2')).join() === '2001:db8:35::/64 active');
  await until('its acknowledgement', async () => {
    const { updates_acknowledged: acknowledged } = await host.show<Record<string, number>>('counters');
    return acknowledged! > 0;
  });
  await Promise.all([session.connector.receives(50), session.listener.receives(50)]);
  expectIntact(await session.end());
  await host.stop();
  expect((await lab.counters(1)).updates_translated).toBeGreaterThan(0);
});

describe('a move to another site', () => {
  // shows: S14, S20, S31
  test('the correspondent is told by 136 octets and goes to the new site, a plain session stays with the old one', async () => {
    const [session, other] = [await speaking(), await plain()];
    await Promise.all([session.connector.receives(100), other.connector.receives(100)]);
    const before = [await lab.counters(1), await lab.counters(2)] as const;

    await lab.move('a1', 'site2');
    await until('the Locator of site 2', async () => (await known()).join() === '2001:db8:2::/64 active');
    const report = await until('the report', async () => {
      const { stdout: lines } = await lab.ilnp('moves', '--json', '--limit', '1', '--socket', lab.socket(1));
      return lines === '' ? undefined : (JSON.parse(lines) as MoveReport);
    });
    expect(report).toMatchObject({ to: 'site2', outcome: 'moved', updateOctets: 136 });
    expect(report.timeline.acknowledged).toBeGreaterThan(0);
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    await Promise.all([other.connector.receives(100), other.listener.receives(100)]);
    const [sbr1, sbr2] = [await lab.counters(1), await lab.counters(2)];
    expect([sbr2.updates_sent! - before[1].updates_sent!, sbr2.taken! - before[1].taken!]).toEqual([1, 1]);
    expect(sbr1.updates_sent).toBe(before[0].updates_sent);
    expect(await lab.show('sessions', 2)).toEqual([
      expect.objectContaining({ guest: '0:0:0:a1', correspondent: '0:0:0:c9', uplink: 'isp3', told: 'acknowledged' }),
    ]);

    const { stdout } = await lab.ilnp('show', 'sessions', '--socket', lab.socket(2));
    expect(stdout).toMatch(
      /^GUEST +CORRESPONDENT +AT .*\n0:0:0:a1 +0:0:0:c9 +2001:db8:c::\/64 +isp3 +both +acknowledged /,
    );

    await lab.move('a1', 'site1');
    await until('the Locators of site 1', async () => (await known())[0] === '2001:db8:1::/64 active');
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    const { remote } = await other.listener.said('established');
    expect(remote).toBe(`${L1}a1`);
    expectIntact(await session.end());
    expectIntact(await other.end());
  });

  test('a session begun at the other site goes on from there when the guest comes home', async () => {
    await lab.move('a1', 'site2');
    const session = await speaking();
    await until('the Locator of site 2', async () => (await known()).join() === '2001:db8:2::/64 active');
    await session.connector.receives(100);
    await lab.move('a1', 'site1');
    await until('the Locators of site 1', async () => (await known())[0] === '2001:db8:1::/64 active');
    await Promise.all([session.connector.receives(200), session.listener.receives(200)]);
    expectIntact(await session.end());
  });
});

// shows: S17a
test('no inside Locator was seen outside, every update had its nonce, and plain IPv6 its Locator', async () => {
  await outside.stop();
  const inside = await outside.fields(`${SHOWS_INSIDE} || icmpv6.checksum.status == 0`, ['frame.number']);
  const updates = (await outside.fields(UPDATES, ['icmpv6.ilnp.nb_locator', 'ipv6.opt.type', 'ipv6.plen'])).map(
    ([list, option, length]) => ({ listed: list!.split(','), option, length }),
  );
  const sessions = (await outside.fields('tcp', ['ipv6.src', 'ipv6.dst'])) as [string, string][];
  const waysTo = (to: string) => new Set(sessions.flatMap(([src, dst]) => (dst === to ? [src.slice(0, -2)] : [])));
  const listed = new Set(updates.flatMap((update) => update.listed));
  const toSite2 = updates.filter((update) => update.listed.includes(asTshark(L2)));

  expect(inside).toEqual([]);
  expect(updates.filter(({ option }) => !option?.startsWith('0x8b'))).toEqual([]);
  expect(new Set(toSite2.map(({ length }) => length))).toEqual(new Set(['28'])); // 68 octets, update and acknowledgement
  expect([...listed]).toEqual(expect.arrayContaining([L1, L2, L11, L_OF_MAP].map(asTshark)));
  expect([...listed].filter((locator) => locator.startsWith('0xf'))).toEqual([]);
  expect(waysTo(SPEAKER)).toEqual(new Set([L1, L2, L11, '2001:db8:34::', L_OF_MAP]));
  expect(waysTo(CN)).toEqual(new Set([L1])); // plain IPv6: where it began
});
