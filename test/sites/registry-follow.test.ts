/** What a border makes of the registry when it starts without it, and when it hears it again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { FollowedCopy } from '../../src/registry/followed-copy.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import type { Entry, Registry } from '../../src/registry/registry.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { RegistryFollow } from '../../src/sites/registry-follow.ts';
import { entryOf } from '../registry/entries.ts';

const log = { info: () => {}, warn: () => {} };
const clock = {
  now: () => performance.now() * 1000,
  after: (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
const range = { from: { hi: 0, lo: 0 }, to: { hi: 0xffff_ffff, lo: 0xffff_ffff } };

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'ilnp-followed-'));
});
afterEach(() => rmSync(state, { recursive: true }));

/** A border's table, as far as following goes, of site2. */
async function started(registry: Registry) {
  const copy = new FollowedCopy({ path: join(state, 'site2.followed'), warn: () => {}, after: clock.after });
  const table = new Map<string, Binding>();
  for await (const entries of copy.load()) {
    for (const { nid, epoch, binding } of entries) {
      if (binding === null) table.delete(nidKey(nid));
      else table.set(nidKey(nid), { nid, epoch, ...binding });
    }
  }
  const follow = new RegistryFollow({
    site: 'site2',
    registries: [{ range, registry }],
    bindings: { get: (nid) => table.get(nidKey(nid)), all: () => table.values() },
    moves: {
      heard: async (changes) => {
        for (const { nid, at, epoch } of changes.filter(({ active }) => active === undefined)) {
          const known = table.get(nidKey(nid))!;
          if (epoch > known.epoch) table.set(nidKey(nid), { ...known, at, epoch });
        }
      },
    },
    record: { settle: () => {} },
    copy,
    place: async (bindings) => {
      for (const binding of bindings) table.set(nidKey(binding.nid), binding);
    },
    withdraw: async (nids) => {
      for (const nid of nids) table.delete(nidKey(nid));
    },
    configured: () => [],
    clock,
    log,
  });
  follow.start();
  return {
    table,
    follow,
    places: () => Object.fromEntries([...table.values()].map(({ nid, at, epoch }) => [nid.lo, `${at} ${epoch}`])),
    end: async () => {
      await follow.close();
      await copy.close();
    },
  };
}

const away: Registry = {
  ...new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 1 }),
  list: () => {
    throw new IlnpError('E_REGISTRY', 'nobody is there');
  },
} as unknown as Registry;

test('a border that starts without the registry knows the last it had followed, and what is newer when it is back', async () => {
  const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 10 });
  for (const lo of [1, 2, 3]) await registry.swap(null, entryOf(lo, 0));
  const first = await started(registry);
  await expect.poll(() => first.follow.isSynced).toBe(true);
  await registry.swap(0, entryOf(1, 1, 'site2', { active: ['site1'] }));
  await registry.swap(1, entryOf(1, 1, 'site2'));
  await registry.swap(0, { nid: { hi: 0, lo: 3 }, epoch: 1, binding: null });
  await expect.poll(first.places).toEqual({ 1: 'site2 1', 2: 'site1 0' });
  await first.end();

  const second = await started(away);
  expect(second.places()).toEqual({ 1: 'site2 1', 2: 'site1 0' });
  await expect.poll(() => second.follow.heardOf(away).problem).toBe('nobody is there');
  expect(second.follow.isSynced).toBe(false);
  await second.end();

  await registry.swap(0, entryOf(2, 1, 'site3'));
  await registry.swap(1, { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null });
  const third = await started(registry);
  await expect.poll(third.places).toEqual({ 2: 'site3 1' });
  await third.end();
  const fourth = await started(away);
  expect(fourth.places()).toEqual({ 2: 'site3 1' });
  await fourth.end();
});

test('a move under way is not in the copy: who starts with it is not active before the old site has let go', async () => {
  const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 10 });
  await registry.swap(null, entryOf(1, 0));
  const first = await started(registry);
  await expect.poll(first.places).toEqual({ 1: 'site1 0' });
  await registry.swap(0, entryOf(1, 1, 'site2', { active: ['site1'] }));
  await registry.swap(null, entryOf(2, 0)); // after it, so that it has been looked at
  await expect.poll(first.places).toEqual({ 1: 'site1 0', 2: 'site1 0' });
  await first.end();

  const second = await started(away);
  expect(second.places()).toEqual({ 1: 'site1 0', 2: 'site1 0' });
  await second.end();
});

test('two changes of one identifier are taken in the order they came, however slow the tables are', async () => {
  const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 10 });
  const border = await started(registry);
  const entries: Entry[] = [entryOf(1, 1), { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null }];
  await Promise.all(entries.map((entry) => border.follow.take([entry])));

  expect(border.places()).toEqual({});
  await border.end();
});
