/** The path of an end system as its control plane sees it: the TUN, its worker, and the ways to change what it does. */
import { randomInt } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { ShimConfig } from '../config/load-shim.ts';
import { eventfd } from '../device/libc.ts';
import { openTun, type TunQueue } from '../device/tun.ts';
import type { LocalLocator } from '../ilnp/correspondent.ts';
import { locatorOf } from '../ilnp/correspondent.ts';
import { asOurs, IlnpError } from '../runtime/errors.ts';
import type { NamedHost } from '../shim/teach.ts';
import { COUNTERS, namedCounters } from '../shim/verdict.ts';
import { native32 } from '../wire/bytes.ts';
import type { L64, Nid } from '../wire/text.ts';
import type { Answers, Drop, FromWorker, Question, ToWorker, WorkerStart } from './messages.ts';

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const START_MS = 10_000;
/** What strangers make the worker forget lies here until it is swept. Reason: the default lets 48 MB of it gather. */
const YOUNG_MB = 6;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

export interface Secrets {
  /** Sessions of an earlier run. */
  readonly remembered: readonly Uint8Array[];
  /** Of the peers of the configuration, in their order. */
  readonly keys: readonly (Uint8Array | null)[];
}

export interface PathEvents {
  /** The worker died; the path is gone. */
  readonly onFailure: (error: Error) => void;
  /** Some of what was dropped, at most a few a second. */
  readonly onDrops: (drops: readonly Drop[]) => void;
  /** A correspondent answers on no path; repeated, at growing intervals, while programs here speak to it. */
  readonly onLost: (nid: Nid) => void;
}

export class Path {
  /** How packets are read and written, for people. */
  io = '';
  readonly #counters = new SharedArrayBuffer(COUNTERS * 8);
  readonly #events: PathEvents;
  readonly #asked = new Map<number, { answered: (value: never) => void; ended: () => void }>();
  #tun: TunQueue | null = null;
  #wakeFd = -1;
  #worker: Worker | null = null;
  #ended: Promise<void> = Promise.resolve();
  #tick: NodeJS.Timeout | undefined;
  #lastId = 0;
  #stopping = false;

  constructor(events: PathEvents) {
    this.#events = events;
  }

  /** Makes the TUN, down; it vanishes with `close`. */
  open(config: ShimConfig): void {
    // a card that cuts super-packets, or fills in a sum, takes whole addresses
    const isFull = [config, ...config.peers].every(({ checksum }) => (checksum ?? 'full') === 'full');
    this.#tun = openTun(config.tun.name, { queues: 1, offload: config.tun.offload && isFull });
    this.#wakeFd = eventfd(0, EFD_NONBLOCK_CLOEXEC);
  }

  /** Resolves when the worker is ready for packets. `mtu`: the smallest of the links. */
  start(config: ShimConfig, nid: Nid, mtu: number, { remembered, keys }: Secrets): Promise<void> {
    const seed = (): number => randomInt(0, 2 ** 32);
    const workerData: WorkerStart = {
      tun: this.#tun!,
      wakeFd: this.#wakeFd,
      io: config.tun.io,
      ...words(nid),
      stable: locatorOf(config.stable),
      spread: config.spread,
      mtu,
      nonceOctets: config.nonce,
      checksum: config.checksum,
      peers: config.peers.map(({ nid: of, checksum = config.checksum, authentication }, k) => ({
        ...words(of),
        checksum,
        key: keys[k] ?? null,
        isKeyRequired: authentication === 'required',
      })),
      authenticationOption: config.authenticationOption,
      limits: { strangers: config.limits.strangers, known: config.limits.correspondents },
      seed: [seed(), seed()],
      hosts: config.hosts.map(({ nid, locators }) =>
        namedHost({ nid, locators: locators.map((l) => ({ ...l, lifetime: Number.POSITIVE_INFINITY })) }, true),
      ),
      remembered,
      counters: this.#counters,
    };
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData,
      name: 'shim',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker = worker;
    this.#ended = new Promise((done) => worker.once('exit', () => done()));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new IlnpError('E_TUN', 'the worker did not start in time')), START_MS);
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          this.io = message.io;
          clearTimeout(timer);
          resolve();
        } else this.#heard(message);
      });
      worker.on('error', (thrown) => {
        const error = asOurs(thrown as Error);
        clearTimeout(timer);
        this.#stopping = true;
        reject(error);
        this.#events.onFailure(error);
      });
      worker.on('exit', () => {
        if (!this.#stopping) this.#events.onFailure(new IlnpError('E_TUN', 'the worker ended by itself'));
      });
    });
  }

  /** Resolves when packets go by it. */
  setLocators(locators: readonly LocalLocator[]): Promise<null> {
    return this.ask({ what: 'locators', locators });
  }

  /** Rejects with E_TUN when the path ends before it has answered. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['what']]> {
    const gone = new IlnpError('E_TUN', 'the path has ended');
    if (this.#worker === null || this.#stopping) return Promise.reject(gone);
    const id = ++this.#lastId;
    return new Promise((answered, reject) => {
      this.#asked.set(id, { answered, ended: () => reject(gone) });
      this.#send({ kind: 'ask', id, ...question });
    });
  }

  counters(): Record<string, number> {
    return namedCounters(new Float64Array(this.#counters));
  }

  /** Stops the worker and lets go of the TUN, which vanishes; false when there was none (any more). */
  async close(): Promise<boolean> {
    clearTimeout(this.#tick);
    this.#send({ kind: 'stop' });
    this.#stopping = true;
    await this.#ended;
    for (const { ended } of this.#asked.values()) ended();
    this.#asked.clear();
    const had = this.#tun !== null;
    if (this.#tun !== null) closeSync(this.#tun.fd);
    if (this.#wakeFd >= 0) closeSync(this.#wakeFd);
    this.#tun = null;
    this.#wakeFd = -1;
    return had;
  }

  #heard(message: Exclude<FromWorker, { kind: 'ready' }>): void {
    if (message.kind === 'due') {
      clearTimeout(this.#tick);
      this.#tick = setTimeout(() => this.#send({ kind: 'tick' }), message.ms);
      return;
    }
    if (message.kind === 'drops') {
      this.#events.onDrops(message.drops);
      return;
    }
    if (message.kind === 'lost') {
      this.#events.onLost({ hi: native32(message.nid0), lo: native32(message.nid1) });
      return;
    }
    this.#asked.get(message.id)?.answered(message.value as never);
    this.#asked.delete(message.id);
  }

  #send(message: ToWorker): void {
    if (this.#worker === null || this.#stopping) return;
    this.#worker.postMessage(message);
    writeSync(this.#wakeFd, ONE);
  }
}

/** A NID in the machine's order. */
const words = ({ hi, lo }: Nid) => ({ nid0: native32(hi) | 0, nid1: native32(lo) | 0 });

interface Places {
  readonly nid: Nid;
  /** `lifetime`: seconds. */
  readonly locators: readonly { readonly l64: L64; readonly preference: number; readonly lifetime: number }[];
}

export function namedHost({ nid, locators }: Places, isKnownName: boolean): NamedHost {
  const place = ({ l64, preference, lifetime }: (typeof locators)[number]): NamedHost['locators'][number] => {
    const { l0, l1 } = locatorOf(l64);
    return { l0, l1, preference, lifetime };
  };
  return { ...words(nid), isKnownName, locators: locators.map(place) };
}
