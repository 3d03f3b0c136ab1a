import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { registerMove } from '../../src/cli/move.ts';
import { type ControlMethods, ControlSocket } from '../../src/runtime/control-socket.ts';
import { IlnpError } from '../../src/runtime/errors.ts';

let folder: string;
let path: string;
let server: ControlSocket;
let asked: string[];
let onPaused: () => void;
let refuses: boolean;

const methods: ControlMethods = {
  prepare: () => void asked.push('prepare'),
  hold: () => void asked.push('hold'),
  paused: () => {
    asked.push('paused');
    onPaused();
  },
  abort: () => void asked.push('abort'),
  move: () => {
    asked.push('move');
    if (refuses) throw new IlnpError('E_PEER_UNREACHABLE', 'site2 is not connected');
    return { nid: '0:0:0:a1', from: 'site1', to: 'site2', epoch: 4, octets: 812, microseconds: 4321 };
  },
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-cli-'));
  path = join(folder, 'site1.sock');
  asked = [];
  onPaused = () => {};
  refuses = false;
  server = await ControlSocket.open(path, methods);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function run(command: string): Promise<string> {
  const printed: string[] = [];
  const program = new Command().exitOverride();
  registerMove(program, { write: async (text: string) => void printed.push(text) });
  await program.parseAsync(['node', 'ilnp', 'move', '::a1', '--to', 'site2', '--run', command, '--socket', path]);
  return printed.join('');
}

test('a border that has let go of a silent connection meanwhile is told all the same', async () => {
  const [begun, done] = [join(folder, 'begun'), join(folder, 'done')];
  const anew = (async () => {
    await vi.waitFor(() => access(begun), 5000);
    await server.close();
    server = await ControlSocket.open(path, methods);
    await writeFile(done, '');
  })();
  const command = `touch ${begun}; until [ -e ${done} ]; do sleep 0.01; done`;
  expect(await run(command)).toMatch(/^0:0:0:a1 moved from site1 to site2/);
  await anew;
  expect(asked).toEqual(['prepare', 'hold', 'paused', 'move']);
});

test('a signal is for the command; when that ends by it the move is called off', async () => {
  const before = process.listenerCount('SIGTERM');
  onPaused = () =>
    void (function pass(): void {
      if (process.listenerCount('SIGTERM') > before) process.emit('SIGTERM', 'SIGTERM');
      else setTimeout(pass, 1);
    })();
  await expect(run('exec sleep 60')).rejects.toMatchObject({
    code: 'E_COMMAND',
    message: 'the command ended with SIGTERM; 0:0:0:a1 stays where it was',
  });
  expect(asked).toEqual(['prepare', 'hold', 'paused', 'abort']);
  expect(process.listenerCount('SIGTERM')).toBe(before);
});

test('a guest that was carried over in vain says how to go on', async () => {
  refuses = true;
  await expect(run('true')).rejects.toMatchObject({
    code: 'E_PEER_UNREACHABLE',
    message: expect.stringMatching(/^site2 is not connected; .*: ilnp move 0:0:0:a1 --to site2$/),
  });
});

test('a command that takes longer than packets may wait is not passed over in silence', async () => {
  await server.close();
  server = await ControlSocket.open(path, { ...methods, config: () => ({ limits: { holdMs: 20 } }) });
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  try {
    expect(await run('sleep 0.05')).toMatch(/^0:0:0:a1 moved/);
    expect(said.join('')).toMatch(/the command took \d+ ms, packets wait 20 ms \(limits\.holdMs\)/);
  } finally {
    write.mockRestore();
  }
});
