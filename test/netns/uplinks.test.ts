/** Two providers of one site: a session keeps the global Locator it began with, a new one gets the preferred (RFC 6748 section 3). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CN, CN_SECOND, L1, L11, under } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';

const lab = labForThisFile();
const BY_ISP1 = under(L1, 'a1');
const BY_ISP2 = under(L11, 'a1');

let first: Capture;
let second: Capture;
beforeAll(async () => {
  first = await Capture.start(lab, 'core', 's1up0', 'tcp');
  second = await Capture.start(lab, 'core', 's1up1', 'tcp');
});
afterAll(() => Promise.all([first.remove(), second.remove()]));

beforeEach(() => lab.move('a1', 'host1'));

const inbound = (to: string, from: string) =>
  openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to, from });

/** Opens a session from the VM and tells as whom the correspondent sees it. */
async function seenAs(to: string): Promise<unknown> {
  const session = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to });
  const { remote } = await session.listener.said('established');
  await session.connector.receives(50);
  expectIntact(await session.end());
  return remote;
}

// shows: S21a
test('a session begun through the second uplink keeps its Locator through moves', async () => {
  const session = await inbound(BY_ISP2, CN);
  await session.connector.receives(200);
  for (const place of ['host1b', 'site2', 'site1']) {
    await lab.move('a1', place);
    await session.connector.receives(200);
    await session.listener.receives(200);
  }
  expectIntact(await session.end());
});

test('sessions of two correspondents through two uplinks at once', async () => {
  const one = await inbound(BY_ISP1, CN);
  const two = await inbound(BY_ISP2, CN_SECOND);
  for (const session of [one, two]) await session.connector.receives(200);
  await lab.move('a1', 'site2');
  for (const session of [one, two]) await session.connector.receives(200);

  expectIntact(await one.end());
  expectIntact(await two.end());
});

test('sessions of one correspondent through two uplinks at once', async () => {
  const one = await inbound(BY_ISP1, CN);
  const two = await inbound(BY_ISP2, CN);
  for (const session of [one, two]) await session.connector.receives(200);
  await lab.move('a1', 'site2');
  for (const session of [one, two]) await session.connector.receives(200);

  expectIntact(await one.end());
  expectIntact(await two.end());
});

describe('a correspondent that the VM has not talked to', () => {
  // An address that no other case of this file uses.
  const FRESH = ['2001:db8:c::c5', '2001:db8:c::c6'] as const;
  beforeAll(async () => {
    for (const address of FRESH) {
      await lab.exec('cn', 'ip', 'addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad', 'preferred_lft', '0');
    }
  });

  test('sees the preferred Locator', async () => {
    expect(await seenAs(FRESH[0])).toBe(BY_ISP1);
  });

  test('sees the preferred Locator of the home when the VM is away', async () => {
    await lab.move('a1', 'site2');
    expect(await seenAs(FRESH[1])).toBe(BY_ISP1);
  });
});

// shows: S23
test('each provider carried only packets of its own Locator', async () => {
  await Promise.all([first.stop(), second.stop()]);

  const sources = async (capture: Capture) =>
    new Set((await capture.fields('ipv6.src == 2001:db8::/32 && !(ipv6.src == 2001:db8:c::/64)', ['ipv6.src'])).flat());
  expect([...(await sources(first))]).toEqual([BY_ISP1]);
  expect([...(await sources(second))]).toEqual([BY_ISP2]);
});
