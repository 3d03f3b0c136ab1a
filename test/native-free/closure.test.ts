/** What the door of native-free reaches, read from the import lines of the sources: nothing that loads native code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FROM = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'/gm;
const BARE_OR_LAZY = /(?:^import|\bimport\()\s*'([^']+)'/gm;

/** A file without its comments. */
const codeOf = (file: string): string => readFileSync(file, 'utf8').replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, '');

/** Modules that an import line loads; what is only a type is loaded by nobody. */
function importsIn(code: string): string[] {
  const loaded = [...code.matchAll(FROM)].filter(([, type]) => type === undefined).map(([, , from]) => from!);
  return [...loaded, ...[...code.matchAll(BARE_OR_LAZY)].map(([, from]) => from!)];
}

const importsOf = (file: string): string[] => importsIn(codeOf(file));

/** Every module reached from `entry`, packages by their names, files relative to the root. */
function closureOf(entry: string): Set<string> {
  const reached = new Set<string>();
  const open = [join(ROOT, entry)];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    reached.add(relative(ROOT, file));
    for (const from of importsOf(file)) {
      if (!from.startsWith('.')) reached.add(from);
      else if (!reached.has(relative(ROOT, resolve(dirname(file), from)))) open.push(resolve(dirname(file), from));
    }
  }
  return reached;
}

const sources = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`);

const NATIVE = ['koffi', 'src/device/libc.ts'];
/** Packages that are JavaScript alone; msgpackr's native reader is switched off before it is loaded (sites/pack.ts). */
const PURE = ['commander', 'msgpackr', 'yaml', 'zod'];
/** Ways to native code, or to any module, that no import line shows. */
const BACK_DOORS = /createRequire|\bdlopen\b|process\.binding|\brequire\(|\bimport\((?!\s*')|getBuiltinModule/;

test('the door of native-free reaches no native code', () => {
  const closure = closureOf('native-free/door.ts');

  expect(closure.size).toBeGreaterThan(30); // the reader of import lines reads them
  expect(closure).toContain('src/sbr/forward.ts');
  expect(closure).toContain('src/sites/moves.ts');
  expect(NATIVE.filter((name) => closure.has(name))).toEqual([]);
});

test('it reaches no package but those that are known to be JavaScript alone, and leaves no back door open', () => {
  const closure = [...closureOf('native-free/door.ts')];
  const packages = closure.filter((name) => !name.endsWith('.ts') && !name.startsWith('node:'));
  const open = closure
    .filter((name) => name.endsWith('.ts'))
    .filter((name) => BACK_DOORS.test(codeOf(join(ROOT, name))));

  expect(packages.filter((name) => !PURE.includes(name))).toEqual([]);
  expect(open).toEqual([]);
});

test.each([
  ["import koffi from 'koffi';", ['koffi']],
  ["import type { Pointer } from 'koffi';", []],
  ["import {\n  a,\n  type B,\n} from './x.ts';", ['./x.ts']],
  ["export { a } from './x.ts';", ['./x.ts']],
  ["export type { A } from './x.ts';\nimport './y.ts';", ['./y.ts']],
  ["export type A = string;\nexport { b } from 'koffi';", ['koffi']],
  ["const { a } = await import('koffi');", ['koffi']],
])('the reader of import lines: %j loads %j', (line, loaded) => {
  expect(importsIn(line)).toEqual(loaded);
});

test.each(["createRequire(import.meta.url)('koffi')", "process.dlopen(module, 'x.node')", 'await import(name)'])(
  'a back door is seen: %s',
  (code) => {
    expect(code).toMatch(BACK_DOORS);
  },
);

test('no file of native-free does', () => {
  const guilty = sources('native-free').filter((file) => NATIVE.some((name) => closureOf(file).has(name)));

  expect(guilty).toEqual([]);
});

test('the reader of import lines finds native code where it is', () => {
  expect([...closureOf('src/border/worker.ts')]).toEqual(expect.arrayContaining(NATIVE));
});

test('src never imports native-free, but for the commands', () => {
  const guilty = sources('src')
    .filter((file) => !file.startsWith('src/cli/'))
    .filter((file) => importsOf(join(ROOT, file)).some((from) => from.includes('native-free')));

  expect(guilty).toEqual([]);
});
