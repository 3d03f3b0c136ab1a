/** What is said in registries of moves that are over. */
import { expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { RegistryRecord } from '../../src/sites/registry-record.ts';
import { entryOf } from '../registry/entries.ts';

const registryOfOwn = (): MemoryRegistry => new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 100 });

test('of two registries one is away: the other one is told at once, and that one when it is back', async () => {
  const registries = [registryOfOwn(), registryOfOwn()] as const;
  const nids = [1, 9].map((lo) => ({ hi: 0, lo }));
  for (const [i, { lo }] of nids.entries()) {
    await registries[i]!.swap(null, entryOf(lo, 0));
    await registries[i]!.swap(0, entryOf(lo, 1, 'site2', { active: ['site1'] }));
  }
  const [first] = registries;
  const swap = first.swap.bind(first);
  first.swap = async () => {
    throw new IlnpError('E_REGISTRY', 'away');
  };
  let later = (): void => {};
  const record = new RegistryRecord({
    site: 'site1',
    record: { append: async () => {} },
    registries: [
      { range: { from: { hi: 0, lo: 0 }, to: { hi: 0, lo: 8 } }, registry: first },
      { range: { from: { hi: 0, lo: 9 }, to: { hi: 0, lo: 99 } }, registry: registries[1] },
    ],
    bindings: {
      get: (nid): Binding => ({ nid, epoch: 1, ...entryOf(nid.lo, 1, 'site2').binding! }),
      all: () => [].values(),
    },
    isSynced: () => true,
    clock: {
      now: () => 0,
      after: (_ms, run) => {
        later = run;
        return () => {};
      },
    },
    log: { info: () => {}, warn: () => {} },
  });
  const settled = async (): Promise<boolean[]> => {
    await new Promise(setImmediate);
    const held = await Promise.all(nids.map((nid, i) => registries[i]!.get(nid)));
    return held.map((entry) => entry!.active === undefined);
  };

  for (const nid of nids) record.settle({ nid, at: 'site2', epoch: 1 });
  expect(await settled()).toEqual([false, true]);
  expect([...record.underWay()]).toEqual([
    ['0:1', { to: 'site2', state: 'unsettled', waitsFor: [], problem: 'E_REGISTRY: away' }],
  ]);

  first.swap = swap;
  later();
  expect(await settled()).toEqual([true, true]);
  expect([...record.underWay()]).toEqual([]);
});
