import { expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { type Change, MAX_EPOCH } from '../../src/sites/messages.ts';
import { type OpenDecision, type RecordEntry, replay } from '../../src/sites/move-record.ts';
import { WrittenAhead } from '../../src/sites/written-ahead.ts';

const NID = { hi: 0, lo: 0xa1 };
const HOME = 'site1';

/** A site with a guest, what it has written, and its disk, which is as slow as the test. */
function siteOf(site: string, at: string, { epoch = 4, hasRegistry = false, isUnsettled = false } = {}) {
  const lines: RecordEntry[] = [];
  const disk: { done: () => void; failed: (error: Error) => void }[] = [];
  const timers: { ms: number; run: () => void }[] = [];
  const binding: Binding = { nid: NID, guest: { hi: 1, lo: 0 }, home: HOME, uplink: undefined, at, epoch };
  const now = { isUnsettled, epoch };
  const world: ConstructorParameters<typeof WrittenAhead>[0] = {
    site,
    bindings: { get: () => ({ ...binding, epoch: now.epoch }), all: () => [binding].values() },
    record: {
      append: (entries) => {
        lines.push(...entries);
        return new Promise((done, failed) => void disk.push({ done, failed }));
      },
    },
    ...(hasRegistry && {
      registry: {
        has: () => true,
        isSynced: () => true,
        problem: () => null,
        doubtOf: () => null,
        ask: async () => {},
      },
    }),
    clock: {
      now: () => 0,
      after: (ms, run) => {
        const timer = { ms, run };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
    },
  };
  const ahead = new WrittenAhead(world, () => now.isUnsettled);
  return { ahead, lines, disk, timers, now };
}

const change = (at: string, epoch = 5) => ({ nid: NID, at, epoch });
const settled = async (promise: Promise<boolean>): Promise<boolean | 'waits'> =>
  Promise.race([promise, new Promise<'waits'>((done) => setImmediate(done, 'waits'))]);

test.each([
  [
    'home, which lets go',
    HOME,
    HOME,
    [
      { at: HOME, epoch: 6, active: [HOME, 'site2'] },
      { at: 'site2', epoch: 4 },
    ],
  ],
  ['home of a guest that is elsewhere', HOME, 'site3', [{ at: 'site3', epoch: 6, active: ['site3', 'site2'] }]],
  ['the old site', 'site3', 'site3', [{ at: 'site2', epoch: 4 }]],
  ['a site that has no part in it', 'site4', 'site3', []],
])('%s', async (_, site, at, expected) => {
  const { ahead, lines } = siteOf(site, at);
  ahead.write(NID, 'site2', 1000);
  ahead.write(NID, 'site2', 1000);
  expect(lines).toEqual(expected.map((line) => ({ nid: NID, ...line })));
  ahead.close();
});

test('of a guest that has no epochs left, is there already, whose last place is not written down, or which is in a registry, nothing is', async () => {
  for (const { ahead, lines } of [
    siteOf(HOME, HOME, { epoch: MAX_EPOCH - 1 }),
    siteOf(HOME, 'site2'),
    siteOf(HOME, HOME, { isUnsettled: true }),
    siteOf(HOME, HOME, { hasRegistry: true }),
  ]) {
    ahead.write(NID, 'site2', 1000);
    expect(lines).toEqual([]);
    expect(await ahead.take(change('site2'))).toBe(false);
  }
});

test('a decision waits until that is on disk, and for its own line where it could not be written', async () => {
  for (const isWritten of [true, false]) {
    const { ahead, disk, timers } = siteOf(HOME, HOME);
    ahead.write(NID, 'site2', 1000);
    const taken = ahead.take(change('site2'), [HOME]);
    expect(await settled(taken)).toBe('waits');
    if (isWritten) disk[0]!.done();
    else disk[0]!.failed(new Error('no space left on device'));
    expect(await taken).toBe(isWritten);
    expect(timers).toEqual([]);
    expect(await ahead.take(change('site2', 6))).toBe(false); // once only
  }
});

test.each([
  ['another place', change('site3'), [HOME]],
  ['another epoch', change('site2', 6), [HOME]],
  ['another site that may be active', change('site2'), [HOME, 'site3']],
])('home has not foreseen %s', async (_, decided, active) => {
  const { ahead, disk } = siteOf(HOME, HOME);
  ahead.write(NID, 'site2', 1000);
  disk[0]!.done();
  expect(await ahead.take(decided, active)).toBe(false);
});

test('the old site may let go of it for any place but its own', async () => {
  for (const at of ['site2', 'site1', 'site3']) {
    const { ahead, disk } = siteOf('site3', 'site3');
    ahead.write(NID, 'site2', 1000);
    disk[0]!.done();
    expect(await ahead.take(change(at, 9))).toBe(at !== 'site3');
  }
});

test('nothing vouches for a change behind one that is under way, or that came between', async () => {
  const one = siteOf('site3', 'site3');
  one.ahead.write(NID, 'site2', 1000);
  one.disk[0]!.done();
  one.now.isUnsettled = true;
  expect(await one.ahead.take(change('site2', 9))).toBe(false);
  const other = siteOf('site3', 'site3');
  other.ahead.write(NID, 'site2', 1000);
  other.disk[0]!.done();
  other.now.epoch = 6;
  expect(await other.ahead.take(change('site2', 9))).toBe(false);
});

test('at the end it is struck out, and nothing more is written', () => {
  const { ahead, lines, timers } = siteOf('site3', 'site3');
  ahead.write(NID, 'site2', 1000);
  ahead.close();
  ahead.write(NID, 'site4', 1000);
  expect(lines.map(({ at, epoch }) => `${at} ${epoch}`)).toEqual(['site2 4', 'site3 4']);
  expect(timers).toEqual([]);
});

test('what comes of nothing leaves nothing of a guest that never moved', async () => {
  for (const [site, at] of [
    [HOME, HOME],
    [HOME, 'site3'],
    ['site3', 'site3'],
  ] as const) {
    const { ahead, lines } = siteOf(site, at, { epoch: 0 });
    const [moved, open] = [new Map<string, Change>(), new Map<string, OpenDecision>()];
    ahead.write(NID, 'site2', 1000);
    for (const line of lines.splice(0)) replay(line, moved, open);
    const isHome = site === HOME;
    expect([...open.values()]).toEqual(isHome ? [{ nid: NID, at, epoch: 2, active: [at, 'site2'] }] : []);
    expect([...moved.values()]).toEqual(at === site ? [{ nid: NID, at: 'site2', epoch: 0 }] : []);
    ahead.callOff(NID);
    for (const line of lines) replay(line, moved, open);
    expect([...moved, ...open]).toEqual([]);
  }
});

test('what comes of nothing is struck out: when it is called off, or when packets may wait no longer', () => {
  for (const site of [HOME, 'site3']) {
    const { ahead, lines, timers } = siteOf(site, site);
    ahead.write(NID, 'site2', 1000);
    ahead.callOff(NID);
    expect(timers).toEqual([]);
    const back = { nid: NID, at: site, epoch: 4 };
    const struckOut = site === HOME ? [{ nid: NID, at: HOME, epoch: 6, active: [HOME] }, back] : [back];
    expect(lines.slice(-struckOut.length)).toEqual(struckOut);
    ahead.callOff(NID);
    ahead.write(NID, 'site2', 2000);
    const before = lines.length;
    expect(timers.map(({ ms }) => ms)).toEqual([2000]);
    timers[0]!.run();
    expect(lines.slice(before)).toEqual(struckOut);
  }
});
