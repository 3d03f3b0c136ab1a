/** What `ilnp move` needs to be told, and what it does not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerMove } from '../../src/cli/move.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';

let folder: string;
let server: ControlSocket;
let asked: unknown[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-cli-'));
  asked = [];
  const take = (name: string) => (params: unknown) => {
    asked.push([name, params]);
    return null;
  };
  const methods = Object.fromEntries(['prepare', 'hold', 'abort', 'plan', 'move'].map((name) => [name, take(name)]));
  server = await ControlSocket.open(join(folder, 'site1.sock'), methods);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function move(...words: string[]): Promise<void> {
  const program = new Command().exitOverride();
  registerMove(program, { write: async () => {}, ended: false });
  await program.parseAsync(['node', 'ilnp', 'move', '::a1', ...words, '--socket', join(folder, 'site1.sock')]);
}

test.each(['hold', 'abort'])('--%s goes without --to', async (step) => {
  await move(`--${step}`, '--by', 'me');
  expect(asked).toEqual([[step, { nid: '0:0:0:a1', by: 'me' }]]);
});

test.each([[], ['--commit'], ['--prepare'], ['--dry-run'], ['--run', 'true']])('%s does not', async (...words) => {
  await expect(move(...words)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining('--to SITE'),
  });
  expect(asked).toEqual([]);
});

test.each(['x'.repeat(65), 'a\u001b[2J', 'a\nb'])('--by %j is refused in words', async (by) => {
  await expect(move('--abort', '--by', by)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining('--by: expected at most 64 characters that can be printed'),
  });
  expect(asked).toEqual([]);
});

test.each([
  [['--run', 'true', '--force'], '--run'],
  [['--run', 'true', '--no-wait'], '--run'],
  [['--dry-run', '--force'], '--force'],
  [['--prepare', '--force'], '--force'],
])('%j has no meaning together', async (words, named) => {
  await expect(move('--to', 'site2', ...words)).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining(named),
  });
  expect(asked).toEqual([]);
});
