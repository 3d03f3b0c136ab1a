/** Three borders of one process with everything real between them: TLS on loopback, records in files. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Binding, Bindings } from '../../src/ilnp/bindings.ts';
import { noCounts } from '../../src/ilnp/keeping.ts';
import { MoveRecord } from '../../src/sites/move-record.ts';
import { Moves } from '../../src/sites/moves.ts';
import { PeerChannel } from '../../src/sites/peer-channel.ts';
import { newSiteKey, parseSiteKey } from '../../src/sites/site-key.ts';

const NAMES = ['site1', 'site2', 'site3'];
const GUEST = { hi: 0xfd000009, lo: 0 };
const KEY = parseSiteKey(newSiteKey(), 'test');
const nidOf = (lo: number) => ({ hi: 0, lo });

interface Border {
  readonly bindings: Bindings;
  readonly moves: Moves;
  readonly channel: PeerChannel;
  readonly stop: () => Promise<void>;
}

let folder: string;
const ports = new Map<string, number>();
const borders = new Map<string, Border>();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-sites-'));
  for (const name of NAMES) await start(name);
});

afterEach(async () => {
  for (const border of borders.values()) await border.stop();
  borders.clear();
  ports.clear();
  await rm(folder, { recursive: true });
});

/** Starts a border; its port is kept for its next life, and the others are told it. */
async function start(site: string, count = 100): Promise<void> {
  const log = { info: () => {}, warn: () => {} };
  const { record, loaded } = await MoveRecord.open(folder, site, () => {});
  const bindings = new Bindings(20_000, [1, 2]);
  for (let lo = 1; lo <= count; lo++) {
    const moved = loaded.moved.get(`0:${lo}`);
    bindings.put({ guest: GUEST, home: 'site1', uplink: undefined, at: 'site1', nid: nidOf(lo), epoch: 0, ...moved });
  }
  const others = NAMES.filter((name) => name !== site);
  const moves: Moves = new Moves({
    site,
    bindings,
    record,
    foresee: async () => {},
    apply: async (changed) => {
      for (const binding of changed) bindings.put(binding);
    },
    send: (to, request, timeoutMs) => channel.send(to, request, timeoutMs),
    isConnected: (to) => channel.isConnected(to),
    keep: () => Promise.resolve(noCounts()),
    holdMs: () => 5000,
    reports: { add: () => {} },
    wall: () => Date.now() * 1000,
    policy: () => [],
    peers: () => others,
    clock: {
      now: () => performance.now() * 1000,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    octets: () => channel.asked,
    log,
  });
  const channel: PeerChannel = new PeerChannel({
    site,
    key: KEY,
    listen: { host: '::1', port: ports.get(site) ?? 0 },
    peers: peersOf(site),
    answer: (from, request) => moves.handle(from, request),
    onConnected: (peer) => moves.connected(peer),
    log,
    timing: { reconnectFirstMs: 10, reconnectLastMs: 50 },
  });
  await channel.start();
  moves.start(loaded.open.values());
  ports.set(site, channel.address!.port);
  borders.set(site, {
    bindings,
    moves,
    channel,
    stop: async () => {
      moves.close();
      await channel.close();
      await record.close();
    },
  });
  for (const [name, border] of borders) border.channel.setPeers(peersOf(name));
  await vi.waitFor(() => {
    for (const { channel } of borders.values()) {
      for (const peer of channel.peers()) if (borders.has(peer.site)) expect(peer).toMatchObject({ connected: true });
    }
  });
}

async function stop(site: string): Promise<void> {
  await borders.get(site)!.stop();
  borders.delete(site);
}

const peersOf = (site: string) =>
  NAMES.filter((name) => name !== site).map((name) => {
    const port = ports.get(name);
    return { site: name, control: port === undefined ? undefined : { host: '::1', port } };
  });

const at = (site: string, lo: number): Pick<Binding, 'at' | 'epoch'> | undefined =>
  borders.get(site)?.bindings.get(nidOf(lo));

test('a move asked for at the third border: all agree, and the octets are those of the two exchanges and the request', async () => {
  const before = borders.get('site3')!.channel.asked + borders.get('site1')!.channel.asked;

  const result = await borders.get('site3')!.moves.move(nidOf(1), 'site2');

  const after = borders.get('site3')!.channel.asked + borders.get('site1')!.channel.asked;
  expect(result).toMatchObject({ from: 'site1', to: 'site2', epoch: 1 });
  expect(result.octets).toBeGreaterThan(200);
  expect(result.octets).toBeLessThanOrEqual(after - before);
  await vi.waitFor(() => {
    for (const name of NAMES) expect(at(name, 1)).toMatchObject({ at: 'site2', epoch: 1 });
  });
});

test('twenty moves in a row and back, many identifiers at a time', async () => {
  for (let round = 1; round <= 20; round++) {
    const to = NAMES[round % 3]!;
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, i) => borders.get(NAMES[i % 3]!)!.moves.move(nidOf(i + 1), to)),
    );
    for (const { epoch } of results) expect(epoch).toBe(round);
  }

  await vi.waitFor(() => {
    for (const name of NAMES)
      for (let lo = 1; lo <= 100; lo++) expect(at(name, lo)).toMatchObject({ at: 'site3', epoch: 20 });
  });
});

test('a border that was away learns what moved meanwhile, and still knows it after a restart', async () => {
  await stop('site3');
  for (let lo = 1; lo <= 100; lo++) await borders.get('site1')!.moves.move(nidOf(lo), 'site2');

  await start('site3');
  await vi.waitFor(() => {
    for (let lo = 1; lo <= 100; lo++) expect(at('site3', lo)).toMatchObject({ at: 'site2', epoch: 1 });
  });
  await stop('site1');
  await stop('site3');
  await start('site3');

  expect(at('site3', 100)).toMatchObject({ at: 'site2', epoch: 1 });
});

test('10 000 moved identifiers are brought to a new border in chunks', async () => {
  await stop('site2');
  await stop('site3');
  await stop('site1');
  const { record } = await MoveRecord.open(folder, 'site1', () => {});
  await record.append(Array.from({ length: 10_000 }, (_, i) => ({ nid: nidOf(i + 1), at: 'site2', epoch: 7 })));
  await record.close();

  await start('site1', 10_000);
  await start('site2', 10_000);

  await vi.waitFor(() => expect(at('site2', 10_000)).toMatchObject({ at: 'site2', epoch: 7 }), { timeout: 5000 });
  expect(at('site2', 1)).toMatchObject({ at: 'site2', epoch: 7 });
});
