import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

const NOW = 1_700_000_000_000;

test('without arguments everything is attacked without an end, from the seed of the hour', () => {
  expect(readOptions([], NOW)).toMatchObject({
    target: 'all',
    seed: 1_700_000_000,
    seconds: Number.POSITIVE_INFINITY,
    packets: Number.POSITIVE_INFINITY,
    every: 1,
  });
});

test('every option is read', () => {
  const args = '--seconds 5 --packets 10 --seed 3 --target border --threads 2 --every 7'.split(' ');

  expect(readOptions(args, NOW)).toEqual({ seconds: 5, packets: 10, seed: 3, target: 'border', threads: 2, every: 7 });
  expect(readOptions(['--help'], NOW)).toBe('help');
});

test.each([
  ['--seconds 0', '--seconds: expected a whole number from 1 to 10000000, got 0'],
  ['--packets many', '--packets: expected a whole number from 1 to 9007199254740991, got many'],
  ['--seed -1', "Option '--seed' argument is ambiguous"],
  ['--seed 2147483648', '--seed: expected a whole number from 0 to 2147483647, got 2147483648'],
  ['--target bordr', /^--target: expected one of all, border, .*, got bordr$/],
  ['--threads 1.5', '--threads: expected a whole number from 1 to 64, got 1.5'],
  ['--speed 3', "Unknown option '--speed'"],
  ['more', "Unexpected argument 'more'"],
])('%s is refused with what was expected', (line, message) => {
  const { wrong } = readOptions(line.split(' '), NOW) as { wrong: string };

  if (typeof message === 'string') expect(wrong).toContain(message);
  else expect(wrong).toMatch(message);
});
