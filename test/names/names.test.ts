/** The names of an end system as a whole, between a program that asks and an upstream on the loopback interface. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { registerShow } from '../../src/cli/show.ts';
import type { Found } from '../../src/names/choose.ts';
import { exchange } from '../../src/names/exchange.ts';
import { Names } from '../../src/names/names.ts';
import { ControlSocket } from '../../src/runtime/control-socket.ts';
import { formatL64, parseL64, parseNid } from '../../src/wire/text.ts';
import { addressesIn, query, serve, zone } from './support.ts';

const NID_B = parseNid('0:0:0:b1')!;
const NID_C = parseNid('0:0:0:c1')!;
let records: string;
let taught: { found: Found; isKnownName: boolean }[];
let isBelieved: boolean;
let port: number;
let names: Names;

beforeEach(async () => {
  records = 'b.example. 30 NID 10 0:0:0:b1\nb.example. 30 L64 10 2001:db8:2:0\nwww.example. 30 CNAME b.example.';
  taught = [];
  isBelieved = true;
  port = await freePort();
  names = new Names({
    config: {
      listen: { host: '::1', port },
      upstream: [await serve((asked) => [zone(records)(asked)])],
      update: undefined,
    },
    self: { nid: parseNid('0:0:0:a1')!, stable: parseL64('fd00:a:0:0')! },
    hosts: [{ nid: NID_C, names: ['Carol'], locators: [{ l64: parseL64('2001:db8:3:0')!, preference: 10 }] }],
    log: pino({ level: 'silent' }),
    teach: async (found, isKnownName) => {
      taught.push({ found, isKnownName });
      return isBelieved;
    },
  });
  await names.start();
});
afterEach(() => names.stop());

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '::1', () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
}

const ask = async (name: string) =>
  addressesIn((await exchange(query(name, 28), { host: '::1', port }, { over: 'udp', limitMs: 5000 }))!);
const told = () =>
  taught.map(({ found, isKnownName }) => [found.name, isKnownName, ...found.locators.map(({ l64 }) => formatL64(l64))]);

test('a node keeps the name it was taught by, which an alias does not change', async () => {
  await ask('www.example');
  await ask('b.example');
  expect(told()).toEqual([
    ['b.example.', false, '2001:db8:2::/64'],
    ['b.example.', true, '2001:db8:2::/64'],
  ]);
});

test('a lost one is looked for by its name, past what is kept', async () => {
  await ask('b.example');
  records = records.replace('2001:db8:2:0', '2001:db8:7:0');
  expect(await ask('b.example')).toEqual([['20010db80002000000000000000000b1', expect.any(Number)]]);
  await names.lost(NID_B);
  expect(told().at(-1)).toEqual(['b.example.', true, '2001:db8:7::/64']);
  // and is answered so from then on
  expect(await ask('b.example')).toEqual([['20010db80007000000000000000000b1', expect.any(Number)]]);
});

test('a lost one whose name has another node now is not found, nor one without a name', async () => {
  await ask('b.example');
  records = records.replace('0:0:0:b1', '0:0:0:b2');
  await names.lost(NID_B);
  await names.lost(parseNid('0:0:0:d1')!);
  expect(told()).toHaveLength(1);
});

test('one of the hosts file is looked for by the name it has there', async () => {
  records = 'carol. 30 NID 10 0:0:0:c1\ncarol. 30 L64 10 2001:db8:9:0';
  await names.lost(NID_C);
  expect(told()).toEqual([['carol.', true, '2001:db8:9::/64']]);
  expect(await ask('carol')).toEqual([['20010db80003000000000000000000c1', 60]]); // the operator's word
});

test('what the path does not believe is not remembered', async () => {
  isBelieved = false;
  await ask('b.example');
  isBelieved = true;
  await names.lost(NID_B);
  expect(told()).toEqual([['b.example.', false, '2001:db8:2::/64']]);
});

test('ilnp show names says what is known', async () => {
  await ask('b.example');
  const folder = await mkdtemp(join(tmpdir(), 'ilnp-names-'));
  const path = join(folder, 'a.sock');
  const update = { published: ['2001:db8:1::/64 10'], isCurrent: false, problem: 'no answer' };
  const server = await ControlSocket.open(path, { names: () => ({ ...names.show(), update }) });
  const printed: string[] = [];
  const program = new Command();
  registerShow(program, { write: async (text) => void printed.push(text) });
  await program.parseAsync(['node', 'ilnp', 'show', 'names', '--socket', path]);
  await server.close();
  await rm(folder, { recursive: true });

  const said = printed.join('');
  for (const line of [/ilnp +1/, /0:0:0:b1 +b\.example\. +2001:db8:2::\/64 10/, /2001:db8:1::\/64 10 +no answer/])
    expect(said).toMatch(line);
});
