import { beforeEach, describe, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import type { Request } from '../../src/sites/messages.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { MemorySites, NO_FAULTS, randomOf } from './support/memory-sites.ts';

const GUEST = { hi: 0xfd000009, lo: 0 };
const A1 = { hi: 0, lo: 0xa1 };
const A2 = { hi: 0, lo: 0xa2 };
const AT_HOME: Binding = { nid: A1, guest: GUEST, home: 'site1', uplink: 'isp1', at: 'site1', epoch: 0 };
const AWAY: Binding = { nid: A2, guest: GUEST, home: 'site1', uplink: undefined, at: 'site2', epoch: 0 };

let sites: MemorySites;
beforeEach(() => {
  sites = new MemorySites(['site1', 'site2', 'site3'], [AT_HOME, AWAY], randomOf(1));
});

/** Lets virtual time pass until the promise has an outcome. */
async function outcome<T>(promise: Promise<T>): Promise<T> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([settled, Promise.resolve(false)]))) await sites.time.runUntil(sites.time.now + 1);
  return promise;
}

const everywhere = (nid = A1) =>
  ['site1', 'site2', 'site3'].map((name) => {
    const binding = sites.binding(name, nid);
    return binding && `${binding.at} ${binding.epoch}`;
  });

describe('a move', () => {
  test('from home: the new site, home and everybody else agree; the result says what was done', async () => {
    const result = await outcome(sites.moves('site1').move(A1, 'site2'));

    expect(result).toMatchObject({ nid: A1, from: 'site1', to: 'site2', epoch: 1 });
    expect(result.microseconds).toBeGreaterThan(0);
    expect(result.octets).toBeGreaterThan(0);
    await sites.time.runUntil(10_000);
    expect(everywhere()).toEqual(['site2 1', 'site2 1', 'site2 1']);
    expect(sites.moves('site1').unsettled).toBe(0);
  });

  test('asked for at another border is done by home', async () => {
    const result = await outcome(sites.moves('site3').move(A1, 'site2'));

    expect(result).toMatchObject({ from: 'site1', to: 'site2', epoch: 1 });
    expect(sites.requests).toContain('site3 site1 move');
    expect(sites.binding('site2', A1)?.at).toBe('site2');
  });

  test('between two sites that are not home, and back home', async () => {
    await outcome(sites.moves('site1').move(A2, 'site3'));
    expect(everywhere(A2)).toEqual(['site3 1', 'site3 1', 'site3 1']);

    await outcome(sites.moves('site2').move(A2, 'site1'));
    await sites.time.runUntil(sites.time.now + 5000);

    expect(everywhere(A2)).toEqual(['site1 2', 'site1 2', 'site1 2']);
  });

  test('to where it is: done, without a new epoch and without a message', async () => {
    const before = sites.requests.length;

    const result = await outcome(sites.moves('site1').move(A1, 'site1'));

    expect(result).toMatchObject({ from: 'site1', to: 'site1', epoch: 0, octets: 0 });
    expect(sites.requests).toHaveLength(before);
  });

  test('the old site has switched before the new one hears of it', async () => {
    const seen: string[] = [];
    let done = false;
    void sites
      .moves('site1')
      .move(A2, 'site3')
      .then(() => {
        done = true;
      });
    while (!done) {
      const now = everywhere(A2).join(', ');
      if (seen.at(-1) !== now) seen.push(now);
      await sites.time.runUntil(sites.time.now + 0.1);
    }

    expect(seen).toEqual([
      'site2 0, site2 0, site2 0',
      'site2 0, site3 1, site2 0',
      'site2 0, site3 1, site3 1',
      'site3 1, site3 1, site3 1',
    ]);
  });

  test('two moves of one identifier at a time: one after the other', async () => {
    const [first, second] = await outcome(
      Promise.all([sites.moves('site1').move(A1, 'site2'), sites.moves('site1').move(A1, 'site3')]),
    );

    expect([first.epoch, second.epoch]).toEqual([1, 2]);
    expect(second.from).toBe('site2');
    await sites.time.runUntil(10_000);
    expect(everywhere()).toEqual(['site3 2', 'site3 2', 'site3 2']);
  });
});

