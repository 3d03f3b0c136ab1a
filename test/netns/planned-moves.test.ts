/**
 * Moves without loss, by `ilnp move --run`: the guest is paused, carried to another site, and goes on there, while datagrams
 * at 10,000 a second and TCP run in both directions. The pause of its processes and the cable carried over stand for the
 * hypervisor.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { ControlClient } from '../../src/runtime/control-client.ts';
import type { BindingReply, BindingsPage } from '../../src/runtime/control-methods.ts';
import type { MoveReport } from '../../src/sites/move-report.ts';
import { CN, global } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { openStream, type StreamResult } from './support/stream.ts';
import { until } from './support/wait.ts';

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const LAB_SCRIPT = fileURLToPath(new URL('../../scripts/lab', import.meta.url));
/** As sites that want to lose nothing of what guests send have them: the guest need not learn its gateway anew. */
const lab = labForThisFile('--gateway-mac', '02:00:5e:00:00:01');
const NID = '0:0:0:a1';
const PERFECT: Partial<StreamResult> = { lost: 0, doubled: 0, overtaken: 0 };

/** Pauses the guest for so long, and carries it to a host meanwhile. */
const carry = (host: string, seconds: number): string => {
  const pids = `$(ip netns pids ${lab.namespace('vm-a1')})`;
  const replug = `LAB=${lab.namespace('').slice(0, -1)} ${LAB_SCRIPT} -q move a1 ${host} --replug-only`;
  return `kill -STOP ${pids}; sleep ${seconds}; ${replug}; kill -CONT ${pids}`;
};

const moveWith = (to: string, site: 1 | 2, ...args: string[]) =>
  lab.ilnp('move', NID, '--to', to, '--socket', lab.socket(site), ...args);

const reports = async (site: 1 | 2 = 1): Promise<MoveReport[]> => {
  const { stdout } = await lab.ilnp('moves', '--json', '--socket', lab.socket(site));
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MoveReport);
};

/** The report of the move that was asked for by `by`. */
const reportOf = (by: string): Promise<MoveReport> =>
  until('the report', async () => (await reports()).find((report) => report.by.startsWith(by)));

/** As the border of a site has it. */
async function bindingAt(site: 1 | 2): Promise<BindingReply> {
  const client = await ControlClient.connect(lab.socket(site));
  try {
    const { bindings } = (await client.call('bindings', {})) as BindingsPage;
    return bindings.find(({ nid }) => nid === NID)!;
  } finally {
    client.close();
  }
}

/** What runs while the guest moves. */
async function load() {
  const to = await openStream(lab, { from: 'cn', node: 'vm-a1', to: global('a1') });
  const back = await openStream(lab, { from: 'vm-a1', node: 'cn', to: CN, rate: 2000 });
  const records = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await Promise.all([to.receiver.receives(3000), back.receiver.receives(1000), records.connector.receives(50)]);
  return {
    /** Waits for more of everything. */
    goOn: () => Promise.all([to.receiver.receives(3000), back.receiver.receives(1000), records.listener.receives(50)]),
    end: async () => ({ to: await to.end(), back: await back.end(), records: await records.end() }),
  };
}

const expectPerfect = ({ to, back, records }: Awaited<ReturnType<Awaited<ReturnType<typeof load>>['end']>>): void => {
  expect(to).toMatchObject(PERFECT);
  expect(back).toMatchObject(PERFECT);
  expectIntact(records);
};

/** Starts border 1 anew with one limit that differs. */
async function restartWith(limit: string): Promise<void> {
  const text = readFileSync(lab.configFile(1), 'utf8').replace(/^limits.*\n/m, '');
  writeFileSync(lab.configFile(1), `${text}limits: { ${limit} }\n`);
  await lab.stop(1);
  await lab.start(1);
}

beforeEach(() => lab.move('a1', 'host1'));

