import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runController } from '../../src/cli/run-controller.ts';
import { type ControllerConfig, loadControllerConfig } from '../../src/config/load-controller.ts';
import { toWire } from '../../src/registry/messages.ts';
import { controlCall } from '../../src/runtime/control-client.ts';
import type { PeerReply } from '../../src/runtime/control-methods.ts';
import { PeerChannel } from '../../src/sites/peer-channel.ts';
import { newSiteKey, parseSiteKey } from '../../src/sites/site-key.ts';
import { entryOf } from '../registry/entries.ts';

let folder: string;
let file: string;
let port: number;
let said: { msg: string; code?: string }[];
let ended: Promise<void>;

const write = (sites: string, more = ''): void =>
  writeFileSync(
    file,
    `controller: r1\nlisten: "[::1]:${port}"\nkeyFile: site.key\nstate: state\nsocket: r1.sock\nsites: ${sites}\n${more}`,
  );
const heard = (msg: RegExp) => vi.waitFor(() => expect(said.map((line) => line.msg).join('\n')).toMatch(msg), 5000);
const sites = async (): Promise<string[]> =>
  ((await controlCall(join(folder, 'r1.sock'), 'peers')) as PeerReply[]).map(({ site }) => site);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilnp-controller-'));
  file = join(folder, 'r1.yaml');
  writeFileSync(join(folder, 'site.key'), newSiteKey(), { mode: 0o600 });
  const probe = createServer().listen(0, '::1');
  await new Promise((listening) => probe.once('listening', listening));
  port = (probe.address() as AddressInfo).port;
  await new Promise((closed) => probe.close(closed));
  write('[site1]');
  said = [];
  const log = pino({}, { write: (line: string) => void said.push(JSON.parse(line)) });
  ended = runController(loadControllerConfig(file), file, log);
  await heard(/^ready$/m);
});
afterEach(async () => {
  process.emit('SIGTERM', 'SIGTERM');
  await ended;
  rmSync(folder, { recursive: true });
});

test('SIGHUP takes over who may ask, and nothing of a configuration that is wrong', async () => {
  write('[site1, site2]');
  process.emit('SIGHUP', 'SIGHUP');
  await heard(/took the configuration over/);
  expect(await sites()).toEqual(['site1', 'site2']);

  write('[site3, site3]');
  process.emit('SIGHUP', 'SIGHUP');
  await heard(/stays as it was.*already/);
  write('[site3]', 'limits: { bindings: 7 }\n');
  process.emit('SIGHUP', 'SIGHUP');
  await heard(/stays as it was: these settings change only by a restart: limits/);
  expect(await sites()).toEqual(['site1', 'site2']);
});

/** What a border is told that registers an identifier of its own at a site. */
async function registers(lo: number, at: string): Promise<string> {
  const channel = new PeerChannel({
    site: 'site1',
    key: parseSiteKey(readFileSync(join(folder, 'site.key'), 'utf8'), 'test'),
    listen: undefined,
    peers: [{ site: 'r1', control: { host: '::1', port } }],
    answer: async () => ({ kind: 'ready' }),
    onConnected: () => {},
    log: { info: () => {}, warn: () => {} },
    timing: { reconnectFirstMs: 20, reconnectLastMs: 100 },
  });
  await channel.start();
  const ask = { ask: 'swap', expected: null, next: toWire(entryOf(lo, 0, at)) };
  try {
    await vi.waitFor(() => expect(channel.isConnected('r1')).toBe(true), 5000);
    const said = channel.send('r1', { kind: 'registry', ask }, 5000);
    return await said.then(
      () => 'taken',
      (error) => error.code,
    );
  } finally {
    await channel.close();
  }
}

test('what names a site that is not in the list, or is against the policy, is refused; SIGHUP changes both', async () => {
  expect(await registers(1, 'site1')).toBe('taken');
  expect(await registers(2, 'site2')).toBe('E_UNKNOWN_SITE');

  write('[site1, site2]', 'policy: [{ nids: "0:0:0:3", sites: [site2] }]\n');
  process.emit('SIGHUP', 'SIGHUP');
  await heard(/took the configuration over/);

  expect(await registers(2, 'site2')).toBe('taken');
  expect(await registers(3, 'site1')).toBe('E_POLICY');
  expect(await registers(3, 'site2')).toBe('taken');
  const { sites, policy } = (await controlCall(join(folder, 'r1.sock'), 'config')) as ControllerConfig;
  expect({ sites, policy }).toEqual({
    sites: ['site1', 'site2'],
    policy: [{ nids: '0:0:0:3 - 0:0:0:3', sites: ['site2'] }],
  });
});
