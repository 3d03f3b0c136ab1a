import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearest } from '../../src/config/nearest.ts';

const KEYS = ['site', 'tun', 'uplinks', 'inside', 'peers', 'bindings', 'bindingsFile', 'preference'];

test.each([
  ['uplink', 'uplinks'],
  ['upilnks', 'uplinks'],
  ['Inside', 'inside'],
  ['sit', 'site'],
  ['bindingFile', 'bindingsFile'],
  ['preferrence', 'preference'],
])('%s was meant to be %s', (word, meant) => {
  expect(nearest(word, KEYS)).toBe(meant);
});

test.each(['colour', 'x', '', 'bindingsbindingsbindings'])('nothing is near %j', (word) => {
  expect(nearest(word, KEYS)).toBeNull();
});

test('a known word is nearest to itself', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KEYS), (word) => {
      expect(nearest(word, KEYS)).toBe(word);
    }),
  );
});
