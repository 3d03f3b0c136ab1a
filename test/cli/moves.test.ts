/** `ilnp moves` as people and programs read it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerMoves } from '../../src/cli/moves.ts';
import { movesParams, readParams } from '../../src/runtime/control-methods.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import type { MoveReport } from '../../src/sites/move-report.ts';

const NEVER = {
  ...{ prepared: null, held: null, paused: null, resumed: null, committed: null },
  ...{ firstPacket: null, acknowledged: null, released: null, drained: null },
};
const NO_PACKETS = { held: 0, lost: 0, expired: 0, replayed: 0, sentOn: 0 };

const MOVED: MoveReport = {
  ...{ id: 9, nid: '0:0:0:a1', from: 'site1', to: 'site2', epoch: 3, outcome: 'moved', why: null },
  ...{
    by: 'root, ilnp move at site1',
    askedAt: Date.UTC(2026, 10, 21, 12, 20, 49, 888) * 1000,
    octets: 532,
    updateOctets: 136,
  },
  timeline: {
    ...{ ...NEVER, prepared: 10_000, held: 20_500, paused: 21_000, resumed: 221_000, committed: 229_000 },
    ...{ firstPacket: 228_000, released: 240_000, drained: 1_243_210 },
  },
  packets: { ...NO_PACKETS, held: 773 },
};
const FAILED: MoveReport = {
  ...{ ...MOVED, id: 10, to: 'site3', outcome: 'failed', why: 'site3 is not connected', epoch: 3, from: 'site2' },
  ...{ timeline: NEVER, packets: NO_PACKETS, octets: 0, by: 'a test at site2' },
};

let folder: string;
let server: ControlSocket;
let reports: MoveReport[];
/** Those that are over when the next are waited for. */
let come: MoveReport[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-cli-'));
  reports = [MOVED, FAILED];
  come = [{ ...MOVED, id: 123_456, by: 'somebody else at site1' }];
  server = await ControlSocket.open(join(folder, 'site1.sock'), {
    moves: (params) => {
      const { after, limit, waitMs } = readParams(movesParams, params);
      if (waitMs > 0) reports.push(...come.splice(0));
      return reports.filter(({ id }) => id > after).slice(-limit);
    },
  });
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function run(...words: string[]): Promise<string> {
  const printed: string[] = [];
  // whoever reads a watch has gone away after what came last
  const out = {
    write: async (text: string) => void printed.push(text),
    get ended() {
      return printed.length > 1;
    },
  };
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  registerMoves(program, out);
  await program.parseAsync(['node', 'ilnp', 'moves', ...words, '--socket', join(folder, 'site1.sock')]);
  return printed.join('');
}

const HEAD =
  'ID  ASKED                    NID       FROM   TO     OUTCOME  PAUSE MS  HELD MS   PACKETS HELD  LOST  OCTETS  BY';
const FIRST =
  ' 9  2026-11-21 12:20:49.888  0:0:0:a1  site1  site2  moved       200.0     219.5           773     0     532  root, ilnp move at site1';

test('a line each, aligned; a move that did not come to pass says why', async () => {
  expect((await run()).split('\n')).toEqual([
    HEAD,
    FIRST,
    '10  2026-11-21 12:20:49.888  0:0:0:a1  site2  site3  failed          -         -             0     0       0  a test at site2; site3 is not connected',
    '',
  ]);
});

test('--watch goes on under the same columns', async () => {
  expect((await run('--watch', '--limit', '1')).split('\n').map((line) => line.indexOf(':49.888'))).toEqual([
    -1, 20, 24, -1,
  ]);
});

test('--watch passes none over that is over meanwhile; --limit is for those that were there', async () => {
  come = [11, 12, 13].map((id) => ({ ...MOVED, id }));
  const ids = (await run('--watch', '--limit', '1', '--json')).match(/(?<="id":)\d+/g);
  expect(ids).toEqual(['10', '11', '12', '13']);
});

test('one move with its timeline: when, how long after the step before, as bars', async () => {
  expect((await run('9')).split('\n')).toEqual([
    '9  0:0:0:a1 from site1 to site2: moved, epoch 3',
    '   asked 2026-11-21 12:20:49.888 UTC by root, ilnp move at site1',
    '        0.000 ms  asked',
    '       10.000 ms  prepared                         +10.000 ms  ==',
    '       20.500 ms  held                             +10.500 ms    =',
    '       21.000 ms  paused                            +0.500 ms     =',
    `      221.000 ms  resumed                         +200.000 ms      ${'='.repeat(33)}`,
    `      228.000 ms  first packet at the new site      +7.000 ms  ${' '.repeat(37)}=`,
    `      229.000 ms  committed                         +1.000 ms  ${' '.repeat(38)}=`,
    `      240.000 ms  released                         +11.000 ms  ${' '.repeat(38)}==`,
    '     1243.210 ms  drained                        +1003.210 ms',
    '   packets: 773 held, 0 lost, 0 let go too early, 0 sent twice, 0 sent on by the old site',
    '   signalling: 532 octets between the borders, 136 to correspondents and back',
    '',
  ]);
});

test('--timeline shows all of them, --json is one object a line', async () => {
  const timelines = await run('--timeline');
  expect(timelines).toContain('9  0:0:0:a1 from site1 to site2: moved, epoch 3\n');
  expect(timelines).toContain('10  0:0:0:a1 stays at site2: failed, epoch 3\n');
  expect(timelines).toContain('   site3 is not connected\n');
  expect(timelines.match(/^$/gm)).toHaveLength(2); // between the two, and after the end
  expect(
    (await run('--json'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([MOVED, FAILED]);
});

test('a move that is not there is an error', async () => {
  await expect(run('7')).rejects.toMatchObject({
    code: 'E_USAGE',
    message: expect.stringContaining('no move 7 is kept'),
  });
  await expect(run('x')).rejects.toMatchObject({ message: expect.stringContaining('Expected a whole number') });
});
