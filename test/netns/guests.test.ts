/** VM to VM: by guest addresses inside a site and between sites, and by hairpin through the global Locator (RFC 6748 section 2.8). */
import { beforeEach, describe, expect, test } from 'vitest';
import { global, guest, L1, L2, under, type Vm } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';

const lab = labForThisFile();

beforeEach(async () => {
  await lab.move('a1', 'host1');
  await lab.move('b1', 'host2');
});

/** A session from one VM to an address of another works, and the listener sees `seenAs`. */
async function expectTalk(from: Vm, to: Vm, address: string, seenAs: string): Promise<void> {
  const session = await openSession(lab, 'records', { listener: `vm-${to}`, connector: `vm-${from}`, to: address });
  const { remote } = await session.listener.said('established');
  await session.connector.receives(100);
  await session.listener.receives(100);
  expectIntact(await session.end());
  expect(remote).toBe(seenAs);
}

describe('by guest addresses', () => {
  test('inside a site', () => expectTalk('a1', 'a2', guest('a2'), guest('a1')));

  test('between sites', () => expectTalk('a1', 'b1', guest('b1'), guest('a1')));

  test('to a VM of the own site that is away', async () => {
    await lab.move('a1', 'site2');
    await expectTalk('a2', 'a1', guest('a1'), guest('a2'));
    await expectTalk('a1', 'a2', guest('a2'), guest('a1'));
  });

  test('to a VM of another site that is here', async () => {
    await lab.move('a1', 'site2');
    await expectTalk('a1', 'b1', guest('b1'), guest('a1'));
    await expectTalk('b1', 'a1', guest('a1'), guest('b1'));
  });

  test('when both have changed places', async () => {
    await lab.move('a1', 'site2');
    await lab.move('b1', 'site1');
    await expectTalk('a1', 'b1', guest('b1'), guest('a1'));
    await expectTalk('b1', 'a1', guest('a1'), guest('b1'));
  });

  test('a session lives while first one and then the other moves', async () => {
    const session = await openSession(lab, 'records', { listener: 'vm-b1', connector: 'vm-a1', to: guest('b1') });
    await session.connector.receives(200);
    for (const [vm, site] of [
      ['a1', 'site2'],
      ['b1', 'site1'],
      ['a1', 'site1'],
      ['b1', 'site2'],
    ] as const) {
      await lab.move(vm, site);
      await session.connector.receives(200);
      await session.listener.receives(200);
    }
    expectIntact(await session.end());
  });
});

describe('by global addresses', () => {
  test('a VM of the same site is reached by hairpin, and both see only global Locators', () =>
    expectTalk('a2', 'a1', global('a1'), under(L1, 'a2')));

  test('the hairpin works for a VM that is away, and from there', async () => {
    await lab.move('a1', 'site2');
    await expectTalk('a2', 'a1', global('a1'), under(L1, 'a2'));
    await expectTalk('a1', 'a2', global('a2'), under(L1, 'a1'));
  });

  test('a hairpin session lives while one end moves away and back', async () => {
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'vm-a2', to: global('a1') });
    await session.connector.receives(200);
    for (const site of ['site2', 'site1']) {
      await lab.move('a1', site);
      await session.connector.receives(200);
      await session.listener.receives(200);
    }
    expectIntact(await session.end());
  });

  test('a VM of another site is reached through the core', () => expectTalk('b1', 'a1', global('a1'), under(L2, 'b1')));

  test('a VM of another site is reached through the core even when both are at one site', async () => {
    await lab.move('a1', 'site2');
    await expectTalk('b1', 'a1', global('a1'), under(L2, 'b1'));
    await expectTalk('a1', 'b1', global('b1'), under(L1, 'a1'));
  });
});