test.each([
  ['away from home', 'site2', 'host2', 1],
  ['asked for at the other site', 'site2', 'host2', 2],
] as const)('a pause of 300 ms, %s: nothing is lost, doubled or overtaken', async (_, to, host, asked) => {
  const by = `test ${asked}`;
  const running = await load();

  const moved = await moveWith(to, asked, '--run', carry(host, 0.3), '--by', by);
  expect(moved).toMatchObject({ code: 0 });
  await running.goOn();

  expectPerfect(await running.end());
  const report = await reportOf(by);
  expect(report).toMatchObject({
    nid: NID,
    from: 'site1',
    to: 'site2',
    outcome: 'moved',
    by: `${by} at site${asked}`,
  });
  expect(report.packets).toMatchObject({ lost: 0, expired: 0, replayed: 0 });
  expect(report.packets.held).toBeGreaterThan(2000);
  const { prepared, held, paused, resumed, committed, firstPacket, released, drained } = report.timeline;
  const times = [0, prepared, held, paused, resumed, committed, drained];
  expect(times).toEqual([...times].sort((a, b) => a! - b!));
  expect(released).toBeGreaterThan(resumed!);
  expect(resumed! - paused!).toBeGreaterThan(300_000);
  expect(firstPacket).toBeGreaterThan(resumed!);
});

test('home again, and then without any pause: nothing is lost', async () => {
  await lab.move('a1', 'site2');
  const running = await load();

  expect(await moveWith('site1', 1, '--run', carry('host1', 0.1))).toMatchObject({ code: 0 });
  await running.goOn();
  expect(await moveWith('site2', 1, '--run', carry('host2', 0))).toMatchObject({ code: 0 });
  await running.goOn();

  expectPerfect(await running.end());
});

test('a guest that does not answer at once when it has arrived: it is asked again, and nothing is lost', async () => {
  const running = await load();
  const deaf = `ip netns exec ${lab.namespace('vm-a1')} nft`;
  const hook = 'add chain ip6 deaf asked { type filter hook input priority 0; }';
  const rule = 'add rule ip6 deaf asked icmpv6 type nd-neighbor-solicit drop';
  const begins = `${deaf} 'add table ip6 deaf; ${hook}; ${rule}' || exit 9`;
  const hears = `(sleep 0.08; ${deaf} delete table ip6 deaf) >/dev/null 2>&1 &`;
  const awhile = `${begins}; ${carry('host2', 0.1)}; ${hears}`;

  expect(await moveWith('site2', 1, '--run', awhile)).toMatchObject({ code: 0 });
  await running.goOn();

  expectPerfect(await running.end());
});

describe('a command that says when the guest stands still: its old site lets go while it is carried over', () => {
  test.each([
    ['away from home', 1, 2, 'goes on there'],
    ['home again', 2, 1, 'goes on there'],
    ['away from home', 1, 2, 'stays after all'],
    ['home again', 2, 1, 'stays after all'],
  ] as const)('%s (from site%i to site%i), it %s: nothing is lost, doubled or overtaken', async (_, from, to, ends) => {
    if (from === 2) await lab.move('a1', 'site2');
    const running = await load();
    const [by, go] = [`early ${from} ${ends}`, join(lab.directory, `go-${from}-${ends.length}`)];
    const before = await bindingAt(from);
    const pids = `$(ip netns pids ${lab.namespace('vm-a1')})`;
    const news = `${process.execPath} ${PROGRAM} hook stopped ${NID} --socket ${lab.socket(from)}`;
    const replug = `LAB=${lab.namespace('').slice(0, -1)} ${LAB_SCRIPT} -q move a1 host${to} --replug-only`;
    const carried = ends === 'goes on there' ? `${replug}; kill -CONT ${pids}` : `kill -CONT ${pids}; exit 3`;
    const command = `kill -STOP ${pids}; ${news}; until [ -e '${go}' ]; do sleep 0.01; done; ${carried}`;

    const moved = moveWith(`site${to}`, 1, '--run', command, '--by', by);
    const early = await until('the old site to let go', async () => {
      const now = await bindingAt(from);
      return now.at === `site${to}` ? now : undefined;
    });
    expect(early.epoch).toBe(before.epoch + 1);
    writeFileSync(go, '');
    expect(await moved).toMatchObject({ code: ends === 'goes on there' ? 0 : 1 });
    await running.goOn();

    expectPerfect(await running.end());
    const isMoved = ends === 'goes on there';
    const place = { at: isMoved ? `site${to}` : `site${from}`, epoch: before.epoch + (isMoved ? 1 : 2) };
    expect(await bindingAt(1)).toMatchObject(place);
    expect(await bindingAt(2)).toMatchObject(place);
    const report = await reportOf(by);
    expect(report).toMatchObject({ outcome: isMoved ? 'moved' : 'aborted', from: `site${from}`, to: `site${to}` });
    expect(report.packets).toMatchObject({ lost: 0, expired: 0, replayed: 0 });
  });
});

