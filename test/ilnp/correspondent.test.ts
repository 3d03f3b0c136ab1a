import { describe, expect, test } from 'vitest';
import { Correspondent, LOCATORS_KEPT, l64Of, locatorOf, type RemoteLocator } from '../../src/ilnp/correspondent.ts';
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

const correspondent = (locators = [remote(L1)]): Correspondent =>
  new Correspondent(0, 1, { localNonce: new Uint8Array(4), locators, isConfigured: false });

const currentOf = (c: Correspondent, now: number): string => formatL64(l64Of(c.target(now)));

describe('Locators of a correspondent (RFC 6741 section 5)', () => {
  // shows: H33
  test('the lowest preference is used; when it expires the next one; the last one even then', () => {
    const c = correspondent([remote(L2, 20, 20 * SECOND), remote(L1, 10, 10 * SECOND)]);
    expect([0, 10, 11, 20, 21].map((s) => currentOf(c, s * SECOND))).toEqual(
      [L1, L1, L2, L2, L1].map((l) => formatL64(parseL64(l)!)),
    );
    c.target(15 * SECOND);
    expect(c.locators.map((l) => c.stateOf(l, 15 * SECOND))).toEqual(['aged', 'active']);
    expect(c.locators.map((l) => c.stateOf(l, 25 * SECOND))).toEqual(['aged', 'expired']);
  });

  // shows: H26
  test('an update replaces the set; the old ones are no longer valid but still mean this correspondent', () => {
    const c = correspondent();
    c.replace([remote(L2, 5), remote(L3, 4)], 0);
    const { l0, l1 } = remote(L1);

    expect(currentOf(c, 0)).toBe('2001:db8:3::/64');
    expect(c.holds(l0, l1)).toBe(false);
    expect(c.isAt(l0, l1)).toBe(true);
  });

  test('an empty set leaves the old one; of 255 the preferred ones are kept', () => {
    const c = correspondent();
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
    const c = correspondent();
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
