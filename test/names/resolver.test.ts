/** What programs are answered, from zones in memory. */
import { describe, expect, test } from 'vitest';
import type { Found } from '../../src/names/choose.ts';
import { lookUp } from '../../src/names/lookup.ts';
import { Resolver } from '../../src/names/resolver.ts';
import { Rrsets } from '../../src/names/rrsets.ts';
import { put16, u16 } from '../../src/wire/bytes.ts';
import { messageOctets, optOctets, rcodeOf, readMessage } from '../../src/wire/dns-message.ts';
import { formatL64, parseL64, parseNid } from '../../src/wire/text.ts';
import { addressesIn, query, zone } from './support.ts';

const AAAA = 28;
const A = 1;
const PLAIN = '20010db800ff00000000000000000001';

/** A resolver before one zone; `clock.now` in milliseconds. */
function over(text: string, { hosts = {} as Record<string, Found>, negativeTtl = 60, isBelieved = true } = {}) {
  const answer = zone(text, negativeTtl);
  const asked: string[] = [];
  const taught: Found[] = [];
  const clock = { now: 0 };
  const rrsets = new Rrsets({
    ask: async (octets) => {
      const { name, type } = readMessage(octets)!.question!;
      asked.push(`${name} ${type}`);
      return answer(octets);
    },
    now: () => clock.now,
  });
  const resolver = new Resolver({
    ask: async (octets) => answer(octets),
    find: async (name) => hosts[name] ?? lookUp(name, (...args) => rrsets.get(...args)),
    isHost: (name) => name in hosts,
    teach: async (found) => {
      taught.push(found);
      return isBelieved;
    },
    self: { nid: parseNid('0:0:0:a1')!, stable: parseL64('fd00:a:0:0')! },
  });
  return { resolver, rrsets, asked, taught, clock };
}

const ask = async ({ resolver }: ReturnType<typeof over>, name: string, type = AAAA): Promise<Uint8Array> =>
  (await resolver.answer(query(name, type), 'udp'))!;
const locators = (found: Found | undefined): string[] =>
  found!.locators.map(({ l64, preference, lifetime }) => `${formatL64(l64)} ${preference} ${lifetime}`);

describe('a name with NID and L64', () => {
  const text = `
    b.example. 3600 NID 20 0:0:0:b2
    b.example. 900 NID 10 0:0:0:b1
    b.example. 30 L64 20 2001:db8:3:0
    b.example. 30 L64 10 2001:db8:2:0
    b.example. 300 AAAA ${PLAIN}`;

  // shows: D4, D5, D10
  test('is one AAAA: the preferred Locator with the preferred identifier, for the least of the TTLs; the path knows', async () => {
    const o = over(text);
    const reply = await ask(o, 'B.example.');

    expect(addressesIn(reply)).toEqual([['20010db80002000000000000000000b1', 30]]);
    expect(u16(reply, 0)).toBe(7);
    expect(o.taught.map(({ name }) => name)).toEqual(['b.example.']);
    expect(o.taught[0]!.nid).toEqual({ hi: 0, lo: 0xb1 });
    expect(locators(o.taught[0]!)).toEqual(['2001:db8:2::/64 10 30', '2001:db8:3::/64 20 30']);
  });

  test('of another type is what the upstream says', async () => {
    const o = over(text);
    const reply = await ask(o, 'b.example.', A);

    expect(readMessage(reply)!.answers).toEqual([]);
    expect(o.asked).toEqual([]);
    expect(o.taught).toEqual([]);
  });

  test('is kept until its TTL is over, and what is left of it is told', async () => {
    const o = over(text);
    await ask(o, 'b.example.');
    const first = o.asked.length;
    o.clock.now = 29_000;
    expect(addressesIn(await ask(o, 'b.example.'))).toEqual([['20010db80002000000000000000000b1', 1]]);
    expect(o.asked.length).toBe(first);
    o.clock.now = 30_000;
    await ask(o, 'b.example.');
    expect(o.asked.slice(first)).toEqual(['b.example. 106']);
  });

  test('many ask at once, one asks the upstream', async () => {
    const o = over(text);
    await Promise.all(Array.from({ length: 20 }, () => ask(o, 'b.example.')));
    expect(o.asked.sort()).toEqual(['b.example. 104', 'b.example. 106', 'b.example. 107']);
  });

  test('a program that validates by itself gets the records as they are', async () => {
    const o = over(text);
    const opt = optOctets();
    put16(opt, 7, 0x8000);
    const checking = query('b.example.', AAAA, { flags: 0x0110 });
    const question = checking.slice(12);
    const octets = messageOctets(9, 0x0110, [[question], [], [], [opt]]);

    expect(addressesIn((await o.resolver.answer(octets, 'udp'))!)).toEqual([[PLAIN, 300]]);
    expect(o.taught).toEqual([]);
  });
});

