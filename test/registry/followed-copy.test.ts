/** The copy of what a border has followed: late, maybe behind, never wrong for the order of its changes. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FollowedCopy } from '../../src/registry/followed-copy.ts';
import type { Entry } from '../../src/registry/registry.ts';
import { entryOf } from './entries.ts';

let state: string;
let path: string;
let warnings: string[];
let due: (() => void)[];
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'ilnp-followed-'));
  path = join(state, 'site1.followed');
  warnings = [];
  due = [];
});
afterEach(() => rmSync(state, { recursive: true }));

const copyAt = (replaceFrom?: number): FollowedCopy =>
  new FollowedCopy({
    path,
    warn: (text) => warnings.push(text),
    after: (_ms, run) => {
      due.push(run);
      return () => void due.splice(due.indexOf(run), 1);
    },
    ...(replaceFrom !== undefined && { replaceFrom }),
  });

async function loaded(copy = copyAt()): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const some of copy.load()) entries.push(...some);
  return entries;
}

async function* pages(...all: Entry[][]): AsyncGenerator<Entry[]> {
  yield* all;
}

const withdrawn: Entry = { nid: { hi: 0, lo: 1 }, epoch: 2, binding: null };

test('without a file it has nothing, and what was taken comes back in its order', async () => {
  expect(await loaded()).toEqual([]);
  const copy = copyAt();
  copy.take([entryOf(1, 0)]);
  copy.take([entryOf(1, 1, 'site2'), withdrawn]);
  await copy.close();

  expect(await loaded()).toEqual([entryOf(1, 0), entryOf(1, 1, 'site2'), withdrawn]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(due).toEqual([]);
});

test('nothing is written before it is time, and all that waits then at once', async () => {
  const copy = copyAt();
  copy.take([entryOf(1, 0)]);
  copy.take([entryOf(2, 0)]);
  expect(await loaded()).toEqual([]);
  expect(due).toHaveLength(1);
  await copy.flush(true);

  expect(readFileSync(path, 'latin1').match(/ilnp1 /g)).toHaveLength(1);
  expect(await loaded()).toHaveLength(2);
});

test('a replacement has the new ones only, and what is taken meanwhile comes after them', async () => {
  const copy = copyAt(64);
  for (let epoch = 0; epoch < 10; epoch++) copy.take([entryOf(1, epoch)]);
  await copy.flush(false);
  expect(copy.isDue).toBe(true);
  const replaced = copy.replace(pages([entryOf(1, 9)], [entryOf(2, 0)]));
  copy.take([entryOf(2, 1)]);
  await replaced;
  expect(copy.isDue).toBe(false);
  await copy.close();

  expect(await loaded()).toEqual([entryOf(1, 9), entryOf(2, 0), entryOf(2, 1)]);
});

test('a replacement that fails leaves the file as it was', async () => {
  const copy = copyAt();
  copy.take([entryOf(1, 0)]);
  await copy.flush(false);
  const failing = (async function* (): AsyncGenerator<Entry[]> {
    yield [entryOf(7, 7)];
    throw new Error('the registry went away');
  })();

  await expect(copy.replace(failing)).rejects.toThrow('went away');
  expect(await loaded()).toEqual([entryOf(1, 0)]);
});

test.each([
  ['cut in its last change', (): void => truncateSync(path, statSync(path).size - 3)],
  ['with octets of somebody else at its end', (): void => appendFileSync(path, 'hello\n'.repeat(20))],
  [
    'with a changed octet before whole changes',
    (): void => {
      const octets = readFileSync(path);
      octets[octets.indexOf('site1')] = 0x7a;
      writeFileSync(path, octets);
    },
  ],
])('%s: what is whole before it is used, nothing is put behind it, and a new one mends it', async (_what, harm) => {
  const first = copyAt();
  for (let lo = 1; lo <= 3; lo++) {
    first.take([entryOf(lo, 0)]);
    await first.flush(false);
  }
  harm();
  const copy = copyAt();
  const found = await loaded(copy);

  expect(found.length).toBeLessThanOrEqual(3);
  expect(found).toEqual([1, 2, 3].slice(0, found.length).map((lo) => entryOf(lo, 0)));
  expect(warnings.join()).toContain('damaged');
  expect(copy.isDue).toBe(true);
  await expect(copy.flush(true)).rejects.toThrow();
  await copy.replace(pages([entryOf(5, 5)]));
  copy.take([entryOf(6, 6)]);
  await copy.flush(true);
  expect(await loaded()).toEqual([entryOf(5, 5), entryOf(6, 6)]);
});
