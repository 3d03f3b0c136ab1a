/** Who may change what, and what octets that are no question come to. */
import { beforeEach, describe, expect, test } from 'vitest';
import { RegistryClient } from '../../src/registry/client.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { toWire } from '../../src/registry/messages.ts';
import { RegistryService } from '../../src/registry/service.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { entryOf, listed } from './entries.ts';

const after = (ms: number, run: () => void): (() => void) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

let registry: MemoryRegistry;
let service: RegistryService;
beforeEach(() => {
  registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 100 });
  service = new RegistryService(registry, after);
});

const clientOf = (site: string): RegistryClient => new RegistryClient((ask) => service.answer(site, ask));

test('an entry is changed by its home and nobody else', async () => {
  await clientOf('site1').swap(null, entryOf(1, 0));

  await expect(clientOf('site2').swap(0, entryOf(1, 1, 'site2'))).rejects.toMatchObject({ code: 'E_REGISTRY' });
  const stolen = { ...entryOf(1, 1), binding: { ...entryOf(1, 1).binding!, home: 'site2' } };
  await expect(clientOf('site2').swap(0, stolen)).rejects.toMatchObject({ code: 'E_REGISTRY' });
  await expect(clientOf('site1').swap(0, stolen)).rejects.toMatchObject({ code: 'E_REGISTRY' });
  const withdrawn = { nid: { hi: 0, lo: 1 }, epoch: 1, binding: null };
  await expect(clientOf('site2').swap(0, withdrawn)).rejects.toMatchObject({ code: 'E_REGISTRY' });
  expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));

  expect(await clientOf('site1').swap(0, withdrawn)).toEqual({ swapped: true });
});

test('a site registers identifiers of its own only', async () => {
  await expect(clientOf('site2').swap(null, entryOf(1, 0))).rejects.toMatchObject({ code: 'E_REGISTRY' });
  expect((await listed(registry)).all.size).toBe(0);
});

test('what whoever keeps it knows against an entry is said, and the entry stays', async () => {
  const wrong = new IlnpError('E_UNKNOWN_SITE', 'no such site');
  service = new RegistryService(registry, after, ({ binding }) => (binding?.at === 'site9' ? wrong : null));
  const active = { active: ['site1'] };
  await clientOf('site1').swap(null, entryOf(1, 0));

  await expect(clientOf('site1').swap(null, entryOf(2, 0, 'site9'))).rejects.toMatchObject({ code: 'E_UNKNOWN_SITE' });
  await expect(clientOf('site1').swap(0, entryOf(1, 1, 'site9', active))).rejects.toMatchObject({
    code: 'E_UNKNOWN_SITE',
  });
  expect([...(await listed(registry)).all.values()]).toEqual([entryOf(1, 0)]);

  registry.state.apply([entryOf(1, 1, 'site9', active)]); // from before it was known
  expect(await clientOf('site1').swap(1, entryOf(1, 1, 'site9'))).toEqual({ swapped: true });
});

test('a withdrawal is settled by the site that has let go, or by home, and by nobody else', async () => {
  const open = { nid: { hi: 0, lo: 1 }, epoch: 1, binding: null, active: ['site2', 'site1'] };
  const settled = { nid: { hi: 0, lo: 1 }, epoch: 1, binding: null };
  await clientOf('site1').swap(null, entryOf(1, 0, 'site2'));
  await clientOf('site1').swap(0, open);

  await expect(clientOf('site3').swap(1, settled)).rejects.toMatchObject({ code: 'E_REGISTRY' });
  expect(await clientOf('site2').swap(1, settled)).toEqual({ swapped: true });
  await expect(clientOf('site3').swap(1, entryOf(1, 2))).rejects.toMatchObject({ code: 'E_REGISTRY' }); // for another
  const mine = { ...entryOf(1, 2, 'site3'), binding: { ...entryOf(1, 2).binding!, home: 'site3' } };
  expect(await clientOf('site3').swap(1, mine)).toEqual({ swapped: true });
});

test('leases of two sites with one name are two leases', async () => {
  expect(await clientOf('site1').lease('pair', 'a', 1000)).toMatchObject({ holder: 'a' });
  expect(await clientOf('site2').lease('pair', 'b', 1000)).toMatchObject({ holder: 'b' });
});

test('old questions that are said again change nothing', async () => {
  const said = [
    { ask: 'swap', expected: null, next: toWire(entryOf(1, 0)) },
    { ask: 'swap', expected: 0, next: toWire(entryOf(1, 1, 'site2')) },
    { ask: 'swap', expected: 1, next: toWire(entryOf(1, 2, 'site3')) },
  ];
  for (const ask of said) await service.answer('site1', ask);
  const { revision } = registry.state;
  for (const ask of [...said, ...said.toReversed()]) await service.answer('site1', ask);

  expect(registry.state.revision).toBe(revision);
  expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 2, 'site3'));
});

test('one site does not keep more than a few waits open', async () => {
  service = new RegistryService(registry, () => () => {}); // no wait ends by its time
  const waits = Array.from({ length: 20 }, () =>
    service.answer('site1', { ask: 'watch', revision: 0, waitMs: 20_000 }),
  );
  const ended = await Promise.all(waits.slice(0, 12));

  expect(ended).toEqual(ended.map(() => ({ answer: 'page', entries: [], revision: 0, next: null })));
  service.close();
  await Promise.all(waits);
});

describe('what is no question', () => {
  const wrong: unknown[] = [
    null,
    {},
    { ask: 'get' },
    { ask: 'get', nid: [1, 2, 3] },
    { ask: 'list', after: -1 },
    { ask: 'watch', revision: 0, waitMs: 1e9 },
    { ask: 'swap', expected: null, next: [0, 1, 0, [0, 0, 'a b', null, 'site1'], null] },
    { ask: 'swap', expected: null, next: [0, 1, 2 ** 31, null, null] },
    { ask: 'swap', expected: null, next: [0, 1, 0, null, Array(65).fill('a')] },
    { ask: 'lease', name: 'x'.repeat(200), holder: 'a', ttlMs: 10 },
    { ask: 'get', nid: [0, 1], more: true },
  ];
  test.each(wrong.map((value) => [JSON.stringify(value)?.slice(0, 60), value]))(
    '%s is refused',
    async (_text, value) => {
      await expect(service.answer('site1', value)).rejects.toMatchObject({ code: 'E_PROTOCOL' });
      expect(registry.state.revision).toBe(0);
    },
  );
});
