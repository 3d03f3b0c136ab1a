/** `ilnp follow` beside a machine: wrong words are noticed at the start, and news that nobody took at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerFollow } from '../../src/cli/follow.ts';
import { moveMethods } from '../../src/cli/move-methods.ts';
import type { SiteConfig } from '../../src/config/site-config.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { controlCall } from '../../src/runtime/control-client.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import type { MoveReports } from '../../src/sites/move-reports.ts';
import type { Moves } from '../../src/sites/moves.ts';

let folder: string;
let machine: Server;
let monitor: Socket | undefined;
let runState: string;
let border: ControlSocket;
let heard: string[];

/** A monitor that answers what `ilnp follow` asks. */
function serve(socket: Socket): void {
  monitor = socket;
  const say = (value: object): void => void socket.write(`${JSON.stringify(value)}\n`);
  say({ QMP: {} });
  socket.setEncoding('utf8').on('data', (text) => {
    for (const line of String(text).trim().split('\n')) {
      const { execute, id } = JSON.parse(line);
      say({ id, return: execute === 'query-status' ? { status: runState } : {} });
    }
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-follow-'));
  runState = 'running';
  heard = [];
  machine = createServer(serve);
  await new Promise<void>((done) => machine.listen(join(folder, 'qmp'), done));
  const rule = { nids: { from: { hi: 0, lo: 0xb0 }, to: { hi: 0, lo: 0xbf } }, sites: ['site2'], movers: undefined };
  const places = new Map([0xa1, 0xa2, 0xb1].map((lo) => [lo, lo === 0xa2 ? 'site2' : 'site1']));
  const moves = {
    retain: async () => {
      heard.push('migrating');
      throw new IlnpError('E_POLICY', 'no room');
    },
    expect: async () => void heard.push('expected'),
    move: async () => {
      heard.push('home is told');
      return { nid: { hi: 0, lo: 0xa2 } };
    },
  };
  const methods = moveMethods(moves as unknown as Moves, {} as MoveReports, {
    bindings: {
      get: ({ lo }) => (places.has(lo) ? ({ at: places.get(lo) } as Binding) : undefined),
      all: () => [].values(),
    },
    config: () => ({ site: 'site1', policy: [rule] }) as unknown as SiteConfig,
    onArrived: () => heard.push('is asked for'),
    log: pino({ level: 'silent' }),
  });
  border = await ControlSocket.open(join(folder, 'site1.sock'), methods);
});
afterEach(async () => {
  monitor?.destroy();
  machine.close();
  await border.close();
  await rm(folder, { recursive: true });
});

async function follow(nid: string, onFollowing: () => void = () => {}): Promise<string[]> {
  const said: string[] = [];
  const program = new Command().exitOverride();
  registerFollow(program, {
    write: async (text: string) => {
      said.push(text.trim());
      if (text.includes('following')) onFollowing();
    },
    ended: false,
  });
  const words = ['node', 'ilnp', 'follow', nid, '--qmp', join(folder, 'qmp'), '--socket', join(folder, 'site1.sock')];
  await program.parseAsync(words);
  return said;
}

test.each([
  ['::a9', 'running', 'E_UNKNOWN_NID', 'has no binding'],
  ['::a2', 'running', 'E_HYPERVISOR', 'runs here, but is at site2'],
  ['::b1', 'inmigrate', 'E_POLICY', 'at site2, not at site1'],
])('%s of a machine that is %s: %s', async (nid, state, code, message) => {
  runState = state;
  await expect(follow(nid)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test('a guest that is awaited here is followed to the end of its machine', async () => {
  runState = 'inmigrate';
  const said = await follow('::a2', () => monitor!.end());
  expect(said).toEqual([expect.stringContaining('following'), expect.stringContaining('ended')]);
});

test('news that the border did not take are its end, with the code', async () => {
  const told = follow('::a1', () => {
    const timestamp = { seconds: 1, microseconds: 0 };
    monitor!.write(`${JSON.stringify({ event: 'MIGRATION', data: { status: 'active' }, timestamp })}\n`);
    setTimeout(() => monitor!.end(), 50);
  });
  await expect(told).rejects.toMatchObject({ code: 'E_POLICY' });
  expect(heard).toEqual(['migrating']);
});

test('a guest that has arrived is asked for while home is told', async () => {
  await controlCall(join(folder, 'site1.sock'), 'guest', { nid: '0:0:0:a2', news: 'arrived', at: 1, now: 2 });
  expect(heard).toEqual(['expected', 'home is told', 'is asked for']);
});

test.each([
  ['stopped', { at: 1, now: 1_795_000_000_000_000 }],
  ['arrived', { at: 1_795_000_000_000_000, now: 1_794_000_000_000_000 }],
  ['arrived', { at: 1e308, now: 1e307 }],
])('%s at a time that cannot be (%j) is refused', async (news, times) => {
  const told = controlCall(join(folder, 'site1.sock'), 'guest', { nid: '0:0:0:a2', news, ...times });
  await expect(told).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining('at: expected a time'),
  });
  expect(heard).toEqual([]);
});

test('who asks is somebody that can be printed', async () => {
  const told = controlCall(join(folder, 'site1.sock'), 'abort', { nid: '0:0:0:a2', by: 'x\u001b[31m' });
  await expect(told).rejects.toMatchObject({ code: 'E_USAGE', message: expect.stringContaining('can be printed') });
});
