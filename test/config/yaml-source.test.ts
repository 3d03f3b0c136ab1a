import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readYaml } from '../../src/config/yaml-source.ts';

describe('places', () => {
  const source = readYaml(['site: one', 'list:', '  - { a: 1, b: "x" }', '  - a: 12', 'empty:'].join('\n'));

  test.each([
    [['site'], 1, 7, 'one'],
    [['list'], 3, 3, 'a list'],
    [['list', 0], 3, 5, 'a mapping'],
    [['list', 0, 'b'], 3, 16, '"x"'],
    [['list', 1, 'a'], 4, 8, 'the number 12'],
    [['empty'], 5, 7, 'nothing'],
  ])('the value of %j stands at %i:%i', (path, line, column, got) => {
    expect(source.valueAt(path)).toEqual({ line, column, got });
  });

  test('a key stands before its value', () => {
    expect(source.keyAt(['list', 0, 'b'])).toEqual({ line: 3, column: 13, got: 'b' });
    expect(source.keyAt(['empty'])).toEqual({ line: 5, column: 1, got: 'empty' });
  });

  test('what is missing is nothing, at its nearest parent', () => {
    expect(source.valueAt(['list', 0, 'c'])).toEqual({ line: 3, column: 5, got: 'nothing' });
    expect(source.valueAt(['site', 'deep', 1])).toMatchObject({ line: 1, got: 'nothing' });
    expect(source.valueAt(['list', 7])).toMatchObject({ line: 3, column: 3, got: 'nothing' });
  });

  test('a value behind an alias stands where the anchor is', () => {
    const aliased = readYaml('a: &x { l64: 5 }\nb: *x\n');

    expect(aliased.valueAt(['b'])).toEqual({ line: 2, column: 4, got: '*x' });
    expect(aliased.valueAt(['b', 'l64'])).toEqual({ line: 1, column: 14, got: 'the number 5' });
  });
});

describe('types', () => {
  test.each(['', '%YAML 1.1\n---\n'])('text with colons stays text (%j)', (directive) => {
    const source = readYaml(`${directive}{ a: 1:2, b: 190:20:30, c: 0:0:0:a1, d: yes, e: 012 }`);

    expect(source.value).toEqual({ a: '1:2', b: '190:20:30', c: '0:0:0:a1', d: 'yes', e: 12 });
    expect(source.problems).toEqual([]);
  });

  test('a merge key is a key like others', () => {
    expect(readYaml('x: { <<: { a: 1 } }').value).toEqual({ x: { '<<': { a: 1 } } });
  });
});

describe('a broken notation', () => {
  test('an open bracket has a place and makes the values untrustworthy', () => {
    const source = readYaml('site: one\nuplinks: [ {');

    expect(source.readable).toBe(false);
    expect(source.problems[0]).toMatchObject({ line: 2, column: 13, expected: 'valid YAML' });
  });

  test('a duplicate key has a place and leaves the other values', () => {
    const source = readYaml('site: one\ntun: {}\nsite: two');

    expect(source.readable).toBe(true);
    expect(source.problems).toEqual([{ path: [], line: 3, column: 1, expected: 'every key once', got: 'site again' }]);
  });

  test('an unknown tag has a place', () => {
    expect(readYaml('site: !secret one').problems).toMatchObject([{ line: 1, column: 7, expected: 'valid YAML' }]);
  });

  test('a second document has a place', () => {
    expect(readYaml('site: one\n---\nsite: two').problems).toMatchObject([{ line: 2, expected: 'one document' }]);
  });

  test('an unknown alias has a place', () => {
    const source = readYaml('site: one\ntun: *missing');

    expect(source).toMatchObject({ readable: false, problems: [{ line: 2, column: 6 }] });
  });

  test('aliases that multiply are refused at the last one and cost no memory', () => {
    const levels = [...'bcdefghij'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[i]}`)}]`);
    const source = readYaml(['a: &a [x, x]', ...levels].join('\n'));

    expect(source.readable).toBe(false);
    expect(source.problems).toMatchObject([{ line: 10, expected: 'aliases that are known and few' }]);
  });

  test.each(['*a', '!', '|'])('five thousand times %j is refused in few words', (text) => {
    const [first] = readYaml(`site: ${text.repeat(5000)}`).problems;

    expect(first?.got.length).toBeGreaterThan(20);
    expect(first?.got.length).toBeLessThan(210);
  });

  test.each([
    ...['[', '{ a: ', '- ', '? '].map((nest) => [nest, '']),
    ...['- ', '? ', ': ', '? - '].flatMap((nest) => ['\na: 1', '}', ' a\n- b'].map((end) => [nest, end])),
  ])('thirty thousand times %j, then %j, is refused, not a crash', (nest, end) => {
    const source = readYaml(nest!.repeat(30_000) + end);

    expect(source).toMatchObject({
      readable: false,
      problems: [{ line: 1, expected: 'at most 32 levels of nesting' }],
    });
  });
});

test('any text gives values or problems, and never an exception', () => {
  const yamlish = fc.string({ unit: fc.constantFrom(...'ab: -[]{},&*!|>\'"%#?\n\t\\~0'), maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), yamlish), (text) => {
      const source = readYaml(text);
      expect(source.readable || source.problems.length > 0).toBe(true);
      for (const { line, column } of [...source.problems, source.valueAt(['a', 0, 'b']), source.keyAt(['a'])]) {
        expect(Math.min(line, column)).toBeGreaterThan(0);
      }
    }),
    { numRuns: 3000 },
  );
});
