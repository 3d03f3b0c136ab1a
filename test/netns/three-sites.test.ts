/** Three sites: the answers of a guest leave where its global Locator belongs, whichever of the other sites it is at. */
import { expect, test } from 'vitest';
import { CN, global, guest, L1, L2, L3, under, type Vm } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';

const lab = labForThisFile('--sites', '3');

test('a session lives while the VM goes from site to site to site and home', async () => {
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await session.connector.receives(200);
  for (const place of ['site2', 'site3', 'site2', 'site3', 'site1']) {
    await lab.move('a1', place);
    await session.connector.receives(200);
    await session.listener.receives(200);
  }
  expectIntact(await session.end());
});

test('guests of three homes at one site: each keeps the Locator of its home', async () => {
  await lab.move('a1', 'site3');
  await lab.move('b1', 'site3');
  const homes = { a1: L1, b1: L2, c1: L3 } as const;

  for (const vm of ['a1', 'b1', 'c1'] as const satisfies readonly Vm[]) {
    const inbound = await openSession(lab, 'records', { listener: `vm-${vm}`, connector: 'cn', to: global(vm) });
    await inbound.connector.receives(100);
    expectIntact(await inbound.end());
    const outbound = await openSession(lab, 'records', { listener: 'cn', connector: `vm-${vm}`, to: CN });
    const { remote } = await outbound.listener.said('established');
    await outbound.connector.receives(100);
    expectIntact(await outbound.end());
    expect(remote).toBe(under(homes[vm], vm));
  }
});

test('guests that are strangers at a third site talk to each other and to those at home', async () => {
  await lab.move('a1', 'site3');
  await lab.move('b1', 'site3');
  for (const [from, to] of [
    ['a1', 'b1'],
    ['b1', 'a1'],
    ['a1', 'a2'],
    ['b2', 'a1'],
    ['c1', 'a1'],
    ['a1', 'c1'],
  ] as const) {
    const session = await openSession(lab, 'records', { listener: `vm-${to}`, connector: `vm-${from}`, to: guest(to) });
    const { remote } = await session.listener.said('established');
    await session.connector.receives(50);
    expectIntact(await session.end());
    expect(remote).toBe(guest(from));
  }
});

test('all three borders know of a move that any of them was told', async () => {
  await lab.move('b1', 'site2');
  await lab.replug('a1', 'host2');
  const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(3));
  expect(code).toBe(0);

  for (const site of [1, 2, 3] as const) {
    const bindings = await lab.show<{ nid: string; at: string }[]>('bindings', site);
    expect(bindings.find(({ nid }) => nid === '0:0:0:a1')?.at).toBe('site2');
  }
});

test('a site that is gone from the configuration: its guest is still there, in its epoch, until --force', async () => {
  const at = async (site: 1 | 2) => {
    const bindings = await lab.show<{ nid: string; at: string; epoch: number }[]>('bindings', site);
    const { at, epoch } = bindings.find(({ nid }) => nid === '0:0:0:a1')!;
    return { at, epoch };
  };
  const dropped = async () => (await lab.counters(1)).drop_unknown_site!;
  await lab.move('a1', 'site3');
  const { epoch } = await at(1);
  await lab.kill(3);
  for (const site of [1, 2] as const)
    lab.editConfig(site, (text) => text.replace(/^.*(site: site3|home: site3).*\n/gm, ''));

  await lab.reload(1);
  await lab.reload(2);
  const [counted, ping] = [await dropped(), ['ping', '-6', '-n', '-c', '2', '-i', '0.1', '-W', '1', global('a1')]];
  await lab.run('cn', ...ping);
  expect(await dropped()).toBe(counted + 2); // and not sent in circles

  for (const site of [1, 2] as const) {
    await lab.stop(site);
    await lab.start(site);
  }
  expect([await at(1), await at(2)]).toEqual([
    { at: 'site3', epoch },
    { at: 'site3', epoch },
  ]);

  await lab.replug('a1', 'host2');
  const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--force', '--socket', lab.socket(1));
  expect(code).toBe(0);
  await lab.exec('cn', ...ping);
  await lab.stop(1);
  await lab.start(1);
  expect([await at(1), await at(2)]).toEqual([
    { at: 'site2', epoch: epoch + 1 },
    { at: 'site2', epoch: epoch + 1 },
  ]);
});
