/** Rounds through an end system: the promise is kept, every verdict is reached. */
import { expect, test } from 'vitest';
import { VERDICTS } from '../../src/shim/verdict.ts';
import { shimRound } from './shim-target.ts';

test('rounds keep the promise, and reach every verdict', () => {
  const sums = new Float64Array(VERDICTS.length);
  for (let seed = 1; seed <= 8; seed++) for (const [k, count] of shimRound(seed).entries()) sums[k]! += count;

  expect(VERDICTS.filter((_, verdict) => sums[verdict] === 0).map(({ name }) => name)).toEqual([]);
});

test('rounds are the same for the same seed', () => {
  expect(shimRound(7)).toEqual(shimRound(7));
  expect(shimRound(7)).not.toEqual(shimRound(8));
});
