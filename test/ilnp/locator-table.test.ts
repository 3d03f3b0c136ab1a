import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LocatorTable, S_CLASS, S_EPOCH, S_NID } from '../../src/ilnp/locator-table.ts';

/** Few halves, so that NIDs come back; signs and zero, so that a word of zero is not taken for an empty slot. */
const half = fc.oneof(fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000), fc.integer({ min: -20, max: 20 }));
const seeds = fc.tuple(fc.integer(), fc.integer());
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('put' as const), half, half, fc.nat(5000), fc.nat()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('delete' as const), half, half, fc.constant(0), fc.constant(0)) },
);

/** NID, class and epoch of every slot in use, sorted. */
function contents(table: LocatorTable): string[] {
  const found: string[] = [];
  table.forEach((s) => {
    const slots = table.slots;
    found.push([slots[s + S_NID], slots[s + S_NID + 1], slots[s + S_CLASS]! - 1, slots[s + S_EPOCH]].join());
  });
  return found.sort();
}

/** NIDs that all have the home `slot` in a table of 64 slots with this seed: found through the table alone. */
function nidsWithHome(seed: readonly [number, number], slot: number, count: number): number[] {
  const found: number[] = [];
  const scratch = new LocatorTable(1, seed);
  for (let nid = 1; found.length < count; nid++) {
    scratch.put(0, nid, 0, 0);
    if (scratch.find(0, nid) === slot * 4) found.push(nid);
    scratch.delete(0, nid);
  }
  return found;
}

/** Slots looked at until `nid0, nid1` is found: its distance from its home is the distance of an entry put alone. */
function probesOf(table: LocatorTable, home: number, nid0: number, nid1: number): number {
  const slots = table.slots.length / 4;
  return (((table.find(nid0, nid1) / 4 - home + slots) % slots) + 1) | 0;
}

