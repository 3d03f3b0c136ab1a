import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { runController } from '../../src/cli/run-controller.ts';
import { loadControllerConfig } from '../../src/config/load-controller.ts';
import { controlCall } from '../../src/runtime/control-client.ts';
import type { PeerReply } from '../../src/runtime/control-methods.ts';
import { newSiteKey } from '../../src/sites/site-key.ts';

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
