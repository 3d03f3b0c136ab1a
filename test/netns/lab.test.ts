/** The lab itself, with kernels that route the guest Locators: if this fails, no other case of this folder means anything. */
import { expect, test } from 'vitest';
import { guest } from './support/addresses.ts';
import { command } from './support/command.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';

const lab = labForThisFile('--plain');

test('a TCP session goes on when the cable is carried to another host of the site', async () => {
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: guest('a1') });
  await session.connector.receives(300);

  await lab.move('a1', 'host1b');
  await session.connector.receives(300);

  const { connector, listener } = await session.end();
  expect(connector).toMatchObject({ reset: null, corrupt: 0, received: listener.sent });
  expect(listener).toMatchObject({ reset: null, corrupt: 0, received: connector.sent });
});

test('the guest sees no loss of signal and keeps its configuration while it moves', async () => {
  const seen = async () =>
    (await lab.exec('vm-a1', 'ip', '-6', 'addr', 'show', 'dev', 'eth0')) +
    (await lab.exec('vm-a1', 'ip', '-6', 'route')) +
    (await lab.exec('vm-a1', 'cat', '/sys/class/net/eth0/carrier_changes', '/sys/class/net/eth0/address'));
  const before = await seen();

  await lab.move('a1', 'host1');

  expect(await seen()).toBe(before);
});

test('down removes every namespace of the lab, and does no harm when there is nothing left', async () => {
  await lab.down();
  await lab.down();

  const { stdout } = await command('ip', ['netns', 'list']);
  expect(stdout).not.toContain(lab.namespace(''));
});