// shows: D9
test('a TTL of 0 is handed on, and nothing is kept', async () => {
  const o = over('b.example. 900 NID 10 0:0:0:b1\nb.example. 0 L64 10 2001:db8:2:0');
  expect(addressesIn(await ask(o, 'b.example.'))).toEqual([['20010db80002000000000000000000b1', 0]]);
  expect(locators(o.taught[0]!)).toEqual(['2001:db8:2::/64 10 0']);
  await ask(o, 'b.example.');
  expect(o.asked.filter((question) => question === 'b.example. 106')).toHaveLength(2);
});

describe('LP', () => {
  // shows: D4
  test('leads to the L64 records of the subnet; its preference comes first, then theirs', async () => {
    const o = over(`
      b.example. 900 NID 10 0:0:0:b1
      b.example. 600 LP 20 far.example.
      b.example. 600 LP 10 near.example.
      b.example. 40 L64 15 2001:db8:5:0
      near.example. 30 L64 40 2001:db8:2:0
      near.example. 30 L64 30 2001:db8:3:0
      far.example. 20 L64 1 2001:db8:4:0`);
    expect(addressesIn(await ask(o, 'b.example.'))).toEqual([['20010db80003000000000000000000b1', 20]]);
    expect(locators(o.taught[0]!)).toEqual([
      '2001:db8:3::/64 10 30',
      '2001:db8:2::/64 10 30',
      '2001:db8:5::/64 15 40',
      '2001:db8:4::/64 20 20',
    ]);
  });

  // shows: D1b
  test('to itself, or to a name that has LP only: not followed', async () => {
    const o = over(`
      b.example. 900 NID 10 0:0:0:b1
      b.example. 600 LP 10 B.example.
      b.example. 600 LP 20 one.example.
      one.example. 600 LP 10 two.example.
      two.example. 600 L64 10 2001:db8:2:0
      b.example. 300 AAAA ${PLAIN}`);
    expect(addressesIn(await ask(o, 'b.example.'))).toEqual([[PLAIN, 300]]);
    expect(o.asked.sort()).toEqual(['b.example. 104', 'b.example. 106', 'b.example. 107', 'one.example. 106']);
  });

  test('ten thousand in a chain, or a thousand of one name: eight are asked', async () => {
    const chain = Array.from({ length: 10_000 }, (_, k) => `n${k}.example. 60 LP 10 n${k + 1}.example.`);
    const many = Array.from({ length: 1000 }, (_, k) => `m.example. 60 LP ${k} n${100 + k}.example.`);
    const o = over(['m.example. 60 NID 10 0:0:0:b1', 'n0.example. 60 NID 10 0:0:0:b1', ...chain, ...many].join('\n'));
    expect(rcodeOf(u16(await ask(o, 'n0.example.'), 2))).toBe(0);
    expect(o.asked).toHaveLength(4);
    o.asked.length = 0;
    await ask(o, 'm.example.');
    expect(o.asked).toHaveLength(3 + 8);
    expect(o.taught).toEqual([]);
  });
});

test('an alias is followed, and its TTL counts', async () => {
  const o = over(`
    www.example. 10 CNAME b.example.
    b.example. 900 NID 10 0:0:0:b1
    b.example. 30 L64 10 2001:db8:2:0`);
  expect(addressesIn(await ask(o, 'www.example.'))).toEqual([['20010db80002000000000000000000b1', 10]]);
  expect(o.taught[0]!.name).toBe('b.example.');
});

