/** Identifiers split over several registries: each goes to its own, and one that has none is left to its home. */
import { expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { registryOf } from '../../src/registry/ranges.ts';
import type { RecordEntry } from '../../src/sites/move-record.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { RegistryFollow } from '../../src/sites/registry-follow.ts';
import { RegistryRecord } from '../../src/sites/registry-record.ts';
import { GUEST } from './entries.ts';

const log = { info: () => {}, warn: () => {} };
const clock = {
  now: () => 0,
  after: (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
const memory = (): MemoryRegistry => new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 10 });
const binding = (hi: number, lo: number): Binding => ({
  nid: { hi, lo },
  epoch: 0,
  guest: GUEST,
  home: 'site1',
  uplink: undefined,
  at: 'site1',
});

test('both ends of a range belong to it, the numbers beside it do not', () => {
  const range = { from: { hi: 1, lo: 5 }, to: { hi: 2, lo: 3 } };
  const registry = memory();
  const has = (hi: number, lo: number): boolean => registryOf([{ range, registry }], { hi, lo }) === registry;

  expect([has(1, 5), has(1, 0xffff_ffff), has(2, 0), has(2, 3)]).toEqual([true, true, true, true]);
  expect([has(1, 4), has(2, 4), has(0, 0xffff_ffff), has(3, 0)]).toEqual([false, false, false, false]);
});

test('what is configured is registered, decided and settled where it belongs', async () => {
  const [low, high] = [memory(), memory()];
  const registries = [
    { range: { from: { hi: 0, lo: 0 }, to: { hi: 0, lo: 0xff } }, registry: low },
    { range: { from: { hi: 1, lo: 0 }, to: { hi: 1, lo: 0xff } }, registry: high },
  ];
  const all = [binding(0, 1), binding(1, 1), binding(2, 1)];
  const bindings = {
    get: (nid: Binding['nid']) => all.find((b) => nidKey(b.nid) === nidKey(nid)),
    all: () => all.values(),
  };
  const onDisk: RecordEntry[] = [];
  const record = new RegistryRecord({
    site: 'site1',
    record: { append: async (entries) => void onDisk.push(...entries) },
    registries,
    bindings,
    isSynced: () => follow.isSynced,
    clock,
    log,
  });
  const follow: RegistryFollow = new RegistryFollow({
    site: 'site1',
    registries,
    bindings,
    moves: { heard: async () => {} },
    record,
    place: async () => {},
    withdraw: async () => {},
    wrong: () => null,
    configured: () => all,
    clock,
    log,
  });
  const decision = (hi: number): RecordEntry => ({ nid: { hi, lo: 1 }, at: 'site2', epoch: 1, active: ['site1'] });
  await expect(record.append([decision(0)])).rejects.toMatchObject({ code: 'E_REGISTRY' }); // not heard yet
  follow.start();
  await expect.poll(() => [low.state.size, high.state.size]).toEqual([1, 1]);

  await record.append([decision(0), decision(1), decision(2)]);
  await record.append([{ nid: { hi: 1, lo: 1 }, at: 'site2', epoch: 1, settled: true }]);

  expect(low.state.get({ hi: 0, lo: 1 })).toMatchObject({ epoch: 1, active: ['site1'], binding: { at: 'site2' } });
  await expect.poll(() => high.state.get({ hi: 1, lo: 1 })?.active).toBeUndefined();
  expect(high.state.get({ hi: 1, lo: 1 })).toMatchObject({ epoch: 1, binding: { at: 'site2' } });
  expect(onDisk.map(({ nid }) => nid.hi)).toEqual([0, 1, 2, 1]);
  record.close();
  await follow.close();
});
