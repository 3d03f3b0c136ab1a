/** The steps of a move without loss, at sites in memory: who holds when, who lets go first, and what ends it when nobody does. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import type { MoveReport } from '../../src/sites/move-report.ts';
import { MoveReports } from '../../src/sites/move-reports.ts';
import { RegistryRecord } from '../../src/sites/registry-record.ts';
import { SiteKeeping } from '../../src/sites/site-keeping.ts';
import { LET_GO, MemorySites, randomOf } from './support/memory-sites.ts';

const NID = { hi: 0, lo: 0xa1 };
const BINDING: Binding = {
  nid: NID,
  guest: { hi: 0xfd000001, lo: 0 },
  home: 'site1',
  uplink: undefined,
  at: 'site2',
  epoch: 0,
};

let sites: MemorySites;
beforeEach(async () => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [BINDING], randomOf(1));
  await pass(1000);
});

const pass = (ms: number): Promise<void> => sites.pass(ms);
const outcomeIn = (ms: number, promise: Promise<unknown>): Promise<string> => sites.outcomeIn(ms, promise);

describe('step by step', () => {
  const home = () => sites.moves('site1');

  test('prepare changes nothing, hold holds at the old site, the new one and home, and the move lets all go', async () => {
    expect(await outcomeIn(100, home().step(NID, 'prepare', { to: 'site3' }))).toBe('done');
    expect(sites.holding(NID)).toEqual([]);

    expect(await outcomeIn(100, home().step(NID, 'hold'))).toBe('done');
    expect(sites.holding(NID)).toEqual(['site1', 'site2', 'site3']);
    expect(sites.active(NID)).toEqual(['site2']);

    expect(await outcomeIn(100, home().move(NID, 'site3', { by: 'a test' }))).toBe('done');
    expect(sites.holding(NID)).toEqual([]);
    expect(sites.active(NID)).toEqual(['site3']);
    expect(sites.expired).toBe(0);
  });

  test('any border may be asked, and abort leaves everything as it was', async () => {
    const asked = sites.moves('site3');
    await outcomeIn(100, asked.step(NID, 'prepare', { to: 'site3' }));
    await outcomeIn(100, asked.step(NID, 'hold'));
    expect(sites.holding(NID)).toEqual(['site1', 'site2', 'site3']);

    expect(await outcomeIn(100, asked.step(NID, 'abort', { by: 'a test' }))).toBe('done');

    expect(sites.holding(NID)).toEqual([]);
    expect(sites.binding('site1', NID)).toMatchObject({ at: 'site2', epoch: 0 });
    expect(sites.reports).toMatchObject([{ outcome: 'aborted', from: 'site2', to: 'site3', why: 'called off a test' }]);
    expect(sites.reports[0]!.packets).toMatchObject({ held: 3, expired: 0 });
  });

  test('a hold that nobody goes on with ends by itself', async () => {
    await outcomeIn(100, home().step(NID, 'hold'));
    await pass(2800);
    expect(sites.holding(NID)).toHaveLength(3);
    await pass(200);

    expect(sites.holding(NID)).toEqual([]);
    expect(sites.reports).toMatchObject([
      {
        outcome: 'aborted',
        why: 'packets may wait 3000 ms at most (limits.holdMs)',
        packets: { held: 3, expired: 3 },
      },
    ]);
    expect(await outcomeIn(100, home().move(NID, 'site3'))).toBe('done'); // and harms no later move
  });

  test('a hold of an identifier that the configuration has lost meanwhile ends by itself, too', async () => {
    await outcomeIn(100, home().step(NID, 'hold'));
    sites.forget('site1', NID);
    await pass(3000);
    expect(sites.holding(NID)).toEqual([]);
    expect(sites.reports).toMatchObject([{ outcome: 'aborted', from: 'nowhere' }]);
  });

  test('a site that does not hold stops the move before anything has changed', async () => {
    await outcomeIn(100, home().step(NID, 'prepare', { to: 'site3' }));
    sites.crash('site3');

    expect(await outcomeIn(4000, home().step(NID, 'hold'))).toMatch(/^E_PEER_UNREACHABLE: .*it stays at site2/);
    expect(sites.holding(NID)).toEqual([]); // the others were not even asked
    expect(sites.active(NID)).toEqual(['site2']);
  });

  test('a new site that cannot take part ends no hold: the guest has stopped, and runs somewhere soon', async () => {
    await outcomeIn(100, home().step(NID, 'hold'));
    sites.crash('site3');

    expect(await outcomeIn(2600, home().step(NID, 'prepare', { to: 'site3' }))).toMatch(/^E_PEER_UNREACHABLE/);
    expect(sites.holding(NID)).toEqual(['site1', 'site2']);
    expect(sites.reports).toEqual([]);
  });

  test('what is on its way to where it is already is no move', async () => {
    expect(await outcomeIn(100, home().step(NID, 'prepare', { to: 'site2' }))).toBe('done');
    await pass(700_000);
    expect(sites.reports).toEqual([]); // none that was prepared and never carried out
  });
});

describe('a fourth site', () => {
  const FOUR = ['site1', 'site2', 'site3', 'site4'];
  beforeEach(async () => {
    sites = new MemorySites(FOUR, [BINDING], randomOf(1));
    await pass(1000);
  });

  test('holds as well, and lets go when it hears of the new place', async () => {
    const home = sites.moves('site1');
    await outcomeIn(100, home.step(NID, 'prepare', { to: 'site3' }));
    expect(await outcomeIn(100, home.step(NID, 'hold'))).toBe('done');
    expect(sites.holding(NID)).toEqual(FOUR);

    expect(await outcomeIn(100, home.move(NID, 'site3'))).toBe('done');
    expect(sites.binding('site4', NID)).toMatchObject({ at: 'site3' });
    expect(sites.holding(NID)).toEqual([]);
    expect(sites.expired).toBe(0);
  });

  test('that is dead delays nobody for long, and a move goes on without it', async () => {
    const home = sites.moves('site1');
    await outcomeIn(100, home.step(NID, 'prepare', { to: 'site3' }));
    sites.crash('site4');

    expect(await outcomeIn(400, home.step(NID, 'hold'))).toBe('done');
    expect(sites.holding(NID)).toEqual(['site1', 'site2', 'site3']);
    expect(await outcomeIn(100, home.move(NID, 'site3'))).toBe('done'); // it is not waited for again
  });
});

describe('holds end without', () => {
  test.each(['site1', 'site2', 'site3'])('%s, which dies while packets wait', async (dead) => {
    await outcomeIn(100, sites.moves('site1').step(NID, 'prepare', { to: 'site3' }));
    await outcomeIn(100, sites.moves('site1').step(NID, 'hold'));
    sites.crash(dead);
    await pass(5100);

    expect(sites.holding(NID)).toEqual([]);
    sites.start(dead); // the old one may have let go as far as it knows, and asks home
    await pass(1000);
    expect(sites.active(NID)).toEqual(['site2']);
  });
});

describe('the new site dies', () => {
  const home = () => sites.moves('site1');
  beforeEach(async () => {
    await outcomeIn(100, home().step(NID, 'prepare', { to: 'site3' }));
    await outcomeIn(100, home().step(NID, 'hold'));
  });

  test('while packets wait: the old one does not let go, and they go where the guest is', async () => {
    sites.crash('site3');
    sites.requests = [];
    expect(await outcomeIn(100, home().move(NID, 'site3'))).toMatch(/^E_PEER_UNREACHABLE: .*it stays at site2/);
    await pass(100);

    expect(sites.requests.filter((one) => one.endsWith(' set'))).toEqual([]);
    expect(sites.binding('site2', NID)).toMatchObject({ at: 'site2', epoch: 0 });
    expect(sites.holding(NID)).toEqual([]);
    expect(sites.expired).toBe(0);
    await pass(1500);
    expect(sites.reports).toMatchObject([{ outcome: 'failed', from: 'site2', to: 'site3' }]);
  });

  test('when the old one has let go: home lets nothing go before the guest was taken back', async () => {
    const move = home().move(NID, 'site3');
    move.catch(() => {});
    while (!sites.requests.includes('site1 site3 set')) await pass(0.1);
    sites.crash('site3');
    expect(await outcomeIn(2100, move)).toMatch(/^E_PEER_UNREACHABLE/);
    expect(sites.active(NID)).toEqual([]);
    expect(sites.holding(NID)).toEqual(['site1']);

    sites.start('site3');
    while (sites.active(NID).length === 0) {
      expect(sites.holding(NID)).toEqual(['site1']);
      await pass(1);
    }
    await pass(100);
    expect(sites.active(NID)).toEqual(['site2']);
    expect(sites.holding(NID)).toEqual([]);
    expect(sites.expired).toBe(0);
    expect(sites.reports).toMatchObject([{ outcome: 'failed', from: 'site2', to: 'site3' }]);
    expect(await outcomeIn(200, home().move(NID, 'site3'))).toBe('done');
  });

  test('and never comes back: what waits goes when its time is over, and a move by force elsewhere takes it over', async () => {
    const move = home().move(NID, 'site3');
    move.catch(() => {});
    while (!sites.requests.includes('site1 site3 set')) await pass(0.1);
    sites.crash('site3');
    await pass(2500);
    expect(sites.holding(NID)).toEqual(['site1']);
    expect(await outcomeIn(3000, home().move(NID, 'site2', { force: true }))).toBe('done');

    expect(sites.holding(NID)).toEqual([]);
    expect(sites.active(NID)).toEqual(['site2']);
    await pass(10_000);
    expect(sites.reports).toMatchObject([{ outcome: 'failed' }, { outcome: 'moved' }]);
  });
});

describe('a border that ends leaves no timer behind', () => {
  const home = () => sites.moves('site1');
  const timers = () => {
    const { running } = sites.sites.get('site1')!;
    return () => running!.timers.size;
  };

  test('while stragglers of a move are waited for', async () => {
    expect(await outcomeIn(100, home().move(NID, 'site3'))).toBe('done');
    const left = timers();
    expect(left()).toBe(1);

    sites.crash('site1');
    expect(left()).toBe(0);
    await pass(2000);
    expect(sites.reports).toMatchObject([{ outcome: 'moved', timeline: { drained: null } }]); // it is told all the same
  });

  test('while packets wait for a decision that could not be carried out', async () => {
    const move = home().move(NID, 'site3');
    move.catch(() => {});
    while (!sites.requests.includes('site1 site3 set')) await pass(0.1);
    sites.crash('site3');
    expect(await outcomeIn(2500, move)).toMatch(/^E_PEER_UNREACHABLE/);
    const left = timers();
    expect(left()).toBeGreaterThan(0);

    sites.crash('site1');
    expect(left()).toBe(0);
    await pass(5000);
    expect(sites.reports).toEqual([]);
  });
});

test('a hypervisor that says a guest has stopped holds at its own site at once, then everywhere', async () => {
  const stopped = outcomeIn(100, sites.moves('site2').stopped(NID, sites.time.now * 1000, 'qemu'));
  await pass(2);
  expect(sites.holding(NID)).toEqual(['site2']);
  expect(await stopped).toBe('done');
  expect(sites.holding(NID)).toEqual(['site1', 'site2', 'site3']);

  expect(await outcomeIn(100, sites.moves('site3').move(NID, 'site3', { by: 'qemu' }))).toBe('done');
  expect(sites.holding(NID)).toEqual([]);
  await pass(3000);
  expect(sites.reports).toMatchObject([{ outcome: 'moved', from: 'site2', to: 'site3', by: 'qemu' }]);
  const { paused, held, committed, released, drained } = sites.reports[0]!.timeline;
  expect([paused, held, committed, released, drained].every((time) => time !== null)).toBe(true);

  const wrong = await outcomeIn(100, sites.moves('site2').stopped(NID, sites.time.now * 1000, 'qemu'));
  expect(wrong).toMatch(/^E_USAGE: 0:0:0:a1 is at site3/);
});

test('a guest that is said to have stopped again has heard nothing since the first time', async () => {
  const first = sites.time.now * 1000;
  await outcomeIn(100, sites.moves('site2').stopped(NID, first, 'a script'));
  await outcomeIn(100, sites.moves('site2').stopped(NID, sites.time.now * 1000, 'a script'));
  expect(await outcomeIn(100, sites.moves('site3').move(NID, 'site3'))).toBe('done');
  expect(sites.released.get('site2')?.since).toBe(first - 2000);
});

test.each([
  ['home', 'site1', 'site1'],
  ['a third site', 'site3', 'site3'],
])('what goes to %s is let go behind what the old site has sent there', async (_, to, waits) => {
  const home = sites.moves('site1');
  expect(await outcomeIn(200, home.move(NID, to))).toBe('done');
  const behind = [...sites.released].map(([site, order]) => [site, order.behind]);
  expect(Object.fromEntries(behind)).toEqual({ site1: 0, site2: 0, site3: 0, [waits]: LET_GO });
});

test('home does not wait for a commit for ever: after half a second it lets go by its tables', async () => {
  await outcomeIn(100, sites.moves('site1').step(NID, 'prepare', { to: 'site3' }));
  await outcomeIn(100, sites.moves('site1').step(NID, 'hold'));
  const move = sites.moves('site1').move(NID, 'site3');
  sites.crash('site3');

  expect(await outcomeIn(700, move)).toMatch(/^(under way|E_PEER_UNREACHABLE.*)$/);
  expect(sites.holding(NID)).not.toContain('site1');
});

test('home, which the guest has left, does not let go before it knows of its new place, however slow the registry is', async () => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [{ ...BINDING, at: 'site1' }], randomOf(1), true);
  await pass(1000);
  await outcomeIn(100, sites.moves('site1').step(NID, 'prepare', { to: 'site3' }));
  await outcomeIn(100, sites.moves('site1').step(NID, 'hold'));
  sites.killRegistry();
  const move = sites.moves('site1').move(NID, 'site3');

  expect(await outcomeIn(900, move)).toBe('under way');
  expect(sites.binding('site1', NID)).toMatchObject({ at: 'site1' });
  expect(sites.holding(NID)).toContain('site1');

  expect(await outcomeIn(5000, move)).toMatch(/^E_REGISTRY/);
  expect(sites.holding(NID)).toEqual([]);
});

/** What was rejected from now on and nobody waited for, which ends a border; asked once. */
function rejections(): () => unknown[] {
  const lost: unknown[] = [];
  const onLost = (error: unknown): void => void lost.push(error);
  process.on('unhandledRejection', onLost);
  return () => {
    process.off('unhandledRejection', onLost);
    return lost;
  };
}

