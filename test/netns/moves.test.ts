/**
 * The two scenarios of Bhatti and Atkinson, "Secure & Agile Wide-Area VM Mobility": a VM moves inside its site and between
 * sites, with a correspondent and a guest that know nothing of it. TCP and UDP in both directions go on.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { CN, global, L1 } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectLossBelow } from './support/sessions.ts';

const lab = labForThisFile();

/** Reason: re-plugging takes about 20 ms and starting the command about 200 ms; twice that on busy cores. */
const UDP_GAP_LIMIT_MS = 1000;
/** Reason: TCP repeats what was lost after 200 ms, then 400 ms. */
const TCP_GAP_LIMIT_MS = 1500;

/** Sessions in both directions of opening that live while `journey` happens. */
async function liveThrough(journey: () => Promise<unknown>): Promise<void> {
  const inbound = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const outbound = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
  const datagrams = await openSession(lab, 'udp', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const all = [inbound, outbound, datagrams].flatMap(({ connector, listener }) => [connector, listener]);
  await Promise.all(all.map((probe) => probe.receives(300)));

  await journey();
  await Promise.all(all.map((probe) => probe.receives(500)));

  const seen = { inbound: await inbound.end(), outbound: await outbound.end(), datagrams: await datagrams.end() };
  expectIntact(seen.inbound);
  expectIntact(seen.outbound);
  expect(seen.inbound.connector.longestGap.ms).toBeLessThan(TCP_GAP_LIMIT_MS);
  expect(seen.outbound.listener.longestGap.ms).toBeLessThan(TCP_GAP_LIMIT_MS);
  expectLossBelow(seen.datagrams, UDP_GAP_LIMIT_MS);
}

beforeEach(() => lab.move('a1', 'host1'));

// shows: S30
test('sessions live while the VM moves to another host of its site', () => liveThrough(() => lab.move('a1', 'host1b')));

// shows: S29
test('sessions live while the VM moves to another site', () => liveThrough(() => lab.move('a1', 'site2')));

describe('away from home', () => {
  beforeEach(() => lab.move('a1', 'site2'));

  test('sessions live while the VM moves back to its home', () => liveThrough(() => lab.move('a1', 'site1')));

  test('a new session of the VM is seen under the global Locator of its home', async () => {
    const session = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
    const { remote } = await session.listener.said('established');
    await session.connector.receives(100);
    expectIntact(await session.end());

    expect(remote).toBe(`${L1}a1`);
  });

  test('either border takes the command, and both agree afterwards', async () => {
    const at = async (site: 1 | 2) => {
      const bindings = await lab.show<{ nid: string; at: string }[]>('bindings', site);
      return bindings.find(({ nid }) => nid === '0:0:0:a1')?.at;
    };
    expect([await at(1), await at(2)]).toEqual(['site2', 'site2']);

    await lab.replug('a1', 'host1');
    const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(2));

    expect(code).toBe(0);
    expect([await at(1), await at(2)]).toEqual(['site1', 'site1']);
  });
});

test('a move of an unknown NID or to an unknown site fails, says why and changes nothing', async () => {
  const before = await lab.show('bindings', 1);

  const unknownNid = await lab.ilnp('move', '0:0:0:dead', '--to', 'site2', '--socket', lab.socket(1));
  const unknownSite = await lab.ilnp('move', '0:0:0:a1', '--to', 'site9', '--socket', lab.socket(1));

  expect(unknownNid.code).toBe(1);
  expect(unknownNid.stderr).toMatch(/0:0:0:dead/);
  expect(unknownSite.code).toBe(1);
  expect(unknownSite.stderr).toMatch(/site9/);
  expect(await lab.show('bindings', 1)).toEqual(before);
});
