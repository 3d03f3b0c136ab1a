/** A provider that does not route the global Locator to the border but takes it for a link: the border answers for the guests. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CN, global, L1 } from './support/addresses.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';

const lab = new Lab();
let before: string;

beforeAll(async () => {
  await lab.up('--no-sbr');
  await lab.exec('core', 'ip', 'route', 'replace', `${L1}/64`, 'dev', 's1up0');
  lab.editConfig(1, (text) => text.replace('name: isp1, ', 'name: isp1, onLink: true, '));
  before = await snapshot(lab, 'sbr1');
  await lab.start(1);
  await lab.start(2);
});
afterAll(() => lab.down());

const echo = (to: string) => lab.run('cn', 'ping', '-6', '-n', '-c', '3', '-i', '0.1', '-W', '2', '-I', CN, to);

// shows: S34
test('a VM answers at home, away, and a session lives through the move', async () => {
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await session.connector.receives(200);
  await lab.move('a1', 'site2');
  await session.connector.receives(200);
  expectIntact(await session.end());

  expect((await echo(global('a1'))).stdout).toContain('3 received');
  expect((await echo(global('a2'))).stdout).toContain('3 received');
});

// shows: S34
test('nobody answers for a NID that nobody has', async () => {
  const { stdout } = await echo(`${L1}dead`);
  const neighbours = await lab.exec('core', 'ip', '-6', 'neigh', 'show', `${L1}dead`);

  expect(stdout).toContain('0 received');
  expect(neighbours).not.toMatch(/lladdr/);
});

test('a binding that a reload adds is answered for, one that it removes no longer', async () => {
  const right = readFileSync(lab.configFile(1), 'utf8');
  lab.editConfig(1, (text) => text.replace(/ {2}- \{ nid: "0:0:0:a2".*\n/, ''));
  await lab.reload(1);
  await expect.poll(async () => (await echo(global('a2'))).stdout, { timeout: 15_000 }).toContain('0 received');

  lab.editConfig(1, () => right);
  await lab.reload(1);
  await expect.poll(async () => (await echo(global('a2'))).stdout, { timeout: 15_000 }).toContain('3 received');
});

test('nothing is left behind', async () => {
  await lab.stop(1);

  await expectAsBefore(lab, 'sbr1', before);
});
