import { closeSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSessionFile, sessionsOf, sessionsOfNodes } from '../../src/border/session-store.ts';
import { mapFile } from '../../src/device/libc.ts';
import type { Sessions } from '../../src/ilnp/sessions.ts';

function storePath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ilnp-sessions-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'state', 'site1.sessions');
}

/** The sessions of the file as a worker maps them. */
function opened(path: string, sessions: number, seed: number): Sessions {
  const file = openSessionFile(path, sessions, seed);
  const found = sessionsOf(mapFile(file.fd, file.octets).buffer);
  closeSync(file.fd); // the mapping stays
  return found;
}

const KEY = [1, 2, 3, 4, 5, 6, 7] as const;

test('a restart finds the sessions of the file, also under another seed', () => {
  const path = storePath();
  const before = opened(path, 100, 7);
  before.setUplink(before.open(...KEY, 50, true), 1, 50);
  const after = opened(path, 100, 8);

  expect(after.count()).toBe(1);
  expect(after.uplink(after.find(...KEY))).toBe(1);
});

test('what is noted of some nodes is read from it for people, however large it is', async () => {
  const path = storePath();
  const file = openSessionFile(path, 100_000, 7);
  const sessions = sessionsOf(mapFile(file.fd, file.octets).buffer);
  for (let n = 1; n <= 1000; n++) sessions.setUplink(sessions.open(0, n % 10, 1, n, 2, 3, n, 100, true), 1, 100);

  const found = await sessionsOfNodes(file, (n0, n1) => n0 === 0 && n1 === 4, 120);
  expect(found.map(({ flow }) => flow).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 100 }, (_, k) => 4 + 10 * k),
  );
  expect(found.find(({ flow }) => flow === 14)).toEqual({
    ...{ nid: [0, 4], correspondent: [1, 14, 2, 3], flow: 14, uplink: 1, isIlnp: false, idle: 20 },
  });
  closeSync(file.fd);
});

test('two mappings of the file, those of two workers, see each other', () => {
  const path = storePath();
  const one = opened(path, 100, 7);
  const other = opened(path, 100, 7);
  const entry = one.open(...KEY, 50, true);
  expect(other.find(...KEY)).toBe(entry);
  other.setUplink(entry, 2, 51);

  expect(one.uplink(entry)).toBe(2);
});

test.each([
  ['of another size', () => {}, 10_000],
  ['that is no store', (path: string) => writeFileSync(path, 'nonsense'.repeat(9999)), 100],
  ['that was cut within its header', (path: string) => truncateSync(path, 9), 100],
])('a file %s is begun anew', (_, spoil, sessions) => {
  const path = storePath();
  const file = openSessionFile(path, 100, 7);
  sessionsOf(mapFile(file.fd, file.octets).buffer).open(...KEY, 50, true);
  closeSync(file.fd);
  spoil(path);
  const after = opened(path, sessions, 7);

  expect(after.count()).toBe(0);
  expect(after.open(...KEY, 50, true)).toBeGreaterThanOrEqual(0);
});

test('the file is readable by its owner only: it tells who talks to whom', () => {
  const path = storePath();
  opened(path, 100, 7);

  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path).length).toBe(openSessionFile(path, 100, 7).octets);
});

test('a place that cannot be written says so with E_STATE and the path', () => {
  const path = storePath();
  opened(path, 100, 7);

  expect(() => openSessionFile(join(path, 'below.sessions'), 100, 7)).toThrow(
    expect.objectContaining({ code: 'E_STATE', message: expect.stringContaining('below.sessions') }),
  );
});
