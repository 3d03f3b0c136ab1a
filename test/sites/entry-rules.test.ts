/** What a border that keeps a registry refuses. */
import { describe, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import type { Entry } from '../../src/registry/registry.ts';
import { controllerObjection, objection, type RulesWorld, wrongEntry } from '../../src/sites/entry-rules.ts';
import { entryOf } from '../registry/entries.ts';
import { peerOf, uplinkOf } from './support/plans.ts';

const GLOBAL = { hi: 0x2001_0db8, lo: 0x9_0000 };
const configured: Binding = { nid: { hi: 0, lo: 7 }, epoch: 0, ...entryOf(7, 0).binding!, home: 'site2', at: 'site2' };
const config = {
  site: 'site1',
  uplinks: [uplinkOf('site1')],
  inside: [{ interface: 'lan0', l64: GLOBAL, gateway: undefined, guests: [], arrivals: false }],
  peers: [peerOf('site2')],
  subnets: [],
  policy: [{ nids: { from: { hi: 0, lo: 0x50 }, to: { hi: 0, lo: 0x5f } }, sites: ['site2'], movers: ['site2'] }],
};
const world = {
  config: () => config as ReturnType<RulesWorld['config']>,
  classes: [],
  get: ({ lo }: { lo: number }) => (lo === 7 ? configured : undefined),
};
const at = (lo: number, binding: object): Entry => ({
  ...entryOf(lo, 1),
  binding: { ...entryOf(lo, 1).binding!, ...binding },
});

describe('a first registration', () => {
  test.each([
    ['of a guest here', entryOf(1, 0)],
    ['of a guest with a global Locator that is on a link here', at(1, { guest: GLOBAL })],
    ['of what is configured with that home', at(7, { home: 'site2', at: 'site2' })],
    ['where the policy allows it', at(0x50, { home: 'site2', at: 'site2' })],
    ['of nothing', { ...entryOf(1, 1), binding: null }],
  ])('%s is right', (_what, entry) => expect(objection(world, entry, null)).toBeNull());

  test.each([
    ['of what is configured with another home', entryOf(7, 0), 'E_REGISTERED'],
    ['where the policy forbids it', at(0x50, { home: 'site2', at: 'site1' }), 'E_POLICY'],
    ['at a place that is no site', at(1, { at: 'r1' }), 'E_UNKNOWN_SITE'],
    ['with a home that is no site', at(1, { home: 'r1' }), 'E_UNKNOWN_SITE'],
    ['with the Locator of an uplink here', at(1, { guest: uplinkOf('site1').l64 }), 'E_BINDING'],
    ["with a Locator that is somebody else's", at(1, { guest: uplinkOf('site2').l64 }), 'E_BINDING'],
  ])('%s is refused', (_what, entry, code) => expect(objection(world, entry, null)).toMatchObject({ code }));
});

test('what a policy here says of other sites does not end what is registered, and of a home here it was asked', () => {
  const known = at(0x50, { home: 'site2', at: 'site2' });
  expect(wrongEntry(world, at(0x50, { home: 'site2', at: 'site1' }), known.binding)).toMatchObject({
    code: 'E_POLICY',
  });
  expect(wrongEntry(world, at(0x50, { home: 'site1', at: 'site1' }), known.binding)).toBeNull();
  expect(objection(world, entryOf(7, 9), entryOf(7, 8))).toBeNull();
});

describe('a controller', () => {
  const { policy } = config;
  const refuses = (entry: Entry, held: Entry | null = null) =>
    controllerObjection({ controller: 'r1', sites: ['site1', 'site2'], policy }, entry, held);

  test.each([
    ['at a place that is no site', at(1, { at: 'site3' }), null, 'E_UNKNOWN_SITE'],
    ['with a home that is no site', at(1, { home: 'r1' }), null, 'E_UNKNOWN_SITE'],
    ['that moves to no site', at(1, { at: 'site3' }), entryOf(1, 0), 'E_UNKNOWN_SITE'],
    ['where its policy forbids it', at(0x50, { at: 'site1' }), null, 'E_POLICY'],
    ['that moves where its policy forbids it', at(0x50, { at: 'site1' }), at(0x50, { at: 'site2' }), 'E_POLICY'],
  ])('refuses an entry %s', (_what, entry, held, code) => expect(refuses(entry, held)).toMatchObject({ code }));

  test.each([
    ['of its sites', at(1, { at: 'site2' }), null],
    ['where its policy allows it', at(0x50, { at: 'site2' }), null],
    ['that is withdrawn', { ...entryOf(1, 1), binding: null }, at(1, { at: 'site3' })],
    [
      'that stays, or changes its uplink, at a site that is not in the list any more',
      at(1, { at: 'site3', home: 'site3' }),
      at(1, { at: 'site3', home: 'site3' }),
    ],
    [
      'whose move is taken back to where the policy forbids it by now',
      at(0x50, { at: 'site1' }),
      { ...at(0x50, { at: 'site2' }), active: ['site1'] },
    ],
  ])('takes an entry %s', (_what, entry, held) => expect(refuses(entry, held)).toBeNull());
});
