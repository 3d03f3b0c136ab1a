import { expect, test } from 'vitest';
import { PARSERS } from './parsers.ts';
import { roundsOfEach, TARGETS, targetOf } from './targets.ts';

const things = TARGETS.filter((name) => name !== 'all' && name !== 'parsers');
const first = (target: string, rounds: number): string[] =>
  Array.from({ length: rounds }, (_, round) => targetOf(target, round));

test('the first rounds attack everything once, so that few packets leave nothing out', () => {
  expect(first('all', roundsOfEach('all')).sort()).toEqual([...things].sort());
  expect(first('parsers', roundsOfEach('parsers'))).toEqual(PARSERS.map(({ name }) => name));
  expect(roundsOfEach('border')).toBe(1);
});

test('later rounds are packets mostly, and every parser has its turn', () => {
  const later = first('all', 4000).slice(roundsOfEach('all'));
  const parsers = later.filter((name) => PARSERS.some((parser) => parser.name === name));

  expect(parsers.length / later.length).toBeCloseTo(1 / 8, 2);
  expect(new Set(parsers).size).toBe(PARSERS.length);
});

test('one thing alone is attacked in every round', () => {
  expect(first('border', 3)).toEqual(['border', 'border', 'border']);
});
