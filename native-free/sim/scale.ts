/**
 * One home border with a million bindings and thousands of moves a second, in virtual time: production bindings, tables,
 * move machine and feeds; the other sites are a model that agrees after a round trip. What is counted is what the border
 * really says: every message is framed as on the wire.
 */
import { Bindings } from '../../src/ilnp/bindings.ts';
import { noCounts } from '../../src/ilnp/keeping.ts';
import { LocatorTable } from '../../src/ilnp/locator-table.ts';
import { frame } from '../../src/sites/frame.ts';
import type { Reply, Request } from '../../src/sites/messages.ts';
import { Moves } from '../../src/sites/moves.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { Engine } from './engine.ts';
import { siteL64 } from './place.ts';

const TLS_RECORD = 22;
const ROUND_TRIP_US = 4000;
/** One write to disk, whatever it holds. */
const DISK_US = 1000;
const HOME = 'site1';

export interface ScaleSize {
  readonly bindings: number;
  readonly sites: number;
  readonly movesPerSecond: number;
  readonly seconds: number;
}

/** Sizes that `ilnp sim scale` runs. */
export const SCALES: readonly ScaleSize[] = [10, 100, 1000].flatMap((sites) =>
  [1000, 10_000].map((movesPerSecond) => ({ bindings: 1_000_000, sites, movesPerSecond, seconds: 1 })),
);

export interface ScaleResult extends ScaleSize {
  readonly moves: number;
  readonly done: number;
  /** Octets of the tables of bindings and path. */
  readonly stateOctets: number;
  /** Changes that left this border, each a tuple of identifier, site and epoch. */
  readonly changesTold: number;
  readonly messages: number;
  readonly signallingOctets: number;
  /** From the order of a move until old and new site had switched: middle and 99 of 100, milliseconds. */
  readonly agreedMs: number;
  readonly agreedMs99: number;
  /** From the last move until the last site had heard of everything. */
  readonly convergedMs: number;
}

const nidOf = (index: number) => ({ hi: 1 + Math.floor(index / 65_536), lo: Math.imul(index, 0x9e3779b1) >>> 0 });

/** Runs one size. */
export async function runScale(size: ScaleSize, seed: number): Promise<ScaleResult> {
  const engine = new Engine(seed);
  const random = engine.random('scale');
  const sites = Array.from({ length: size.sites }, (_, i) => `site${i + 1}`);
  const bindings = new Bindings(size.bindings, [random.next(), random.next()]);
  const table = new LocatorTable(size.bindings, [random.next(), random.next()]);
  const guest = siteL64(1);
  for (let i = 0; i < size.bindings; i++) {
    const binding = {
      nid: nidOf(i),
      guest,
      home: HOME,
      uplink: undefined,
      at: sites[random.below(sites.length)]!,
      epoch: 0,
    };
    table.put(native32(binding.nid.hi), native32(binding.nid.lo), bindings.put(binding), 0);
  }
  let octets = 0;
  let messages = 0;
  let changesTold = 0;
  let lastTold = 0;
  const send = (_site: string, request: Request): Promise<Reply> => {
    const reply: Reply =
      request.kind === 'set' ? { kind: 'have', newer: [], refused: [], letGo: 0 } : { kind: 'ready' };
    octets += frame([messages, request]).length + frame([messages, reply]).length + 2 * TLS_RECORD;
    messages += 2;
    if (request.kind === 'set') changesTold += request.changes.length;
    return new Promise((resolve) => {
      engine.after(ROUND_TRIP_US, () => {
        lastTold = engine.now;
        engine.touch();
        resolve(reply);
      });
    });
  };
  const disk = new SharedWrites(engine);
  const moves = new Moves({
    site: HOME,
    bindings,
    foresee: async () => {},
    apply: async (moved) => {
      for (const binding of moved)
        table.put(native32(binding.nid.hi), native32(binding.nid.lo), bindings.put(binding), binding.epoch);
    },
    record: { append: () => disk.write() },
    send,
    isConnected: () => true,
    keep: () => Promise.resolve(noCounts()),
    holdMs: () => 0,
    reports: { add: () => {} },
    wall: () => engine.now,
    policy: () => [],
    peers: () => sites.slice(1),
    clock: engine.clock(),
    octets: () => octets,
    log: { info: () => {}, warn: () => {} },
  });
  moves.start();

  const times: number[] = [];
  const count = size.movesPerSecond * size.seconds;
  for (let i = 0; i < count; i++) {
    engine.at((i * 1e6) / size.movesPerSecond, () => {
      const started = engine.now;
      engine.touch();
      const nid = nidOf(random.below(size.bindings));
      moves.move(nid, sites[random.below(sites.length)]!, { hold: false }).then(
        () => times.push((engine.now - started) / 1000),
        () => {},
      );
    });
  }
  await engine.run(Number.POSITIVE_INFINITY);
  times.sort((a, b) => a - b);
  const end = ((count - 1) * 1e6) / size.movesPerSecond;
  return {
    ...size,
    moves: count,
    done: times.length,
    stateOctets: 2 * table.octets,
    changesTold,
    messages,
    signallingOctets: octets,
    agreedMs: times[Math.floor(times.length / 2)] ?? 0,
    agreedMs99: times[Math.floor(times.length * 0.99)] ?? 0,
    convergedMs: (lastTold - end) / 1000,
  };
}

/** Writes that come while the disk is busy share the next one, as in sites/move-record.ts. */
class SharedWrites {
  readonly #engine: Engine;
  #waiting: (() => void)[] = [];
  #isBusy = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  write(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isBusy) this.#next();
    });
  }

  #next(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#isBusy = batch.length > 0;
    if (batch.length === 0) return;
    this.#engine.after(DISK_US, () => {
      this.#engine.touch();
      for (const done of batch) done();
      this.#next();
    });
  }
}