describe('a move that cannot be', () => {
  const failure = (promise: Promise<unknown>): Promise<IlnpError> =>
    outcome(
      promise.then(
        () => Promise.reject(new Error('it worked')),
        (error) => error,
      ),
    );

  test('unknown identifier', async () => {
    const error = await failure(sites.moves('site1').move({ hi: 9, lo: 9 }, 'site2'));

    expect(error).toBeInstanceOf(IlnpError);
    expect(error).toMatchObject({ code: 'E_UNKNOWN_NID', message: 'site1 has no binding for 0:9:0:9' });
  });

  test('unknown site: the known ones are listed', async () => {
    const error = await failure(sites.moves('site1').move(A1, 'site9'));

    expect(error).toMatchObject({
      code: 'E_UNKNOWN_SITE',
      message: 'site1 knows no site "site9"; it knows site1, site2, site3',
    });
  });

  test('the new site is down: nothing has changed and no epoch is used', async () => {
    sites.crash('site2');

    const error = await failure(sites.moves('site1').move(A1, 'site2'));

    expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE' });
    expect(error.message).toContain('nothing has changed');
    expect(everywhere()).toEqual(['site1 0', undefined, 'site1 0']);
    expect(sites.moves('site1').unsettled).toBe(0);
  });

  test('the old site is down: the message names the way out, which works, and the old site gives in when it is back', async () => {
    sites.crash('site2');
    const error = await failure(sites.moves('site1').move(A2, 'site3'));
    expect(error.message).toContain('if site2 is dead, --force moves without it');
    expect(everywhere(A2)).toEqual(['site2 0', undefined, 'site2 0']);

    const result = await outcome(sites.moves('site1').move(A2, 'site3', { force: true }));
    expect(result).toMatchObject({ from: 'site2', to: 'site3', epoch: 1 });
    expect(everywhere(A2)).toEqual(['site3 1', undefined, 'site3 1']);

    sites.start('site2');
    await sites.time.runUntil(sites.time.now + 10_000);
    expect(everywhere(A2)).toEqual(['site3 1', 'site3 1', 'site3 1']);
  });

  test('home is down: another border says so', async () => {
    sites.crash('site1');

    const error = await failure(sites.moves('site2').move(A1, 'site2'));

    expect(error).toMatchObject({ code: 'E_PEER_UNREACHABLE', message: expect.stringContaining('site1') });
  });

  test('the disk of the old site refuses to let go: the move is taken back with a greater epoch', async () => {
    const moving = failure(sites.moves('site1').move(A2, 'site3', { hold: false }));
    while (!sites.requests.includes('site1 site2 set')) await sites.time.runUntil(sites.time.now + 0.1);
    sites.faults = { ...NO_FAULTS, diskRefuses: 1 };

    const error = await moving;
    sites.faults = NO_FAULTS;
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(error).toMatchObject({ code: 'E_STATE', message: expect.stringContaining('no space left on device') });
    expect(error.message).toContain('could not be taken back'); // home has no room either
    expect(error.message).not.toContain('it stays at');
    expect(sites.moves('site1').unsettled).toBe(0);
    expect(new Set(everywhere(A2)).size).toBe(1);
    expect(sites.active(A2)).toHaveLength(1);
  });

  test('the new site falls silent after the old one let go: back at the old site as soon as it is certain', async () => {
    const moving = failure(sites.moves('site1').move(A2, 'site3'));
    while (sites.binding('site2', A2)?.epoch !== 1) await sites.time.runUntil(sites.time.now + 0.1);
    sites.crash('site3');

    const error = await moving;
    expect(error.message).toContain('it stays at site2');
    sites.start('site3');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(everywhere(A2)).toEqual(['site2 2', 'site2 2', 'site2 2']);
  });
});

