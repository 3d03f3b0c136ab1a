/** Which folder may import from which, read from the import lines of the sources: a picture that cannot go stale. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const IMPORT = /^(?:import|export)\s[^;]*?from '(\.[^']+)'|import\('(\.[^']+)'\)/gm;

/**
 * Left: a folder of src. Right: all it may import from. The path of a packet stands at the top and knows nothing of what
 * is below it; src/border puts the parts together; src/cli is the only one that knows native-free (the simulator).
 */
const MAY: Record<string, string> = {
  packet: '',
  wire: '',
  ilnp: 'wire runtime',
  sbr: 'packet wire ilnp config',
  shim: 'packet wire ilnp',
  device: 'packet wire runtime',
  runtime: 'wire device',
  config: 'wire runtime',
  network: 'wire ilnp device runtime config',
  registry: 'wire ilnp runtime',
  sites: 'wire ilnp runtime config registry',
  arrivals: 'wire ilnp device runtime config network sites',
  pair: 'config network runtime sites',
  hypervisor: 'runtime',
  border: 'packet wire ilnp sbr device network names config runtime',
  names: 'wire config runtime',
  host: 'wire ilnp shim sites device network names config runtime',
  cli: 'wire registry sites arrivals pair hypervisor config runtime border ilnp host names native-free device',
};
/** Of src/config the path may know types only: compile.ts turns a configuration into its tables. */
const PATH = ['packet', 'wire', 'sbr', 'shim'];

const folderOf = (file: string): string =>
  file
    .match(/^(?:src\/([^/]+)|(native-free))\//)
    ?.slice(1)
    .find(Boolean) ?? file;

const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `src/${name}`);

function importsOf(file: string): string[] {
  const found = [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)];
  return found.map(([, from, lazy]) => relative(ROOT, resolve(ROOT, dirname(file), (from ?? lazy)!)));
}

describe.each(Object.entries(MAY))('src/%s', (folder, may) => {
  const here = files.filter((file) => folderOf(file) === folder);

  test(`imports from ${may === '' ? 'nowhere else' : may}`, () => {
    const allowed = [folder, ...may.split(' ')];
    const found = here.flatMap((file) => importsOf(file).map((to) => ({ file, to })));

    expect(found.filter(({ to }) => !allowed.includes(folderOf(to)))).toEqual([]);
    const used = new Set(found.map(({ to }) => folderOf(to)));
    expect(may.split(' ').filter((name) => name !== '' && !used.has(name))).toEqual([]); // what is allowed is needed
  });
});

test('every folder of src has its line', () => {
  expect([...new Set(files.map(folderOf))].sort()).toEqual(Object.keys(MAY).sort());
});

test('the path of a packet imports types of the configuration, and nothing of it that runs', () => {
  const lines = files
    .filter((file) => PATH.includes(folderOf(file)))
    .flatMap((file) => readFileSync(join(ROOT, file), 'utf8').match(/^import .*\/config\/.*$/gm) ?? []);

  expect(lines.length).toBeGreaterThan(0);
  expect(lines.filter((line) => !line.startsWith('import type '))).toEqual([]);
});
