/** What scripts/test says of reports of vitest: counts, what failed and why, and a second try put in the place of the first. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'ilnp-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ask = (verb: string, ...paths: string[]): string[] =>
  execFileSync('scripts/test-report.mjs', [verb, ...paths], { encoding: 'utf8' })
    .split('\n')
    .slice(0, -1);

/** A report of files, each with the statuses of its cases; a broken one has failed without any that failed. */
function report(name: string, files: Record<string, { status: string; cases: string[] }>): string {
  const testResults = Object.entries(files).map(([file, { status, cases }]) => ({
    name: join(process.cwd(), file),
    status,
    message: status === 'failed' ? 'no lab\nat line 1' : '',
    assertionResults: cases.map((one, k) => ({
      ancestorTitles: ['in knot'],
      title: `case ${k}`,
      fullName: `in knot case ${k}`,
      status: one,
      failureMessages: one === 'failed' ? ['Error: 3 are not 2\n    at somewhere'] : [],
    })),
  }));
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

const FIRST = {
  'test/a.test.ts': { status: 'passed', cases: ['passed', 'passed', 'skipped'] },
  'test/b.test.ts': { status: 'failed', cases: ['passed', 'failed'] },
  'test/c.test.ts': { status: 'failed', cases: ['skipped'] },
};

test('counts cases, and a file that broke outside of them as one that failed; each is named with its reason', () => {
  const path = report('first', FIRST);
  expect(ask('counts', path)).toEqual(['3 2']);
  expect(ask('files', path)).toEqual(['test/b.test.ts', 'test/c.test.ts']);
  expect(ask('failures', path)).toEqual([
    'test/b.test.ts > in knot > case 1: Error: 3 are not 2',
    'test/c.test.ts: no lab',
  ]);
});

test('a second try stands in the place of the first, whatever came of it', () => {
  const [first, second] = [
    report('first', FIRST),
    report('second', {
      'test/b.test.ts': { status: 'passed', cases: ['passed', 'passed'] },
      'test/c.test.ts': { status: 'failed', cases: ['failed'] },
    }),
  ];
  ask('merge', first, second);
  expect(ask('counts', first)).toEqual(['4 1']);
  expect(ask('failures', first)).toEqual(['test/c.test.ts > in knot > case 0: Error: 3 are not 2']);
});

test('what failed and is left out of the second try has failed', () => {
  const first = report('first', FIRST);
  ask('merge', first, report('second', { 'test/b.test.ts': { status: 'passed', cases: ['passed', 'skipped'] } }));
  expect(ask('failures', first)).toEqual([
    'test/b.test.ts > in knot > case 1: Error: 3 are not 2',
    'test/c.test.ts: no lab',
  ]);
});
