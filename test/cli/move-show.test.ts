import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerMove } from '../../src/cli/move.ts';
import { failure } from '../../src/cli/output.ts';
import { registerShow } from '../../src/cli/show.ts';
import { socketOf } from '../../src/cli/socket.ts';
import {
  anchorsParams,
  type BindingReply,
  type BindingsPage,
  bindingReply,
  bindingsParams,
  moveParams,
  readParams,
  type UnderWayReply,
} from '../../src/runtime/control-methods.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { formatNid } from '../../src/wire/text.ts';

let folder: string;
let path: string;
let server: ControlSocket;
let asked: unknown[];
let count: number;
let moving: BindingReply[];

const binding = (i: number): BindingReply =>
  bindingReply({
    nid: { hi: 0, lo: i },
    guest: { hi: 0xfd000009, lo: 0 },
    home: 'site1',
    uplink: i % 2 === 0 ? 'isp1' : undefined,
    at: 'site2',
    epoch: i,
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-cli-'));
  path = join(folder, 'site1.sock');
  asked = [];
  count = 3;
  moving = [];
  server = await ControlSocket.open(path, {
    move: (params) => {
      const { nid, to, force } = readParams(moveParams, params);
      asked.push({ nid: formatNid(nid), to, force });
      if (to === 'site9') throw new IlnpError('E_UNKNOWN_SITE', 'site1 knows no site "site9"');
      return to === 'site1'
        ? { nid: formatNid(nid), from: to, to, epoch: 0, octets: 0, microseconds: 9 }
        : { nid: formatNid(nid), from: 'site1', to, epoch: 4, octets: 812, microseconds: 4321 };
    },
    bindings: (params): BindingsPage => {
      const { after = 0, limit } = readParams(bindingsParams, params);
      asked.push({ after, limit });
      const end = Math.min(count, after + limit);
      const page = Array.from({ length: end - after }, (_, i) => binding(after + i + 1));
      return { bindings: page, next: end < count ? end : null };
    },
    moving: () => moving,
    registry: () => [],
    counters: () => ({ forward: { outside: 12, DROP_NONCE_MISMATCH: 3 }, moves: 1 }),
    config: () => ({ site: 'site1', uplinks: [{ name: 'isp1', l64: '2001:db8:1::/64' }] }),
    anchors: (params) => {
      const { nid } = readParams(anchorsParams, params);
      const [cn, idle] = ['2001:db8:c::c0', 4];
      const all = [
        { nid: '0:0:0:a1', at: 'site2', correspondent: cn, uplink: 'isp1', sessions: 2, idle },
        { nid: '0:0:0:a2', at: 'site3', correspondent: null, uplink: null, sessions: 0, idle: null },
      ];
      return all.filter((one) => nid === undefined || one.nid === formatNid(nid));
    },
    peers: () => [
      { site: 'site2', control: '[fd00:12::2]:6740', connected: true, incoming: 1, problem: null },
      { site: 'site10', control: null, connected: false, incoming: 0, problem: 'no control address' },
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
  registerMove(program, out);
  registerShow(program, out);
  await program.parseAsync(['node', 'ilnp', ...words, '--socket', path]);
  return printed.join('');
}

describe('ilnp move', () => {
  test('says what was done', async () => {
    expect(await run('move', '::a1', '--to', 'site2')).toBe(
      '0:0:0:a1 moved from site1 to site2 (epoch 4) in 4.3 ms with 812 octets of signalling\n',
    );
    expect(asked).toEqual([{ nid: '0:0:0:a1', to: 'site2', force: false }]);
  });

  test('says when there was nothing to do', async () => {
    expect(await run('move', '0+0+0+a1', '--to', 'site1')).toBe('0:0:0:a1 is at site1 already (epoch 0)\n');
  });

  test('as JSON, by force', async () => {
    expect(JSON.parse(await run('move', '0:0:0:a1', '--to', 'site2', '--force', '--json'))).toEqual({
      nid: '0:0:0:a1',
      from: 'site1',
      to: 'site2',
      epoch: 4,
      octets: 812,
      microseconds: 4321,
    });
    expect(asked).toMatchObject([{ force: true }]);
  });

  test('an error of the border keeps its code', async () => {
    await expect(run('move', '::a1', '--to', 'site9')).rejects.toMatchObject({ code: 'E_UNKNOWN_SITE' });
  });

  test('what is no Node Identifier is E_USAGE and never sent', async () => {
    await expect(run('move', '2001:db8::1', '--to', 'site2')).rejects.toMatchObject({
      code: 'E_USAGE',
      message: 'expected a Node Identifier such as 0:0:0:a1, got "2001:db8::1"',
    });
    expect(asked).toEqual([]);
  });

  test('without --to it is a usage error', async () => {
    await expect(run('move', '::a1')).rejects.toMatchObject({ code: 'E_USAGE' });
  });
});

describe('ilnp show', () => {
  test('bindings, aligned', async () => {
    expect(await run('show', 'bindings')).toBe(
      [
        'NID      GUEST        HOME   UPLINK  AT     EPOCH  UNDER WAY',
        '0:0:0:1  fd00:9::/64  site1  -       site2      1  -',
        '0:0:0:2  fd00:9::/64  site1  isp1    site2      2  -',
        '0:0:0:3  fd00:9::/64  site1  -       site2      3  -',
        '',
      ].join('\n'),
    );
  });

  test.each([0, 1, 5000, 12_345])('%i bindings come page by page, as one JSON array', async (many) => {
    count = many;

    const printed = JSON.parse(await run('show', 'bindings', '--json')) as BindingReply[];

    expect(printed).toHaveLength(many);
    if (many > 0) expect(printed.at(-1)).toEqual(binding(many));
    expect(asked).toHaveLength(Math.max(1, Math.ceil(many / 5000)));
  });

  test('columns of later pages stand under those of the first', async () => {
    count = 12_000;

    const lines = (await run('show', 'bindings')).trimEnd().split('\n');

    expect(lines).toHaveLength(12_001);
    expect(new Set(lines.map((line) => line.search(/site2|AT/))).size).toBe(1);
  });

  test('moves: who is under way, how far, why not further, and what helps', async () => {
    expect(await run('show', 'moves')).toBe('no move is under way; ilnp moves lists those that are over\n');
    const none = { waitsFor: [], problem: null };
    const ways: UnderWayReply[] = [
      { to: 'site3', state: 'held', ...none },
      { to: 'site3', state: 'releasing', waitsFor: ['site2'], problem: 'E_STATE: site2: no space left on device' },
      { to: 'site3', state: 'releasing', waitsFor: ['site2'], problem: 'E_PEER_UNREACHABLE: site2 does not answer' },
      { to: 'site3', state: 'activating', waitsFor: ['site3'], problem: 'E_PEER_UNREACHABLE: site3 does not answer' },
      { to: 'site3', state: 'unsettled', waitsFor: [], problem: 'E_STATE: r1: no space left on device' },
    ];
    moving = ways.map((move, i) => ({ ...binding(i + 1), move }));

    const table = (await run('show', 'moves')).trimEnd().split('\n');

    expect(table.map((line) => line.slice(table[0]!.indexOf('UNDER')))).toEqual([
      'UNDER WAY',
      'to site3: packets wait',
      'to site3: decided, site2 must let go of it: E_STATE: site2: no space left on device; goes on when there is room on the disk of site2',
      'to site3: decided, site2 must let go of it: E_PEER_UNREACHABLE: site2 does not answer; goes on when site2 answers; if it is dead, ilnp move --force moves without it',
      'to site3: decided, site3 must take it: E_PEER_UNREACHABLE: site3 does not answer; goes on when site3 answers',
      'to site3: moved, the registry does not know it: E_STATE: r1: no space left on device; goes on when the registry takes it',
    ]);
    expect(JSON.parse(await run('show', 'moves', '--json'))).toEqual(moving);
  });

  test('counters by name, groups before them', async () => {
    expect(await run('show', 'counters')).toBe(
      [
        'COUNTER                      VALUE',
        'forward.outside                 12',
        'forward.DROP_NONCE_MISMATCH      3',
        'moves                            1',
        '',
      ].join('\n'),
    );
    expect(JSON.parse(await run('show', 'counters', '--json'))).toMatchObject({ moves: 1 });
  });

  test('the configuration as YAML or JSON', async () => {
    expect(await run('show', 'config')).toBe('site: site1\nuplinks:\n  - name: isp1\n    l64: 2001:db8:1::/64\n');
    expect(JSON.parse(await run('show', 'config', '--json'))).toMatchObject({ site: 'site1' });
  });

  test('peers', async () => {
    expect(await run('show', 'peers')).toBe(
      [
        'SITE    CONTROL            CONNECTED  INCOMING  PROBLEM',
        'site2   [fd00:12::2]:6740  yes               1  -',
        'site10  -                  no                0  no control address',
        '',
      ].join('\n'),
    );
    expect(JSON.parse(await run('show', 'peers', '--json'))).toHaveLength(2);
  });

  test('anchors', async () => {
    const lines = [
      'NID       AT     ANCHORED BY     UPLINK  SESSIONS  IDLE S',
      '0:0:0:a1  site2  2001:db8:c::c0  isp1           2       4',
      '0:0:0:a2  site3  nobody          -              0  -',
      '',
    ];
    expect(await run('show', 'anchors')).toBe(lines.join('\n'));
    expect(JSON.parse(await run('show', 'anchors', '--nid', '::a1', '--seconds', '1', '--json'))).toHaveLength(1);
    expect(await run('show', 'anchors', '--nid', '::a9')).toBe('no guest of this home is away\n');
    for (const words of [
      ['anchors', '--nid', 'x'],
      ['peers', '--nid', '::a1'],
      ['peers', '--seconds', '1'],
    ])
      await expect(run('show', ...words)).rejects.toMatchObject({ code: 'E_USAGE' });
  });

  test('what only others have: who would know', async () => {
    const message = 'who listens on this socket has no locators; only end systems (ilnp shim) have';
    await expect(run('show', 'locators')).rejects.toMatchObject({ code: 'E_USAGE', message });
  });

  test('without a registry it says so', async () => {
    expect(await run('show', 'registry')).toBe('no registry is configured: the home of each identifier decides\n');
  });

  test('anything else is a usage error that lists what there is', async () => {
    await expect(run('show', 'weather')).rejects.toMatchObject({
      message: expect.stringContaining('Allowed choices are bindings, moves, counters, config, peers'),
    });
  });
});

describe('which border is asked', () => {
  test('the one of --socket, or of --config', async () => {
    const config = join(folder, 'site1.yaml');
    await writeFile(
      config,
      `site: site1\ninside: [{ interface: lan0, l64: "fd00:1::/64" }]\ncontrol: { socket: ${path} }\n`,
    );

    expect(await socketOf({ socket: '/a/b.sock', config }, folder)).toBe('/a/b.sock');
    await expect(socketOf({ config }, folder)).resolves.toBe(path);
    const node = join(folder, 'node.yaml');
    await writeFile(
      node,
      `node: a\nstable: "fd00:a::/64"\ninterfaces: [{ interface: eth0 }]\ncontrol: { socket: ${path} }\n`,
    );
    await expect(socketOf({ config: node }, folder)).resolves.toBe(path);
  });

  test('the only one that runs here', async () => {
    expect(await socketOf({}, folder)).toBe(path);
  });

  test('of several: the message lists them', async () => {
    await writeFile(join(folder, 'site2.sock'), '');

    await expect(socketOf({}, folder)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('(site1.sock, site2.sock): say --socket or --config'),
    });
  });

  test('of none: the message asks whether one is running', async () => {
    await expect(socketOf({}, join(folder, 'none'))).rejects.toMatchObject({
      code: 'E_SOCKET',
      message: expect.stringContaining('is ilnp running?'),
    });
  });
});

test('errors are one line with their code; mistakes of a configuration one line each', () => {
  expect(failure(new IlnpError('E_KEY', 'no key'))).toBe('ilnp: E_KEY: no key');
  expect(failure(new IlnpError('E_CONFIG', 'a:1:1 x\na:2:1 y'))).toBe(
    'ilnp: E_CONFIG: the configuration is wrong\na:1:1 x\na:2:1 y',
  );
  expect(failure(new TypeError('ours'))).toContain('ilnp: internal error: TypeError: ours');
});
