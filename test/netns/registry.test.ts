/** The registry in a real etcd, three members with TLS and users, in namespaces: what holds when members die or are cut off. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { follow } from '../../src/registry/follow.ts';
import type { Entry, Registry } from '../../src/registry/registry.ts';
import { formatNid } from '../../src/wire/text.ts';
import { contract } from '../registry/contract.ts';
import { entryOf, listed } from '../registry/entries.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { global } from './support/addresses.ts';
import { EtcdCluster, MEMBERS, registryOf } from './support/etcd.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { until } from './support/wait.ts';
import { Writers } from './support/writers.ts';

const PASSWORD = 'correct horse';

let cluster: EtcdCluster;
beforeAll(async () => {
  enterOwnNetwork();
  cluster = await EtcdCluster.start(PASSWORD);
});
afterAll(() => cluster.stop());

let prefixes = 0;
const freshPrefix = (): string => `/ilnp/${prefixes++}`;
const opened: Registry[] = [];
afterEach(async () => {
  for (const registry of opened.splice(0)) await registry.close();
});
function open(prefix: string, password = PASSWORD, user = 'ilnp'): Registry {
  const registry = registryOf(cluster, { prefix, password, user });
  opened.push(registry);
  return registry;
}

contract('etcd', async () => {
  const registry = open(freshPrefix());
  return { registry, forget: () => cluster.compact(), remove: () => registry.close(), ttlMs: 1000 };
});

/** A copy that is kept by following, with every epoch seen in order. */
function copyOf(registry: Registry): { entries: Map<string, Entry>; end: () => Promise<void> } {
  const stop = new AbortController();
  const entries = new Map<string, Entry>();
  const ended = follow({
    registry,
    apply: async (changes) => {
      for (const entry of changes.entries) {
        expect(entry.epoch).toBeGreaterThanOrEqual(entries.get(formatNid(entry.nid))?.epoch ?? 0);
        entries.set(formatNid(entry.nid), entry);
      }
    },
    synced: () => {},
    lost: () => {},
    signal: stop.signal,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });
  return {
    entries,
    end: async () => {
      stop.abort();
      await ended;
    },
  };
}