test('home that cannot let go says so to whoever waits for the move, and goes on', async () => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [{ ...BINDING, at: 'site1' }], randomOf(1));
  await pass(1000);
  const lost = rejections();
  const release = vi.spyOn(SiteKeeping.prototype, 'release').mockRejectedValueOnce(new IlnpError('E_FULL', 'no room'));

  expect(await outcomeIn(2000, sites.moves('site1').move(NID, 'site3'))).toMatch(/^E_FULL/);
  release.mockRestore();
  expect(lost()).toEqual([]);
});

test('an identifier that a re-read configuration has no more while its move is stuck ends no border', async () => {
  const lost = rejections();
  await outcomeIn(100, sites.moves('site1').step(NID, 'prepare', { to: 'site3' }));
  await outcomeIn(100, sites.moves('site1').step(NID, 'hold'));
  sites.faults = { ...sites.faults, loss: 1 };
  const move = sites.moves('site1').move(NID, 'site3');
  move.catch(() => {});
  await pass(100);
  sites.forget('site1', NID);

  expect(await outcomeIn(20_000, move)).toMatch(/^E_/);
  await pass(10_000);
  expect(lost()).toEqual([]);
});

describe('reports', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ilnp-reports-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const report = (nid: string): Omit<MoveReport, 'id'> => ({
    ...{ nid, from: 'site1', to: 'site2', epoch: 1, outcome: 'moved', why: null, by: 'a test', askedAt: 1, octets: 0 },
    timeline: {
      ...{ prepared: 1, held: 2, paused: null, resumed: null, committed: 3, firstPacket: null },
      ...{ acknowledged: null, released: 4, drained: 5 },
    },
    packets: { held: 0, lost: 0, expired: 0, replayed: 0, sentOn: 0 },
    updateOctets: 0,
  });
  const open = (): MoveReports => new MoveReports(folder, 'site1', (text) => expect(text).toBe(''));

  test('are kept over restarts, in a file that does not grow without end; lines that are none are passed over', async () => {
    let reports = open();
    for (let n = 0; n < 2500; n++) reports.add(report(`0:0:0:${n.toString(16)}`));
    await reports.close();
    const lines = readFileSync(reports.path, 'utf8').split('\n');
    expect(lines.length).toBeLessThanOrEqual(2001);
    writeFileSync(reports.path, `${lines.join('\n')}nonsense\n{"id":"x"}\n`);

    reports = open();

    expect(reports.after(0, 5000)).toHaveLength(1000);
    expect(reports.after(0, 1)).toMatchObject([{ id: 2500, nid: '0:0:0:9c3' }]);
    reports.add(report('0:0:0:a1'));
    expect(reports.after(2500, 10)).toMatchObject([{ id: 2501, nid: '0:0:0:a1' }]);
    await reports.close();
  });

  test('whoever waits for the next one is told', async () => {
    const reports = open();
    const next = reports.next(60_000).then(() => reports.after(0, 10).length);
    reports.add(report('0:0:0:a1'));

    expect(await next).toBe(1);
    await reports.close();
  });
});

