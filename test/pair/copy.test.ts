/** A standby's copy of what a border remembers: whole, never half, and the record waits for it. */
import { appendFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MONOTONIC } from '../../src/cli/monotonic.ts';
import type { Copy } from '../../src/pair/copy.ts';
import { copyIn, original } from '../../src/pair/files.ts';
import { Mirror } from '../../src/pair/mirror.ts';
import { BLOCK, type MirrorAnswer } from '../../src/sites/mirrored.ts';

let active: string;
let standby: string;
let mirror: Mirror;
let copy: Copy;
let spoken: NonNullable<MirrorAnswer['spoken']>;
const seen: boolean[] = [];
let runs = 0;

const moves = (folder: string): string => join(folder, 'site1.moves.jsonl');
const sessions = (folder: string): string => join(folder, 'site1.sessions');
const text = (folder: string): string => readFileSync(moves(folder), 'utf8');

function begin(): void {
  (mirror as Mirror | undefined)?.close();
  mirror = new Mirror({
    run: `run ${++runs}`,
    moves: original(openSync(moves(active), 'r')),
    sessions: original(openSync(sessions(active), 'r')),
    clock: MONOTONIC,
    spoken: () => spoken,
    onStandby: (isThere) => seen.push(isThere),
  });
}

/** Asks until nothing is missing. */
async function pull(): Promise<void> {
  for (;;) {
    const answer = await mirror.answer(copy.ask);
    copy.take(answer);
    if (!answer.more) return;
  }
}

beforeEach(() => {
  active = mkdtempSync(join(tmpdir(), 'ilnp-pair-'));
  standby = mkdtempSync(join(tmpdir(), 'ilnp-pair-'));
  spoken = [];
  seen.length = 0;
  writeFileSync(moves(active), 'one\n');
  writeFileSync(sessions(active), new Uint8Array(200 * BLOCK));
  begin();
  copy = copyIn(standby, 'site1');
});
afterEach(() => {
  mirror.close();
  copy.close();
  for (const folder of [active, standby]) rmSync(folder, { recursive: true, force: true });
});

test('everything that is there is copied, then what comes', async () => {
  await pull();
  expect(copy.isWhole).toBe(true);
  expect(text(standby)).toBe('one\n');
  expect(seen).toEqual([]); // nobody has said that it is there

  appendFileSync(moves(active), 'two\n');
  const octets = new Uint8Array(200 * BLOCK);
  octets[3 * BLOCK + 7] = 1;
  octets[199 * BLOCK] = 2;
  writeFileSync(sessions(active), octets);
  await pull();

  expect(seen).toEqual([true]);
  expect(text(standby)).toBe('one\ntwo\n');
  expect(readFileSync(sessions(standby)).equals(octets)).toBe(true);
});

test('more than fits into one answer comes in several, and the copy before stays in place until all is there', async () => {
  await pull();
  const long = `${'x'.repeat(99)}\n`.repeat(10_000);
  writeFileSync(moves(active), long);
  begin(); // another run: its record was made anew
  copy.take(await mirror.answer(copy.ask));

  expect(copy.isWhole).toBe(false);
  expect(text(standby)).toBe('one\n');
  await pull();
  expect(text(standby)).toBe(long);
  expect(existsSync(`${moves(standby)}.copy`)).toBe(false);
});

test('an entry is recorded when the standby has it on disk', async () => {
  await pull();
  const recorder = mirror.recorder({ append: async () => appendFileSync(moves(active), 'two\n') });
  let isRecorded = false;
  const answered = mirror.answer(copy.ask);
  const recorded = recorder.append([]).then(() => {
    isRecorded = true;
  });
  const answer = await answered;
  await Promise.resolve();

  expect(Buffer.from(answer.moves).toString()).toBe('two\n');
  expect(isRecorded).toBe(false); // it is on its way, nobody has said it is there
  copy.take(answer);
  const next = mirror.answer(copy.ask);
  await recorded;
  expect(isRecorded).toBe(true);
  await next;
});

test('sessions are kept while nobody has moved', async () => {
  writeFileSync(moves(active), '');
  begin();
  const octets = new Uint8Array(200 * BLOCK).fill(1, 0, 9);
  writeFileSync(sessions(active), octets);
  await pull();
  octets[5 * BLOCK] = 1;
  writeFileSync(sessions(active), octets);
  await pull();

  expect(
    readFileSync(sessions(standby))
      .subarray(0, 6 * BLOCK)
      .equals(octets.subarray(0, 6 * BLOCK)),
  ).toBe(true);
});

test('an answer that never arrives is not taken for given: the copy begins anew', async () => {
  await pull();
  const octets = new Uint8Array(200 * BLOCK);
  octets[3 * BLOCK] = 1;
  writeFileSync(sessions(active), octets);
  spoken = [[0, 0xa1, 0, 0xc0, 1, 2, Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8)]];
  await mirror.answer(copy.ask);
  await pull();

  expect(readFileSync(sessions(standby))[3 * BLOCK]).toBe(1);
  expect(copy.spoken).toEqual(spoken);
});

test('an ask ends the one before, whose connection is gone', async () => {
  await pull();
  const before = mirror.answer(copy.ask).catch((error: Error) => error.message);
  const answered = mirror.answer(copy.ask);
  appendFileSync(moves(active), 'two\n');

  expect(await before).toBe('the standby has asked again');
  copy.take(await answered);
  expect(text(standby)).toBe('one\ntwo\n');
});

test('without a standby nothing is waited for', async () => {
  await mirror.recorder({ append: async () => appendFileSync(moves(active), 'two\n') }).append([]);

  expect(text(active)).toBe('one\ntwo\n');
});

test('a standby that goes away is waited for no longer', async () => {
  await pull();
  appendFileSync(moves(active), '1.5\n');
  copy.take(await mirror.answer(copy.ask));
  const recorded = mirror
    .recorder({ append: async () => appendFileSync(moves(active), 'two\n') })
    .append([])
    .then(() => 'recorded');

  expect(await recorded).toBe('recorded'); // after three seconds
  expect(seen).toEqual([true, false]);
});

test('sessions of guests that speak ILNP are said when they are others', async () => {
  await pull();
  expect(copy.spoken).toEqual([]);
  spoken = [[0, 0xa1, 0, 0xc0, 1, 2, Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8)]];
  await pull();

  expect(copy.spoken).toEqual(spoken);
  expect((await mirror.answer(copy.ask)).spoken).toBeUndefined();
});

test('a file that cannot be written is an error, and nothing counts as copied', async () => {
  rmSync(standby, { recursive: true });
  const answer = await mirror.answer(copy.ask);

  expect(() => copy.take(answer)).toThrow('ENOENT');
  expect(copy.ask).toEqual({ run: '', moves: 0, answers: 0 });
});
