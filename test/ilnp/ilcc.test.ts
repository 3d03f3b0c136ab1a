import { describe, expect, test } from 'vitest';
import { Correspondent, Ilcc, LOCATORS_KEPT, l64Of, locatorOf, type RemoteLocator } from '../../src/ilnp/ilcc.ts';
import { formatL64, parseL64 } from '../../src/wire/text.ts';

const SECOND = 1e6;
const remote = (text: string, preference = 10, expires = Number.POSITIVE_INFINITY): RemoteLocator => ({
  ...locatorOf(parseL64(text)!),
  preference,
  expires,
});
const L1 = '2001:db8:1::';
const L2 = '2001:db8:2::';
const L3 = '2001:db8:3::';

const correspondent = (nid: number, isConfigured = false, locators = [remote(L1)]): Correspondent =>
  new Correspondent(0, nid, { localNonce: new Uint8Array(4), locators, isConfigured });

const currentOf = (c: Correspondent, now: number): string => formatL64(l64Of(c.target(now)));

describe('Locators of a correspondent (RFC 6741 section 5)', () => {
  // shows: H33
  test('the lowest preference is used; when it expires the next one; the last one even then', () => {
    const c = correspondent(1, true, [remote(L2, 20, 20 * SECOND), remote(L1, 10, 10 * SECOND)]);
    expect([0, 10, 11, 20, 21].map((s) => currentOf(c, s * SECOND))).toEqual(
      [L1, L1, L2, L2, L1].map((l) => formatL64(parseL64(l)!)),
    );
    c.target(15 * SECOND);
    expect(c.locators.map((l) => c.stateOf(l, 15 * SECOND))).toEqual(['aged', 'active']);
    expect(c.locators.map((l) => c.stateOf(l, 25 * SECOND))).toEqual(['aged', 'expired']);
  });

  // shows: H26
  test('an update replaces the set; the old ones are no longer valid but still mean this correspondent', () => {
    const c = correspondent(1);
    c.replace([remote(L2, 5), remote(L3, 4)], 0);
    const { l0, l1 } = remote(L1);

    expect(currentOf(c, 0)).toBe('2001:db8:3::/64');
    expect(c.holds(l0, l1)).toBe(false);
    expect(c.isAt(l0, l1)).toBe(true);
  });

  test('an empty set leaves the old one; of 255 the preferred ones are kept', () => {
    const c = correspondent(1);
    c.replace([], 0);
    expect(currentOf(c, 0)).toBe('2001:db8:1::/64');
    c.replace(
      Array.from({ length: 255 }, (_, k) => remote(`2001:db8:${(k + 16).toString(16)}::`, 300 - k)),
      0,
    );
    expect(c.locators).toHaveLength(LOCATORS_KEPT);
    expect(currentOf(c, 0)).toBe('2001:db8:10e::/64'); // the last of the list has the lowest number
  });

  test('a Locator that only a nonce vouches for is used for ten seconds, or until an update', () => {
    const c = correspondent(1);
    c.provisional(locatorOf(parseL64(L2)!), 0);
    expect([0, 10, 11].map((s) => currentOf(c, s * SECOND))).toEqual([
      '2001:db8:2::/64',
      '2001:db8:2::/64',
      '2001:db8:1::/64',
    ]);
    c.provisional(locatorOf(parseL64(L2)!), 20 * SECOND);
    c.replace([remote(L3)], 20 * SECOND);
    expect(currentOf(c, 20 * SECOND)).toBe('2001:db8:3::/64');
  });
});

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