test('a move that the registry stands in the way of says why it is not to be had', async () => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [BINDING], randomOf(1), true);
  await pass(1000);
  sites.killRegistry();
  sites.crash('site1');
  sites.start('site1');
  await pass(8000);
  expect(await outcomeIn(3000, sites.moves('site1').move(NID, 'site3'))).toMatch(
    /^E_REGISTRY: .*not been heard since the start \(.*does not answer\)/,
  );
});

test('a registry that is away now is found out before the guest is carried anywhere; a slow one is not waited for', async () => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [BINDING], randomOf(1), true);
  await pass(1000);
  const home = sites.moves('site1');
  const away = vi
    .spyOn(RegistryRecord.prototype, 'ask')
    .mockRejectedValue(new IlnpError('E_REGISTRY', 'r1 is not connected'));
  const refusal = 'r1 is not connected; nothing has changed';
  expect(await outcomeIn(100, home.step(NID, 'prepare', { to: 'site3' }))).toBe(`E_REGISTRY: ${refusal}`);
  const plan = home.plan(NID, 'site3');
  await pass(100);
  expect((await plan).refusals).toEqual([refusal]);
  expect(home.underWay().size).toBe(0);
  away.mockRestore();

  sites.killRegistry(); // and nobody says so
  const slow = home.plan(NID, 'site3');
  await pass(6000);
  expect((await slow).refusals).toEqual([expect.stringContaining('does not answer')]);
  expect(await outcomeIn(400, home.step(NID, 'prepare', { to: 'site3' }))).toBe('done');
  expect(await outcomeIn(100, home.step(NID, 'hold'))).toBe('done');
});

