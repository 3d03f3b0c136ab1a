/** What a crash, a full disk or a damaged one does to the registry of our own; kill -9 is in test/netns/registry.test.ts. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Entry } from '../../src/registry/registry.ts';
import { RegistryStore } from '../../src/registry/store.ts';
import { formatNid } from '../../src/wire/text.ts';
import { entryOf, listed } from './entries.ts';

let state: string;
let warnings: string[];
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'ilnp-registry-'));
  warnings = [];
});
afterEach(() => rmSync(state, { recursive: true }));

const openStore = (more: { compactFrom?: number; limit?: number } = {}): Promise<RegistryStore> =>
  RegistryStore.open({ state, name: 'r', limit: 10_000, seed: [3, 4], warn: (text) => warnings.push(text), ...more });

const logPath = (): string => join(state, readdirSync(state).find((file) => file.endsWith('.log'))!);

/** Puts entries 1..count one after the other, each its own write; gives the length of the file after each. */
async function fill(count: number): Promise<number[]> {
  const store = await openStore();
  const ends = [0];
  for (let i = 0; i < count; i++) {
    await store.swap(null, entryOf(i + 1, i));
    ends.push(readFileSync(logPath()).length);
  }
  await store.close();
  return ends;
}

test('comes back with everything, its revision and its leases', async () => {
  const store = await openStore();
  await store.swap(null, entryOf(1, 0));
  await store.swap(0, entryOf(1, 1, 'site2', { active: ['site1'] }));
  await store.swap(null, entryOf(2, 0));
  await store.swap(0, { nid: { hi: 0, lo: 2 }, epoch: 1, binding: null });
  const lease = await store.lease('pair', 'a', 60_000);
  await store.lease('gone', 'a', 60_000);
  await store.release('gone', 'a');
  const { revision } = store.state;
  await store.close();

  const again = await openStore();
  expect(again.state.revision).toBe(revision);
  expect(await again.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 1, 'site2', { active: ['site1'] }));
  expect(await again.get({ hi: 0, lo: 2 })).toEqual({ nid: { hi: 0, lo: 2 }, epoch: 1, binding: null });
  expect(await again.lease('pair', 'b', 60_000)).toEqual(lease);
  expect((await again.lease('gone', 'b', 60_000)).token).toBeGreaterThan(lease.token);
  await again.close();
  expect(warnings).toEqual([]);
});

test('cut at any octet it holds exactly what was on disk whole, and goes on', async () => {
  const ends = await fill(3);
  const path = logPath();
  const octets = readFileSync(path);
  for (let cut = 0; cut <= octets.length; cut++) {
    writeFileSync(path, octets.subarray(0, cut));
    const store = await openStore();
    const whole = ends.findLastIndex((end) => end <= cut);
    const { all } = await listed(store);
    expect([...all.keys()]).toEqual(Array.from({ length: whole }, (_, i) => formatNid({ hi: 0, lo: i + 1 })));
    await store.swap(null, entryOf(100, 0));
    await store.close();
    const again = await openStore();
    expect(again.state.size).toBe(whole + 1);
    await again.close();
  }
  expect(warnings).toHaveLength(octets.length + 1 - ends.length); // one for each cut that is not between two changes
});

describe('a damaged octet', () => {
  test('before whole changes, or where the last one begins, is refused by name and place; in it, it is dropped with a warning', async () => {
    const ends = await fill(4);
    const path = logPath();
    const octets = readFileSync(path);
    for (let at = 0; at < octets.length; at++) {
      const damaged = Uint8Array.from(octets);
      damaged[at]! ^= 0x04;
      writeFileSync(path, damaged);
      warnings = [];
      if (at < ends[3]! + 'ilnp1 '.length) {
        await expect(openStore(), `octet ${at}`).rejects.toMatchObject({ code: 'E_STATE' });
        continue;
      }
      const store = await openStore();
      expect(store.state.size, `octet ${at}`).toBe(3);
      expect(warnings).toHaveLength(1);
      await store.close();
    }
  });

  test.each([
    ['in place of all', (octets: Uint8Array) => octets.fill(0xa5)],
    ['behind all', (octets: Uint8Array) => Buffer.concat([octets, Buffer.alloc(3000, 0xa5)])],
  ])('what no crash leaves, %s, is refused, and stays for who looks', async (_, harm) => {
    await fill(3);
    const harmed = harm(readFileSync(logPath()));
    writeFileSync(logPath(), harmed);
    await expect(openStore()).rejects.toMatchObject({
      code: 'E_STATE',
      message: expect.stringContaining('no crash has left'),
    });
    expect(readFileSync(logPath())).toEqual(Buffer.from(harmed));
  });

  test('in a snapshot is refused', async () => {
    const store = await openStore({ compactFrom: 1 });
    for (let i = 0; i < 50; i++) await store.swap(null, entryOf(i + 1, 0));
    await store.close();
    const snapshot = join(state, readdirSync(state).find((file) => file.endsWith('.snapshot'))!);
    const octets = readFileSync(snapshot);
    octets[octets.length >> 1]! ^= 1;
    writeFileSync(snapshot, octets);

    await expect(openStore()).rejects.toMatchObject({ code: 'E_STATE', message: expect.stringContaining(snapshot) });
  });
});

