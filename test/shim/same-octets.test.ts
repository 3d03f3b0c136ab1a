import { expect, test } from 'vitest';
import { sameOctets } from '../../src/shim/same-octets.ts';

test.each([
  [[1, 2, 3, 4], [1, 2, 3, 4], true],
  [[1, 2, 3, 4], [1, 2, 3, 5], false],
  [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6], false],
  [[1, 2, 3, 4, 0], [1, 2, 3, 4], false],
  [[], [1], false],
])('%j and %j: %j', (a, b, same) => {
  expect(sameOctets(Uint8Array.from(a), Uint8Array.from(b))).toBe(same);
});
