/** What src/registry/registry.ts promises, said to every registry there is. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Entry, Registry } from '../../src/registry/registry.ts';
import { entryOf, listed, watched } from './entries.ts';

/** A registry without entries, and how it is taken away again. */
export interface Fresh {
  readonly registry: Registry;
  /** Makes it forget all changes so far for those who watch. */
  readonly forget: () => Promise<void>;
  readonly remove: () => Promise<void>;
  /** Shortest time to live of a lease, in milliseconds. */
  readonly ttlMs: number;
}

/** Holds the registries that `make` gives to the contract. */
export function contract(name: string, make: () => Promise<Fresh>): void {
  describe(`contract: ${name}`, () => {
    let fresh: Fresh;
    let registry: Registry;
    beforeEach(async () => {
      fresh = await make();
      registry = fresh.registry;
    });
    afterEach(() => fresh.remove());

    test('begins with nothing', async () => {
      expect(await registry.get({ hi: 0, lo: 1 })).toBeNull();
      expect((await listed(registry)).all.size).toBe(0);
    });

    test('an entry comes back as it was put, with all it may hold', async () => {
      const full = entryOf(0xffff_fffe, 2 ** 31 - 1, 'site2', { active: ['site1', 'site3'] });
      const pinned: Entry = { ...entryOf(2, 0), binding: { ...entryOf(2, 0).binding!, uplink: 'isp1' } };
      const withdrawn: Entry = { nid: { hi: 0xffff_ffff, lo: 3 }, epoch: 7, binding: null };
      for (const entry of [full, pinned]) expect(await registry.swap(null, entry)).toEqual({ swapped: true });
      await registry.swap(null, { ...entryOf(3, 0), nid: withdrawn.nid });
      expect(await registry.swap(0, withdrawn)).toEqual({ swapped: true });

      for (const entry of [full, pinned, withdrawn]) expect(await registry.get(entry.nid)).toEqual(entry);
      expect([...(await listed(registry)).all.values()]).toHaveLength(3);
    });

    test('a swap needs the epoch that is held, and says what is held otherwise', async () => {
      await registry.swap(null, entryOf(1, 1));

      expect(await registry.swap(null, entryOf(1, 5, 'site3'))).toEqual({ swapped: false, held: entryOf(1, 1) });
      expect(await registry.swap(0, entryOf(1, 2, 'site3'))).toEqual({ swapped: false, held: entryOf(1, 1) });
      expect(await registry.swap(4, entryOf(9, 5))).toEqual({ swapped: false, held: null });
      expect(await registry.swap(1, entryOf(1, 2, 'site2'))).toEqual({ swapped: true });
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 2, 'site2'));
    });

    test('epochs only grow: a swap that would not is refused before anything is asked', async () => {
      await registry.swap(null, entryOf(1, 3));

      await expect(registry.swap(3, entryOf(1, 2, 'site2'))).rejects.toMatchObject({ code: 'E_STALE_EPOCH' });
      await expect(registry.swap(3, entryOf(1, 2 ** 31, 'site2'))).rejects.toMatchObject({ code: 'E_STALE_EPOCH' });
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 3));
    });

    test('what no node can have is refused before anything is asked', async () => {
      const plain = entryOf(1, 0).binding!;
      const wrong: Entry[] = [
        entryOf(0, 0),
        { ...entryOf(1, 0), nid: { hi: 0xfdff_ffff, lo: 0xffff_ff80 } },
        { ...entryOf(1, 0), binding: { ...plain, guest: { hi: 0, lo: 0 } } },
        { ...entryOf(1, 0), binding: { ...plain, guest: { hi: 0xfe80_0000, lo: 0 } } },
      ];
      for (const entry of wrong) await expect(registry.swap(null, entry)).rejects.toMatchObject({ code: 'E_BINDING' });
      expect((await listed(registry)).all.size).toBe(0);
    });

    test('a withdrawal that a site has not heard of stands against everything but its settlement', async () => {
      const open: Entry = { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null, active: ['site2', 'site1'] };
      await registry.swap(null, entryOf(1, 1));
      await registry.swap(1, open);

      expect(await registry.swap(2, entryOf(1, 3))).toEqual({ swapped: false, held: open });
      expect(await registry.swap(2, { ...open, epoch: 3 })).toEqual({ swapped: false, held: open });
      const { active: _, ...settled } = open;
      expect(await registry.swap(2, settled)).toEqual({ swapped: true });
      expect(await registry.swap(2, entryOf(1, 3))).toEqual({ swapped: true });
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 3));
    });

    test('the same swap again counts as done, also after its answer was lost', async () => {
      await registry.swap(null, entryOf(1, 1));
      await registry.swap(1, entryOf(1, 2, 'site2'));

      expect(await registry.swap(1, entryOf(1, 2, 'site2'))).toEqual({ swapped: true });
      expect(await registry.swap(1, entryOf(1, 2, 'site3'))).toEqual({
        swapped: false,
        held: entryOf(1, 2, 'site2'),
      });
    });

    test('an open move is settled within its epoch, once, and nothing else changes within an epoch', async () => {
      const open = entryOf(1, 2, 'site2', { active: ['site1'] });
      await registry.swap(null, entryOf(1, 1));
      await registry.swap(1, open);

      expect(await registry.swap(2, entryOf(1, 2, 'site3'))).toEqual({ swapped: false, held: open });
      expect(await registry.swap(2, entryOf(1, 2, 'site2'))).toEqual({ swapped: true });
      await expect(registry.swap(2, open)).rejects.toMatchObject({ code: 'E_STALE_EPOCH' });
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 2, 'site2'));
    });

    test('of many who want the same epoch exactly one wins', async () => {
      await registry.swap(null, entryOf(1, 1));
      const swaps = await Promise.all(
        Array.from({ length: 20 }, (_, i) => registry.swap(1, entryOf(1, 2, `site${i + 2}`))),
      );

      expect(swaps.filter(({ swapped }) => swapped)).toHaveLength(1);
      const winner = swaps.findIndex(({ swapped }) => swapped);
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 2, `site${winner + 2}`));
    });

    test('a chain of swaps by several hands has no gap and no repetition', async () => {
      await registry.swap(null, entryOf(1, 0));
      const won: number[] = [];
      const hand = async (name: string): Promise<void> => {
        for (let rounds = 0; rounds < 15; ) {
          const held = (await registry.get({ hi: 0, lo: 1 }))!;
          if (!(await registry.swap(held.epoch, entryOf(1, held.epoch + 1, name))).swapped) continue;
          won.push(held.epoch + 1);
          rounds++;
        }
      };
      await Promise.all(['site1', 'site2', 'site3'].map(hand));

      expect(won.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 45 }, (_, i) => i + 1));
    });

    test('a watch brings every change after a list, in order, once', async () => {
      await registry.swap(null, entryOf(1, 0));
      const { revision } = await listed(registry);
      const coming = watched(registry, revision, (entries) => entries.length >= 4);
      await registry.swap(0, entryOf(1, 1, 'site2', { active: ['site1'] }));
      await registry.swap(1, entryOf(1, 1, 'site2'));
      await registry.swap(null, entryOf(2, 0));
      await registry.swap(1, { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null });

      const { entries, last } = await coming;
      expect(entries).toEqual([
        entryOf(1, 1, 'site2', { active: ['site1'] }),
        entryOf(1, 1, 'site2'),
        entryOf(2, 0),
        { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null },
      ]);
      await registry.swap(0, entryOf(2, 1, 'site3'));
      const more = await watched(registry, last.revision, (found) => found.length >= 1);
      expect(more.entries).toEqual([entryOf(2, 1, 'site3')]);
    });

    test('what was refused or repeated is no change', async () => {
      await registry.swap(null, entryOf(1, 0));
      const { revision } = await listed(registry);
      await registry.swap(null, entryOf(1, 3));
      await registry.swap(null, entryOf(1, 0));
      await registry.swap(0, entryOf(1, 1, 'site2'));

      const { entries } = await watched(registry, revision, (found) => found.length >= 1);
      expect(entries).toEqual([entryOf(1, 1, 'site2')]);
    });

    test('several who watch see the same', async () => {
      const { revision } = await listed(registry);
      const both = [1, 2].map(() => watched(registry, revision, (found) => found.length >= 50));
      await Promise.all(Array.from({ length: 50 }, (_, i) => registry.swap(null, entryOf(i + 1, 0))));

      const [a, b] = await Promise.all(both);
      expect(a!.entries).toEqual(b!.entries);
      expect(new Set(a!.entries.map(({ nid }) => nid.lo)).size).toBe(50);
    });

    test('a watch from before what is remembered says so, and a list begins anew', async () => {
      const { revision } = await listed(registry);
      for (let i = 0; i < 20; i++) await registry.swap(null, entryOf(i + 1, 0));
      await fresh.forget();

      await expect(watched(registry, revision, () => true)).rejects.toMatchObject({ name: 'Compacted' });
      const { all, revision: later } = await listed(registry);
      expect(all.size).toBeGreaterThanOrEqual(20);
      await registry.swap(0, entryOf(1, 1));
      expect((await watched(registry, later, () => true)).entries).toEqual([entryOf(1, 1)]);
    });

    test('a watch ends with its signal', async () => {
      const { revision } = await listed(registry);
      const stop = new AbortController();
      const seen: unknown[] = [];
      const watching = (async () => {
        for await (const changes of registry.watch(revision, stop.signal)) seen.push(changes);
      })();
      stop.abort();

      await watching;
      expect(seen).toEqual([]);
    });

    test('many entries come in pages, each once', async () => {
      const count = 5000;
      for (let from = 1; from < count; from += 1000) {
        const some = Array.from({ length: 1000 }, (_, i) => registry.swap(null, entryOf(from + i, 0)));
        await Promise.all(some);
      }
      const seen: number[] = [];
      for await (const { entries } of registry.list()) seen.push(...entries.map(({ nid }) => nid.lo));

      expect(seen).toHaveLength(count);
      expect(new Set(seen).size).toBe(count);
    });

    test('a lease has one holder, is prolonged by it, given back and taken with a greater token', async () => {
      const { ttlMs } = fresh;
      const first = await registry.lease('pair', 'a', 60_000);
      expect(first.holder).toBe('a');
      expect(await registry.lease('pair', 'b', 60_000)).toEqual(first);
      expect(await registry.lease('pair', 'a', 60_000)).toEqual(first);

      await registry.release('pair', 'b');
      expect(await registry.lease('pair', 'b', 60_000)).toEqual(first);
      await registry.release('pair', 'a');
      const second = await registry.lease('pair', 'b', ttlMs);
      expect(second.holder).toBe('b');
      expect(second.token).toBeGreaterThan(first.token);
      expect(await registry.lease('other', 'a', ttlMs)).toMatchObject({ holder: 'a' });
    });

    test('a lease that is not prolonged goes to who asks', async () => {
      const first = await registry.lease('pair', 'a', fresh.ttlMs);
      await expect
        .poll(() => registry.lease('pair', 'b', fresh.ttlMs), { timeout: 20_000, interval: 50 })
        .toMatchObject({ holder: 'b' });
      const { token } = await registry.lease('pair', 'b', fresh.ttlMs);
      expect(token).toBeGreaterThan(first.token);
    });
  });
}