describe('a table of Locators', () => {
  test('answers like a map, whatever is put and deleted, for any seed', () => {
    fc.assert(
      fc.property(seeds, fc.array(operation, { maxLength: 400 }), (seed, operations) => {
        const table = new LocatorTable(10_000, seed);
        const model = new Map<string, string>();
        for (const [kind, n0, n1, index, epoch] of operations) {
          const key = `${n0},${n1}`;
          if (kind === 'put') {
            table.put(n0, n1, index, epoch);
            model.set(key, `${key},${index},${epoch | 0}`);
          } else {
            expect(table.delete(n0, n1)).toBe(model.delete(key));
            expect(table.find(n0, n1)).toBe(-1);
          }
          expect(table.size).toBe(model.size);
        }
        expect(contents(table)).toEqual([...model.values()].sort());
        for (const [key, row] of model) {
          const [n0, n1] = key.split(',').map(Number) as [number, number];
          const s = table.find(n0, n1);
          const { slots } = table;
          expect([n0, n1, slots[s + S_CLASS]! - 1, slots[s + S_EPOCH]].join()).toBe(row);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('takes words with and without sign for the same NID', () => {
    const table = new LocatorTable(10, [1, 2]);
    table.put(0xfffffffe, 0x80000000, 7, 1);
    table.put(-2, -0x80000000, 8, 2);

    expect(table.size).toBe(1);
    expect(table.slots[table.find(-2, -0x80000000) + S_CLASS]).toBe(9);
    expect(table.delete(0xfffffffe, 0x80000000)).toBe(true);
  });

  test('puts the same NIDs into other slots when the seed differs, into the same when it does not', () => {
    const filled = (seed: readonly [number, number]): Int32Array => {
      const table = new LocatorTable(100, seed);
      for (let k = 0; k < 40; k++) table.put(k, ~k, k, 0);
      return table.slots;
    };

    expect(filled([5, 6])).toEqual(filled([5, 6]));
    expect(filled([5, 6])).not.toEqual(filled([5, 7]));
    expect(filled([5, 6])).not.toEqual(filled([6, 6]));
  });

  test('the NID of zeros is one like any other', () => {
    const table = new LocatorTable(10, [0, 0]);
    expect(table.find(0, 0)).toBe(-1);
    table.put(0, 0, 0, 0);

    expect(table.find(0, 0)).toBeGreaterThanOrEqual(0);
    expect(table.delete(0, 0)).toBe(true);
    expect(table.find(0, 0)).toBe(-1);
  });
});

describe('deletion', () => {
  const seed = [11, 12] as const;

  test.each([
    ['in the middle of the table', 20],
    ['over its end', 62],
  ])('shifts a cluster back, %s, and loses nobody', (_, slot) => {
    const cluster = [...nidsWithHome(seed, slot, 4), ...nidsWithHome(seed, (slot + 1) % 64, 3)];
    fc.assert(
      fc.property(fc.shuffledSubarray(cluster, { minLength: 7 }), fc.shuffledSubarray(cluster), (order, victims) => {
        const table = new LocatorTable(48, seed);
        for (const nid of order) table.put(0, nid, nid, 0);
        for (const nid of victims) expect(table.delete(0, nid)).toBe(true);
        const left = cluster.filter((nid) => !victims.includes(nid));

        for (const nid of left) expect(table.slots[table.find(0, nid) + S_CLASS]).toBe(nid + 1);
        for (const nid of victims) expect(table.find(0, nid)).toBe(-1);
        expect(contents(table)).toHaveLength(left.length);
      }),
    );
  });

  test('leaves no trace: a table that was full and is empty again has nothing but zeros', () => {
    const table = new LocatorTable(48, seed);
    for (let nid = 0; nid < 48; nid++) table.put(nid, nid, nid, nid);
    for (let nid = 47; nid >= 0; nid--) table.delete(nid, nid);

    expect(table.slots.every((x) => x === 0)).toBe(true);
  });

  test('and insertion without end do not make the table grow', () => {
    const table = new LocatorTable(48, seed);
    for (let nid = 0; nid < 40; nid++) table.put(nid, 0, 0, 0);
    const { octets } = table;
    for (let nid = 40; nid < 20_000; nid++) {
      table.delete(nid - 40, 0);
      table.put(nid, 0, 0, 0);
    }

    expect(table.octets).toBe(octets);
    expect(table.size).toBe(40);
  });
});

describe('a limit', () => {
  test('refuses one binding more, with E_FULL, and still replaces', () => {
    const table = new LocatorTable(3, [1, 2]);
    for (let nid = 1; nid <= 3; nid++) table.put(nid, 0, nid, 0);

    expect(() => table.put(4, 0, 0, 0)).toThrow(expect.objectContaining({ code: 'E_FULL' }));
    table.put(3, 0, 9, 9);
    expect(contents(table)).toEqual(['1,0,1,0', '2,0,2,0', '3,0,9,9']);
    table.delete(1, 0);
    table.put(4, 0, 4, 0);
    expect(table.size).toBe(3);
  });

  test.each([0, -1, Number.NaN, 2 ** 31])('of %d is none', (limit) => {
    expect(() => new LocatorTable(limit, [1, 2])).toThrow(RangeError);
  });
});

test('1,000,000 bindings take 48 MB at most, and each is found', () => {
  const table = new LocatorTable(1_000_000, [0x1234567, -77]);
  const nid1 = (k: number): number => Math.imul(k, 0x9e3779b1);
  for (let k = 0; k < 1_000_000; k++) table.put(k >>> 12, nid1(k), k & 0xffff, k);
  let wrong = 0;
  for (let k = 0; k < 1_000_000; k++) {
    const s = table.find(k >>> 12, nid1(k));
    if (s < 0 || table.slots[s + S_CLASS] !== (k & 0xffff) + 1 || table.slots[s + S_EPOCH] !== k) wrong++;
  }

  expect(wrong).toBe(0);
  expect(table.octets).toBeLessThanOrEqual(48e6);
  expect(table.find(-1, -1)).toBe(-1);
});

describe('Node Identifiers chosen by strangers', () => {
  /** Longest run of slots in use: no probe is longer. */
  function longestRun(table: LocatorTable): number {
    let longest = 0;
    let run = 0;
    const { slots } = table;
    for (let s = 0; s < 2 * slots.length; s += 4) {
      run = slots[(s % slots.length) + S_CLASS] === 0 ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    return longest;
  }
  const COUNT = 40_000; // of 65,536 slots

  test.each<[string, (k: number) => readonly [number, number]]>([
    ['that count up', (k) => [0, k]],
    ['that count up in the other word', (k) => [k, 0]],
    ['that count up in network order', (k) => [0, (k << 24) | ((k & 0xff00) << 8) | (k >>> 16)]],
    ['of which only high bits differ', (k) => [0, k << 16]],
    ['of both words equal', (k) => [k, k]],
    ['that number tenants and their hosts', (k) => [(k >>> 8) << 24, k << 24]],
    ['of which the two halves move together', (k) => [k, ~k]],
    ['made from MAC addresses of one vendor', (k) => [0xff221102 | 0, (k << 16) | 0xfe]],
  ])('%s make no long runs', (_, nid) => {
    const table = new LocatorTable(COUNT, [0x51ed270b, 0x3c6ef372]);
    for (let k = 0; k < COUNT; k++) table.put(...nid(k), 0, 0);

    expect(table.size).toBe(new Set(Array.from({ length: COUNT }, (_, k) => nid(k).join())).size);
    expect(longestRun(table)).toBeLessThan(400);
  });

  test('that all collide under one seed are spread under another', () => {
    const mine = [0x13579bdf, 0x2468ace0] as const;
    const hostile = nidsWithHome(mine, 9, 30);
    const table = new LocatorTable(48, mine);
    for (const nid of hostile) table.put(0, nid, 0, 0);
    const worst = Math.max(...hostile.map((nid) => probesOf(table, 9, 0, nid)));
    expect(worst).toBe(30); // they do collide

    const total = [1, 2, 3, 4, 5, 6, 7, 8].map((k) => {
      const other = new LocatorTable(48, [k * 0x1000193, k * 77]);
      for (const nid of hostile) other.put(0, nid, 0, 0);
      return longestRun(other);
    });
    expect(Math.max(...total)).toBeLessThan(25);
  });

  test('seeds differing in one word each do not keep collisions together', () => {
    const mine = [0x13579bdf, 0x2468ace0] as const;
    const hostile = nidsWithHome(mine, 9, 30);
    for (const seed of [[mine[0] ^ 0x5bd1e995, mine[1]] as const, [mine[0], mine[1] ^ 0x5bd1e995] as const]) {
      const other = new LocatorTable(48, seed);
      for (const nid of hostile) other.put(0, nid, 0, 0);

      expect(longestRun(other)).toBeLessThan(25);
    }
  });
});
