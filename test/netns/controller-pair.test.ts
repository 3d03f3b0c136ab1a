/** Two controllers and a real keepalived: one dies during moves, they are cut apart, one comes back; nothing confirmed is lost. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RegistryClient } from '../../src/registry/client.ts';
import type { Entry } from '../../src/registry/registry.ts';
import { formatNid } from '../../src/wire/text.ts';
import { GUEST, listed } from '../registry/entries.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { global } from './support/addresses.ts';
import { ControllerPair, type Name } from './support/controller-pair.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { until } from './support/wait.ts';
import { Writers } from './support/writers.ts';

const lab = new Lab();
const pair = new ControllerPair(lab);
let registry: RegistryClient;

beforeAll(async () => {
  enterOwnNetwork();
  await lab.up('--no-sbr');
  await pair.up();
  for (const site of [1, 2] as const)
    lab.editConfig(site, (text) => `${text}registry: { kind: embedded, name: r1, control: "[fd00:12::9]:6741" }\n`);
  await Promise.all([lab.start(1), lab.start(2), pair.start('k1'), pair.start('k2')]);
  registry = await pair.site3();
  await pair.watch('k1');
  await until('k1 to serve', () => pair.said('k1').includes('"msg":"ready"'));
  await pair.watch('k2');
  await pair.whole('k1');
  await until('a2 is registered', async () => (await held(0xa2)) !== null);
}, 60_000);
afterAll(async () => {
  await pair.down();
  await lab.down();
});

const held = (lo: number): Promise<Entry | null> => registry.get({ hi: 0, lo }).catch(() => null);
const at = async (site: 1 | 2, nid: string): Promise<string | undefined> =>
  (await lab.show<{ nid: string; at: string }[]>('bindings', site)).find((one) => one.nid === nid)?.at;
const elsewhere = async (nid: string): Promise<string> => ((await at(1, nid)) === 'site1' ? 'site2' : 'site1');
const HI = 0x77;
/** Entries of this process, at a site that no border here is. */
const entryOf = (lo: number, epoch: number): Entry => ({
  ...{ nid: { hi: HI, lo }, epoch },
  binding: { guest: GUEST, home: 'site3', uplink: undefined, at: 'site3' },
});

/** Moves a2 to and fro until `end`, which gives where it was last said to be; nobody is there to be carried. */
function moving() {
  let isOver = false;
  let done = 0;
  let last = '';
  const ended = (async () => {
    for (let to = 'site2'; !isOver; to = to === 'site2' ? 'site1' : 'site2') {
      for (;;) {
        const { code, stderr } = await lab.ilnp('move', '0:0:0:a2', '--to', to, '--socket', lab.socket(1));
        if (code === 0) break;
        expect(stderr).toMatch(/E_REGISTRY|E_PEER_UNREACHABLE|E_BUSY/);
      }
      last = to;
      done++;
    }
  })();
  return {
    more: async (count: number): Promise<void> => {
      const before = done;
      await until('moves go on', () => done >= before + count, 20_000);
    },
    end: async (): Promise<string> => {
      isOver = true;
      await ended;
      return last;
    },
  };
}

async function expectAllConfirmed(writers: Writers): Promise<void> {
  const { all } = await listed(registry);
  expect(writers.confirmed.size).toBe(8);
  for (const [lo, { epoch }] of writers.confirmed)
    expect(all.get(formatNid({ hi: HI, lo }))!.epoch - epoch).toBeOneOf([0, 1]);
}

test('the first is killed during moves: the other takes over with all that was confirmed, sessions and moves go on', async () => {
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await session.connector.receives(100);
  const writers = new Writers(registry, 8, entryOf);
  const moves = moving();
  await until('the writers write', () => writers.swaps > 100);
  await moves.more(1);
  await pair.kill('k1');
  await session.connector.receives(100);
  await until('k2 to serve', () => pair.said('k2').includes('"msg":"ready"'), 20_000);
  const before = writers.swaps;
  await until('the writers write again', () => writers.swaps > before + 100, 20_000);
  await moves.more(2);
  await writers.end();
  const last = await moves.end();
  await lab.move('a1', 'site2');
  await session.connector.receives(100);
  expectIntact(await session.end());

  await expectAllConfirmed(writers);
  await until('the move is settled', async () => (await held(0xa2))?.active === undefined);
  expect((await held(0xa2))?.binding?.at).toBe(last);
  expect([await at(1, '0:0:0:a2'), await at(2, '0:0:0:a2')]).toEqual([last, last]);
  expect(await pair.pair('k2')).toMatchObject({ role: 'active', isReady: false });
});

