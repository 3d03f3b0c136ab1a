/** The disk that holds what a border remembers is full, or none at all: refused by name, nothing half done, and it goes on. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { MoveRecord } from '../../src/sites/move-record.ts';
import { global, type Site } from './support/addresses.ts';
import { succeed } from './support/command.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = new Lab();
const DISK_OCTETS = 1 << 20;
/** Enough for sessions of this many, which is more than half of the disk. */
const SESSIONS = 16_384;

let disk: string;
const right: Record<number, string> = {};
beforeAll(async () => {
  await lab.up('--no-sbr');
  disk = `${lab.directory}/disk`;
  mkdirSync(disk);
  for (const site of [1, 2] as const)
    right[site] = `${readFileSync(lab.configFile(site), 'utf8')}limits: { sessions: ${SESSIONS} }\n`;
});
afterAll(() => lab.down());

beforeEach(() => succeed('mount', ['-t', 'tmpfs', '-o', `size=${DISK_OCTETS}`, 'ilnp-test', disk]));
afterEach(async () => {
  await lab.stop(1);
  await lab.stop(2);
  await succeed('umount', [disk]);
});

/** Leaves so many octets on the disk; gives it all back when called again with none. */
function leave(octets?: number): void {
  rmSync(`${disk}/filling`, { force: true });
  const { bavail, bsize } = statfsSync(disk);
  if (octets !== undefined) writeFileSync(`${disk}/filling`, new Uint8Array(Number(bavail) * Number(bsize) - octets));
}

/** A record that takes a page. */
const MOVED = Array.from(
  { length: 80 },
  (_, k) => `{"nid":"0:0:0:${(k + 1).toString(16)}","at":"site1","epoch":1}\n`,
).join('');

const configure = (site: Site, edit: (text: string) => string) =>
  writeFileSync(lab.configFile(site), edit(right[site]!));
const stateOnDisk = (text: string) => text.replace(/^state: .*$/m, `state: ${disk}/state`);
const socketOnDisk = (text: string) => text.replace(/socket: [^,]+/, `socket: ${disk}/site1.sock`);
const start = () => lab.ilnpIn('sbr1', 'sbr', '--config', lab.configFile(1));

test.each([
  ['sessions', stateOnDisk, /site1\.sessions.*ENOSPC/, 128 << 10],
  ['moves', stateOnDisk, /site1\.moves\.jsonl.*ENOSPC/, 0],
  ['journal of the set-up', socketOnDisk, /gateway-\d+\.undo.*ENOSPC/, 4096],
] as const)(
  'no room for the %s at the start: exit code 1, the file is named, nothing is left behind',
  async (_, place, file, room) => {
    const before = await snapshot(lab, 'sbr1');
    configure(1, place);
    if (place === stateOnDisk) {
      mkdirSync(`${disk}/state`);
      writeFileSync(`${disk}/state/site1.moves.jsonl`, MOVED);
    }
    leave(room);
    const files = () =>
      readdirSync(disk, { recursive: true })
        .map(String)
        .filter((name) => !name.endsWith('.lock'))
        .sort();
    const found = files();

    const { code, stderr } = await start();

    expect(stderr).toMatch(/^ilnp: E_STATE: /m);
    expect(stderr).toMatch(file);
    expect(code).toBe(1);
    expect(files()).toEqual(found);
    await expectAsBefore(lab, 'sbr1', before);
    if (place === stateOnDisk) expect(readFileSync(`${disk}/state/site1.moves.jsonl`, 'utf8')).toBe(MOVED);
  },
);

const whereIsA1 = async (site: Site) =>
  (await lab.show<{ nid: string; at: string }[]>('bindings', site)).find(({ nid }) => nid === '0:0:0:a1')?.at;
const moveA1 = (to: string) => lab.ilnp('move', '0:0:0:a1', '--to', to, '--socket', lab.socket(2));

