/** Two sites, one guest: who may take it over, and what nobody believes. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Arrivals } from '../../src/arrivals/arrivals.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { formatNid, type Nid, parseIpv6, parseL64, parseNid } from '../../src/wire/text.ts';

const MAC = '52:54:00:12:34:56';
const OTHER = '52:54:00:65:43:21';
const NID = parseNid('0:0:0:a1')!;
const ADDRESS = parseIpv6('fd00:1::a1')!;

let at: string;
let answers: boolean;
let known: { address: Uint8Array; mac: string }[];
let now: number;
let looked: number;
const moved: string[] = [];
const asked: string[] = [];
const said: string[] = [];
const log = { info: () => {}, warn: (_: object, text: string) => void said.push(text) };

const binding = (): Binding => ({
  nid: NID,
  guest: parseL64('fd00:1::/64')!,
  home: 'site1',
  uplink: undefined,
  at,
  epoch: 0,
});

/** Site 2, where the guest shows itself, asks site 1. */
function sites(takes = true): { site1: Arrivals; site2: Arrivals } {
  const world = (site: string) => ({
    site,
    bindings: { get: (nid: Nid) => (nid.lo === NID.lo && nid.hi === NID.hi ? binding() : undefined) },
    peers: () => [site === 'site1' ? 'site2' : 'site1'],
    links: () => [{ interface: 'lan0', takes }],
    ask: (to: string, mac: string, nids: readonly Nid[]) => {
      asked.push(`${to} ${mac} ${nids.map(formatNid).join()}`);
      return site1.lost(mac, nids);
    },
    move: async (nid: Nid) => {
      moved.push(formatNid(nid));
      at = site;
    },
    whoHas: async () => {
      looked++;
      return answers;
    },
    neighbours: () => known,
    now: () => now,
    log,
  });
  const site1 = new Arrivals(world('site1'));
  return { site1, site2: new Arrivals(world('site2')) };
}

beforeEach(() => {
  at = 'site1';
  answers = false;
  known = [{ address: ADDRESS, mac: MAC }];
  now = 0;
  looked = 0;
  for (const list of [moved, asked, said]) list.length = 0;
});

const seen = (address: Uint8Array | null, mac = MAC) => ({ mac, address, isAnswer: false });

describe('a guest that has shown itself', () => {
  test('by its address is moved here when its old site has lost it', async () => {
    await sites().site2.seen('lan0', seen(ADDRESS));

    expect(asked).toEqual([`site1 ${MAC} 0:0:0:a1`]);
    expect(moved).toEqual(['0:0:0:a1']);
  });

  test('by its link-layer address alone is found by who knew it there', async () => {
    await sites().site2.seen('lan0', seen(null));

    expect(asked).toEqual([`site1 ${MAC} `]);
    expect(moved).toEqual(['0:0:0:a1']);
  });

  test('is not moved while it answers at its old site', async () => {
    answers = true;
    await sites().site2.seen('lan0', seen(ADDRESS));

    expect(moved).toEqual([]);
    expect(said).toEqual(['another site sees this guest too, but it still answers here']);
  });

  test('is not moved when it is another machine', async () => {
    await sites().site2.seen('lan0', seen(ADDRESS, OTHER));

    expect(moved).toEqual([]);
    expect(said).toEqual([`another site sees this guest too, but here it had ${MAC}`]);
  });

  test('is moved when the old site has forgotten its link-layer address', async () => {
    known = [];
    await sites().site2.seen('lan0', seen(ADDRESS));

    expect(moved).toEqual(['0:0:0:a1']);
  });
});

test.each([
  ['an address of no binding', 'fd00:1::dead'],
  ['a NID under another Locator', 'fd00:9::a1'],
  ['a global address of it', '2001:db8:1::a1'],
])('%s is nothing', async (_, text) => {
  await sites().site2.seen('lan0', seen(parseIpv6(text)));

  expect(asked).toEqual([]);
});

test('nothing is asked on a link that takes nobody, or of a guest that is here', async () => {
  await sites(false).site2.seen('lan0', seen(ADDRESS));
  await sites().site2.seen('lan1', seen(ADDRESS));
  at = 'site2';
  await sites().site2.seen('lan0', seen(ADDRESS));

  expect(asked).toEqual([]);
});

test('a guest is asked about once a second, whatever is said', async () => {
  answers = true;
  const { site2 } = sites();
  for (let k = 0; k < 500; k++) {
    now = k * 10;
    await site2.seen('lan0', seen(ADDRESS));
  }

  expect(asked.length).toBe(5);
});

test('of a flood of link-layer addresses a bounded number is asked about', async () => {
  const { site2 } = sites();
  for (let k = 0; k < 3000; k++)
    await site2.seen('lan0', seen(null, `02:00:00:00:${(k >> 8).toString(16)}:${(k & 255).toString(16)}`));

  expect(asked.length).toBe(64);
  expect(moved).toEqual([]);
  await site2.seen('lan0', seen(ADDRESS)); // a guest that says who it is is asked about all the same
  expect(moved).toEqual(['0:0:0:a1']);
});

test('the old site looks for a bounded number of guests a second, and says so a few times', async () => {
  answers = true;
  const { site1 } = sites();
  for (let k = 0; k < 3000; k++) expect(await site1.lost(MAC, [NID])).toEqual([]);
  expect([looked, said.length]).toEqual([256, 4]);

  answers = false;
  expect(await site1.lost(MAC, [NID])).toEqual([]); // it is not gone because nobody has looked
  now = 1000;
  expect(await site1.lost(MAC, [NID])).toEqual([NID]);
});
