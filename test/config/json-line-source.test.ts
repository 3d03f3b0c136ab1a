import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readJsonLine } from '../../src/config/json-line-source.ts';

describe('a line of JSON', () => {
  const source = readJsonLine('{ "nid": "0:0:0:a1", "at" :12 }', 7);

  test('gives its values', () => {
    expect(source).toMatchObject({ value: { nid: '0:0:0:a1', at: 12 }, readable: true, problems: [] });
  });

  test('knows the column of each key and value', () => {
    expect(source.keyAt(['at'])).toEqual({ line: 7, column: 22, got: '"at"' });
    expect(source.valueAt(['at'])).toEqual({ line: 7, column: 28, got: '12' });
    expect(source.valueAt(['home'])).toEqual({ line: 7, column: 1, got: 'nothing' });
  });

  test('reports a key that comes twice at its second place', () => {
    expect(readJsonLine('{"at":"a","at":"b"}', 1).problems).toEqual([
      { path: ['at'], line: 1, column: 11, expected: 'every key once', got: '"at" again' },
    ]);
  });
});

test.each([
  ['', 1, 'a JSON object in one line', 'the end of the line'],
  ['[]', 1, 'a JSON object in one line', '[]'],
  ['{"a":"b"', 9, '"," or "}"', 'the end of the line'],
  ['{"a" "b"}', 6, '":"', '"b"}'],
  ['{"a":b}', 6, 'text in quotes', 'b}'],
  ['{"a":"b",}', 10, 'a key in quotes', '}'],
  ['{"a":"b"} x', 11, 'the end of the line', 'x'],
  ['{"a":{"b":"c"}}', 6, 'text in quotes', '{"b":"c"}}'],
])('%j stops at column %i, where %s was expected', (text, column, expected, got) => {
  expect(readJsonLine(text, 1)).toMatchObject({ readable: false, problems: [{ line: 1, column, expected, got }] });
});

test('a flat object is read as JSON.parse reads it', () => {
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'a"\\/é\u{1f600}0:') }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value), (object) => {
      const source = readJsonLine(JSON.stringify(object), 1);
      expect(source.problems).toEqual([]);
      expect(source.value).toEqual(JSON.parse(JSON.stringify(object)));
    }),
  );
});

test('any text gives values or problems, and never an exception', () => {
  const jsonish = fc.string({ unit: fc.constantFrom(...'{}"a:,\\1.e-tru[] \t'), maxLength: 30 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), jsonish), (text) => {
      const source = readJsonLine(text, 3);
      expect(source.readable || source.problems.length > 0).toBe(true);
      expect([...source.problems, source.valueAt(['a'])].every(({ line, column }) => line === 3 && column > 0)).toBe(
        true,
      );
    }),
    { numRuns: 2000 },
  );
});