test('a missing change in the middle is noticed', async () => {
  const ends = await fill(3);
  const path = logPath();
  const octets = readFileSync(path);
  writeFileSync(path, Buffer.concat([octets.subarray(0, ends[1]), octets.subarray(ends[2])]));

  await expect(openStore()).rejects.toMatchObject({ code: 'E_STATE', message: expect.stringContaining('missing') });
});

test.each(['', 'i', 'ilnp1'])('zeros that a power failure leaves behind "%s" are dropped', async (written) => {
  await fill(3);
  appendFileSync(logPath(), Buffer.concat([Buffer.from(written), new Uint8Array(8192)]));
  const store = await openStore();

  expect(store.state.size).toBe(3);
  await store.close();
  expect(warnings).toHaveLength(1);
});

test('snapshots replace logs while changes go on; any moment of it can be started from', async () => {
  const store = await openStore({ compactFrom: 2000 });
  const held = new Map<string, Entry>();
  const moments: Map<string, Buffer>[] = [];
  const known: Map<string, Entry>[] = [];
  let seed = 7;
  for (let i = 0; i < 600; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const nid = 1 + ((seed >>> 8) % 40);
    const key = formatNid({ hi: 0, lo: nid });
    const before = held.get(key)?.epoch ?? null;
    const next = entryOf(nid, (before ?? 0) + 1, `site${(seed >>> 16) % 5}`);
    expect(await store.swap(before, next)).toEqual({ swapped: true });
    held.set(key, next);
    if (i % 7 === 0) {
      moments.push(new Map(readdirSync(state).map((file) => [file, readFileSync(join(state, file))])));
      known.push(new Map(held));
    }
  }
  await store.close();
  expect(readdirSync(state).some((file) => file.endsWith('.snapshot'))).toBe(true);

  for (const [i, files] of moments.entries()) {
    for (const file of readdirSync(state)) rmSync(join(state, file));
    for (const [file, octets] of files) writeFileSync(join(state, file), octets);
    const again = await openStore();
    expect((await listed(again)).all).toEqual(known[i]);
    await again.close();
  }
});

test('a log that somebody has removed refuses by name', async () => {
  const store = await openStore();
  await store.swap(null, entryOf(1, 0));
  rmSync(logPath());

  await expect(store.swap(0, entryOf(1, 1))).rejects.toMatchObject({ code: 'E_STATE' });
  expect(await store.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
  await store.close();
});

test('a log that was cut behind its back is noticed at the next start, not served wrong', async () => {
  const ends = await fill(3);
  truncateSync(logPath(), ends[2]!);
  const store = await openStore();

  expect(store.state.size).toBe(2);
  await store.close();
});

test('one identifier more than the limit is refused, and what is held can still change', async () => {
  const store = await openStore({ limit: 2 });
  await store.swap(null, entryOf(1, 0));
  const both = await Promise.allSettled([store.swap(null, entryOf(2, 0)), store.swap(null, entryOf(3, 0))]);

  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(both[1]).toMatchObject({ reason: { code: 'E_FULL' } });
  expect(await store.swap(0, entryOf(1, 1))).toEqual({ swapped: true });
  await store.close();
  const again = await openStore({ limit: 2 });
  expect(again.state.size).toBe(2);
  await again.close();
});
