import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { claimsOf, goldenClaim } from './annotations.ts';
import { collectClaims, FOLDER, type Item, ledgerOf, loadItems, notPassed, pagesOf, type Report } from './ledger.ts';

const REPORTS = process.env.LEDGER_REPORTS?.split(',') ?? [];

describe('the ledger of this tree', () => {
  const ledger = ledgerOf(loadItems(), collectClaims());
  const pages = pagesOf(ledger);

  test('answers every item once, by tests or by a statement', () => {
    expect(ledger.problems).toEqual([]);
  });

  test.each([...pages])('%s is what the items and annotations give (npm run ledger writes it)', async (name, text) => {
    await expect(text).toMatchFileSnapshot(name);
  });

  test('has no page that nobody writes', () => {
    expect(readdirSync(FOLDER).filter((name) => name.endsWith('.md') && !pages.has(name))).toEqual([]);
  });

  test.runIf(REPORTS.length > 0)('counts only tests that passed in the run reported', () => {
    const reports = REPORTS.map((path) => JSON.parse(readFileSync(path, 'utf8')) as Report);

    expect(notPassed(ledger, reports)).toEqual([]);
  });
});

const lines = (...text: string[]): string => text.join('\n');

describe('an annotation', () => {
  test('is read with the titles around the test', () => {
    const source = lines(
      "describe('outer', () => {",
      '  // why it is so',
      '  // shows: W1, S2a',
      "  test.each([['(']])('of %s', (x: string) => expect(x!).toBe(1));",
      '});',
      '// shows: S3',
      '// and why',
      'describe.skipIf(!isRoot).each(ways)(`two ${' + '1}`, () => {});',
    );

    expect(claimsOf('a.test.ts', source)).toEqual({
      claims: [
        { file: 'a.test.ts', titles: ['outer', 'of %s'], items: ['W1', 'S2a'] },
        { file: 'a.test.ts', titles: ['two ${' + '1}'], items: ['S3'] },
      ],
      problems: [],
    });
  });

  test.each([
    ['over no test', "// shows: W1\nconst test = 'x';", 'a.test.ts:1: no call of test, it or describe right below'],
    [
      'with a line between',
      "// shows: W1\n\ntest('x', f);",
      'a.test.ts:1: no call of test, it or describe right below',
    ],
    ['inside a test', "test('x', () => {\n  // shows: W1\n  expect(1).toBe(1);\n});", 'a.test.ts:2: no call of'],
    ['over a test that is skipped', "// shows: W1\ntest.skip('x', f);", 'a.test.ts:1: the test below is not run'],
    [
      'in what is skipped',
      "describe.skip('x', () => {\n  // shows: W1\n  it('y', f);\n});",
      'a.test.ts:2: the test below',
    ],
    ['over one still to be written', "// shows: W1\ntest.todo('x');", 'a.test.ts:1: the test below is not run'],
    ['over one that must fail', "// shows: W1\ntest.fails('x', f);", 'a.test.ts:1: the test below is not run, or is'],
    [
      'without commas',
      "// shows: W1 W2\ntest('x', f);",
      'a.test.ts:1: expected ids with commas between them, got "W1 W2"',
    ],
    ['of nothing', "// shows:\ntest('x', f);", 'a.test.ts:1: expected ids with commas between them, got ""'],
  ])('%s does not count', (_, source, problem) => {
    const { claims, problems } = claimsOf('a.test.ts', source);

    expect(claims).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  test('of a golden capture is a line of its story', () => {
    expect(goldenClaim('golden/hairpin/case.md', '# Story\n\nShows: S7\n').claims).toEqual([
      {
        file: 'golden/hairpin/case.md',
        titles: ['golden captures', 'hairpin: capture, counters and reasons are as witnessed'],
        runBy: 'golden/golden.test.ts',
        items: ['S7'],
      },
    ]);
    expect(goldenClaim('golden/hairpin/case.md', '# Story\n')).toEqual({ claims: [], problems: [] });
    expect(goldenClaim('golden/hairpin/case.md', 'Shows: all\n').problems).toHaveLength(1);
  });
});

const item = (id: string, more: Partial<Item> = {}): Item => ({
  id,
  strength: 'must',
  cites: ['6744 2'],
  says: 'Says something.',
  group: 'Wire',
  ...more,
});
const claim = (...items: string[]) => ({ file: 'a.test.ts', titles: ['outer', 'of %s'], items });
const problemsWith = (items: Item[], ...claims: ReturnType<typeof claim>[]) =>
  ledgerOf(items, { claims, problems: [] }).problems;

describe('items and claims', () => {
  test('that fit leave nothing to say', () => {
    expect(problemsWith([item('W1'), item('W2', { open: 'later' })], claim('W1'))).toEqual([]);
  });

  test.each([
    ['an id that nobody knows', [item('W1')], [claim('W1', 'W9')], 'a.test.ts: "of %s" shows W9, which is no item'],
    ['neither a test nor a statement', [item('W1')], [], 'W1: neither a test nor a statement'],
    ['both', [item('W1', { open: 'later' })], [claim('W1')], 'W1: stated as open, but a.test.ts claims to show it'],
    ['two statements', [item('W1', { open: 'a', deviation: 'b' })], [], 'W1: more than one statement'],
    ['an id twice', [item('W1'), item('W1')], [claim('W1')], 'W1: is there twice'],
    ['no RFC of ours', [item('W1', { cites: ['1624 3'] })], [claim('W1')], 'W1: cites no RFC that has a page'],
  ])('%s is a problem', (_, items, claims, problem) => {
    expect(problemsWith(items, ...claims)).toEqual([problem]);
  });

  test('give a page per RFC with the counts on top', () => {
    const items = [item('W1', { cites: ['6744 10', '8200'] }), item('W2', { deviation: 'we do better' })];
    const pages = pagesOf(ledgerOf(items, { claims: [claim('W1')], problems: [] }));
    const page = pages.get('rfc6744.md')!;

    expect(page).toContain('| 2 | 1 | 1 | 0 | 0 |');
    expect(page.indexOf('## W2')).toBeLessThan(page.indexOf('## W1')); // section 2 before section 10
    expect(page).toContain('- [a.test.ts](../a.test.ts): outer › of %s');
    expect(page).toContain('**Deviation:** we do better');
    expect(pages.get('rfc8200.md')).toContain('| 1 | 1 | 0 | 0 | 0 |');
    expect(pages.get('README.md')).toContain('| **all** | 2 | 1 | 1 | 0 | 0 |');
  });
});

test('a claim counts in a run when every case of its test passed', () => {
  const ledger = ledgerOf([item('W1')], { claims: [claim('W1')], problems: [] });
  const report = (...statuses: string[]): Report => ({
    testResults: [
      {
        name: '/tree/test/a.test.ts',
        assertionResults: statuses.map((status, k) => ({
          ancestorTitles: ['caller', 'outer'],
          title: `of ${k}`,
          status,
        })),
      },
    ],
  });
  const missing = (...reports: Report[]) => notPassed(ledger, reports, '/tree/test');

  expect(missing(report('passed', 'passed'))).toEqual([]);
  expect(missing(report('passed', 'failed'))).toEqual(['a.test.ts: outer > of %s']);
  expect(missing(report('skipped'))).toEqual(['a.test.ts: outer > of %s']);
  expect(missing()).toEqual(['a.test.ts: outer > of %s']);
});