test('the first comes back with an empty disk and stands by, and takes over in its turn', async () => {
  pair.forget('k1');
  await pair.start('k1');
  await pair.whole('k2');
  expect((await pair.ilnp('k1', 'show', 'bindings')).stderr).toContain('E_STANDBY');
  expect((await pair.ilnp('k1', 'show', 'pair')).stdout).toMatch(/^standing by, with a whole copy, term \d+\n$/);
  expect((await pair.ilnp('k1', 'takeover')).stderr).toMatch(/E_STANDBY/);

  const { term } = await pair.pair('k2');
  await pair.kill('keepalived-k2', 'SIGTERM'); // as for maintenance
  await pair.watch('k2');
  await pair.whole('k1');
  expect((await pair.pair('k1')).term).toBeGreaterThan(term!);
});

test('cut apart, both with the address: one is believed at most, and what was confirmed holds when they meet again', async () => {
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const writers = new Writers(registry, 8, (lo, epoch) => ({ ...entryOf(lo, epoch), nid: { hi: HI, lo: lo + 100 } }));
  await until('the writers write', () => writers.swaps > 100);
  const begun = pair.said('k2').length;
  await pair.part(true);
  await pair.steer('k2');
  await until('k2 to serve', () => pair.said('k2').slice(begun).includes('"msg":"ready"'), 20_000);
  const before = writers.swaps;
  await until('the writers write again', () => writers.swaps > before + 100, 20_000);
  expect((await pair.pair('k1')).role).toBe('active'); // it does not know better, and nobody hears it
  await session.connector.receives(100);

  await pair.part(false);
  await pair.steer(undefined);
  await until(
    'one to serve with the other as its standby',
    async () => {
      const both = [await pair.pair('k1'), await pair.pair('k2')];
      return both.every(({ isReady }) => isReady) && both.filter(({ role }) => role === 'active').length === 1;
    },
    20_000,
  );
  const after = writers.swaps;
  await until('the writers write on', () => writers.swaps > after + 100, 20_000);
  await writers.end();
  const { all } = await listed(registry);
  for (const [lo, { epoch }] of writers.confirmed)
    expect(all.get(formatNid({ hi: HI, lo: lo + 100 }))!.epoch - epoch).toBeOneOf([0, 1]);
  await session.connector.receives(100);
  expectIntact(await session.end());
});

/** Who serves, and the other one. */
async function roles(): Promise<readonly [Name, Name]> {
  return (await pair.pair('k1')).role === 'active' ? ['k1', 'k2'] : ['k2', 'k1'];
}

test('SIGHUP at both while entries change: what is right is taken, what is wrong is not, and both go on', async () => {
  const both = ['k1', 'k2'] as const;
  const [{ term }, from] = [await pair.pair('k1'), both.map((name) => pair.said(name).length)];
  const since = (k: number): string => pair.said(both[k]!).slice(from[k]);
  const writers = new Writers(registry, 8, (lo, epoch) => ({ ...entryOf(lo, epoch), nid: { hi: HI, lo: lo + 300 } }));
  await until('the writers write', () => writers.swaps > 100);

  pair.reconfigure((text) => `${text}policy: [{ nids: "0:0:0:77", sites: [site3] }]\n`);
  for (const k of [0, 1])
    await until(`${both[k]} to take it over`, () => since(k).includes('took the configuration over'));
  const [first] = await roles();
  expect((await pair.ilnp(first, 'show', 'config')).stdout).toContain('0:0:0:77');
  const binding = { guest: GUEST, home: 'site3', uplink: undefined, at: 'site2' };
  const forbidden = { nid: { hi: 0, lo: 0x77 }, epoch: 0, binding };
  await expect(registry.swap(null, forbidden)).rejects.toMatchObject({ code: 'E_POLICY' });

  pair.reconfigure((text) => text.replace(/^keyFile: .*$/m, 'keyFile: none.key'));
  for (const k of [0, 1])
    await until(`${both[k]} to refuse it`, () => /"E_KEY".*configuration stays as it was/.test(since(k)));
  const before = writers.swaps;
  await until('the writers write on', () => writers.swaps > before + 100);
  await writers.end();
  pair.reconfigure((text) => text.replace(/^keyFile: .*$/m, `keyFile: ${lab.directory}/site.key`));
  await pair.whole(first);
  expect((await pair.pair(first)).term).toBe(term);
});

