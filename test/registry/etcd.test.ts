/** What etcd may answer besides what it should; the contract is kept by real members in test/netns/registry.test.ts. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EtcdRegistry } from '../../src/registry/etcd.ts';
import { Compacted } from '../../src/registry/registry.ts';
import { entryOf } from './entries.ts';

type Answer = (body: Record<string, unknown>, token: string | undefined, response: ServerResponse) => unknown;

let server: Server;
let registry: EtcdRegistry;
/** By method; undefined: no answer at all. */
let answers: Record<string, Answer>;

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const ENTRY = entryOf(1, 0);

beforeEach(async () => {
  answers = {};
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const method = request.url!.replace('/v3/', '');
    const answer = answers[method]?.(JSON.parse(text), request.headers.authorization, response);
    if (answer !== undefined) response.end(JSON.stringify(answer));
  }).listen(0, '::1');
  await new Promise((listening) => server.once('listening', listening));
  registry = new EtcdRegistry({
    endpoints: [`http://[::1]:${(server.address() as AddressInfo).port}`],
    ca: undefined,
    user: { name: 'ilnp', password: 'word' },
    prefix: '/ilnp',
    warn: () => {},
  });
  answers['auth/authenticate'] = () => ({ token: 'one' });
});
afterEach(async () => {
  await registry.close();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}

const foreign = { code: 'E_REGISTRY', message: expect.stringMatching(/^etcd: expected .* is it etcd v3\?$/) };

test.each([
  ['nothing', {}],
  ['a list', []],
  ['keys that are none', { header: { revision: '5' }, kvs: [null, 5] }],
  ['a key of another form', { header: { revision: '5' }, kvs: [{ key: { a: 1 } }] }],
  ['a revision that is none', { header: { revision: 'abc' }, kvs: [] }],
  ['more after nothing', { header: { revision: '5' }, more: true }],
])('who answers a list with %s is not etcd', async (_, answer) => {
  answers['kv/range'] = () => answer;
  await expect(all(registry.list())).rejects.toMatchObject(foreign);
});

test('a list that does not go on is ended', async () => {
  const kvs = [{ key: base64('/ilnp/bindings/x'), value: base64('rubbish') }];
  answers['kv/range'] = () => ({ header: { revision: '5' }, kvs, more: true });
  await expect(all(registry.list())).rejects.toMatchObject(foreign);
});

test.each([
  ['nothing', {}],
  ['responses without one', { responses: [] }],
])('who answers a transaction with %s is not etcd', async (_, answer) => {
  answers['kv/txn'] = () => answer;
  await expect(registry.swap(null, ENTRY)).rejects.toMatchObject(foreign);
});

test('a transaction and a lease that never come to pass are given up', async () => {
  answers['kv/range'] = () => ({ header: { revision: '5' } });
  answers['kv/txn'] = () => ({ responses: [{ response_range: {} }] });
  answers['lease/grant'] = () => ({ ID: '7' });
  answers['lease/revoke'] = () => ({});
  const quicker = { code: 'E_REGISTRY', message: expect.stringContaining('times somebody else was quicker') };
  await expect(registry.swap(null, ENTRY)).rejects.toMatchObject(quicker);
  await expect(registry.lease('pair', 'a', 1000)).rejects.toMatchObject(quicker);
});

test('a token that is never answered, because etcd was set back, is renewed', async () => {
  const tokens = ['old', 'new'];
  answers['auth/authenticate'] = () => ({ token: tokens.shift() });
  answers['kv/range'] = (_, token) => (token === 'new' ? { header: { revision: '2' } } : undefined);
  expect(await registry.get(ENTRY.nid)).toBeNull();
});

test('a watch from a revision that etcd has lost is not silent', async () => {
  answers['kv/range'] = () => ({ header: { revision: '3' } });
  answers.watch = (_body, _token, response) => {
    response.write(`${JSON.stringify({ result: { header: { revision: '3' }, created: true } })}\n`);
    return undefined;
  };
  await expect(all(registry.watch(7, new AbortController().signal))).rejects.toThrow(Compacted);
});
