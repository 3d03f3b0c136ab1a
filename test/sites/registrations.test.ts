/** Bindings that come and go by command, at three sites with one registry. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PolicyRule } from '../../src/config/site-config.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { RegistryService } from '../../src/registry/service.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { wrongEntry } from '../../src/sites/entry-rules.ts';
import { parseReply, parseRequest } from '../../src/sites/messages.ts';
import { nidKey } from '../../src/sites/nid-key.ts';
import { Registrations } from '../../src/sites/registrations.ts';
import { RegistryFollow } from '../../src/sites/registry-follow.ts';
import type { Nid } from '../../src/wire/text.ts';
import { GUEST } from '../registry/entries.ts';
import { peerOf, uplinkOf } from './support/plans.ts';

const SITES = ['site1', 'site2', 'site3'];
const range = { from: { hi: 0, lo: 0 }, to: { hi: 0, lo: 0xff } };
/** Twenty times as fast as ours. */
const clock = {
  now: () => performance.now() * 20_000,
  after: (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms / 20);
    return () => clearTimeout(timer);
  },
};
const log = { info: () => {}, warn: () => {} };
const nid: Nid = { hi: 0, lo: 1 };
const bindingOf = (home: string, at = home) => ({ guest: GUEST, home, uplink: undefined, at });

interface Border {
  readonly table: Map<string, Binding>;
  readonly registrations: Registrations;
  readonly follow: RegistryFollow;
  policy: readonly PolicyRule[];
  isUp: boolean;
}

let registry: MemoryRegistry;
let service: RegistryService;
let borders: Map<string, Border>;
/** Sites whose disk takes nothing. */
let full: Set<string>;

function borderOf(site: string): Border {
  const table = new Map<string, Binding>();
  const bindings = { get: (one: Nid) => table.get(nidKey(one)), all: () => table.values() };
  const client = new RegistryClient(async (ask) => {
    if (!border.isUp) throw new IlnpError('E_REGISTRY', 'cut off');
    const answer = await service.answer(site, ask);
    if (!border.isUp) throw new IlnpError('E_REGISTRY', 'cut off');
    return answer;
  });
  const registries = [{ range, registry: client }];
  const uplinks = site === 'site3' ? [] : [uplinkOf(site)];
  const rules = {
    config: () => ({
      ...{ site, uplinks, inside: [], subnets: [], policy: border.policy },
      peers: SITES.filter((one) => one !== site).map(peerOf),
    }),
    classes: [],
    get: (one: Nid) => table.get(nidKey(one)),
  };
  const follow = new RegistryFollow({
    ...{ site, registries, bindings, clock, log },
    moves: { heard: async () => {} },
    record: { settle: () => {} },
    copy: {
      take: () => {},
      flush: async () => {
        if (full.has(site)) throw new Error('no space left on device');
      },
      isDue: false,
      replace: async () => {},
    },
    place: async (all) => {
      for (const one of all) table.set(nidKey(one.nid), one);
    },
    withdraw: async (nids) => {
      for (const one of nids) table.delete(nidKey(one));
    },
    wrong: (entry, known) => wrongEntry(rules, entry, known),
    configured: () => [],
  });
  const registrations = new Registrations({
    ...{ site, registries, bindings, clock },
    policy: () => border.policy,
    peers: () => SITES.filter((one) => one !== site),
    uplinks: () => uplinks,
    wrong: (entry) => wrongEntry(rules, entry, null),
    send: async (to, request) => {
      const said = parseRequest(structuredClone(request));
      if (said.kind !== 'register' && said.kind !== 'withdraw' && said.kind !== 'admit') throw new Error(said.kind);
      const reply = parseReply(structuredClone(await borders.get(to)!.registrations.handle(site, said)));
      if (reply.kind === 'error') throw new IlnpError(reply.code, reply.message);
      return reply;
    },
    take: (entries) => follow.take(entries),
  });
  const border: Border = { table, registrations, follow, policy: [], isUp: true };
  return border;
}

const of = (site: string): Border => borders.get(site)!;
const places = (): (string | undefined)[] => SITES.map((site) => of(site).table.get(nidKey(nid))?.at);

beforeEach(() => {
  registry = new MemoryRegistry({ now: () => 0, seed: [1, 2], limit: 100 });
  service = new RegistryService(registry, clock.after);
  full = new Set();
  borders = new Map(SITES.map((site) => [site, borderOf(site)]));
  for (const border of borders.values()) border.follow.start();
});
afterEach(async () => {
  service.close();
  for (const border of borders.values()) await border.follow.close();
});

test('registered at its home, or by way of it, everybody has it; the same again is no error', async () => {
  expect(await of('site1').registrations.register(nid, bindingOf('site1'))).toEqual({ epoch: 1, isOver: true });
  expect(of('site1').table.get(nidKey(nid))?.at).toBe('site1');
  await expect.poll(places).toEqual(['site1', 'site1', 'site1']);
  expect(await of('site1').registrations.register(nid, bindingOf('site1'))).toEqual({ epoch: 1, isOver: true });

  const other = { hi: 0, lo: 2 };
  await of('site3').registrations.register(other, bindingOf('site2', 'site3'));
  expect(registry.state.get(other)).toEqual({ nid: other, epoch: 1, binding: bindingOf('site2', 'site3') });
});

