/**
 * A registry on our own disk: kill -9 at any moment loses nothing that was confirmed, and a full disk refuses.
 *
 *   STATE/NAME.registry.7.snapshot    all entries, written beside the work
 *   STATE/NAME.registry.7.log         every change since before that snapshot began, one fdatasync for all that wait
 *
 * When the log has outgrown the snapshot a new log begins, then a new snapshot is written and replaces both; a start
 * reads the newest snapshot and the logs from its number on. A snapshot may hold changes that its log has too: replayed
 * in order they end where they ended.
 */
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { IlnpError } from '../runtime/errors.ts';
import { makeFolder, syncFolder } from '../runtime/folder.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { judge } from './judge.ts';
import { entryText, type LeaseLine, leaseText, readLine } from './lines.ts';
import { cutTo, frameOf, framesOf, LogFile } from './log-file.ts';
import type { Changes, Entry, Lease, Registry, Swap } from './registry.ts';
import { changesOf, pagesOf, RegistryState } from './state.ts';

/** A log is worth a snapshot when it is twice as long as the last one, and this long in octets. */
const COMPACT_FROM = 16 << 20;

export interface StoreOptions {
  /** Folder, made if missing. */
  readonly state: string;
  readonly name: string;
  /** Most identifiers. */
  readonly limit: number;
  /** 64 random bits for the table. */
  readonly seed: readonly [number, number];
  readonly warn: (message: string) => void;
  readonly compactFrom?: number;
  readonly remembered?: number;
  /** Milliseconds since an arbitrary start. */
  readonly now?: () => number;
  /** Lines are on our disk and nobody was told yet: resolves when somebody may be; if it rejects nothing is written any more. */
  readonly written?: (revision: number, lines: readonly string[]) => Promise<void>;
}

interface Waiting {
  readonly expected: number | null;
  readonly next: Entry;
  readonly done: (swap: Swap) => void;
  readonly failed: (error: unknown) => void;
}

