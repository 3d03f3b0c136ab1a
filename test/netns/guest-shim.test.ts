/**
 * A guest that runs `ilnp shim` is migrated by QEMU to another site, between plain routers: it hears a router it did not
 * know, and its sessions go on under the new Locator.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Machine, makeGuest } from './support/machine.ts';
import { startProbe } from './support/probe.ts';
import { at, type SiteNumber, shimLabForThisFile } from './support/shim-lab.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const folder = mkdtempSync(join(tmpdir(), 'ilnp-guest-shim-'));
const machines: Machine[] = [];
const routers: ChildProcess[] = [];

beforeAll(() => makeGuest(true), 300_000);
afterAll(async () => {
  for (const child of routers) child.kill('SIGKILL');
  for (const machine of machines) await machine.end();
  rmSync(folder, { recursive: true, force: true });
});

/** The router of the site advertises its prefix once a second from now on. */
function advertise(site: SiteNumber): void {
  const args = ['lan0', `fe80::${site}`, `2001:db8:${site}::`, '1800', '3', '1'];
  const words = [
    'netns',
    'exec',
    lab.namespace(`r${site}`),
    '/usr/bin/python3',
    'test/netns/probes/advertise.py',
    ...args,
  ];
  routers.push(spawn('ip', words, { stdio: 'ignore' }));
}

const machine = async (name: string, site: SiteNumber, isIncoming: boolean): Promise<Machine> => {
  const guest = 'guest.nid=0:0:0:a1 guest.stable=fd00:a::/64';
  const options = { folder, name, guest, hasShim: true, bridge: `lan${site}`, isIncoming };
  const started = await Machine.start(lab, 'air', options);
  machines.push(started);
  return started;
};

test('a session with another end system lives through the live migration of its guest', async () => {
  await lab.ip('air', 'link set dev eth0-a nomaster'); // its place is taken by the machine
  for (const site of [1, 3] as const) advertise(site);
  const source = await machine('a', 1, false);
  await source.booted('"msg":"ready"');
  await lab.start('b', { hosts: '0+0+0+a1 guest 2001-db8-1-0,10\n' });
  await until(
    'the guest to answer',
    async () => (await lab.run('b', 'ping', '-c1', '-W1', at('a', 1))).code === 0,
    20_000,
  );
  const destination = await machine('b', 3, true);
  const records = startProbe(lab, 'b', 'records', 'connect', '--host', at('a', 1), '--port', '7', '--interval', '20');
  await records.said('established');
  await records.receives(50);

  await source.migrate(destination, folder);
  await destination.said('RESUME');
  await until(
    'the correspondent to know the new Locator',
    async () => {
      const sessions = await lab.show<{ locators: { locator: string; state: string }[] }[]>('b', 'sessions');
      return sessions.find((s) => s.locators.some((l) => l.locator === '2001:db8:3::/64' && l.state === 'active'));
    },
    30_000,
  );
  await records.receives(50);

  records.stop();
  expect(await records.result()).toMatchObject({ reset: null, corrupt: 0 });
}, 120_000);