test('one that lacks what was confirmed serves only by the word of an operator, and the other one follows it', async () => {
  const [first, second] = await roles();
  await pair.kill(second);
  await until(
    'a change is confirmed by one alone',
    async () => (await registry.swap(null, entryOf(200, 0)).catch(() => null))?.swapped,
  );
  await pair.kill(first);
  await pair.start(second);
  await until('it has the address', async () => {
    const { problems = [] } = await pair.pair(second);
    return problems.filter((one) => one.includes('it may lack what was confirmed')).length === 3;
  });
  expect(await pair.ilnp(second, 'takeover')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^this controller serves in term \d+\n$/),
  });
  await until('it answers', async () => (await held(0xa1)) !== null);
  expect(await registry.get({ hi: HI, lo: 200 })).toBeNull();
  await pair.start(first);
  await pair.whole(second);
});

test('a full disk, of who serves and then of who stands by: refused by name, nothing lost, and all goes on when there is room', async () => {
  const [old, first] = await roles();
  await pair.kill(`keepalived-${first}`, 'SIGTERM'); // it would not see the mount
  await pair.kill(first);
  const disk = await pair.mount(first, 4 << 20);
  await pair.start(first);
  await pair.watch(first);
  await pair.whole(old);
  await pair.kill(`keepalived-${old}`, 'SIGTERM');
  await pair.watch(old);
  await pair.whole(first);
  const { term } = await pair.pair(first);
  const fill = (): void => {
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(`${disk}/filling`, new Uint8Array(Number(bavail) * Number(bsize)));
  };

  fill();
  let done = 0;
  const refused = async (): Promise<string | undefined> => {
    for (; done < 1000; done++) {
      const error = await registry.swap(null, entryOf(1000 + done, 0)).then(
        () => null,
        (one) => one,
      );
      if (error !== null) return `${error.code} ${error.message}`;
    }
    return undefined;
  };
  expect(await refused()).toMatch(/^E_STATE .*ENOSPC/);
  expect((await held(0xa2))?.binding).toBeTruthy();
  expect(await pair.pair(first)).toMatchObject({ role: 'active', isReady: true, term });
  const { stderr } = await lab.ilnp('move', '0:0:0:a1', '--to', await elsewhere('0:0:0:a1'), '--socket', lab.socket(1));
  expect(stderr).toMatch(/^ilnp: E_STATE: .*ENOSPC/m);
  rmSync(`${disk}/filling`);
  expect(await registry.swap(null, entryOf(1000 + done, 0))).toEqual({ swapped: true });

  fill();
  await pair.kill(first);
  await until('the other one serves', async () => (await pair.pair(old)).role === 'active', 20_000);
  await until('it answers', async () => (await registry.get({ hi: HI, lo: 1000 + done }).catch(() => null)) !== null);
  const begun = pair.said(first).length;
  await pair.start(first);
  await until('it cannot copy', () => /the copy cannot go on/.test(pair.said(first).slice(begun)));
  expect(await registry.swap(null, entryOf(5000, 0))).toEqual({ swapped: true });
  rmSync(`${disk}/filling`);
  await pair.whole(old);
  const { all } = await listed(registry);
  for (let lo = 1000; lo <= 1000 + done; lo++) expect(all.has(formatNid({ hi: HI, lo }))).toBe(true);
});