export class RegistryStore implements Registry {
  readonly state: RegistryState;
  readonly #options: StoreOptions;
  readonly #now: () => number;
  #number = 1;
  #log!: LogFile;
  #snapshotOctets = 0;
  /** What waits for the round that is under way. */
  #waiting: Waiting[] = [];
  /** One write at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  #busy = false;
  #compacting: Promise<void> | undefined;
  #closed = false;

  private constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.state = new RegistryState(options.seed, options.limit, options.remembered);
  }

  /** Reads what is on disk; E_STATE if it cannot be read or is damaged. */
  static async open(options: StoreOptions): Promise<RegistryStore> {
    const store = new RegistryStore(options);
    try {
      makeFolder(options.state, 0o700);
      await store.#load();
      return store;
    } catch (error) {
      throw error instanceof IlnpError ? error : stateError(store.#path('log'), error);
    }
  }

  async get(nid: Nid): Promise<Entry | null> {
    return this.state.get(nid);
  }

  list(): AsyncIterable<Changes> {
    return pagesOf(this.state);
  }

  swap(expected: number | null, next: Entry): Promise<Swap> {
    return new Promise((done, failed) => {
      this.#waiting.push({ expected, next, done, failed });
      if (!this.#busy) void this.#rounds();
    });
  }

  watch(revision: number, signal: AbortSignal): AsyncIterable<Changes> {
    return changesOf(this.state, revision, signal);
  }

  lease(name: string, holder: string, ttlMs: number): Promise<Lease> {
    return this.#alone(async () => {
      const held = this.state.leaseOf(name, this.#now());
      if (held !== null && held.holder !== holder) return leaseOnly(held);
      const lease = held ?? { holder, token: this.state.nextToken };
      // After a restart a lease is taken for fresh, with the time on disk: a shorter one would be a lease too short.
      if (held === null || ttlMs > held.ttlMs) {
        await this.#write([leaseText({ lease: name, holder, token: lease.token, ttlMs })], this.state.revision);
      }
      this.state.setLease(name, lease, ttlMs, this.#now());
      return leaseOnly(lease);
    });
  }

  release(name: string, holder: string): Promise<void> {
    return this.#alone(async () => {
      const held = this.state.leaseOf(name, this.#now());
      if (held?.holder !== holder) return;
      await this.#write([leaseText({ lease: name, token: held.token, ttlMs: 1 })], this.state.revision);
      this.state.dropLease(name);
    });
  }

  /** Takes lines that another one has written, whose copy this is; the last makes `revision`. On disk when this resolves. */
  replicate(lines: readonly string[], revision: number): Promise<void> {
    return this.#alone(async () => {
      const read = lines.map(readLine);
      const wrong = read.find((line) => typeof line === 'string');
      if (wrong !== undefined) throw new IlnpError('E_PROTOCOL', `what is to be copied is no line: ${wrong}`);
      const entries = read.filter((line) => typeof line !== 'string' && 'nid' in line);
      if (this.state.revision + entries.length !== revision)
        throw new IlnpError('E_PROTOCOL', `change ${revision} does not follow ${this.state.revision}`);
      const fresh = new Set(entries.filter(({ nid }) => this.state.get(nid) === null).map(({ nid }) => formatNid(nid)));
      if (fresh.size > 0 && !this.state.hasRoom(fresh.size)) throw this.#full();
      await this.#log.append(frameOf(revision, lines));
      this.state.apply(entries);
      for (const line of read) if (typeof line !== 'string' && 'lease' in line) this.#replayLease(line);
      this.#compactIfDue();
    });
  }

  /** Waits for what was asked and closes the files. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#compacting;
    await this.#alone(() => this.#log.close());
  }

  /** Everybody who waits shares one write. */
  async #rounds(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      await this.#alone(async () => {
        const round = this.#waiting;
        this.#waiting = [];
        await this.#round(round);
      });
    }
    this.#busy = false;
  }

  async #round(round: readonly Waiting[]): Promise<void> {
    const changed = new Map<string, Entry>();
    const entries: Entry[] = [];
    const answers: (() => void)[] = [];
    let fresh = 0;
    for (const { expected, next, done, failed } of round) {
      const key = `${next.nid.hi}:${next.nid.lo}`;
      const held = changed.get(key) ?? this.state.get(next.nid);
      try {
        const outcome = judge(held, expected, next);
        if (outcome === 'change') {
          if (held === null && !this.state.hasRoom(++fresh)) throw this.#full();
          changed.set(key, next);
          entries.push(next);
        }
        answers.push(() => done(outcome === 'refused' ? { swapped: false, held } : { swapped: true }));
      } catch (error) {
        failed(error);
      }
    }
    try {
      if (entries.length > 0) await this.#write(entries.map(entryText), this.state.revision + entries.length);
    } catch (error) {
      for (const { failed } of round) failed(error);
      return;
    }
    this.state.apply(entries);
    for (const answer of answers) answer();
    this.#compactIfDue();
  }

  #full(): IlnpError {
    return new IlnpError('E_FULL', `the registry holds its limit of ${this.#options.limit} Node Identifiers`);
  }

  async #write(lines: readonly string[], revision: number): Promise<void> {
    if (this.#closed) throw new IlnpError('E_REGISTRY', 'the registry is closed');
    try {
      await this.#log.append(frameOf(revision, lines));
    } catch (error) {
      throw stateError(this.#log.path, error);
    }
    try {
      await this.#options.written?.(revision, lines);
    } catch (error) {
      this.#closed = true; // it is on disk and not in the tables: nothing may follow it before a restart
      throw error;
    }
  }

  #alone<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.#tail.then(task);
    this.#tail = mine.catch(() => {});
    return mine;
  }

  #compactIfDue(): void {
    const { compactFrom = COMPACT_FROM, warn } = this.#options;
    if (this.#compacting !== undefined || this.#log.octets < Math.max(compactFrom, 2 * this.#snapshotOctets)) return;
    this.#compacting = this.#compact()
      .catch((error) => {
        warn(`${this.#path('snapshot')}: ${error instanceof Error ? error.message : error}; the log grows on`);
        this.#snapshotOctets = this.#log.octets; // tried again when it is twice as long
      })
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  async #compact(): Promise<void> {
    const revision = await this.#alone(() => this.#nextLog());
    const path = this.#path('snapshot');
    const fresh = `${path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      this.#snapshotOctets = await this.#writeSnapshot(file, revision);
    } catch (error) {
      await rm(fresh, { force: true }); // a full disk is not helped by half a file
      throw error;
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    await syncFolder(this.#options.state);
    for (const { number, file: old } of await this.#files()) {
      if (number < this.#number) await rm(join(this.#options.state, old), { force: true });
    }
  }

  /** Changes after the revision it gives go to a new log; the old one stays until there is a snapshot. */
  async #nextLog(): Promise<number> {
    const old = this.#log;
    const log = await LogFile.open(this.#path('log', this.#number + 1));
    await syncFolder(this.#options.state);
    this.#number++;
    this.#log = log;
    await old.close();
    return this.state.revision;
  }

  /** Gives its octets. Every change after `revision` is in the log that began with it. */
  async #writeSnapshot(file: FileHandle, revision: number): Promise<number> {
    let octets = 0;
    const write = async (lines: readonly string[]): Promise<void> => {
      const frame = frameOf(revision, lines);
      await file.appendFile(frame);
      octets += frame.length;
      await setImmediate(); // others are served meanwhile
    };
    for await (const { entries } of pagesOf(this.state)) await write(entries.map(entryText));
    await write(
      [...this.state.leases()].map(([lease, { holder, token, ttlMs }]) => leaseText({ lease, holder, token, ttlMs })),
    );
    await file.datasync();
    return octets;
  }

  async #load(): Promise<void> {
    const files = await this.#files();
    const snapshots = files.filter(({ kind }) => kind === 'snapshot').map(({ number }) => number);
    const newest = Math.max(0, ...snapshots);
    const logs = files.filter(({ kind, number }) => kind === 'log' && number >= newest).map(({ number }) => number);
    logs.sort((a, b) => a - b);
    if (newest > 0) {
      await this.#read(this.#path('snapshot', newest), true);
      if (logs[0] !== newest) throw new IlnpError('E_STATE', `${this.#path('log', newest)}: is missing`);
    }
    for (const number of logs) {
      const path = this.#path('log', number);
      const { whole, rest } = await this.#read(path, false);
      if (rest === 0) continue;
      if (number !== logs.at(-1))
        throw new IlnpError('E_STATE', `${path}: ends at octet ${whole} in the middle of a change`);
      this.#options.warn(
        `${path}: the last ${rest} octets are no whole change, nobody was told of it; they are dropped`,
      );
      await cutTo(path, whole);
    }
    this.#number = logs.at(-1) ?? 1;
    this.#log = await LogFile.open(this.#path('log'));
    await syncFolder(this.#options.state);
  }

  /** Takes the frames of a file over; gives how much of it is whole. */
  async #read(path: string, isSnapshot: boolean): Promise<{ whole: number; rest: number }> {
    const { size } = await stat(path);
    const frames = framesOf(path);
    let frame = await frames.next();
    try {
      for (; !frame.done; frame = await frames.next()) {
        this.#replay(frame.value.lines, frame.value.revision, isSnapshot, path);
      }
    } finally {
      await frames.return(0);
    }
    const whole = frame.value;
    if (isSnapshot && whole !== size) throw new IlnpError('E_STATE', `${path}: is damaged at octet ${whole}`);
    if (isSnapshot) this.#snapshotOctets = size;
    return { whole, rest: size - whole };
  }

  #replay(lines: readonly string[], last: number, isSnapshot: boolean, path: string): void {
    const read = lines.map(readLine);
    const changes = read.filter((line) => typeof line !== 'string' && 'nid' in line).length;
    if (!isSnapshot && this.state.revision + changes !== last) {
      throw new IlnpError('E_STATE', `${path}: change ${last} does not follow ${this.state.revision}; one is missing`);
    }
    for (const line of read) {
      if (typeof line === 'string') throw new IlnpError('E_STATE', `${path}: ${line}`);
      if ('nid' in line) this.state.restore(line, isSnapshot ? last : this.state.revision + 1);
      else this.#replayLease(line);
    }
  }

  #replayLease({ lease, holder, token, ttlMs }: LeaseLine): void {
    this.state.setLease(lease, { holder: holder ?? '', token }, ttlMs, this.#now());
    if (holder === undefined) this.state.dropLease(lease);
  }

  #path(kind: 'log' | 'snapshot', number: number = this.#number): string {
    return join(this.#options.state, `${this.#options.name}.registry.${number}.${kind}`);
  }

  async #files(): Promise<{ number: number; kind: string; file: string }[]> {
    const start = `${this.#options.name}.registry.`;
    const found: { number: number; kind: string; file: string }[] = [];
    for (const file of await readdir(this.#options.state)) {
      const [, number, kind] = /^(\d+)\.(log|snapshot)$/.exec(file.slice(start.length)) ?? [];
      if (file.startsWith(start) && number !== undefined) found.push({ number: Number(number), kind: kind!, file });
    }
    return found;
  }
}

const leaseOnly = ({ holder, token }: Lease): Lease => ({ holder, token });

const stateError = (path: string, error: unknown): IlnpError =>
  new IlnpError('E_STATE', `${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
