/** A controller and its standby: nothing that was confirmed is lost by whatever happens, and of two that serve one is believed. */
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { RegistryClient } from '../../src/registry/client.ts';
import type { Swap } from '../../src/registry/registry.ts';
import { formatNid } from '../../src/wire/text.ts';
import { contract } from './contract.ts';
import { Network, type Node } from './controllers.ts';
import { entryOf, listed } from './entries.ts';

const REMEMBERED = 64;
/** In one case of the contract. */
const TAKEOVERS = 2;
/** Reason: many terms, and the machines that test are busy. */
const SLOW = 30_000;
const networks: Network[] = [];
afterEach(async () => {
  for (const network of networks.splice(0)) await network.remove();
});

async function network(): Promise<Network> {
  const made = new Network(REMEMBERED);
  networks.push(made);
  await made.start();
  return made;
}

const holds = (node: Node, timeout = 10_000): Promise<void> =>
  expect.poll(() => node.holds, { timeout, interval: 2 }).toBe(true);

/** `a` serves and `b` has everything. */
async function pair(): Promise<{ net: Network; a: Node; b: Node; client: RegistryClient }> {
  const net = await network();
  const { a, b } = net.nodes;
  await a.serve();
  await holds(b);
  return { net, a, b, client: net.client('site1') };
}

contract('a pair of controllers that take over', async () => {
  const net = new Network(REMEMBERED);
  await net.start();
  let active = net.nodes.a;
  await active.serve();
  const client = net.client('site1');
  let asked = 0;
  let takeovers = 0;
  let taking: Promise<void> = Promise.resolve();
  /** A watch does not go on from a list of before a takeover. */
  let isWatched = false;
  /** The active one dies, the other goes on, the first follows. */
  const takeOver = async (): Promise<void> => {
    const { a, b } = net.nodes;
    const [old, next] = active === a ? [a, b] : [b, a];
    await holds(next);
    await old.kill();
    active = next;
    net.give(active === a ? 'a' : 'b');
    await active.serve();
    await old.start();
  };
  /** Whoever is asked dies now and then; the same question again finds out. */
  const asking = async (ask: () => Promise<unknown>): Promise<unknown> => {
    if (++asked % 4 === 0 && !isWatched && takeovers < TAKEOVERS) {
      takeovers++;
      taking = taking.then(takeOver);
      await taking;
    }
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if ((error as { code?: string }).code !== 'E_REGISTRY') throw error;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
  };
  const registry = new Proxy(client, {
    get: (target, key: keyof typeof client) => {
      if (key === 'list' || key === 'watch') isWatched = true;
      const method = (target[key] as (...all: never[]) => unknown).bind(target);
      if (isWatched || key === 'close') return method;
      return (...args: never[]) => asking(async () => method(...args));
    },
  });
  return {
    registry,
    forget: async () => {
      for (let i = 0; i < REMEMBERED; i++) await client.swap(null, entryOf(1_000_000 + i, 0));
    },
    remove: () => net.remove(),
    ttlMs: 500, // a lease is taken for fresh by who takes over
  };
});

/** Swaps on and on until `isOver`; what was confirmed. */
function writing(client: RegistryClient, los: readonly number[]) {
  const confirmed = new Map<number, number>();
  let isOver = false;
  const writers = los.map(async (lo) => {
    for (let held: number | null = null; !isOver; ) {
      const next: number = held === null ? 0 : held + 1;
      const swap: Swap | null = await client
        .swap(held, entryOf(lo, next, next % 2 === 0 ? 'site1' : 'site2'))
        .catch(() => null);
      if (swap === null) await new Promise((resolve) => setTimeout(resolve, 1));
      else if (swap.swapped) {
        confirmed.set(lo, next);
        held = next;
      } else held = swap.held?.epoch ?? null;
    }
  });
  const sum = (): number => [...confirmed.values()].reduce((all, epoch) => all + epoch, 0);
  return {
    confirmed,
    more: async (count: number): Promise<void> => {
      const before = sum();
      await expect.poll(sum, { interval: 1, timeout: 10_000 }).toBeGreaterThan(before + count);
    },
    end: async (): Promise<void> => {
      isOver = true;
      await Promise.all(writers);
    },
  };
}

