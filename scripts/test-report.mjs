#!/usr/bin/env node
/**
 * What scripts/test wants to know of the reports of vitest (JSON):
 *   test-report.mjs counts REPORT         "passed failed"; a file that broke outside of its cases is one failure
 *   test-report.mjs files REPORT          the files in which something failed, one per line
 *   test-report.mjs failures REPORT...    each failure, with the first line of its reason
 *   test-report.mjs merge REPORT SECOND   puts what SECOND says of its files in the place of what REPORT says
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const [verb, ...paths] = process.argv.slice(2);
const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const reports = paths.map(read);

const cases = (file, status) => file.assertionResults.filter((one) => one.status === status);
const isBroken = (file) => file.status === 'failed' && cases(file, 'failed').length === 0;
const reason = (text) => text?.split('\n')[0] || 'no reason given';

function failuresOf(file) {
  const name = relative(process.cwd(), file.name);
  if (isBroken(file)) return [`${name}: ${reason(file.message)}`];
  return cases(file, 'failed').map(
    ({ ancestorTitles, title, failureMessages }) =>
      `${[name, ...ancestorTitles, title].join(' > ')}: ${reason(failureMessages[0])}`,
  );
}

/** A file as its second try left it; what failed at first and was left out then has failed. */
function secondTry(file, again) {
  if (again === undefined) return file;
  const hasFailed = new Map(cases(file, 'failed').map((one) => [one.fullName, one]));
  const assertionResults = again.assertionResults.map((one) =>
    one.status === 'passed' ? one : (hasFailed.get(one.fullName) ?? one),
  );
  const status = assertionResults.some((one) => one.status === 'failed') ? 'failed' : again.status;
  return { ...again, assertionResults, status };
}

const verbs = {
  counts([{ testResults }]) {
    const sum = (count) => testResults.reduce((total, file) => total + count(file), 0);
    return `${sum((file) => cases(file, 'passed').length)} ${sum((file) => failuresOf(file).length)}`;
  },
  files([{ testResults }]) {
    return testResults.filter(({ status }) => status === 'failed').map(({ name }) => relative(process.cwd(), name));
  },
  failures() {
    return reports.flatMap(({ testResults }) => testResults.flatMap(failuresOf));
  },
  merge([first, second]) {
    const again = new Map(second.testResults.map((file) => [file.name, file]));
    first.testResults = first.testResults.map((file) => secondTry(file, again.get(file.name)));
    writeFileSync(paths[0], JSON.stringify(first));
    return [];
  },
};

for (const line of [verbs[verb](reports)].flat()) console.log(line);