test.each(['prepare', 'move'] as const)(
  'a decision in doubt is reported when it is known, whatever is asked meanwhile (%s)',
  async (next) => {
    sites = new MemorySites(['site1', 'site2', 'site3'], [BINDING], randomOf(1), true);
    await pass(1000);
    const home = sites.moves('site1');
    const move = home.move(NID, 'site3');
    move.catch(() => {});
    while ((await sites.registry!.get(NID))?.epoch !== 1) await pass(0.1);
    sites.killRegistry();
    await pass(6000);
    const away = vi
      .spyOn(RegistryRecord.prototype, 'ask')
      .mockRejectedValue(new IlnpError('E_REGISTRY', 'r1 is not connected'));
    const asked = next === 'move' ? home.move(NID, 'site1') : home.step(NID, 'prepare', { to: 'site1' });
    expect(await outcomeIn(1000, asked)).toBe('E_REGISTRY: r1 is not connected; nothing has changed');
    away.mockRestore();
    sites.startRegistry();
    await pass(30_000);
    expect(sites.active(NID)).toEqual(['site3']);
    expect(sites.reports.filter(({ outcome }) => outcome === 'moved')).toMatchObject([{ from: 'site2', to: 'site3' }]);
    expect(home.underWay().size).toBe(0);
    expect(sites.holding(NID)).toEqual([]);
  },
);