test(
  'killed at any moment while entries change: the other has all that was confirmed, borders go on with it',
  async () => {
    const { net, client } = await pair();
    const los = [1, 2, 3, 4, 5, 6, 7, 8];
    const writers = writing(client, los);
    let active: 'a' | 'b' = 'a';
    for (let kill = 0; kill < 15; kill++) {
      await writers.more(7 * kill);
      const next: 'a' | 'b' = active === 'a' ? 'b' : 'a';
      await holds(net.nodes[next]);
      const died = net.nodes[active].kill();
      const sure = new Map(writers.confirmed);
      await died;
      net.give(next);
      await net.nodes[next].serve();
      for (const [lo, epoch] of sure)
        expect(net.nodes[next].store.state.get({ hi: 0, lo })!.epoch).toBeGreaterThanOrEqual(epoch);
      await net.nodes[active].start();
      active = next;
    }
    await writers.end();
    const { all } = await listed(client);
    for (const [lo, epoch] of writers.confirmed)
      expect(all.get(formatNid({ hi: 0, lo }))!.epoch - epoch).toBeOneOf([0, 1]);
    await holds(net.nodes[active === 'a' ? 'b' : 'a']);
    expect((await listed(net.nodes[active === 'a' ? 'b' : 'a'].store)).all).toEqual(all);
  },
  SLOW,
);

test(
  'nothing is confirmed, or shown to who watches, before the standby has it or most witnesses know that it is out',
  async () => {
    const { net, a, b, client } = await pair();
    await client.swap(null, entryOf(1, 0));
    expect(b.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));

    net.cuts.add('a-b').add('site1-a').add('site2-a'); // a has one site: two of five
    let answered = false;
    const swap = net
      .client('site3')
      .swap(0, entryOf(1, 1, 'site2'))
      .then(() => {
        answered = true;
      });
    await expect.poll(() => a.standbys.at(-1), { timeout: 10_000 }).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(answered).toBe(false);
    expect(a.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
    net.cuts.delete('site1-a');
    await swap;
    expect(a.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 1, 'site2'));
    expect(b.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
    await expect(b.serve({ withinMs: 300 })).rejects.toThrow();
  },
  SLOW,
);

test(
  'cut apart with sites on both sides, one is believed at most, and what it confirmed holds when they meet again',
  async () => {
    const { net, a, b } = await pair();
    const [one, two] = [net.client('site1'), net.client('site3')];
    await one.swap(null, entryOf(1, 0));
    net.cuts.add('a-b');
    net.reaches.site2 = 'b';
    net.reaches.site3 = 'b';
    await b.serve(); // with two sites: most of five
    expect(a.isServing).toBe(true);
    await two.swap(0, entryOf(1, 1, 'site2'));
    const lost = one.swap(0, entryOf(1, 5, 'site3')).catch((error) => error);
    await expect(one.get({ hi: 0, lo: 1 })).rejects.toMatchObject({ code: 'E_REGISTRY' });
    expect(a.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));

    net.cuts.clear(); // a hears of the other term and follows
    expect(await lost).toMatchObject({ code: 'E_REGISTRY' });
    await holds(a);
    net.give('b');
    expect(await one.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 1, 'site2'));
    expect(a.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 1, 'site2'));
  },
  SLOW,
);

test(
  'one that lacks what was confirmed is not let in, except by the word of an operator',
  async () => {
    const { net, a, b, client } = await pair();
    await b.kill();
    await client.swap(null, entryOf(1, 0)); // alone
    await a.kill();
    net.give('b');
    await b.start();
    await expect(b.serve({ withinMs: 500 })).rejects.toThrow(/site1: it may lack what was confirmed in term 1/);

    const term = await b.serve({ isForced: true });
    expect(term).toBeGreaterThan(1);
    expect(await client.get({ hi: 0, lo: 1 })).toBeNull();
    await a.start();
    await holds(a);
    expect(a.store.state.get({ hi: 0, lo: 1 })).toBeNull();
  },
  SLOW,
);

