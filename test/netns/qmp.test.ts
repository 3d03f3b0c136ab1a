/** What a real QEMU says over its monitor while it migrates, is cancelled or dies; the machines are empty. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Followed, follow } from '../../src/hypervisor/follow.ts';
import type { GuestNews } from '../../src/hypervisor/migration.ts';
import { labForThisFile } from './support/lab.ts';
import { Machine } from './support/machine.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile('--plain');
let folder = '';
let source: Machine;
let destination: Machine;
let atSource: Followed;
let atDestination: Followed;
const news: { from: string; kind: string; at: number | null }[] = [];

const told =
  (from: string) =>
  (n: GuestNews): void =>
    void news.push({ from, kind: n.kind, at: 'at' in n ? n.at : null });
/** What one end has said. */
const kinds = (from = 'source'): string[] => news.filter((one) => one.from === from).map(({ kind }) => kind);

beforeEach(async () => {
  news.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'ilnp-qmp-'));
  source = await Machine.start(lab, 'host1', { folder, name: 'a' });
  destination = await Machine.start(lab, 'host2', { folder, name: 'b', isIncoming: true });
  atSource = await follow(source.monitor, told('source'));
  atDestination = await follow(destination.monitor, told('destination'));
});
afterEach(async () => {
  atSource.close();
  atDestination.close();
  await source.end();
  await destination.end();
  rmSync(folder, { recursive: true, force: true });
});

test('a migration: the source says that it stops, the destination that it runs', async () => {
  await source.migrate(destination, folder);
  await until('the guest to arrive', () => kinds('destination').includes('arrived'));
  await source.said('MIGRATION', 'completed');
  await source.end();

  expect(await atSource.ended).toMatch(/monitor|ECONNRESET/);
  expect(kinds()).toEqual(['migrating', 'stopped']);
  expect(kinds('destination')).toEqual(['incoming', 'arrived']);
  const [stopped, arrived] = ['stopped', 'arrived'].map((kind) => news.find((one) => one.kind === kind)!.at);
  expect(stopped).toBe((await source.said('STOP')).at);
  expect(arrived).toBe((await destination.said('RESUME')).at);
  expect(arrived!).toBeGreaterThan(stopped!);
});

test('a cancelled migration: the guest has stayed', async () => {
  await source.migrate(destination, folder, { pauses: true });
  await source.said('MIGRATION', 'pre-switchover');
  await source.qmp.execute('migrate_cancel');
  await source.said('MIGRATION', 'cancelled');

  await until('the news', () => kinds().length >= 3);
  expect(kinds()).toEqual(['migrating', 'stopped', 'stayed']);
});

test('the destination dies: the guest has stayed', async () => {
  await source.migrate(destination, folder, { pauses: true });
  await source.said('MIGRATION', 'pre-switchover');
  await destination.end();
  await source.qmp.execute('migrate-continue', { state: 'pre-switchover' });

  await until('the news', () => kinds().length >= 3);
  expect(kinds()).toEqual(['migrating', 'stopped', 'stayed']);
});

test('the source dies: nobody has the guest any more', async () => {
  await source.migrate(destination, folder, { pauses: true });
  await source.said('MIGRATION', 'pre-switchover');
  await source.end();

  await atSource.ended;
  expect(kinds()).toEqual(['migrating', 'stopped', 'lost']);
});

test('who comes in the middle is told what has happened', async () => {
  atSource.close();
  await source.migrate(destination, folder, { pauses: true });
  await source.said('MIGRATION', 'pre-switchover');

  atSource = await follow(source.monitor, told('source'));

  expect(kinds()).toEqual(['migrating', 'stopped']);
});

test('a monitor that is taken, missing or none is said by its name', async () => {
  const refused = (path: string): Promise<unknown> => follow(path, () => {}).catch((error: unknown) => error);

  expect(await refused(source.monitor)).toMatchObject({
    code: 'E_HYPERVISOR',
    message: `${source.monitor}: no greeting; another client has this monitor, or it is no QMP`,
  });
  expect(await refused(`${folder}/none`)).toMatchObject({
    code: 'E_HYPERVISOR',
    message: expect.stringContaining('no such socket'),
  });
  const other = createServer((socket) => socket.end('220 mail\r\n')).listen(`${folder}/other`);
  expect(await refused(`${folder}/other`)).toMatchObject({ code: 'E_HYPERVISOR' });
  other.close();
});
