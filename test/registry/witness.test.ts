import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Witness } from '../../src/registry/witness.ts';
import type { Claim } from '../../src/registry/witnessed.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'ilnp-witness-'));
});
afterEach(() => rmSync(state, { recursive: true }));

const claim = (by: string, term: number, more: Partial<Claim> = {}): Claim => ({
  ...{ term, by, seq: 0, holders: null, of: [0, 0], known: [], isFirst: false, isForced: false, entries: 0 },
  ...more,
});

test('its word is for a holder of the last term, once, and stays after a restart', () => {
  const witness = new Witness(state, 'r1');
  expect(witness.take(claim('a', 1))).toBe('it knows of no term');
  expect(witness.take(claim('a', 1, { isFirst: true }))).toBe('');
  expect(witness.take(claim('a', 1, { seq: 1, holders: ['a'] }))).toBe('');
  expect(witness.take(claim('b', 2))).toBe('it may lack what was confirmed in term 1');
  expect(witness.take(claim('b', 2, { isFirst: true }))).toBe('there was a term 1 before');
  expect(witness.take(claim('a', 1, { seq: 2, holders: ['a', 'b'] }))).toBe('');
  expect(witness.take(claim('b', 4))).toBe('');

  const again = new Witness(state, 'r1');
  expect(again.state).toEqual({ term: 4, of: [1, 2], holders: ['a', 'b'] });
  expect(again.take(claim('a', 3))).toBe('another one was given term 4');
  expect(again.take(claim('a', 1, { seq: 3, holders: ['a'] }))).toBe('another one was given term 4');
  expect(again.state).toEqual({ term: 4, of: [1, 2], holders: ['a', 'b'] });
});

test('who was made a holder later than this witness has heard says so itself, who was one before does not', () => {
  const witness = new Witness(state, 'r1');
  witness.take(claim('a', 1, { seq: 2, holders: ['a'] }));
  expect(witness.take(claim('b', 2, { of: [1, 1], known: ['a', 'b'] }))).toBe(
    'it may lack what was confirmed in term 1',
  );
  expect(witness.take(claim('b', 2, { of: [1, 3], known: ['a'] }))).toBe('it may lack what was confirmed in term 1');
  expect(witness.take(claim('b', 2, { of: [1, 3], known: ['a', 'b'] }))).toBe('');
});

test('an older word of the same term changes nothing, a forced claim needs no holder, an objection stands', () => {
  let objection = '';
  const witness = new Witness(state, 'r1', () => objection);
  witness.take(claim('a', 1, { seq: 2, holders: ['a'] }));
  witness.take(claim('a', 1, { seq: 1, holders: ['a', 'b'] }));
  expect(witness.state.holders).toEqual(['a']);
  objection = 'it serves itself';
  expect(witness.take(claim('b', 2, { isForced: true }))).toBe('it serves itself');
  objection = '';
  expect(witness.take(claim('b', 2, { isForced: true }))).toBe('');
  expect(witness.state.term).toBe(2);
});

test('what it cannot read, or write, is an error and no word', () => {
  const witness = new Witness(state, 'r1');
  rmSync(state, { recursive: true });
  expect(() => witness.take(claim('a', 1, { isFirst: true }))).toThrow(/ENOENT/);
  expect(witness.state.term).toBe(0);
  const other = mkdtempSync(state);
  writeFileSync(join(other, 'r1.witness'), '{"term":1');
  expect(() => new Witness(other, 'r1')).toThrow(expect.objectContaining({ code: 'E_STATE' }));
  expect(readFileSync(join(other, 'r1.witness'), 'utf8')).toBe('{"term":1');
  rmSync(other, { recursive: true });
  state = mkdtempSync(state);
});
