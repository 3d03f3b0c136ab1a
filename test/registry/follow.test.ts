/** A copy of a registry that goes away, forgets and comes back. */
import { expect, test } from 'vitest';
import { follow } from '../../src/registry/follow.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { Compacted, type Entry, type Registry } from '../../src/registry/registry.ts';
import { formatNid } from '../../src/wire/text.ts';
import { entryOf, listed } from './entries.ts';

/** Time that passes at once. */
const after = (_ms: number, run: () => void): (() => void) => {
  const timer = setImmediate(run);
  return () => clearImmediate(timer);
};

interface Copy {
  readonly entries: Map<string, Entry>;
  readonly lost: string[];
  syncs: number;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

function copyOf(registry: Pick<Registry, 'list' | 'watch'>): Copy {
  const stop = new AbortController();
  const copy = { entries: new Map<string, Entry>(), lost: [] as string[], syncs: 0, stop };
  const ended = follow({
    registry,
    apply: async ({ entries }) => {
      for (const entry of entries) copy.entries.set(formatNid(entry.nid), entry);
    },
    synced: () => copy.syncs++,
    lost: (reason) => copy.lost.push(reason),
    signal: stop.signal,
    after,
  });
  return Object.assign(copy, { ended });
}

test('has all that was there and all that comes, over interruptions and forgotten changes', async () => {
  const registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 100, remembered: 8 });
  let weather: 'fine' | 'away' | 'forgets' = 'fine';
  const check = (): void => {
    if (weather === 'away') throw new Error('away');
    if (weather === 'forgets') {
      weather = 'fine';
      throw new Compacted();
    }
  };
  const copy = copyOf({
    list: async function* () {
      check();
      yield* registry.list();
    },
    watch: async function* (revision, signal) {
      check();
      for await (const changes of registry.watch(revision, signal)) {
        yield changes;
        check();
      }
    },
  });
  await registry.swap(null, entryOf(50, 0));
  for (let i = 0; i < 60; i++) {
    weather = (['fine', 'away', 'forgets'] as const)[i % 3]!;
    await registry.swap(i < 10 ? null : Math.floor(i / 10) - 1, entryOf(1 + (i % 10), Math.floor(i / 10), `site${i}`));
    await new Promise(setImmediate);
  }
  weather = 'fine';
  const { all } = await listed(registry);

  await expect.poll(() => copy.entries).toEqual(all);
  expect(copy.syncs).toBeGreaterThan(1);
  expect(new Set(copy.lost)).toEqual(new Set(['away']));
  copy.stop.abort();
  await copy.ended;
});

test('ends at once while the registry is away', async () => {
  const copy = copyOf({
    list: () => {
      throw new Error('nobody there');
    },
    watch: () => {
      throw new Error('nobody there');
    },
  });
  await expect.poll(() => copy.lost).toEqual(['nobody there']); // said once, tried for ever
  copy.stop.abort();
  await copy.ended;
  expect(copy.syncs).toBe(0);
});
