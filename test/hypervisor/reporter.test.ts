/** News reach the border in order, also one that is away for a while; what it refuses is said once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { checkFollowed, Reporter } from '../../src/hypervisor/reporter.ts';
import { guestParams, readParams } from '../../src/runtime/control-methods.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import { type ErrorCode, IlnpError } from '../../src/runtime/errors.ts';

let folder: string;
let socket: string;
let border: ControlSocket | null = null;
const heard: string[] = [];
const problems: string[] = [];
/** What the border answers first. */
const refusals: ErrorCode[] = [];

const open = async (): Promise<void> => {
  border = await ControlSocket.open(socket, {
    guest: (params) => {
      const { news, at } = readParams(guestParams, params);
      const problem = refusals.shift();
      if (problem !== undefined) throw new IlnpError(problem, 'not now');
      if (news === 'lost') throw new IlnpError('E_UNKNOWN_NID', 'site1 has no binding for 0:0:0:a1');
      heard.push(at === undefined ? news : `${news}@${at}`);
      return null;
    },
  });
};
const reporter = (): Reporter =>
  new Reporter({
    socket,
    nid: '0:0:0:a1',
    onProblem: (news, error, isLast) =>
      problems.push(`${news.kind} ${(error as IlnpError).code}${isLast ? ' given up' : ''}`),
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-reporter-'));
  socket = join(folder, 'site1.sock');
  heard.length = 0;
  problems.length = 0;
});
afterEach(async () => {
  await border?.close();
  border = null;
  await rm(folder, { recursive: true, force: true });
});

test('news arrive in the order they were told', async () => {
  await open();
  const r = reporter();

  void r.tell({ kind: 'migrating' });
  void r.tell({ kind: 'stopped', at: 5 });
  await r.tell({ kind: 'stayed' });
  await r.settled();

  expect(heard).toEqual(['migrating', 'stopped@5', 'stayed']);
  expect(problems).toEqual([]);
});

test('a border that comes later, or comes again, is told all of it', async () => {
  const r = reporter();
  const first = r.tell({ kind: 'migrating' });
  const second = r.tell({ kind: 'stopped', at: 5 });
  await vi.waitFor(() => expect(problems).toEqual(['migrating E_SOCKET']));
  await open();
  await first;
  await second;
  await border!.close();
  await open();

  await r.tell({ kind: 'arrived', at: 9 });
  await r.settled();

  expect(heard).toEqual(['migrating', 'stopped@5', 'arrived@9']);
  expect(problems).toEqual(['migrating E_SOCKET']);
});

test('what the border refuses is given up, and what comes next is told', async () => {
  await open();
  const r = reporter();

  await r.tell({ kind: 'lost' });
  await r.tell({ kind: 'migrating' });
  await r.settled();

  expect(problems).toEqual(['lost E_UNKNOWN_NID given up']);
  expect(heard).toEqual(['migrating']);
});

test('a registry that is away, a home or a disk is waited for; for a guest that may come nobody waits', async () => {
  await open();
  const r = reporter();

  refusals.push('E_REGISTRY');
  await r.tell({ kind: 'incoming' });
  refusals.push('E_REGISTRY', 'E_PEER_UNREACHABLE', 'E_STATE');
  await r.tell({ kind: 'arrived', at: 9 });
  await r.settled();

  expect(heard).toEqual(['arrived@9']);
  expect(problems).toEqual(['incoming E_REGISTRY given up', 'arrived E_REGISTRY']);
});

test('one that is closed tells nothing any more', async () => {
  const r = reporter();
  const told = r.tell({ kind: 'migrating' });
  r.close();
  await told;
  await open();

  expect(heard).toEqual([]);
});

test('a border is asked at the start whether it would take news; one that is being started is waited for', async () => {
  const asked: unknown[] = [];
  const follows = (params: unknown): null => {
    asked.push(params);
    if (asked.length > 1) throw new IlnpError('E_UNKNOWN_NID', 'site1 has no binding for 0:0:0:a1');
    return null;
  };
  const waiting = checkFollowed(socket, { nid: '0:0:0:a1', runs: true });
  await new Promise((resolve) => setTimeout(resolve, 50));
  border = await ControlSocket.open(socket, { follows });
  await waiting;

  expect(asked).toEqual([{ nid: '0:0:0:a1', runs: true }]);
  await expect(checkFollowed(socket, { nid: '0:0:0:a1', runs: true })).rejects.toMatchObject({ code: 'E_UNKNOWN_NID' });
  await border.close();
  await expect(checkFollowed(socket, { nid: '0:0:0:a1', runs: true }, 0)).rejects.toMatchObject({ code: 'E_SOCKET' });
});
