/** Where guests may be and who may move them: the rule itself, and borders that hold to it. */
import { beforeEach, describe, expect, test } from 'vitest';
import { parseNidRange } from '../../src/config/fields.ts';
import type { PolicyRule } from '../../src/config/site-config.ts';
import { refusal } from '../../src/sites/policy.ts';
import { parseNid } from '../../src/wire/text.ts';
import { MemorySites, randomOf } from './support/memory-sites.ts';

const rule = (nids: string, sites?: string[], movers?: string[]): PolicyRule => ({
  nids: parseNidRange(nids)!,
  sites,
  movers,
});
const asked = (policy: PolicyRule[], nid: string, to: string, mover: string | null): string | null =>
  refusal(policy, { nid: parseNid(nid)!, to, mover, site: 'site1' });

describe('a rule', () => {
  test.each([
    ['its first', '0:0:0:a0', false],
    ['its last', '0:0:0:af', false],
    ['one before', '0:0:0:9f', true],
    ['one behind', '0:0:0:b0', true],
    ['another upper half', '0:1:0:a5', true],
  ])('holds for the range it names: %s', (_, nid, isFree) => {
    const policy = [rule('0:0:0:a0 - 0:0:0:af', ['site1'])];

    expect(asked(policy, nid, 'site2', 'site1') === null).toBe(isFree);
    expect(asked(policy, nid, 'site1', 'site1')).toBeNull();
  });

  test('the first that names the identifier counts', () => {
    const policy = [rule('0:0:0:a1', undefined, ['site3']), rule('0:0:0:0 - ffff:ffff:ffff:ffff', [])];

    expect(asked(policy, '0:0:0:a1', 'site2', 'site3')).toBeNull();
    expect(asked(policy, '0:0:0:a1', 'site2', 'site1')).toBe('the policy of site1 lets site3 move 0:0:0:a1, not site1');
    expect(asked(policy, '0:0:0:a2', 'site2', 'site3')).toBe(
      'the policy of site1 allows 0:0:0:a2 at nobody, not at site2',
    );
  });

  test('about who asks says nothing where nobody in particular does', () => {
    expect(asked([rule('0:0:0:a1', undefined, [])], '0:0:0:a1', 'site2', null)).toBeNull();
  });

  test.each(['', '0:0:0:b0 - 0:0:0:a0', '0:0:0:a0-0:0:0:af', '0:0:0:a0 - ', '0:0:0:1 - 0:0:0:2 - 0:0:0:3', 'a - b'])(
    'of the range "%s" is none',
    (text) => {
      expect(parseNidRange(text)).toBeNull();
    },
  );
});

