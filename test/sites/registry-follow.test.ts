/** What a border makes of the registry when it starts without it, and when it hears it again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { FollowedCopy } from '../../src/registry/followed-copy.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import type { Entry, Registry } from '../../src/registry/registry.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { type RulesWorld, wrongEntry } from '../../src/sites/entry-rules.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { RegistryFollow } from '../../src/sites/registry-follow.ts';
import { entryOf } from '../registry/entries.ts';
import { peerOf, uplinkOf } from './support/plans.ts';

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
async function started(
  registry: Registry,
  world: { peers: string[]; warnings: object[] } = { peers: ['site1', 'site3'], warnings: [] },
) {
  const copy = new FollowedCopy({ path: join(state, 'site2.followed'), warn: () => {}, after: clock.after });
  const table = new Map<string, Binding>();
  for await (const entries of copy.load()) {
    for (const { nid, epoch, binding } of entries) {
      if (binding === null) table.delete(nidKey(nid));
      else table.set(nidKey(nid), { nid, epoch, ...binding });
    }
  }
  const rules: RulesWorld = {
    config: () => ({
      ...{ site: 'site2', uplinks: [uplinkOf('site2')], inside: [], subnets: [] },
      peers: world.peers.map(peerOf),
      policy: [{ nids: { from: { hi: 0, lo: 0x50 }, to: { hi: 0, lo: 0x5f } }, sites: ['site1'], movers: undefined }],
    }),
    classes: [],
  };
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
    wrong: (entry, known) => wrongEntry(rules, entry, known),
    configured: () => [],
    clock,
    log: { info: () => {}, warn: (fields) => world.warnings.push(fields) },
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

describe('what cannot be', () => {
  const at = (lo: number, binding: object): Entry => ({
    ...entryOf(lo, 3),
    binding: { ...entryOf(lo, 3).binding!, ...binding },
  });
  const wrong: [string, Entry][] = [
    ['the identifier 0', entryOf(0, 3)],
    ['every Locator', at(0x11, { guest: { hi: 0, lo: 0 } })],
    ['a Locator of multicast', at(0x12, { guest: { hi: 0xff02_0000, lo: 0 } })],
    ['our uplink', at(0x13, { guest: uplinkOf('site2').l64 })],
    ["another site's uplink", at(0x14, { guest: uplinkOf('site1').l64 })],
    ['a place that is no site', at(0x15, { at: 'site9' })],
    ['a home that is no site', at(0x16, { home: 'site9' })],
    ['a place that our policy forbids', at(0x51, { at: 'site3' })],
  ];

  test.each(wrong)('%s is passed over and counted; what comes with it is taken', async (_what, entry) => {
    const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 20 });
    registry.state.apply([entryOf(1, 0), entry, entryOf(2, 0, 'site2')]); // as written by somebody who asks nobody
    const world = { peers: ['site1', 'site3'], warnings: [] as object[] };
    const border = await started(registry, world);

    await expect.poll(border.places).toEqual({ 1: 'site1 0', 2: 'site2 0' });
    await expect.poll(() => border.follow.isSynced).toBe(true);
    expect(border.follow.passedOver).toBe(1);
    expect(world.warnings).toMatchObject([{ passedOver: 1 }]);
    await border.end();

    const again = await started(away);
    expect(again.places()).toEqual({ 1: 'site1 0', 2: 'site2 0' });
    await again.end();
  });

  test('a guest that goes where it cannot be stays where it is; many of them are one warning', async () => {
    const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 20 });
    for (const lo of [1, 2, 3]) await registry.swap(null, entryOf(lo, 0));
    const world = { peers: ['site1', 'site3'], warnings: [] as object[] };
    const border = await started(registry, world);
    await expect.poll(border.places).toEqual({ 1: 'site1 0', 2: 'site1 0', 3: 'site1 0' });
    for (const lo of [1, 2]) registry.state.apply([entryOf(lo, 1, 'site9')]);
    registry.state.apply([entryOf(3, 1, 'site3')]);

    await expect.poll(border.places).toEqual({ 1: 'site1 0', 2: 'site1 0', 3: 'site3 1' });
    expect(border.follow.passedOver).toBe(2);
    expect(world.warnings).toHaveLength(1);
    await border.end();
  });

  test('a site that the configuration has since then is one', async () => {
    const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 20 });
    registry.state.apply([entryOf(1, 0, 'site9')]);
    const world = { peers: ['site1'], warnings: [] as object[] };
    const border = await started(registry, world);
    await expect.poll(() => border.follow.passedOver).toBe(1);
    world.peers.push('site9');
    border.follow.reread([], []);

    await expect.poll(border.places).toEqual({ 1: 'site9 0' });
    await border.end();
  });
});

test('what the file has no more stays as long as the registry has it, and what the file says otherwise is as the registry has it', async () => {
  const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 20 });
  for (const lo of [1, 2]) await registry.swap(null, entryOf(lo, 0));
  let isAway = false;
  const get: Registry['get'] = async (nid) => {
    if (isAway) throw new IlnpError('E_REGISTRY', 'nobody is there');
    return await registry.get(nid);
  };
  const asked = Object.assign(Object.create(registry), { get }) as Registry;
  const border = await started(asked);
  await expect.poll(border.places).toEqual({ 1: 'site1 0', 2: 'site1 0' });
  // as SIGHUP leaves them: 2 as the file has it now, 3 never registered by its home
  const put = (lo: number, home: string): void => {
    const { nid, binding, epoch } = entryOf(lo, 0);
    border.table.set(nidKey(nid), { nid, epoch, ...binding!, home });
  };
  put(2, 'site3');
  put(3, 'site3');
  isAway = true;
  border.follow.reread(
    [{ hi: 0, lo: 2 }],
    [1, 3].map((lo) => ({ hi: 0, lo })),
  );
  await new Promise(setImmediate);
  expect(border.table.size).toBe(3);
  isAway = false;

  await expect.poll(border.places, { timeout: 5000 }).toEqual({ 1: 'site1 0', 2: 'site1 0' });
  await expect.poll(() => border.table.get(nidKey({ hi: 0, lo: 2 }))?.home).toBe('site1');
  await border.end();
});
