/**
 * The path as the control plane sees it: the TUN devices, one worker per queue, and the only ways to change what they do.
 * Everything a worker is told takes effect between two batches, in the order it was told.
 */
import { randomInt } from 'node:crypto';
import { closeSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { TunConfig } from '../config/site-config.ts';
import { eventfd } from '../device/libc.ts';
import { openTun, type TunQueue } from '../device/tun.ts';
import { tunNames } from '../device/tun-names.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { addCounts, type KeepCounts, type KeepOrder, noCounts } from '../ilnp/keeping.ts';
import { Pairs } from '../ilnp/pairs.ts';
import { asOurs, IlnpError } from '../runtime/errors.ts';
import { COUNTERS, type FibImage } from '../sbr/fib.ts';
import type { KeepLimits } from '../sbr/kept-packets.ts';
import { native32 } from '../wire/bytes.ts';
import type { Nid } from '../wire/text.ts';
import type { SessionFile } from './session-store.ts';
import type { FromWorker, ToWorker, WorkerStart } from './worker-messages.ts';

const EFD_NONBLOCK_CLOEXEC = 0o2004000;
/** Bindings per message: short enough that no packet waits long between two batches. */
const CHUNK = 1024;
const CHUNKS_AHEAD = 16;
const START_MS = 10_000;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** What the workers still have to say to an order. */
interface Asked {
  left: number;
  readonly counts: KeepCounts;
  readonly done: (counts: KeepCounts) => void;
  readonly failed: (error: Error) => void;
}

interface Lane {
  readonly worker: Worker;
  /** Resolves when the worker has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly wakeFd: number;
  readonly counters: Float64Array;
}

export class DataPlane {
  /** How packets are read and written, for people. */
  io = '';
  readonly #lanes: Lane[] = [];
  readonly #fds: number[] = [];
  readonly #fences = new Map<number, { left: number; done: () => void }>();
  readonly #asked = new Map<number, Asked>();
  readonly #onFailure: (error: Error) => void;
  /** Who speaks ILNP through this border; null before `start`. */
  pairs: Pairs | null = null;
  #fence = 0;
  #stopping = false;
  #hasFailed = false;

  /** `onFailure`: a worker died; the path is gone. */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure;
  }

  /** Makes the TUN devices; they exist, down, until `close`. */
  openTuns(tun: TunConfig): TunQueue[][] {
    const queues: TunQueue[][] = [];
    for (let q = 0; q < tun.queues; q++) {
      queues.push(
        tunNames(tun.name).map((name) => {
          const queue = openTun(name, tun);
          this.#fds.push(queue.fd);
          return queue;
        }),
      );
    }
    return queues;
  }

  /** Starts one worker per queue; resolves when all are ready to forward. */
  async start(
    queues: readonly TunQueue[][],
    options: {
      tun: TunConfig;
      image: FibImage;
      bindingsLimit: number;
      pairsLimit: number;
      keepLimits: KeepLimits;
      sessions: SessionFile | null;
    },
  ): Promise<void> {
    const { octets, packets, us } = options.keepLimits;
    const keepLimits = { octets: octets / queues.length, packets: Math.ceil(packets / queues.length), us };
    const seed = () => randomInt(0, 2 ** 32);
    const pairs = new SharedArrayBuffer(Pairs.octets(options.pairsLimit));
    const pairsSeed = seed();
    this.pairs = new Pairs(pairs, pairsSeed);
    const ready = queues.map((tuns) => {
      const counters = new SharedArrayBuffer(COUNTERS * 8);
      const wakeFd = eventfd(0, EFD_NONBLOCK_CLOEXEC);
      this.#fds.push(wakeFd);
      const workerData: WorkerStart = {
        tuns,
        wakeFd,
        io: options.tun.io,
        image: options.image,
        bindingsLimit: options.bindingsLimit,
        tableSeed: [seed(), seed()],
        sessions: options.sessions,
        pairs,
        pairsSeed,
        keepLimits,
        counters,
      };
      const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: 'path' });
      const ended = new Promise<void>((done) => worker.once('exit', () => done()));
      this.#lanes.push({ worker, ended, wakeFd, counters: new Float64Array(counters) });
      return this.#untilReady(worker);
    });
    await Promise.all(ready);
  }

  /** Replaces the compiled configuration everywhere. */
  async setImage(image: FibImage): Promise<void> {
    this.#send({ kind: 'image', image });
    await this.settled();
  }

  /**
   * Puts bindings into every table; resolves when all workers decide by them. `classOf`: index of a binding's class. `onSent`:
   * what is sent from now on comes after them.
   */
  async put(
    bindings: Iterable<Binding>,
    classOf: (binding: Binding) => number,
    onSent: () => void = () => {},
  ): Promise<void> {
    let rows: number[] = [];
    let chunks = 0;
    for (const binding of bindings) {
      rows.push(native32(binding.nid.hi), native32(binding.nid.lo), classOf(binding), binding.epoch);
      if (rows.length === CHUNK * 4) {
        this.#send({ kind: 'bindings', rows: Int32Array.from(rows) });
        rows = [];
        if (++chunks % CHUNKS_AHEAD === 0) await this.settled(); // keeps the queue to a worker short
      }
    }
    if (rows.length > 0) this.#send({ kind: 'bindings', rows: Int32Array.from(rows) });
    onSent();
    await this.settled();
  }

  async remove(nids: readonly Binding['nid'][]): Promise<void> {
    for (let from = 0; from < nids.length; from += CHUNK) {
      const rows = nids.slice(from, from + CHUNK).flatMap((nid) => [native32(nid.hi), native32(nid.lo), -1, 0]);
      this.#send({ kind: 'bindings', rows: Int32Array.from(rows) });
    }
    await this.settled();
  }

  /** Writes packets of our own into the TUN of `port`, before what is told afterwards takes effect. */
  emit(port: number, packets: readonly Uint8Array[]): void {
    const [lane] = this.#lanes;
    if (lane === undefined || this.#stopping) return;
    lane.worker.postMessage({ kind: 'emit', port, packets } satisfies ToWorker);
    writeSync(lane.wakeFd, ONE);
  }

  /**
   * Has every worker do what is ordered for a NID; the sum of what they did, when it is in force or all was let go. E_FULL
   * when too many NIDs are kept. Each queue keeps its own packets: those of one flow are in one. How many of those that are
   * on their way come to which of several queues, nobody can know.
   */
  keep(nid: Nid, order: KeepOrder): Promise<KeepCounts> {
    if (this.#isDown) return Promise.resolve(noCounts());
    const id = ++this.#fence;
    const isAlone = this.#lanes.length === 1;
    const own = order.what === 'release' && !isAlone ? { ...order, behind: 0 } : order;
    return new Promise((done, failed) => {
      this.#asked.set(id, { left: this.#lanes.length, counts: noCounts(), done, failed });
      this.#send({ kind: 'keep', id, nid0: native32(nid.hi) | 0, nid1: native32(nid.lo) | 0, order: own });
    });
  }

  /** Lets every worker look at the time, also where nothing arrives. */
  wake(): void {
    if (!this.#stopping) for (const { wakeFd } of this.#lanes) writeSync(wakeFd, ONE);
  }

  /** Sums of all workers' counters, by index (sbr/fib.ts). */
  counters(): Float64Array {
    const total = new Float64Array(COUNTERS);
    for (const lane of this.#lanes) for (let k = 0; k < COUNTERS; k++) total[k]! += lane.counters[k]!;
    return total;
  }

  /**
   * Stops the workers, idle or under load, failed or not, and closes the TUN devices, which vanish; false when there were
   * none (any more).
   */
  async close(): Promise<boolean> {
    if (!this.#stopping) this.#send({ kind: 'stop' });
    this.#stopping = true;
    await Promise.all(this.#lanes.map(({ ended }) => ended));
    const fds = this.#fds.splice(0);
    for (const fd of fds) closeSync(fd);
    this.#answerAll();
    return fds.length > 0;
  }

  /** Nobody would answer. */
  get #isDown(): boolean {
    return this.#lanes.length === 0 || this.#stopping || this.#hasFailed;
  }

  /** A worker is gone, and with it the path. */
  #fail(error: Error): void {
    this.#hasFailed = true;
    this.#onFailure(error);
    this.#answerAll();
  }

  /** Who waits for a worker does not wait for ever. */
  #answerAll(): void {
    for (const { done } of this.#fences.values()) done();
    this.#fences.clear();
    for (const { done, counts } of this.#asked.values()) done(counts);
    this.#asked.clear();
  }

  #untilReady(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      let failed = false;
      const timer = setTimeout(() => reject(new IlnpError('E_TUN', 'a worker did not start in time')), START_MS);
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'fence') this.#passed(message.id);
        else if (message.kind === 'kept') this.#told(message.id, message.counts);
        else {
          this.io = message.io;
          clearTimeout(timer);
          resolve();
        }
      });
      worker.on('error', (thrown) => {
        const error = asOurs(thrown);
        failed = true;
        clearTimeout(timer);
        reject(error);
        this.#fail(error);
      });
      worker.on('exit', () => {
        if (!failed && !this.#stopping) this.#fail(new IlnpError('E_TUN', 'a worker ended by itself'));
      });
    });
  }

  #send(message: ToWorker): void {
    for (const lane of this.#lanes) {
      lane.worker.postMessage(message);
      writeSync(lane.wakeFd, ONE);
    }
  }

  /** Resolves when all workers have done what they were told before. */
  settled(): Promise<void> {
    if (this.#isDown) return Promise.resolve();
    const id = ++this.#fence;
    return new Promise((done) => {
      this.#fences.set(id, { left: this.#lanes.length, done });
      this.#send({ kind: 'fence', id });
    });
  }

  #passed(id: number): void {
    const fence = this.#fences.get(id);
    if (fence === undefined || --fence.left > 0) return;
    this.#fences.delete(id);
    fence.done();
  }
  #told(id: number, counts: KeepCounts | null): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    if (counts === null) {
      this.#asked.delete(id);
      asked.failed(new IlnpError('E_FULL', 'packets are kept for too many Node Identifiers at once'));
      return;
    }
    addCounts(asked.counts, counts);
    if (--asked.left > 0) return;
    this.#asked.delete(id);
    asked.done(asked.counts);
  }
}