describe('a move that does not come to pass', () => {
  test('because the command fails: everything is as before, and nothing is lost', async () => {
    const running = await load();

    const { code, stderr } = await moveWith('site2', 1, '--run', 'sleep 0.2; exit 3', '--by', 'failing');
    expect(code).toBe(1);
    expect(stderr).toBe(`ilnp: E_COMMAND: the command ended with 3; ${NID} stays where it was\n`);
    await running.goOn();

    expectPerfect(await running.end());
    expect(await reportOf('failing')).toMatchObject({
      outcome: 'aborted',
      from: 'site1',
      to: 'site2',
      epoch: expect.any(Number),
    });
  });

  test('because nobody goes on with it: packets wait no longer than limits.holdMs', async () => {
    await restartWith('holdMs: 300');
    const running = await load();

    expect(await moveWith('site2', 1, '--hold')).toMatchObject({ code: 0 });
    await running.goOn();

    expectPerfect(await running.end());
  });
});

test('a guest that had stopped before anybody said so: what it has not heard is sent once more', async () => {
  const stream = await openStream(lab, { from: 'cn', node: 'vm-a1', to: global('a1') });
  await stream.receiver.receives(2000);
  const client = await ControlClient.connect(lab.socket(1));
  await client.call('retain', { nid: NID, ms: 2000 });
  await stream.receiver.receives(2000);

  // its cable is pulled; 50 ms later the news come, with the time when it was
  const at = (performance.timeOrigin + performance.now()) * 1000;
  await lab.replug('a1', 'host2');
  await client.call('stopped', { nid: NID, at, by: 'stopped' });
  await client.call('move', { nid: NID, to: 'site2', by: 'stopped' });
  client.close();
  await stream.receiver.receives(3000);

  const { lost, overtaken, doubled } = await stream.end();
  expect(lost).toBe(0);
  const { packets } = await reportOf('stopped');
  expect(packets.replayed).toBeGreaterThan(0);
  expect(packets).toMatchObject({ lost: 0, expired: 0 });
  // between `at` and the end of the cable the guest has heard some already: those come twice, behind newer ones
  expect(doubled).toBeLessThanOrEqual(packets.replayed * 64);
  expect(overtaken).toBe(0);
});

test('what finds no room is dropped under its name, the rest arrives in order', async () => {
  await restartWith('holdPackets: 100');
  expect((await reports()).length).toBeGreaterThan(0); // those of before the restart
  const running = await load();

  expect(await moveWith('site2', 1, '--run', carry('host2', 0.1), '--by', 'full')).toMatchObject({ code: 0 });
  await running.goOn();

  const { to, back, records } = await running.end();
  expectIntact(records);
  expect(back).toMatchObject(PERFECT);
  expect(to).toMatchObject({ doubled: 0, overtaken: 0 });
  const { drop_hold_full } = await lab.counters(1);
  expect(drop_hold_full).toBeGreaterThan(0);
  expect(to.lost).toBeGreaterThan(0);
  expect((await reportOf('full')).packets).toMatchObject({ held: expect.any(Number), lost: drop_hold_full });
});
