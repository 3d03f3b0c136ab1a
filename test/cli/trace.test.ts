import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerShow } from '../../src/cli/show.ts';
import { registerTrace } from '../../src/cli/trace.ts';
import { readParams, tracedParams, traceParams } from '../../src/runtime/control-methods.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';

const packet = (text: string) => ({ source: '::1', destination: '::2', nonce: null, octets: 40, text });
const sent = { way: 'out', verdict: 'ilnp', why: 'in session', before: packet('this'), after: packet('that') };
const dropped = { way: 'in', verdict: 'drop_version', why: 'not IPv6', before: packet('other'), after: null };

let folder: string;
let path: string;
let server: ControlSocket;
let replies: unknown[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-cli-'));
  path = join(folder, 'a.sock');
  server = await ControlSocket.open(path, {
    trace: (params) => ({ trace: readParams(traceParams, params).count + 5 }),
    traced: (params) => {
      expect(readParams(tracedParams, params)).toEqual({ trace: 7 });
      return replies.shift();
    },
    updates: () => [
      {
        nid: '0:0:0:b1',
        way: 'sent',
        locators: [{ locator: '2001:db8:2::/64', preference: 10, lifetime: 1800 }],
        tries: 2,
        state: 'waiting',
        beganMs: 1500,
        changedMs: 500,
      },
    ],
  });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function run(...words: string[]): Promise<string> {
  const printed: string[] = [];
  const out = { write: async (text: string) => void printed.push(text) };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerTrace(program, out);
  registerShow(program, out);
  await program.parseAsync(['node', 'ilnp', ...words, '--socket', path]);
  return printed.join('');
}

test('a trace is printed as it comes, until it has ended', async () => {
  replies = [
    { packets: [sent], left: 1 },
    { packets: [], left: 1 },
    { packets: [dropped], left: 0 },
  ];
  expect(await run('trace', '--count', '2')).toBe(
    'out: ilnp: in session\n  before  this\n  after   that\nin: drop_version: not IPv6\n  before  other\n',
  );
});

test('as JSON, a line a packet', async () => {
  replies = [{ packets: [sent, dropped], left: 0 }];
  const lines = (await run('trace', '--count', '2', '--json')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([sent, dropped]);
});

test.each(['0', '10001', '1.5', 'many'])('a count of %s is a usage error', async (count) => {
  await expect(run('trace', '--count', count)).rejects.toThrow('Expected a whole number of 1 to 10000.');
});

test('Locator Updates as a table', async () => {
  expect(await run('show', 'updates')).toBe(
    [
      'NID       WAY   STATE    TRIES  BEGAN MS AGO  SINCE MS  LOCATORS',
      '0:0:0:b1  sent  waiting      2          1500       500  2001:db8:2::/64,10 1800 s',
      '',
    ].join('\n'),
  );
});

test('a border router has no trace: it is said who has', async () => {
  await server.close();
  server = await ControlSocket.open(path, { bindings: () => ({ bindings: [], next: null }) });
  const message = 'who listens on this socket has no trace; only end systems (ilnp shim) have';
  await expect(run('trace')).rejects.toMatchObject({ code: 'E_USAGE', message });
});
