import { describe, expect, test } from 'vitest';
import { Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';

const LOCATOR = {
  ...locatorOf({ hi: 0x20010db8, lo: 0x10000 }),
  preference: 10,
  expires: Number.POSITIVE_INFINITY,
};

const correspondent = (nid: number, isConfigured = false): Correspondent =>
  new Correspondent(0, nid, { localNonce: new Uint8Array(4), locators: [LOCATOR], isConfigured });

test('page by page everybody is shown once, whatever places are empty', () => {
  const ilcc = new Ilcc({ strangers: 4, known: 20 }, [1, 2]);
  for (let nid = 1; nid <= 20; nid++) ilcc.add(correspondent(nid, true));
  ilcc.add(correspondent(21, true)); // in place of the oldest
  const shown: number[] = [];
  for (let from: number | null = 0; from !== null; ) {
    const { entries, next }: ReturnType<Ilcc['page']> = ilcc.page(from, 8);
    expect(entries.length).toBeLessThanOrEqual(8);
    shown.push(...entries.map((c) => c.nid.lo));
    from = next;
  }
  expect(shown.sort((a, b) => a - b)).toEqual([...ilcc.all()].map((c) => c.nid.lo).sort((a, b) => a - b));
});

describe('room', () => {
  test('a stranger too many replaces the oldest stranger, and nobody else', () => {
    const ilcc = new Ilcc({ strangers: 3, known: 2 }, [1, 2]);
    ilcc.add(correspondent(100, true));
    for (let nid = 1; nid <= 5; nid++) ilcc.add(correspondent(nid));

    expect([100, 1, 2, 3, 4, 5].map((nid) => ilcc.find(0, nid) !== null)).toEqual([
      true,
      false,
      false,
      true,
      true,
      true,
    ]);
    expect(ilcc.size).toBe(4);
  });

  test('a stranger that was heard again keeps its place as often as that, among others that were not', () => {
    const ilcc = new Ilcc({ strangers: 3, known: 2 }, [1, 2]);
    const talker = correspondent(100);
    ilcc.add(talker);
    for (let k = 0; k < 3; k++) talker.heard(k); // the first packet is why it is there
    const passing = (from: number): boolean => {
      for (let nid = from; nid < from + 3; nid++) ilcc.add(correspondent(nid));
      return ilcc.find(0, 100) !== null;
    };

    expect([passing(1), passing(4), passing(7), passing(10)]).toEqual([true, true, false, false]);
    expect(ilcc.size).toBe(3);
  });

  test('when all strangers talk, one goes all the same', () => {
    const ilcc = new Ilcc({ strangers: 20, known: 2 }, [1, 2]);
    for (let nid = 1; nid <= 30; nid++) {
      const c = correspondent(nid);
      for (let k = 0; k < 100; k++) c.heard(k);
      ilcc.add(c);
    }

    expect(ilcc.size).toBe(20);
  });

  test('who is proved is no stranger; of those, who was silent longest makes room', () => {
    const ilcc = new Ilcc({ strangers: 1, known: 2 }, [1, 2]);
    for (let nid = 1; nid <= 3; nid++) {
      const c = correspondent(nid);
      c.heardAt = nid === 1 ? 50 : nid;
      ilcc.add(c);
      ilcc.prove(c);
    }
    ilcc.add(correspondent(9));

    expect([1, 2, 3, 9].map((nid) => ilcc.find(0, nid) !== null)).toEqual([true, false, true, true]);
    expect([...ilcc.all()]).toHaveLength(3);
  });

  test('what was replaced leaves its place to others for ever', () => {
    const ilcc = new Ilcc({ strangers: 4, known: 1 }, [1, 2]);
    for (let nid = 1; nid <= 5000; nid++) ilcc.add(correspondent(nid));

    expect(ilcc.size).toBe(4);
    expect([4997, 4998, 4999, 5000].map((nid) => ilcc.find(0, nid)?.nid1)).toEqual([4997, 4998, 4999, 5000]);
  });
});
