/** What the door of native-free reaches, read from the import lines of the sources: nothing that loads native code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FROM = /^(?:import|export)\s+(type\s)?[\s\S]*?from\s+'([^']+)'/gm;
const BARE_OR_LAZY = /(?:^import|\bimport\()\s*'([^']+)'/gm;

/** Modules that an import line of the file loads; what is only a type is loaded by nobody. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8').replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, '');
  const loaded = [...text.matchAll(FROM)].filter(([, type]) => type === undefined).map(([, , from]) => from!);
  return [...loaded, ...[...text.matchAll(BARE_OR_LAZY)].map(([, from]) => from!)];
}

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

test('the door of native-free reaches no native code', () => {
  const closure = closureOf('native-free/door.ts');

  expect(closure.size).toBeGreaterThan(30); // the reader of import lines reads them
  expect(closure).toContain('src/sbr/forward.ts');
  expect(NATIVE.filter((name) => closure.has(name))).toEqual([]);
});

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