test('a node that the path does not believe counts as one without ILNP', async () => {
  const text = `b.example. 900 NID 10 0:0:0:b1\nb.example. 30 L64 10 2001:db8:2:0\nb.example. 300 AAAA ${PLAIN}`;
  const o = over(text, { isBelieved: false });
  expect(addressesIn(await ask(o, 'b.example.'))).toEqual([[PLAIN, 300]]);
  expect(o.resolver.counters).toMatchObject({ ilnp: 0, refused: 1, forwarded: 1 });
});

test('an alias of itself ends', async () => {
  const o = over('www.example. 10 CNAME www.example.');
  expect(readMessage(await ask(o, 'www.example.'))!.answers).not.toEqual([]);
  expect(o.taught).toEqual([]);
});

describe('a name without ILNP', () => {
  // shows: H25
  test.each([
    ['L64 without NID', 'b.example. 30 L64 10 2001:db8:2:0'],
    ['NID without L64', 'b.example. 30 NID 10 0:0:0:b1'],
    ['a reserved NID', 'b.example. 30 NID 10 0:0:0:0\nb.example. 30 L64 10 2001:db8:2:0'],
    ['a multicast Locator', 'b.example. 30 NID 10 0:0:0:b1\nb.example. 30 L64 10 ff02:0:0:0'],
    ['a link-local Locator', 'b.example. 30 NID 10 0:0:0:b1\nb.example. 30 L64 10 fe80:0:0:0'],
    ['neither', ''],
  ])('%s: what the upstream says, untouched', async (_, records) => {
    const o = over(`${records}\nb.example. 300 AAAA ${PLAIN}`);
    expect(addressesIn(await ask(o, 'b.example.'))).toEqual([[PLAIN, 300]]);
    expect(o.taught).toEqual([]);
  });

  test('that it has none is kept for as long as the zone says, five minutes at most', async () => {
    const o = over(`b.example. 300 AAAA ${PLAIN}`, { negativeTtl: 86_400 });
    await ask(o, 'b.example.');
    o.clock.now = 299_000;
    await ask(o, 'b.example.');
    expect(o.asked).toHaveLength(3);
    o.clock.now = 300_000;
    await ask(o, 'b.example.');
    expect(o.asked).toHaveLength(6);
  });

  test('that does not exist is NXDOMAIN', async () => {
    expect(rcodeOf(u16(await ask(over(''), 'none.example.'), 2))).toBe(3);
  });
});

test('what is kept is bounded', async () => {
  const o = over('', { negativeTtl: 300 });
  for (let k = 0; k < 2000; k++) await ask(o, `n${k}.example.`);
  expect(o.rrsets.size).toBe(4096);
});

describe('names of the hosts file', () => {
  const bob: Found = {
    name: 'bob.',
    nid: parseNid('0:0:0:b1')!,
    locators: [{ l64: parseL64('2001:db8:2:0')!, preference: 10, lifetime: Number.POSITIVE_INFINITY }],
    ttl: 60,
  };

  test('have an AAAA though the upstream does not know them, and no other records, but they exist', async () => {
    const o = over('', { hosts: { 'bob.': bob } });
    expect(addressesIn(await ask(o, 'bob'))).toEqual([['20010db80002000000000000000000b1', 60]]);
    const other = await ask(o, 'bob', A);
    expect([rcodeOf(u16(other, 2)), readMessage(other)!.answers.length]).toEqual([0, 0]);
  });
});

test('the name of this node is the address that its programs have', async () => {
  const o = over('a.example. 900 NID 10 0:0:0:a1\na.example. 30 L64 10 2001:db8:1:0');
  expect(addressesIn(await ask(o, 'a.example.'))).toEqual([['fd00000a0000000000000000000000a1', 30]]);
  expect(o.taught).toEqual([]);
});

test('what is no question is answered as such, or not at all', async () => {
  const { resolver } = over('');
  const answer = (octets: Uint8Array) => resolver.answer(octets, 'udp');
  expect(await answer(new Uint8Array(11))).toBeNull();
  expect(await answer(query('b.example.', AAAA, { flags: 0x8000 }))).toBeNull(); // an answer
  expect(rcodeOf(u16((await answer(query('b.example.', AAAA, { flags: 0x2800 })))!, 2))).toBe(4); // an update
  expect(rcodeOf(u16((await answer(query('b.example.', AAAA).slice(0, 15)))!, 2))).toBe(1);
});
