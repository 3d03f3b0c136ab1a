/** What a border says of moves that are under way, and of those that cannot go on: which disk is full, and that they go on by themselves. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { MemorySites, randomOf } from './support/memory-sites.ts';

const NID = { hi: 0, lo: 0xa1 };
const BINDING: Binding = {
  ...{ nid: NID, guest: { hi: 0xfd000001, lo: 0 }, home: 'site1' },
  ...{ uplink: undefined, at: 'site2', epoch: 0 },
};
const FULL = 'no space left on device';

let sites: MemorySites;
const begin = async (at: string, hasRegistry = false): Promise<void> => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [{ ...BINDING, at }], randomOf(1), hasRegistry);
  await pass(1000);
};

const pass = (ms: number): Promise<void> => sites.pass(ms);
const outcomeIn = (ms: number, promise: Promise<unknown>): Promise<string> => sites.outcomeIn(ms, promise);
const said = (site = 'site1') => sites.moves(site).underWay().get(nidKey(NID));
const states = () => ['site1', 'site2', 'site3'].map((site) => said(site)?.state ?? '-');

/** Lets time pass until a site was asked something. */
async function asked(request: string): Promise<void> {
  while (!sites.requests.includes(request)) await pass(0.1);
}

describe('without a registry', () => {
  beforeEach(() => begin('site2'));

  test('each phase has its word, at home and at the other sites', async () => {
    const home = sites.moves('site1');
    expect(states()).toEqual(['-', '-', '-']);
    await outcomeIn(100, home.step(NID, 'prepare', { to: 'site3' }));
    expect(said()).toEqual({ to: 'site3', state: 'prepared', waitsFor: [], problem: null });
    await outcomeIn(100, home.step(NID, 'hold'));
    expect(states()).toEqual(['held', 'waiting', 'waiting']);

    const moving = home.move(NID, 'site3');
    await asked('site1 site2 set');
    expect(said()).toEqual({ to: 'site3', state: 'releasing', waitsFor: ['site2'], problem: null });
    await asked('site1 site3 set');
    expect(said()).toEqual({ to: 'site3', state: 'activating', waitsFor: ['site3'], problem: null });
    expect(await outcomeIn(100, moving)).toBe('done');
    expect(said()).toMatchObject({ state: 'draining' });
    await pass(2000);
    expect(states()).toEqual(['-', '-', '-']);
  });

  test('the disks of home and of the old site are full when it must let go: said, and carried out when there is room', async () => {
    const moving = sites.moves('site1').move(NID, 'site3', { hold: false });
    moving.catch(() => {});
    await asked('site1 site2 set');
    for (const site of ['site1', 'site2']) sites.full.add(site);

    expect(await outcomeIn(1000, moving)).toMatch(/^E_STATE: .*could not be taken back .*goes on as soon as it can/);
    expect(sites.active(NID)).toEqual([]);
    expect(said()).toEqual({
      to: 'site3',
      state: 'releasing',
      waitsFor: ['site2'],
      problem: expect.stringMatching(`E_STATE: .*${FULL}`),
    });
    expect(said('site2')).toEqual({
      to: 'site3',
      state: 'unwritten',
      waitsFor: ['site2'],
      problem: `E_STATE: ${FULL}`,
    });
    await pass(10_000);
    const failed = { outcome: 'failed', from: 'site2', why: expect.stringMatching(/^E_STATE: .*goes on as soon/) };
    expect(sites.reports).toMatchObject([failed]);

    sites.full.clear();
    await pass(10_000);
    expect(sites.active(NID)).toEqual(['site3']);
    expect(states()).toEqual(['-', '-', '-']);
    const late = {
      outcome: 'moved',
      from: 'site2',
      to: 'site3',
      epoch: 1,
      timeline: { committed: expect.any(Number) },
    };
    expect(sites.reports).toMatchObject([failed, late]);
  });

  test('room before the report is due: it says moved, and what was wrong', async () => {
    const moving = sites.moves('site1').move(NID, 'site3', { hold: false });
    moving.catch(() => {});
    await asked('site1 site2 set');
    for (const site of ['site1', 'site2']) sites.full.add(site);
    await pass(500);
    sites.full.clear();
    await pass(20_000);

    expect(sites.active(NID)).toEqual(['site3']);
    expect(sites.reports).toMatchObject([
      { outcome: 'moved', from: 'site2', to: 'site3', why: expect.stringMatching(/^E_STATE/) },
    ]);
  });
});

describe('with a registry', () => {
  beforeEach(() => begin('site1', true));
  const inRegistry = async () => {
    const { epoch, active, binding } = (await sites.registry!.get(NID))!;
    return `${binding?.at} ${epoch}${active === undefined ? '' : ` of ${active}`}`;
  };

  test('the disk of home is full: refused before the registry has heard of it', async () => {
    sites.full.add('site1');

    expect(await outcomeIn(1000, sites.moves('site1').move(NID, 'site2'))).toBe(`E_STATE: ${FULL}`);
    expect(await inRegistry()).toBe('site1 0');
  });

  test('the disk of home fills up behind the decision: the guest stays until there is room, then it is carried out', async () => {
    const home = sites.moves('site1');
    await outcomeIn(100, home.step(NID, 'prepare', { to: 'site2' }));
    await outcomeIn(100, home.step(NID, 'hold'));
    sites.full.add('site1');

    expect(await outcomeIn(100, home.move(NID, 'site2'))).toMatch(/^E_STATE: .*; the registry has the decision/);
    await pass(10_000);
    expect(sites.active(NID)).toEqual(['site1']);
    expect(said()).toMatchObject({ to: 'site2', state: 'releasing', waitsFor: ['site1'], problem: `E_STATE: ${FULL}` });
    expect(await inRegistry()).toBe('site2 1 of site1');

    sites.full.clear();
    await pass(10_000);
    expect(sites.active(NID)).toEqual(['site2']);
    expect(await inRegistry()).toBe('site2 1');
  });

  test('the disk of the registry is full when it is told that a move is over: told again, others hear of it then', async () => {
    const { registry } = sites;
    const swap = registry!.swap.bind(registry);
    registry!.swap = async (expected, next) => {
      if (next.active === undefined) throw new IlnpError('E_STATE', FULL);
      return swap(expected, next);
    };
    expect(await outcomeIn(1000, sites.moves('site1').move(NID, 'site2'))).toBe('done');
    await pass(5000);
    expect(sites.binding('site3', NID)).toMatchObject({ at: 'site1' });
    const { decisions } = sites.sites.get('site1')!.running!;
    expect(new Map(decisions!.underWay()).get(nidKey(NID))).toMatchObject({
      state: 'unsettled',
      problem: `E_STATE: ${FULL}`,
    });

    registry!.swap = swap;
    await pass(10_000);
    expect(sites.binding('site3', NID)).toMatchObject({ at: 'site2', epoch: 1 });
    expect([...decisions!.underWay()]).toEqual([]);
  });

  test('home cannot write down that a move is over: the registry is told all the same', async () => {
    const moving = sites.moves('site1').move(NID, 'site2');
    await asked('site1 site2 set');
    sites.full.add('site1');

    expect(await outcomeIn(1000, moving)).toBe('done');
    await pass(5000);
    expect(sites.binding('site3', NID)).toMatchObject({ at: 'site2', epoch: 1 });
  });
});
