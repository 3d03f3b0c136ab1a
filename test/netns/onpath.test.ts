/**
 * Two end systems, one of them behind border routers: the guest sees nothing of what happens to uplinks and sites, its
 * correspondent is told by the border. A plain IPv6 session of the same guest stays where it began.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { octetsOf } from '../support/packets.ts';
import { L1, L11, SHOWS_INSIDE } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { ShimNode } from './support/shim-node.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();
/** The correspondent as an end system, under the Locator of its link. */
const SPEAKER = '2001:db8:c::c9';
const UPDATES = 'icmpv6.type == 156';

let guest: ShimNode;
let speaker: ShimNode;
let outside: Capture;

interface Shown {
  readonly nid: string;
  readonly locators: readonly { readonly locator: string; readonly state: string }[];
}
/** The Locators the correspondent has of the guest, the one in use marked. */
async function known(): Promise<string[]> {
  const session = (await speaker.show<Shown[]>('sessions')).find(({ nid }) => nid === '0:0:0:a1');
  return (session?.locators ?? []).map(({ locator, state }) => `${locator} ${state}`);
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
    const { updates_acknowledged: acknowledged } = await guest.show<Record<string, number>>('counters');
    expect(acknowledged).toBe(0); // it has sent none, and was given none
  });
});

// shows: S17a
test('no inside Locator was seen outside, and every update had its nonce', async () => {
  await outside.stop();
  const inside = await outside.fields(SHOWS_INSIDE, ['frame.number']);
  const listed = (await outside.fields(UPDATES, ['icmpv6.ilnp.nb_locator'])).flatMap(([list]) => list!.split(','));
  const bare = await outside.fields(`${UPDATES} && !(ipv6.opt.type == 0x8b)`, ['frame.number']);
  const bad = await outside.fields('icmpv6.checksum.status == 0', ['frame.number']);

  expect(inside).toEqual([]);
  expect(bare).toEqual([]);
  expect(bad).toEqual([]);
  expect(listed.length).toBeGreaterThan(3);
  expect(new Set(listed)).toEqual(new Set([L1, L11].map(asTshark)));
});