test('of two homes that want one identifier at once one gets it', async () => {
  const both = await Promise.allSettled([
    of('site1').registrations.register(nid, bindingOf('site1')),
    of('site2').registrations.register(nid, bindingOf('site2')),
  ]);
  const lost = both.filter(({ status }) => status === 'rejected');

  expect(lost).toMatchObject([{ reason: { code: 'E_REGISTERED', message: expect.stringContaining('home site') } }]);
  const winner = both[0]!.status === 'fulfilled' ? 'site1' : 'site2';
  expect(registry.state.get(nid)?.binding?.home).toBe(winner);
});

describe('refused, and nothing has changed', () => {
  const rule = { nids: range, sites: ['site1'], movers: ['site1'] };
  test.each([
    ['another site than the policy allows', 'site1', bindingOf('site1', 'site2'), 'E_POLICY'],
    ['a border that may not', 'site2', bindingOf('site1'), 'E_POLICY'],
    ['a home without uplinks', 'site1', bindingOf('site3'), 'E_USAGE'],
    ['a site nobody knows', 'site1', bindingOf('site1', 'site9'), 'E_UNKNOWN_SITE'],
    ['a home nobody knows', 'site1', bindingOf('site9'), 'E_UNKNOWN_SITE'],
    ['an uplink its home has not', 'site1', { ...bindingOf('site1'), uplink: 'isp9' }, 'E_USAGE'],
    ['the Locator of an uplink', 'site1', { ...bindingOf('site1'), guest: uplinkOf('site1').l64 }, 'E_USAGE'],
    ["another site's uplink", 'site1', { ...bindingOf('site1'), guest: uplinkOf('site2').l64 }, 'E_BINDING'],
    ['every Locator', 'site1', { ...bindingOf('site1'), guest: { hi: 0, lo: 0 } }, 'E_BINDING'],
  ])('%s', async (_what, asked, binding, code) => {
    of('site1').policy = [rule];
    await expect(of(asked).registrations.register(nid, binding)).rejects.toMatchObject({ code });
    expect(registry.state.size).toBe(0);
  });

  test('a site whose policy does not have the guest', async () => {
    of('site2').policy = [{ nids: range, sites: ['site1'], movers: undefined }];
    await expect(of('site1').registrations.register(nid, bindingOf('site1', 'site2'))).rejects.toMatchObject({
      code: 'E_POLICY',
    });
    expect(registry.state.size).toBe(0);
  });

  test('an identifier no registry has', async () => {
    const far = { hi: 9, lo: 9 };
    await expect(of('site1').registrations.register(far, bindingOf('site1'))).rejects.toMatchObject({
      code: 'E_REGISTRY',
    });
  });

  test('a withdrawal by a border that may not, of what is not there, and of a guest on the move', async () => {
    await expect(of('site1').registrations.withdraw(nid, false)).rejects.toMatchObject({ code: 'E_UNKNOWN_NID' });
    await of('site1').registrations.register(nid, bindingOf('site1'));
    await expect.poll(places).toEqual(['site1', 'site1', 'site1']);
    of('site1').policy = [rule];
    await expect(of('site2').registrations.withdraw(nid, false)).rejects.toMatchObject({ code: 'E_POLICY' });
    await registry.swap(1, { nid, epoch: 2, binding: bindingOf('site1', 'site2'), active: ['site1'] });
    await expect(of('site1').registrations.withdraw(nid, false)).rejects.toMatchObject({ code: 'E_STALE_EPOCH' });
    expect(registry.state.get(nid)?.binding).not.toBeNull();
  });
});

test('withdrawn from anywhere it is dropped everywhere, and another home may have it then', async () => {
  await of('site1').registrations.register(nid, bindingOf('site1', 'site2'));
  await expect.poll(places).toEqual(['site2', 'site2', 'site2']);
  expect(await of('site3').registrations.withdraw(nid, false)).toEqual({ epoch: 2, isOver: true });
  await expect.poll(places).toEqual([undefined, undefined, undefined]);
  expect(registry.state.get(nid)).toEqual({ nid, epoch: 2, binding: null });
  expect(await of('site1').registrations.withdraw(nid, false)).toEqual({ epoch: 2, isOver: true });

  expect(await of('site2').registrations.register(nid, bindingOf('site2'))).toEqual({ epoch: 3, isOver: true });
  await expect.poll(places).toEqual(['site2', 'site2', 'site2']);
});

test('until the site where it was has let go nobody can register it, unless home says that it is dead', async () => {
  await of('site1').registrations.register(nid, bindingOf('site1', 'site2'));
  await expect.poll(places).toEqual(['site2', 'site2', 'site2']);
  of('site2').isUp = false;
  expect(await of('site1').registrations.withdraw(nid, false)).toEqual({ epoch: 2, isOver: false });
  await expect(of('site1').registrations.register(nid, bindingOf('site1'))).rejects.toMatchObject({
    code: 'E_REGISTERED',
    message: expect.stringContaining('site2 has not let go'),
  });
  expect(of('site2').table.get(nidKey(nid))?.at).toBe('site2');

  expect(await of('site1').registrations.withdraw(nid, true)).toEqual({ epoch: 2, isOver: true });
  await of('site1').registrations.register(nid, bindingOf('site1'));
  of('site2').isUp = true;
  await expect.poll(places, { timeout: 5000 }).toEqual(['site1', 'site1', 'site1']);
});

test('a site that cannot remember a withdrawal has not let go', async () => {
  await of('site1').registrations.register(nid, bindingOf('site1', 'site2'));
  full.add('site2');
  expect(await of('site1').registrations.withdraw(nid, false)).toEqual({ epoch: 2, isOver: false });
  full.clear();

  await expect.poll(() => registry.state.get(nid)?.active, { timeout: 5000 }).toBeUndefined();
  expect(places()).toEqual([undefined, undefined, undefined]);
});