describe('after a restart', () => {
  test('the disk of the new site refuses: the guest is there, and it is told again after a crash', async () => {
    const moving = sites.moves('site1').move(A2, 'site3');
    while (sites.binding('site2', A2)?.epoch !== 1) await sites.time.runUntil(sites.time.now + 0.1);
    sites.faults = { ...NO_FAULTS, diskRefuses: 1 };

    expect(await outcome(moving)).toMatchObject({ to: 'site3', epoch: 1 });
    sites.faults = NO_FAULTS;
    sites.crash('site3');
    expect(sites.active(A2)).toEqual([]);
    sites.start('site3');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(everywhere(A2)).toEqual(['site3 1', 'site3 1', 'site3 1']);
  });

  test('the old site knows what it has confirmed, whoever is away', async () => {
    for (let epoch = 5; epoch < 45; epoch += 2) {
      const away: Request = { kind: 'set', changes: [[A2.hi, A2.lo, 'site3', epoch]] };
      const first = sites.moves('site2').handle('site1', away);
      while (sites.binding('site2', A2)?.epoch !== epoch) await sites.time.runUntil(sites.time.now + 0.1);

      // told twice: the second answer, too, is given when it is on disk
      const second = sites.moves('site2').handle('site1', away);
      expect(await outcome(Promise.race([first, second]))).toEqual({ kind: 'have', newer: [], refused: [], letGo: 0 });
      sites.crash('site2');
      sites.start('site2');

      expect(sites.binding('site2', A2)).toMatchObject({ at: 'site3', epoch });
      const back: Request = { kind: 'set', changes: [[A2.hi, A2.lo, 'site2', epoch + 1]] };
      await outcome(sites.moves('site2').handle('site1', back));
    }
  });

  test('the new site may forget what it has confirmed: it is not active, and home tells it again', async () => {
    sites.diskMs = 30;
    let forgotten = 0;
    for (let epoch = 1; epoch < 40; epoch += 2) {
      const moving = outcome(sites.moves('site1').move(A2, 'site3'));
      while (sites.binding('site1', A2)?.epoch !== epoch) await sites.time.runUntil(sites.time.now + 0.1);
      sites.crash('site3');
      sites.start('site3');
      await moving;
      if (sites.binding('site3', A2)?.epoch !== epoch) {
        forgotten++;
        expect(sites.active(A2)).toEqual([]);
      }
      await sites.time.runUntil(sites.time.now + 10_000);

      expect(new Set(everywhere(A2))).toEqual(new Set([`site3 ${epoch}`]));
      await outcome(sites.moves('site1').move(A2, 'site2'));
    }
    expect(forgotten).toBeGreaterThan(0);
  });

  test('a release that was refused by the disk is not confirmed later without it', async () => {
    const away: Request = { kind: 'set', changes: [[A2.hi, A2.lo, 'site3', 5]] };
    const tell = () => outcome(sites.moves('site2').handle('site1', away));
    sites.faults = { ...NO_FAULTS, diskRefuses: 1 };
    for (let times = 0; times < 2; times++) expect(await tell()).toMatchObject({ kind: 'error', code: 'E_STATE' });
    sites.faults = NO_FAULTS;

    expect(await tell()).toEqual({ kind: 'have', newer: [], refused: [], letGo: 0 });
    sites.crash('site2');
    sites.start('site2');

    expect(sites.binding('site2', A2)).toMatchObject({ at: 'site3', epoch: 5 });
  });

  test('home that has decided and let go does not believe itself active again', async () => {
    const moving = sites.moves('site1').move(A1, 'site2');
    moving.catch(() => {});
    while (!sites.requests.includes('site1 site2 set')) await sites.time.runUntil(sites.time.now + 0.1);
    sites.crash('site1');
    sites.crash('site2');

    sites.start('site1');
    expect(sites.active(A1)).toEqual([]);
    sites.start('site2');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(everywhere()).toEqual(['site2 1', 'site2 1', 'site2 1']);
  });

  test('a border knows from its disk what it knew', async () => {
    await outcome(sites.moves('site1').move(A1, 'site2'));
    for (const name of ['site1', 'site2']) {
      sites.crash(name);
      sites.start(name);
    }

    expect(everywhere().slice(0, 2)).toEqual(['site2 1', 'site2 1']);
  });

  test('home carries out what it had decided', async () => {
    void sites.moves('site1').move(A2, 'site3', { hold: false });
    while (sites.binding('site2', A2)?.epoch !== 1) await sites.time.runUntil(sites.time.now + 0.1);
    sites.crash('site1');
    expect(sites.active(A2)).toEqual([]);

    sites.start('site1');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(everywhere(A2)).toEqual(['site3 1', 'site3 1', 'site3 1']);
  });

  test('home knows whom it had told: a move by force elsewhere releases that site first', async () => {
    void sites.moves('site1').move(A2, 'site3');
    while (sites.binding('site3', A2)?.epoch !== 1) await sites.time.runUntil(sites.time.now + 0.1);
    expect(sites.binding('site1', A2)?.epoch).toBe(0);
    sites.crash('site1');
    sites.crash('site2');
    sites.start('site1');

    const result = await outcome(sites.moves('site1').move(A2, 'site1', { force: true }));

    expect(result).toMatchObject({ from: 'site3', to: 'site1', epoch: 2 });
    expect(sites.active(A2)).toEqual(['site1']);
    expect(sites.binding('site3', A2)).toMatchObject({ at: 'site1', epoch: 2 });
  });

  test('home that lost its disk learns from the others and decides anew', async () => {
    await outcome(sites.moves('site1').move(A1, 'site2'));
    await outcome(sites.moves('site1').move(A1, 'site3'));
    await sites.time.runUntil(sites.time.now + 5000);
    sites.wipe('site1');

    sites.start('site1');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(sites.active(A1)).toEqual(['site3']);
    expect(new Set(everywhere())).toEqual(new Set([everywhere()[0]]));
    expect(sites.binding('site1', A1)!.epoch).toBeGreaterThan(2);
  });

  test('home that lost its disk and is asked for a move before it heard of anything: the move wins', async () => {
    await outcome(sites.moves('site1').move(A2, 'site3'));
    await outcome(sites.moves('site1').move(A2, 'site2'));
    sites.wipe('site1');
    sites.start('site1');

    const result = await outcome(sites.moves('site1').move(A2, 'site3'));
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(result.epoch).toBeGreaterThan(2);
    expect(sites.active(A2)).toEqual(['site3']);
    expect(new Set(everywhere(A2)).size).toBe(1);
  });

  test('a site that lost its disk is told again', async () => {
    await outcome(sites.moves('site1').move(A1, 'site2'));
    sites.wipe('site2');

    sites.start('site2');
    await sites.time.runUntil(sites.time.now + 10_000);

    expect(everywhere()).toEqual(['site2 1', 'site2 1', 'site2 1']);
  });
});

