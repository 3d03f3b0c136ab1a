/**
 * Builds dist/ from two source trees: src/ goes to dist/, native-free/ to dist/native-free/. tsc keeps both under their own
 * names; here they are put into their places, and the imports that cross from one tree to the other follow. Files are
 * written beside their targets and renamed, so that a program that starts meanwhile finds the old or the new one.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stage = join(root, `out/build-${process.pid}`);

/** What is not TypeScript and belongs to the package: from, to. */
const COPIED = [
  ['src/config/site.schema.json', 'dist/config/site.schema.json'],
  ['src/config/shim.schema.json', 'dist/config/shim.schema.json'],
  ['native-free/with-tun', 'dist/native-free/with-tun'],
  ...readdirSync(join(root, 'native-free/scenarios')).map((file) => {
    const path = `native-free/scenarios/${file}`;
    return [path, `dist/${path}`];
  }),
];

const IMPORT = /((?:from|import) ?\(?['"])((?:\.\.?\/)+)(src\/|native-free\/)?([^'"]*['"])/g;

function main() {
  try {
    const tsc = spawnSync('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json', '--outDir', stage], {
      cwd: root,
      stdio: 'inherit',
    });
    if (tsc.status !== 0) {
      process.exitCode = tsc.status ?? 1;
      return;
    }
    for (const tree of ['src', 'native-free']) place(tree);
    for (const [from, to] of COPIED) put(join(root, to), (temporary) => copyFileSync(join(root, from), temporary));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function place(tree) {
  for (const entry of readdirSync(join(stage, tree), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = relative(join(stage, tree), file);
    const text = readFileSync(file, 'utf8');
    const target = join(root, 'dist', tree === 'src' ? '' : tree, path);
    put(target, (temporary) => writeFileSync(temporary, followed(text, tree)));
  }
}

/** src -> native-free: one step less upwards; native-free -> src: the same steps, without the folder `src`. */
function followed(text, tree) {
  return text.replace(IMPORT, (whole, before, up, other, rest) => {
    if (other === undefined || other === `${tree}/`) return whole;
    if (other === 'src/') return `${before}${up}${rest}`;
    const steps = up.slice('../'.length);
    return `${before}${steps === '' ? './' : steps}${other}${rest}`;
  });
}

function put(target, write) {
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  write(temporary);
  renameSync(temporary, target);
}

main();