test.each([
  ['home', 1],
  ['other', 2],
] as const)(
  'no room for a move at the %s site: refused, both sites agree that nothing has changed, sessions go on',
  async (_, site) => {
    for (const one of [1, 2] as const) configure(one, one === site ? stateOnDisk : (text) => text);
    await lab.start(1);
    await lab.start(2);
    await until(
      'the borders to agree',
      async () => (await lab.show<{ connected: boolean }[]>('peers', 2))[0]?.connected,
    );
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await session.connector.receives(50);
    leave(0);

    const { code, stderr } = await moveA1('site2');

    expect(code).toBe(1);
    expect(stderr).toMatch(/^ilnp: E_STATE: .*ENOSPC/m);
    expect([await whereIsA1(1), await whereIsA1(2)]).toEqual(['site1', 'site1']);
    await session.connector.receives(50);
    expectIntact(await session.end());

    leave();
    expect((await moveA1('site2')).code).toBe(0);
    expect([await whereIsA1(1), await whereIsA1(2)]).toEqual(['site2', 'site2']);
    expect((await moveA1('site1')).code).toBe(0);
  },
);

test('a move that was prepared before the disks of both sites were full is carried out, from home and back', async () => {
  for (const one of [1, 2] as const)
    configure(one, (text) => stateOnDisk(text).replace(/^limits: .*$/m, 'limits: { sessions: 1024 }'));
  await lab.start(1);
  await lab.start(2);
  await until('the borders to agree', async () => (await lab.show<{ connected: boolean }[]>('peers', 2))[0]?.connected);
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  for (const to of ['site2', 'site1']) {
    const step = (...words: string[]) => lab.ilnp('move', '0:0:0:a1', '--to', to, ...words, '--socket', lab.socket(1));
    expect((await step('--prepare')).code).toBe(0);
    leave(0);

    const { code, stderr } = await step('--commit');

    expect(stderr).toBe('');
    expect(code).toBe(0);
    await until('both to agree', async () => (await whereIsA1(1)) === to && (await whereIsA1(2)) === to);
    expect((await moveA1(to === 'site1' ? 'site2' : 'site1')).stderr).toMatch(/^ilnp: E_STATE: .*ENOSPC/m);
    leave();
  }
  await session.connector.receives(50);
  await session.end();
});

test('what was begun is written on a full disk, until the room set aside is used up; whoever asks before is refused', async () => {
  const open = () => MoveRecord.open(`${disk}/state`, 'site9', () => {});
  const { record } = await open();
  const lines = (epoch: number) =>
    Array.from({ length: 100 }, (_, lo) => ({ nid: { hi: 0, lo: lo + 1 }, at: 'site2', epoch }));
  leave(0);
  let written = 0;
  while (
    written < 1000 &&
    (await record.append(lines(written + 1)).then(
      () => true,
      () => false,
    ))
  )
    written++;

  expect(written * 100).toBeGreaterThan(500); // some hundred moves
  expect(written).toBeLessThan(1000);
  await expect(record.append([])).rejects.toMatchObject({
    code: 'E_STATE',
    message: expect.stringContaining('ENOSPC'),
  });
  leave();
  await record.append([]);
  await record.append(lines(2000));
  await record.close();

  const { record: again, loaded } = await open();
  expect(new Set([...loaded.moved.values()].map(({ epoch }) => epoch))).toEqual(new Set([2000]));
  await again.close();
  expect(readdirSync(`${disk}/state`)).toEqual(['site9.moves.jsonl']);
});

test('SIGHUP that cannot be written to the journal: refused, everything stays', async () => {
  configure(1, socketOnDisk);
  await lab.start(1);
  const before = await snapshot(lab, 'sbr1');
  leave(0);
  lab.editConfig(1, (text) => text.replace(/.*name: isp2.*\n/, ''));

  await lab.reload(1);

  await until('the border to complain', async () => /"E_STATE".*configuration stays.*ENOSPC/.test(await lab.log(1)));
  expect(await snapshot(lab, 'sbr1')).toBe(before);
  leave();
  await lab.reload(1);
  await until('the border to take it over', async () => /took the configuration over/.test(await lab.log(1)));
});

test.each([
  ['state', (text: string) => text.replace(/^state: .*$/m, 'state: /proc/nowhere/state'), 'E_STATE'],
  ['socket', (text: string) => text.replace(/socket: [^,]+/, 'socket: /proc/nowhere/site1.sock'), 'E_SOCKET'],
] as const)('%s under /proc: refused at once, nothing is left behind', async (_, edit, code) => {
  const before = await snapshot(lab, 'sbr1');
  configure(1, edit);

  const said = await start();

  expect(said.code).toBe(1);
  expect(said.stderr).toMatch(new RegExp(`^ilnp: ${code}: .*/proc/nowhere`, 'm'));
  await expectAsBefore(lab, 'sbr1', before);
  expect(existsSync(lab.socket(1))).toBe(false);
});