describe('whom a border believes', () => {
  const set = (at: string, epoch: number): Request => ({ kind: 'set', changes: [[A1.hi, A1.lo, at, epoch]] });
  const handle = (from: string, request: Request) => outcome(sites.moves('site2').handle(from, request));

  test('home, about newer epochs', async () => {
    expect(await handle('site1', set('site3', 5))).toEqual({ kind: 'have', newer: [], refused: [], letGo: 0 });
    expect(sites.binding('site2', A1)).toMatchObject({ at: 'site3', epoch: 5 });
  });

  test('an old message changes nothing and is answered with what is newer', async () => {
    await handle('site1', set('site3', 5));

    expect(await handle('site1', set('site2', 4))).toEqual({
      kind: 'have',
      newer: [[0, 0xa1, 'site3', 5]],
      refused: [],
      letGo: 0,
    });
    expect(sites.binding('site2', A1)).toMatchObject({ at: 'site3', epoch: 5 });
  });

  test('nobody but home', async () => {
    expect(await handle('site3', set('site3', 5))).toEqual({
      kind: 'have',
      newer: [],
      refused: [[0, 0xa1, 'E_UNKNOWN_NID']],
      letGo: 0,
    });
    expect(await handle('site3', { kind: 'ready', nid: [0, 0xa1], to: 'site3' })).toMatchObject({
      code: 'E_UNKNOWN_NID',
    });
    expect(sites.binding('site2', A1)).toMatchObject({ at: 'site1', epoch: 0 });
  });

  test('not even home about a site it does not know', async () => {
    expect(await handle('site1', set('site9', 5))).toMatchObject({ refused: [[0, 0xa1, 'E_UNKNOWN_SITE']] });
  });

  test('an old site that may have let go for a site that is gone from the configuration is told to go on', async () => {
    sites.crash('site2');
    sites.sites.get('site2')!.moved.set(nidKey(A2), { nid: A2, at: 'site9', epoch: 0 });
    sites.start('site2');
    expect(sites.active(A2)).toEqual([]);
    await sites.time.runUntil(sites.time.now + 5000);

    expect(sites.active(A2)).toEqual(['site2']);
    expect(sites.moves('site1').unsettled).toBe(0);
  });

  test('reports about identifiers of others are not taken', async () => {
    await handle('site3', { kind: 'report', changes: [[0, 0xa1, 'site3', 9]] });
    await sites.time.runUntil(sites.time.now + 5000);

    expect(everywhere()).toEqual(['site1 0', 'site1 0', 'site1 0']);
  });

  test('a move for an identifier that has its home elsewhere is not passed around', async () => {
    const reply = await handle('site3', {
      kind: 'move',
      nid: [0, 0xa1],
      to: 'site3',
      force: false,
      hold: true,
      by: 'a test',
    });

    expect(reply).toMatchObject({ kind: 'error', code: 'E_UNKNOWN_NID' });
  });

  test.each([2 ** 31 - 1, 2 ** 31 - 2, 2 ** 24 + 1])(
    'epoch %i, which a site cannot have reached, uses up none',
    async (last) => {
      await outcome(sites.moves('site1').handle('site2', { kind: 'report', changes: [[0, 0xa1, 'site2', last]] }));
      await sites.time.runUntil(sites.time.now + 5000);

      expect(sites.binding('site1', A1)).toMatchObject({ at: 'site1', epoch: 0 });
    },
  );
});
