/**
 * The real thing: QEMU migrates a Linux guest between hosts of two sites while a correspondent outside talks to it; nobody
 * but `ilnp follow` tells the borders.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { global, guest } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { Machine, makeGuest } from './support/machine.ts';
import { openPings } from './support/pings.ts';
import { startProbe } from './support/probe.ts';
import { until } from './support/wait.ts';

/** Requests of the half millisecond before the guest stopped may have been heard and are sent again; busy clocks take longer. */
const MARGIN = 5;
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const lab = labForThisFile();
const folder = mkdtempSync(join(tmpdir(), 'ilnp-qemu-'));
const machines: Machine[] = [];
const followers: ChildProcess[] = [];

beforeAll(async () => {
  await makeGuest();
  await lab.exec('host1', 'ip', 'link', 'set', 'vm-a1', 'down'); // its place is taken by the machine
}, 300_000);
afterEach(async () => {
  for (const child of followers.splice(0)) child.kill('SIGKILL');
  for (const machine of machines.splice(0)) await machine.end();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function machine(host: string, name: string, isIncoming: boolean): Promise<Machine> {
  const started = await Machine.start(lab, host, {
    folder,
    name,
    guest: `guest.address=${guest('a1')} guest.gateway=fe80::1`,
    isIncoming,
  });
  machines.push(started);
  return started;
}

/** `ilnp follow` beside a machine; the lines it says. */
async function followed(at: Machine, site: 1 | 2): Promise<{ news: string; [field: string]: unknown }[]> {
  const args = [MAIN, 'follow', '0:0:0:a1', '--qmp', at.monitor, '--socket', lab.socket(site), '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  followers.push(child);
  const lines: { news: string }[] = [];
  let held = '';
  child.stdout!.on('data', (text: Buffer) => {
    held += text.toString();
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      lines.push(JSON.parse(held.slice(0, end)));
      held = held.slice(end + 1);
    }
  });
  await until('ilnp follow to follow', () => lines.some(({ news }) => news === 'following'));
  return lines;
}

const placeOf = async (site: 1 | 2): Promise<string | undefined> => {
  const bindings = await lab.show<{ nid: string; at: string }[]>('bindings', site);
  return bindings.find(({ nid }) => nid === '0:0:0:a1')?.at;
};

/** Sessions from outside that live while `journey` brings the guest to site 2. */
async function liveThrough(
  journey: () => Promise<unknown>,
): Promise<{ lost: number; doubled: number; overtaken: number }> {
  const records = startProbe(
    lab,
    'cn',
    'records',
    'connect',
    '--host',
    global('a1'),
    '--port',
    '7',
    '--interval',
    '10',
  );
  await records.said('established');
  const pings = openPings(lab, 'cn', global('a1'));
  await records.receives(50);
  await pings.receives(300);

  await journey();
  await records.receives(50);
  await pings.receives(300);

  records.stop();
  const { lost, doubled, overtaken } = await pings.end();
  expect(await records.result()).toMatchObject({ reset: null, corrupt: 0 });
  return { lost, doubled, overtaken };
}

test('a guest that QEMU migrates to another site keeps its sessions, and not one echo request is lost', async () => {
  const source = await machine('host1', 'a', false);
  await source.booted();
  const destination = await machine('host2', 'b', true);
  const atSource = await followed(source, 1);
  const atDestination = await followed(destination, 2);

  const pings = await liveThrough(async () => {
    await source.migrate(destination, folder);
    await until('ilnp to have moved the guest', () => atDestination.some(({ news }) => news === 'arrived'));
  });

  expect(pings).toMatchObject({ lost: 0, overtaken: 0 });
  expect(pings.doubled).toBeLessThanOrEqual(MARGIN);
  expect(atSource.map(({ news }) => news)).toEqual(['following', 'migrating', 'stopped']);
  expect(await placeOf(1)).toBe('site2');
});

describe('where arrivals are taken from the link', () => {
  beforeEach(async () => {
    const { code, stderr } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    if (/arrivals/.test(readFileSync(lab.configFile(2), 'utf8'))) return;
    lab.editConfig(2, (text) => text.replace('interface: lan0,', 'interface: lan0, arrivals: true,'));
    await lab.reload(2);
    await until('the border to have taken it over', async () => (await lab.log(2)).includes('took the configuration'));
  });

  test('a guest that nobody follows is found by what it and its hypervisor say on the link', async () => {
    const source = await machine('host1', 'a', false);
    await source.booted();
    const destination = await machine('host2', 'b', true);

    const { lost } = await liveThrough(async () => {
      await source.migrate(destination, folder);
      await until('the borders to have noticed', async () => (await placeOf(1)) === 'site2');
    });

    expect(lost).toBeLessThan(1000); // nobody knew that it had stopped
    expect(await lab.log(2)).toContain('a guest has shown itself here, its old site has lost it');
  });

  test('another machine with the address of a guest that answers changes nothing', async () => {
    const source = await machine('host1', 'a', false);
    await source.booted();
    await lab.exec('vm-b1', 'ip', 'addr', 'add', `${guest('a1')}/128`, 'dev', 'eth0');
    await lab.exec('vm-b1', 'ip', '-6', 'neigh', 'flush', 'dev', 'eth0');
    await lab.run('vm-b1', 'ping', '-c', '2', '-W', '1', '-I', guest('a1'), 'fe80::1%eth0');
    await lab.exec('vm-b1', 'ip', 'addr', 'del', `${guest('a1')}/128`, 'dev', 'eth0');

    await until('the old site to object', async () => /sees this guest too, but/.test(await lab.log(1)));
    expect(await placeOf(1)).toBe('site1');
    expect(await placeOf(2)).toBe('site1');
  });
});