test.each([
  ['has not decided', 0, ['failed']],
  ['has decided', 1, ['failed', 'moved']],
])('a registry that comes back late and %s: the report says so', async (_, epoch, outcomes) => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [BINDING], randomOf(1), true);
  await pass(1000);
  const home = sites.moves('site1');
  await outcomeIn(100, home.step(NID, 'prepare', { to: 'site3' }));
  await outcomeIn(100, home.step(NID, 'hold'));
  if (epoch === 0) sites.killRegistry();
  const move = home.move(NID, 'site3');
  move.catch(() => {});
  while ((await sites.registry!.get(NID))?.epoch !== 1 && epoch === 1) await pass(0.1);
  sites.killRegistry();
  await pass(6000);
  const doubt = [{ to: 'site3', state: 'asked', problem: expect.stringContaining('registry') }];
  expect([...home.underWay().values()]).toMatchObject(doubt);
  expect(sites.reports).toEqual([]);
  await pass(14_000);
  expect(sites.reports).toMatchObject([{ outcome: 'failed', why: expect.stringContaining('may have decided it') }]);
  sites.startRegistry();
  await pass(20_000);
  expect(sites.active(NID)).toEqual([epoch === 1 ? 'site3' : 'site2']);
  expect(sites.reports.map(({ outcome }) => outcome)).toEqual(outcomes);
  expect(sites.holding(NID)).toEqual([]);
});

test('a hold that nobody has ended is not one any more: not shown, and no reason to send again what is older than the next', async () => {
  sites.crash('site1');
  const first = sites.time.now * 1000;
  expect(await outcomeIn(3000, sites.moves('site2').stopped(NID, first, 'a hypervisor'))).toMatch(
    /^E_PEER_UNREACHABLE/,
  );
  expect(sites.moves('site2').underWay().size).toBe(1);
  await pass(10_000);
  expect(sites.moves('site2').underWay().size).toBe(0);

  sites.start('site1');
  await pass(1000);
  const second = sites.time.now * 1000;
  expect(await outcomeIn(100, sites.moves('site2').stopped(NID, second, 'a hypervisor'))).toBe('done');
  expect(await outcomeIn(100, sites.moves('site3').move(NID, 'site3'))).toBe('done');
  expect(sites.released.get('site2')!.since).toBe(second - 2000); // the margin
});