test(
  'one that an operator has passed over confirms nothing more, though it went on alone',
  async () => {
    const { net, a, b } = await pair();
    await b.kill();
    await net.client('site1').swap(null, entryOf(1, 0));
    net.cuts.add('a-b');
    net.reaches.site1 = 'b';
    net.reaches.site2 = 'b';
    await b.start();
    await b.serve({ isForced: true }); // with two sites: most of five
    expect(a.isServing).toBe(true);
    let isConfirmed = false;
    const swap = net
      .client('site3')
      .swap(0, entryOf(1, 1, 'site2'))
      .then(
        () => {
          isConfirmed = true;
        },
        () => {},
      );
    await new Promise((resolve) => setTimeout(resolve, 500));
    net.cuts.clear();
    await swap;
    expect(isConfirmed).toBe(false);
    await holds(a);
  },
  SLOW,
);

test(
  'one that comes back alone goes on with all that it had',
  async () => {
    const { net, a, b, client } = await pair();
    await b.kill();
    await client.swap(null, entryOf(1, 0));
    await a.kill();
    await a.start();
    await a.serve();
    expect(await client.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
    await b.start();
    await holds(b);
    await a.kill();
    net.give('b');
    await b.serve();
    expect(await client.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
  },
  SLOW,
);

test('nobody takes over from one that serves, not even by the word of an operator', async () => {
  const { net, b } = await pair();
  net.reaches.site3 = 'b';
  await expect(b.serve({ isForced: true, withinMs: 300 })).rejects.toThrow(/a: it serves itself/);
});

test(
  'a standby that cannot write is waited for no longer',
  async () => {
    const { b, client } = await pair();
    for (const file of readdirSync(b.state)) if (file.endsWith('.log')) rmSync(join(b.state, file));
    await client.swap(null, entryOf(1, 0));
    expect(b.store.state.get({ hi: 0, lo: 1 })).toBeNull();
  },
  SLOW,
);

test(
  'a standby that reads long what it has copied stands by then, with what was confirmed meanwhile',
  async () => {
    const { b, client, net, a } = await pair();
    await b.kill();
    for (let lo = 1; lo <= 100; lo++) await client.swap(null, entryOf(lo, 0));
    rmSync(b.state, { recursive: true });
    b.readMs = 1200; // the other one gives up one that is silent for half a second
    await b.start();
    for (let lo = 101; lo <= 400; lo++) await client.swap(null, entryOf(lo, 0));
    await holds(b);
    await a.kill();
    net.give('b');
    await b.serve();
    expect((await listed(client)).all.size).toBe(400);
  },
  SLOW,
);

test(
  'a copy of 100,000 entries, while entries change',
  async () => {
    const { b, client, net, a } = await pair();
    await b.kill();
    const ATONCE = 500;
    for (let lo = 1; lo < 100_000; lo += ATONCE)
      await Promise.all(Array.from({ length: ATONCE }, (_, i) => a.store.swap(null, entryOf(lo + i, 0))));
    rmSync(b.state, { recursive: true });
    await b.start();
    let last = 0;
    const isThere = holds(b, SLOW);
    let isOver = false;
    void isThere.finally(() => {
      isOver = true;
    });
    for (; !isOver; last++) await client.swap(last, entryOf(7, last + 1));
    await isThere;
    await a.kill();
    net.give('b');
    await b.serve();
    expect(b.store.state.size).toBe(100_000);
    expect(await client.get({ hi: 0, lo: 7 })).toEqual(entryOf(7, last));
    expect(last).toBeGreaterThan(10);
  },
  2 * SLOW,
);

test('where nobody knows of a term, the one with the entries is not followed by one without', async () => {
  const net = await network();
  const { a, b } = net.nodes;
  await a.kill();
  net.give('b');
  await expect(b.serve({ withinMs: 300 })).rejects.toThrow(/a is not heard/);
});

test(
  'a copy that is cut leaves the one before in place',
  async () => {
    const { b, client } = await pair();
    await client.swap(null, entryOf(1, 0));
    await b.kill();
    appendFileSync(join(b.state, 'r1.registry.copy'), 'half of something');
    await b.start();
    expect(b.store.state.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
    await holds(b);
    await expect.poll(() => readdirSync(b.state).sort(), { timeout: 10_000 }).toHaveLength(3); // snapshot, log, witness
  },
  SLOW,
);
