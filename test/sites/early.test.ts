/** A guest that stands still on its way: its old site lets go before the move is carried out, and has it again when none comes. */
import { beforeEach, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { MemorySites, randomOf } from './support/memory-sites.ts';

const NID = { hi: 0, lo: 0xa1 };
const BINDING: Binding = {
  nid: NID,
  guest: { hi: 0xfd000001, lo: 0 },
  home: 'site1',
  uplink: undefined,
  at: 'site2',
  epoch: 0,
};
const SITES = ['site1', 'site2', 'site3'];

let sites: MemorySites;
const begin = async (at = 'site2', hasRegistry = false): Promise<void> => {
  sites = new MemorySites(SITES, [{ ...BINDING, at }], randomOf(1), hasRegistry);
  await sites.pass(1000);
};
beforeEach(() => begin());

const home = () => sites.moves('site1');
const step = (name: 'prepare' | 'hold' | 'stopped' | 'abort', to?: string) =>
  sites.outcomeIn(100, home().step(NID, name, to === undefined ? {} : { to }));
const move = (to: string) => sites.outcomeIn(200, home().move(NID, to));
/** Prepared, held, and stopped: until the old site has let go. */
const standStill = async (to: string): Promise<void> => {
  for (const done of [await step('prepare', to), await step('hold'), await step('stopped')]) expect(done).toBe('done');
  await sites.pass(50);
};
const places = (): string[] => SITES.map((site) => sites.binding(site, NID)!).map(({ at, epoch }) => `${at} ${epoch}`);
const setsTo = (site: string): number => sites.requests.filter((one) => one === `site1 ${site} set`).length;

test('the old site lets go towards the new one, where packets wait; the move tells the new one alone', async () => {
  await standStill('site3');
  expect(sites.active(NID)).toEqual([]);
  expect(sites.holding(NID)).toEqual(['site1', 'site3']);
  expect(places()).toEqual(['site2 0', 'site3 1', 'site2 0']);
  expect(home().underWay().values().next().value).toMatchObject({ state: 'held', to: 'site3' });

  const before = setsTo('site2');
  expect(await move('site3')).toBe('done');
  expect(sites.active(NID)).toEqual(['site3']);
  expect(sites.holding(NID)).toEqual([]);
  expect(setsTo('site2')).toBe(before);
  await sites.pass(3000);
  expect(places()).toEqual(['site3 1', 'site3 1', 'site3 1']);
  expect(home().unsettled).toBe(0);
  expect(sites.reports).toMatchObject([{ outcome: 'moved', from: 'site2', to: 'site3', epoch: 1 }]);
});

test.each([
  ['leaves home', 'site1', 'site2', ['site1', 'site2', 'site3']], // home keeps what waits there
  ['comes home', 'site2', 'site1', ['site1', 'site3']],
])('so it is with a guest that %s', async (_, from, to, holding) => {
  await begin(from);
  await standStill(to);
  expect(sites.active(NID)).toEqual([]);
  expect(sites.holding(NID)).toEqual(holding);
  expect(await move(to)).toBe('done');
  expect(sites.active(NID)).toEqual([to]);
  await sites.pass(3000);
  expect(sites.holding(NID)).toEqual([]);
  expect(sites.reports).toMatchObject([{ outcome: 'moved', from, to, epoch: 1 }]);
});

test.each([
  ['another site', 'site2', 'site3'],
  ['home', 'site1', 'site3'],
])('called off, it is at %s again, with an epoch that nobody has had', async (_, from, to) => {
  await begin(from);
  await standStill(to);
  expect(await step('abort')).toBe('done');
  expect(sites.active(NID)).toEqual([from]);
  expect(sites.holding(NID)).toEqual([]);
  await sites.pass(3000);
  expect(places()).toEqual([`${from} 2`, `${from} 2`, `${from} 2`]);
  expect(home().unsettled).toBe(0);
  expect(sites.reports).toMatchObject([{ outcome: 'aborted', from, to, epoch: 2 }]);
});

test('it is there again when packets may wait no longer', async () => {
  await standStill('site3');
  await sites.pass(6000);
  expect(sites.active(NID)).toEqual(['site2']);
  expect(sites.reports[0]).toMatchObject({ outcome: 'aborted', from: 'site2', epoch: 2 });
});

test.each(SITES)(
  'killed meanwhile and there again, %s leaves nobody active twice, and the guest where it was',
  async (site) => {
    await standStill('site3');
    sites.crash(site);
    await sites.pass(300);
    sites.start(site);
    await sites.pass(20_000);
    expect(sites.active(NID)).toEqual(['site2']);
    expect(new Set(places())).toEqual(new Set(['site2 2']));
  },
);

test('a new site that is gone has the old one take it back', async () => {
  await standStill('site3');
  sites.crash('site3');
  await sites.pass(50);
  expect(await move('site3')).toBe('E_PEER_UNREACHABLE: move of 0:0:0:a1: site3 is gone; it stays at site2');
  await sites.pass(1000);
  expect(sites.active(NID)).toEqual(['site2']);
});

test('an old site that is gone meanwhile is told when it is there again', async () => {
  await standStill('site3');
  sites.crash('site2');
  const said = await sites.outcomeIn(5000, home().step(NID, 'abort'));
  expect(said).toMatch(
    /^E_PEER_UNREACHABLE: .*site2.*; the move of 0:0:0:a1 is called off, and it is back as soon as that can be$/,
  );
  expect(sites.active(NID)).toEqual([]);
  expect(home().underWay().values().next().value).toMatchObject({ to: 'site2', state: 'activating' });
  sites.start('site2');
  await sites.pass(10_000);
  expect(sites.active(NID)).toEqual(['site2']);
  expect(home().unsettled).toBe(0);
});

test('while it cannot be taken back packets wait, also when another move is asked for and refused', async () => {
  await standStill('site3');
  sites.crash('site2');
  expect(await sites.outcomeIn(2300, home().step(NID, 'abort'))).toMatch(/^E_PEER_UNREACHABLE/);
  expect(await sites.outcomeIn(2100, home().step(NID, 'prepare', { to: 'site3' }))).toMatch(/^E_PEER_UNREACHABLE/);
  expect(sites.holding(NID)).toContain('site1');

  sites.start('site2');
  await sites.pass(3000);
  expect(sites.active(NID)).toEqual(['site2']);
  await sites.pass(8000);
  expect(sites.holding(NID)).toEqual([]);
  expect([...home().underWay().values()]).toEqual([]);
});

test.each([
  ['site1', ['site1 site3 set']],
  ['site2', ['site1 site2 keep', 'site1 site3 keep', 'site1 site2 set']],
])('it may be moved to %s instead, behind what has waited at the new site', async (to, expected) => {
  await standStill('site3');
  const before = sites.requests.length;
  expect(await move(to)).toBe('done');
  const asked = sites.requests.slice(before).filter((one) => /keep|set/.test(one));
  expect(asked.slice(0, expected.length)).toEqual(expected);
  await sites.pass(3000);
  expect(sites.active(NID)).toEqual([to]);
  expect(new Set(places())).toEqual(new Set([`${to} 2`]));
  expect(sites.holding(NID)).toEqual([]);
});

test('nobody lets go early of what was not prepared, or is not held, or has a registry', async () => {
  expect(await step('prepare', 'site3')).toBe('done');
  await step('stopped');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual(['site2']);

  await begin();
  expect(await step('hold')).toBe('done');
  await step('stopped');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual(['site2']);
  await sites.outcomeIn(50, home().step(NID, 'resumed'));
  expect(await step('prepare', 'site3')).toBe('done');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual(['site2']);

  await begin('site2', true);
  expect(await step('prepare', 'site3')).toBe('done');
  expect(await step('hold')).toBe('done');
  await step('stopped');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual(['site2']);
  expect(await move('site3')).toBe('done');
});

test.each([
  ['another site', 'site2', 'site3'],
  ['home', 'site1', 'site3'],
])('a new site that is told of after the stop has %s let go then', async (_, from, to) => {
  await begin(from);
  expect(await step('hold')).toBe('done');
  await step('stopped');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual([from]);

  expect(await step('prepare', to)).toBe('done');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual([]);
  expect(sites.holding(NID)).toContain(to);
  expect(await move(to)).toBe('done');
  await sites.pass(3000);
  expect(sites.active(NID)).toEqual([to]);
  expect(sites.reports).toMatchObject([{ outcome: 'moved', from, to, epoch: 1 }]);
});

test('so has a hold that comes after the stop', async () => {
  expect(await step('prepare', 'site3')).toBe('done');
  await step('stopped');
  expect(await step('hold')).toBe('done');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual([]);
});

test.each([
  ['has started anew', true],
  ['was away', false],
])('a new site that %s since the others hold is asked to hold before the old one lets go', async (_, wasThere) => {
  if (!wasThere) sites.crash('site3');
  expect(await sites.outcomeIn(300, home().step(NID, 'hold'))).toBe('done');
  sites.crash('site3');
  sites.start('site3');
  await sites.pass(300);
  expect(sites.holding(NID)).toEqual(['site1', 'site2']);
  await step('stopped');
  expect(await step('prepare', 'site3')).toBe('done');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual([]);
  expect(sites.holding(NID)).toEqual(['site1', 'site3']);
});

test('a site that refuses to be the new one is not taken for prepared because another was', async () => {
  await begin('site1');
  expect(await step('prepare', 'site2')).toBe('done');
  expect(await step('hold')).toBe('done');
  sites.full.add('site3');
  expect(await step('prepare', 'site3')).toMatch(/^E_STATE/);
  await step('stopped');
  await sites.pass(50);
  expect(sites.active(NID)).toEqual(['site1']);
  expect(await move('site3')).toMatch(/^E_STATE/);
});

test.each(['site1', 'site2'])('what cannot be taken back to %s yet is not reported as moved', async (from) => {
  await begin(from);
  await standStill('site3');
  sites.full.add('site1');
  expect(await move(from)).toMatch(/^E_STATE/);
  sites.full.clear();
  await sites.pass(20_000);
  expect(sites.active(NID)).toEqual([from]);
  expect(sites.reports).toMatchObject([{ outcome: 'failed', from, to: from }]);

  await begin(from);
  await standStill('site3');
  sites.full.add('site1');
  expect(await step('abort')).toMatch(/^E_STATE/);
  sites.full.clear();
  await sites.pass(20_000);
  expect(sites.active(NID)).toEqual([from]);
  expect(sites.reports).toMatchObject([{ outcome: 'aborted', from, to: 'site3' }]);
});

test('a guest that goes on where it was does not wait for stragglers, whatever comes next', async () => {
  await standStill('site3');
  expect(await move('site2')).toBe('done');
  await sites.pass(50);
  expect(sites.holding(NID)).toEqual([]);
  expect(await step('prepare', 'site3')).toBe('done');
  await sites.pass(10_000);
  expect(sites.expired).toBe(0);
});