describe('borders', () => {
  const A1 = { hi: 0, lo: 0xa1 };
  let sites: MemorySites;
  beforeEach(() => {
    const guest = { hi: 0xfd000009, lo: 0 };
    const binding = { nid: A1, guest, home: 'site1', uplink: undefined, at: 'site1', epoch: 0 };
    sites = new MemorySites(['site1', 'site2', 'site3'], [binding], randomOf(1));
  });

  async function moved(by: string, to: string): Promise<string> {
    const move = sites
      .moves(by)
      .move(A1, to)
      .then(
        () => 'moved',
        (error) => String(error.code),
      );
    let said = '';
    void move.then((text) => {
      said = text;
    });
    while (said === '') await sites.time.runUntil(sites.time.now + 1);
    return said;
  }
  const places = () => ['site1', 'site2', 'site3'].map((name) => sites.binding(name, A1)?.at);

  test('home refuses a site that its policy does not allow', async () => {
    sites.sites.get('site1')!.policy = [rule('0:0:0:a1', ['site1', 'site3'])];

    expect(await moved('site1', 'site2')).toBe('E_POLICY');
    expect(await moved('site2', 'site2')).toBe('E_POLICY');
    expect(places()).toEqual(['site1', 'site1', 'site1']);
    expect(await moved('site1', 'site3')).toBe('moved');
  });

  test('home refuses a border that may not ask, whoever that asks for', async () => {
    sites.sites.get('site1')!.policy = [rule('0:0:0:a1', undefined, ['site1', 'site3'])];

    expect(await moved('site2', 'site2')).toBe('E_POLICY');
    expect(await moved('site3', 'site2')).toBe('moved');
  });

  test('the site it would go to refuses too, and nothing has changed', async () => {
    sites.sites.get('site2')!.policy = [rule('0:0:0:a1', ['site1'])];

    expect(await moved('site1', 'site2')).toBe('E_POLICY');
    expect(places()).toEqual(['site1', 'site1', 'site1']);
  });

  test('a site refuses what its policy does not allow also when home has not asked before', async () => {
    sites.sites.get('site2')!.policy = [rule('0:0:0:a1', ['site1'])];
    const reply = sites.moves('site2').handle('site1', { kind: 'set', changes: [[0, 0xa1, 'site2', 5]] });
    await sites.time.runUntil(sites.time.now + 1000);

    expect(await reply).toMatchObject({ refused: [[0, 0xa1, 'E_POLICY']] });
    expect(places()).toEqual(['site1', 'site1', 'site1']);
  });

  test('a site whose policy has a guest no more takes it back when moves away have failed, for a day', async () => {
    const guest = { hi: 0xfd000009, lo: 0 };
    const binding = { nid: A1, guest, home: 'site1', uplink: undefined, at: 'site2', epoch: 0 };
    sites = new MemorySites(['site1', 'site2', 'site3'], [binding], randomOf(1));
    sites.sites.get('site2')!.policy = [rule('0:0:0:a1', ['site1', 'site3'])];
    for (const name of ['site1', 'site3']) sites.crash(name); // who speaks is the test
    const set = async (at: string, epoch: number) => {
      const reply = sites.moves('site2').handle('site1', { kind: 'set', changes: [[0, 0xa1, at, epoch]] });
      await sites.time.runUntil(sites.time.now + 50);
      return reply;
    };

    expect(await set('site3', 1)).toMatchObject({ refused: [] });
    expect(await set('site2', 2)).toMatchObject({ refused: [] });
    expect(sites.binding('site2', A1)?.at).toBe('site2');
    expect(await set('site3', 3)).toMatchObject({ refused: [] });
    expect(await set('site3', 5)).toMatchObject({ refused: [] }); // that it was taken back before, as 4, it has not heard
    expect(await set('site2', 6)).toMatchObject({ refused: [] });
    expect(sites.binding('site2', A1)?.at).toBe('site2');

    expect(await set('site3', 7)).toMatchObject({ refused: [] });
    await sites.time.runUntil(sites.time.now + 24 * 3600 * 1000);
    expect(await set('site2', 8)).toMatchObject({ refused: [[0, 0xa1, 'E_POLICY']] });
    expect(sites.binding('site2', A1)?.at).toBe('site3');
  });

  test('what a site reports takes nobody where the policy of home does not allow it', async () => {
    await sites.time.runUntil(1000);
    sites.sites.get('site1')!.policy = [rule('0:0:0:a1', ['site1', 'site2'])];
    const taken = sites.moves('site1').handle('site3', { kind: 'report', changes: [[0, 0xa1, 'site3', 1000]] });
    await sites.time.runUntil(sites.time.now + 5000);
    expect(await taken).toEqual({ kind: 'ready' });

    expect(places()).toEqual(['site1', 'site1', 'site1']);
    expect(sites.binding('site3', A1)?.epoch).toBe(1001);
  });

  test('where a guest is may have been forbidden since: it can still be held, called off and moved away', async () => {
    await sites.time.runUntil(1000);
    sites.sites.get('site1')!.policy = [rule('0:0:0:a1', ['site2'])];
    for (const step of ['hold', 'paused', 'stopped', 'resumed', 'abort'] as const) {
      const done = sites.moves('site1').step(A1, step);
      await sites.time.runUntil(sites.time.now + 200);
      await expect(done).resolves.toBeUndefined();
    }
    expect(await moved('site1', 'site2')).toBe('moved');
  });
});

describe('a dry run', () => {
  const A1 = { hi: 0, lo: 0xa1 };
  let sites: MemorySites;
  beforeEach(() => {
    const guest = { hi: 0xfd000009, lo: 0 };
    const binding = { nid: A1, guest, home: 'site1', uplink: undefined, at: 'site2', epoch: 0 };
    sites = new MemorySites(['site1', 'site2', 'site3'], [binding], randomOf(1));
  });

  async function plan(by: string, to: string) {
    const planned = sites.moves(by).plan(A1, to);
    let isOver = false;
    void planned.finally(() => {
      isOver = true;
    });
    while (!isOver) await sites.time.runUntil(sites.time.now + 1);
    return planned;
  }

  test('says what a move would do, at any border, and changes nothing', async () => {
    const said = {
      from: 'site2',
      epoch: 1,
      refusals: [],
      steps: [
        expect.stringMatching('packets for 0:0:0:a1 wait at site2, site1, site3, at most'),
        'site1 writes down that 0:0:0:a1 is at site3 (epoch 1)',
        'site2 lets go of it, and sends on what still comes',
        'site3 takes it, and tells its links where their gateway is',
        'site1 sends what has waited there, and tells all other sites',
      ],
    };
    expect(await plan('site1', 'site3')).toEqual(said);
    expect(await plan('site2', 'site3')).toEqual(said);
    await sites.time.runUntil(10_000);
    expect(['site1', 'site2', 'site3'].map((name) => sites.binding(name, A1)?.epoch)).toEqual([0, 0, 0]);
    expect((await plan('site1', 'site2')).steps).toEqual(['0:0:0:a1 is at site2 already: nothing would change']);
  });

  test('says everything that stands against it', async () => {
    sites.sites.get('site1')!.policy = [rule('0:0:0:a1', ['site1'])];
    sites.sites.get('site3')!.policy = [rule('0:0:0:a1', ['site2'])];

    expect((await plan('site1', 'site3')).refusals).toEqual([
      'the policy of site1 allows 0:0:0:a1 at site1, not at site3',
      'site3: the policy of site3 allows 0:0:0:a1 at site2, not at site3; nothing has changed',
    ]);
  });
});
