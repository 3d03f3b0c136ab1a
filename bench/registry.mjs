/**
 * node bench/registry.mjs [COUNT] [--etcd]: a registry with COUNT entries (1,000,000) as a process of its own, asked over
 * its real channel from this one. Prints one line of JSON: registrations a second, full sync, changes a second as asked for
 * by a writer and as followed by a border, memory and processor time of the process, time to start from disk. After `npm run build`; no root.
 *
 *   without --etcd   `ilnp controller` on ::1, TLS, its log on disk
 *   --etcd           one member of etcd on ::1 without TLS, which is the best case; COUNT 100,000
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RegistryClient } from '../dist/registry/client.js';
import { EtcdRegistry } from '../dist/registry/etcd.js';
import { follow } from '../dist/registry/follow.js';
import { PeerChannel } from '../dist/sites/peer-channel.js';
import { newSiteKey, parseSiteKey } from '../dist/sites/site-key.js';

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const isEtcd = process.argv.includes('--etcd');
const count = Number(process.argv.slice(2).find((word) => !word.startsWith('-')) ?? (isEtcd ? 100_000 : 1_000_000));
const CHANGES_MS = 5000;
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'ilnp-registry-'));
const quiet = { info: () => {}, warn: () => {} };

const entry = (i, epoch) => ({
  nid: { hi: i >>> 16, lo: i },
  epoch,
  binding: {
    guest: { hi: 0xfd000001, lo: i & 63 },
    home: 'site1',
    uplink: undefined,
    at: `site${epoch % 2 === 0 ? 1 : 2}`,
  },
});

async function embedded() {
  const key = newSiteKey();
  writeFileSync(join(folder, 'site.key'), key, { mode: 0o600 });
  const config = `controller: r1\nlisten: "[::1]:6799"\nkeyFile: site.key\nsites: [site1, site2]\nstate: state\nsocket: r1.sock\nlimits: { bindings: ${count} }\n`;
  writeFileSync(join(folder, 'r1.yaml'), config);
  const start = async () => {
    const process_ = spawn(process.execPath, [MAIN, 'controller', '--config', join(folder, 'r1.yaml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    process_.stderr.setEncoding('utf8');
    let said = '';
    for await (const text of process_.stderr.iterator({ destroyOnReturn: false })) {
      said += text;
      if (said.includes('"msg":"ready"')) break;
    }
    process_.stderr.resume();
    if (!said.includes('ready')) throw new Error(said);
    return process_;
  };
  const ask = async (site) => {
    let connected;
    const isConnected = new Promise((resolve) => {
      connected = resolve;
    });
    const channel = new PeerChannel({
      site,
      key: parseSiteKey(key, 'bench'),
      listen: undefined,
      peers: [{ site: 'r1', control: { host: '::1', port: 6799 } }],
      answer: async () => ({ kind: 'ready' }),
      onConnected: connected,
      log: quiet,
    });
    await channel.start();
    await isConnected;
    const registry = new RegistryClient(
      async (question, ms) => (await channel.send('r1', { kind: 'registry', ask: question }, ms)).answer,
    );
    registry.close = () => channel.close();
    return registry;
  };
  return { start, ask, width: 512 };
}

function etcd() {
  const url = 'http://[::1]:6798';
  const start = async () => {
    const words = ['--data-dir', join(folder, 'etcd'), '--listen-client-urls', url, '--advertise-client-urls', url];
    const peers = ['--listen-peer-urls', 'http://[::1]:6797', '--initial-advertise-peer-urls', 'http://[::1]:6797'];
    const cluster = ['--initial-cluster', 'default=http://[::1]:6797', '--quota-backend-bytes', '8000000000'];
    const process_ = spawn(
      'etcd',
      [...words, ...peers, ...cluster, '--logger', 'zap', '--log-outputs', join(folder, 'log')],
      { stdio: 'ignore' },
    );
    const probe = await ask();
    for (;;) {
      const up = await probe.get({ hi: 0, lo: 0 }).then(
        () => true,
        () => false,
      );
      if (up) break;
    }
    await probe.close();
    return process_;
  };
  const ask = async () =>
    new EtcdRegistry({ endpoints: [url], ca: undefined, user: undefined, prefix: '/ilnp', warn: () => {} });
  return { start, ask, width: 64 };
}

const seconds = (since) => (performance.now() - since) / 1000;
const rssMb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Processor seconds of a process so far: user and system, in hundredths. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Runs `task` for numbers from `numbers`, so many at a time. */
async function many(width, numbers, task) {
  const worker = async () => {
    for (const i of numbers) await task(i);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function* upTo(end) {
  for (let i = 0; i < end; i++) yield i;
}

async function takeAll(registry) {
  const since = performance.now();
  let entries = 0;
  let revision;
  for await (const page of registry.list()) {
    entries += page.entries.length;
    revision ??= page.revision;
  }
  return { entries, revision, took: seconds(since) };
}

async function measure({ start, ask, width }) {
  let server = await start();
  const writer = await ask('site1');
  const border = await ask('site2');
  const since = performance.now();
  await many(width, upTo(count), (i) => writer.swap(null, entry(i, 0)));
  const registered = count / seconds(since);
  const synced = await takeAll(border);
  if (synced.entries !== count) throw new Error(`${synced.entries} of ${count} entries`);

  const stop = new AbortController();
  let followed = 0;
  const following = follow({
    registry: { list: () => border.list(), watch: (revision, signal) => border.watch(revision, signal) },
    apply: async ({ entries }) => {
      followed += entries.filter(({ epoch }) => epoch > 0).length;
    },
    synced: () => {},
    lost: () => {},
    signal: stop.signal,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  });
  await pause(2000 + (count / 1e6) * 15_000); // it lists all first
  const from = performance.now();
  let changed = 0;
  const cpuBefore = cpuSeconds(server.pid);
  await many(width, until(from + CHANGES_MS), async (i) => {
    await writer.swap(Math.floor(i / count), entry(i % count, Math.floor(i / count) + 1));
    changed++;
  });
  const changing = seconds(from);
  while (followed < changed && seconds(from) < 60) await pause(5);
  const cpu = cpuSeconds(server.pid) - cpuBefore;
  const lagMs = (seconds(from) - changing) * 1000;
  const steady = rssMb(server.pid);
  stop.abort();
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await ended;
  const restart = performance.now();
  server = await start();
  const startS = seconds(restart);
  const startCpu = cpuSeconds(server.pid);
  const restartedMb = rssMb(server.pid);
  await Promise.all([writer.close(), border.close()]);
  await following;
  server.kill('SIGTERM');
  return {
    registry: isEtcd ? 'etcd' : 'embedded',
    entries: count,
    registeredPerSecond: Math.round(registered),
    fullSyncSeconds: round(synced.took),
    changesPerSecond: Math.round(changed / changing),
    followed: followed / changed,
    serverCpuMicrosPerChange: Math.round((cpu / changed) * 1e6),
    lastFollowedAfterMs: Math.round(lagMs),
    steadyMb: Math.round(steady),
    startFromDiskSeconds: round(startS),
    startCpuSeconds: startCpu,
    afterStartMb: Math.round(restartedMb),
    diskMb: Math.round(octetsIn(folder) / 1e6),
  };
}

function* until(end) {
  for (let i = 0; performance.now() < end; i++) yield i;
}

function octetsIn(path) {
  const at = statSync(path);
  return at.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + octetsIn(join(path, name)), 0) : at.size;
}

const round = (value) => Math.round(value * 10) / 10;

try {
  console.log(JSON.stringify(await measure(isEtcd ? etcd() : await embedded())));
} finally {
  rmSync(folder, { recursive: true });
}