describe('faults of etcd', () => {
  test.each([
    [
      'the leader is killed',
      async () => {
        const leader = await cluster.leader();
        await cluster.kill(leader);
        return async () => cluster.run(leader);
      },
    ],
    [
      'the leader is cut off from the others, but not from us',
      async () => {
        const leader = await cluster.leader();
        await cluster.partition(leader, true);
        return () => cluster.partition(leader, false);
      },
    ],
    [
      'all are killed',
      async () => {
        for (const member of MEMBERS) await cluster.kill(member);
        return async () => {
          for (const member of MEMBERS) cluster.run(member);
        };
      },
    ],
  ])('%s while entries change: nothing confirmed is lost, who follows ends with the same', async (_what, harm) => {
    const prefix = freshPrefix();
    const writers = new Writers(open(prefix), 8);
    const copy = copyOf(open(prefix));
    await until('the writers write', () => writers.swaps > 100);

    const mend = await harm();
    const before = writers.swaps;
    if (_what !== 'all are killed') await until('the writers go on', () => writers.swaps > before + 100, 20_000);
    await mend();
    const after = writers.swaps;
    await until('the writers write again', () => writers.swaps > after + 100, 20_000);
    await writers.end();

    const { all } = await listed(open(prefix));
    for (const [lo, entry] of writers.confirmed) {
      const held = all.get(formatNid({ hi: 0, lo }))!;
      expect(held.epoch).toBeGreaterThanOrEqual(entry.epoch);
      expect(held.epoch).toBeLessThanOrEqual(entry.epoch + 1); // the last one, whose answer was not waited for
    }
    await until(
      'the copy is the same',
      () => [...all].every(([nid, entry]) => copy.entries.get(nid)?.epoch === entry.epoch),
      20_000,
    );
    expect(copy.entries).toEqual(all);
    await copy.end();
  });

  test('who has no user, a wrong password or no right reads and changes nothing, and no secret is in what is said', async () => {
    const prefix = freshPrefix();
    const right = open(prefix);
    await right.swap(null, entryOf(1, 0));
    const wrong = [open(prefix, 'wrong battery'), open(prefix, PASSWORD, 'nobody'), open(prefix, PASSWORD, 'stranger')];

    for (const registry of wrong) {
      const attempts: (() => Promise<unknown>)[] = [
        () => registry.get({ hi: 0, lo: 1 }),
        () => registry.swap(0, entryOf(1, 1, 'site9')),
        () => registry.lease('pair', 'x', 5000),
        () => listed(registry),
      ];
      for (const attempt of attempts) {
        const error = (await attempt().catch((caught) => caught)) as Error;
        expect(error).toMatchObject({ code: 'E_REGISTRY' });
        expect(error.message).not.toMatch(/battery|horse/);
      }
    }
    expect(await right.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
  });
});

describe('two borders', () => {
  const lab = new Lab();
  const registry = (): string =>
    [
      'registry:',
      '  kind: etcd',
      `  endpoints: [${cluster.endpoints.map((url) => `"${url}"`).join(', ')}]`,
      `  caFile: ${cluster.caFile}`,
      '  user: ilnp',
      `  passwordFile: ${cluster.passwordFile}`,
      '  prefix: /ilnp/borders',
    ].join('\n');
  beforeAll(async () => {
    await lab.up('--no-sbr');
    for (const site of [1, 2] as const) {
      await cluster.join(lab.namespace(`sbr${site}`));
      lab.editConfig(site, (text) => `${text}${registry()}\n`);
    }
    await lab.start(1);
    await lab.start(2);
  });
  afterAll(() => lab.down());

  const at = async (site: 1 | 2): Promise<[string, number] | undefined> => {
    const bindings = await lab.show<{ nid: string; at: string; epoch: number }[]>('bindings', site);
    const found = bindings.find(({ nid }) => nid === '0:0:0:a1');
    return found && [found.at, found.epoch];
  };
  const held = async (): Promise<Entry | null> => open('/ilnp/borders').get({ hi: 0, lo: 0xa1 });

  test('what the configuration has is registered, and a move is decided and settled there', async () => {
    await until('the binding is registered', async () => (await held()) !== null);
    await lab.move('a1', 'site2');

    await until('the move is settled', async () => (await held())?.active === undefined);
    expect(await held()).toMatchObject({ epoch: 1, binding: { home: 'site1', at: 'site2' } });
    expect(await at(2)).toEqual(['site2', 1]);
    await lab.move('a1', 'site1');
  });

  test('the leader is killed in the middle of a move: the move is carried out, the session lives', async () => {
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await session.connector.receives(100);
    const leader = await cluster.leader();
    const moving = lab.move('a1', 'site2');
    await cluster.kill(leader);
    await moving;
    await session.connector.receives(200);
    expectIntact(await session.end());

    await until('the move is settled', async () => (await held())?.active === undefined);
    const { epoch } = (await held())!;
    expect(await at(1)).toEqual(['site2', epoch]);
    expect(await at(2)).toEqual(['site2', epoch]);
    cluster.run(leader);
    await lab.move('a1', 'site1');
  });

  test('without etcd borders go on forwarding, and refuse to move by name; with it again they move', async () => {
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    const before = await at(1);
    for (const member of MEMBERS) await cluster.kill(member);
    await session.connector.receives(200);
    const refused = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));

    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('E_REGISTRY') });
    expect(await at(1)).toEqual(before);
    await session.connector.receives(200);
    for (const member of MEMBERS) cluster.run(member);
    await until('etcd is back', async () => (await held().catch(() => null)) !== null, 20_000);
    await lab.move('a1', 'site2');
    expectIntact(await session.end());
    await lab.move('a1', 'site1');
  });

  test('an identifier that only the registry has is forwarded by both, and dropped when it is withdrawn', async () => {
    const registry = open('/ilnp/borders');
    const guest = { hi: 0xfd00_0001, lo: 0 };
    const nid = { hi: 0, lo: 0x77 };
    const known = async (site: 1 | 2): Promise<boolean> =>
      (await lab.show<{ nid: string }[]>('bindings', site)).some((one) => one.nid === '0:0:0:77');
    await registry.swap(null, { nid, epoch: 0, binding: { guest, home: 'site1', uplink: undefined, at: 'site1' } });
    await until('both know it', async () => (await known(1)) && (await known(2)));

    await registry.swap(0, { nid, epoch: 1, binding: null });
    await until('both have forgotten it', async () => !(await known(1)) && !(await known(2)));
  });

  test('what is taken out of a file stays as long as the registry has it', async () => {
    const configured = readFileSync(lab.configFile(2), 'utf8');
    lab.editConfig(2, (before) => before.replace(/^ .*nid: "0:0:0:a1".*\n/m, ''));
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await lab.reload(2);
    await until('site 2 has asked the registry', async () => (await lab.log(2)).includes('not in the file any more'));
    expect(await at(2)).toEqual(await at(1));
    await lab.move('a1', 'site2');
    await session.connector.receives(100);
    expectIntact(await session.end());
    await lab.move('a1', 'site1');
    writeFileSync(lab.configFile(2), configured);
    await lab.reload(2);
    expect(await at(2)).toEqual(await at(1));
  });

  test('what cannot be is passed over by both and counted, for etcd takes whatever it is given', async () => {
    const guest = { hi: 0xfd00_0001, lo: 0 };
    const binding = { guest, home: 'site1', uplink: undefined, at: 'site9' };
    await open('/ilnp/borders').swap(null, { nid: { hi: 0, lo: 0x78 }, epoch: 0, binding });
    const passedOver = async (site: 1 | 2): Promise<number> =>
      (await lab.show<{ registry: { passed_over: number } }>('counters', site)).registry.passed_over;
    await until('both have counted it', async () => (await passedOver(1)) > 0 && (await passedOver(2)) > 0);

    for (const site of [1, 2] as const) {
      expect(JSON.stringify(await lab.show('bindings', site))).not.toContain('0:0:0:78');
      expect(await lab.log(site)).toContain('knows no site \\"site9\\"');
    }
  });

  test('no password is in logs, in arguments or in what is shown', async () => {
    for (const site of [1, 2] as const) {
      const said = [await lab.log(site), JSON.stringify(await lab.show('config', site))];
      said.push(readFileSync(`/proc/${await lab.pid(site)}/cmdline`, 'utf8'));
      expect(said.join('\n')).not.toContain(PASSWORD);
      expect(said.join('\n')).toContain('passwordFile');
    }
  });
});
