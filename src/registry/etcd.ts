/**
 * The registry in etcd. An entry is a key of 16 hexadecimal digits, so that ranges of identifiers are ranges of keys:
 *
 *   PREFIX/bindings/00000000000000a1   {"nid":"0:0:0:a1","epoch":3,"guest":"fd00:9::/64",...}     lines.ts
 *   PREFIX/leases/site1/pair           border-a          attached to a lease of etcd; the token is its create revision
 *
 * A swap reads the entry and writes it in a transaction that compares the revision of the key, as often as somebody else
 * was quicker. Reads go through the leader's quorum, so nobody sees less than was confirmed.
 */
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { type EtcdAccess, EtcdApi, EtcdError, type Json } from './etcd-api.ts';
import { checkNext, judge } from './judge.ts';
import { entryText, readLine } from './lines.ts';
import { type Changes, Compacted, type Entry, type Lease, MAX_ENTRIES, type Registry, type Swap } from './registry.ts';

export interface EtcdOptions extends EtcdAccess {
  /** Before all our keys, such as `/ilnp`. */
  readonly prefix: string;
  /** Says what is in etcd and is not ours. */
  readonly warn: (message: string) => void;
}

/** A watch that is silent for so long is asked for: an endpoint that is gone says nothing either. */
const SILENT_MS = 3000;

interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly modRevision: string;
  readonly createRevision: string;
  readonly lease: string;
}

export class EtcdRegistry implements Registry {
  readonly #api: EtcdApi;
  readonly #bindings: string;
  readonly #leases: string;
  readonly #warn: (message: string) => void;

  constructor(options: EtcdOptions) {
    this.#api = new EtcdApi(options);
    this.#bindings = `${options.prefix}/bindings/`;
    this.#leases = `${options.prefix}/leases/`;
    this.#warn = options.warn;
  }

  async get(nid: Nid): Promise<Entry | null> {
    const found = await this.#read(this.#keyOf(nid));
    return found && this.#heldEntry(found, nid);
  }

  async *list(): AsyncGenerator<Changes> {
    const end = afterPrefix(this.#bindings);
    let from = this.#bindings;
    let revision: number | undefined;
    for (;;) {
      const { header, kvs, more } = await this.#ask('kv/range', {
        key: base64(from),
        range_end: base64(end),
        limit: String(MAX_ENTRIES),
        ...(revision === undefined ? {} : { revision: String(revision) }),
      });
      revision ??= revisionOf(header);
      const pairs = keyValues(kvs);
      yield { entries: pairs.flatMap((pair) => this.#entryOf(pair) ?? []), revision };
      if (more !== true) return;
      const last = pairs.at(-1)?.key;
      if (last === undefined || last < from) throw notEtcd('the next page of a list');
      from = `${last}\0`;
    }
  }

  async swap(expected: number | null, next: Entry): Promise<Swap> {
    checkNext(expected, next);
    const key = this.#keyOf(next.nid);
    // Who expects nothing need not look first.
    let found = expected === null ? null : await this.#read(key);
    for (let tries = 0; tries < TRIES; tries++) {
      const held = found && this.#heldEntry(found, next.nid);
      const what = judge(held, expected, next);
      if (what === 'same') return { swapped: true };
      if (what === 'refused') return { swapped: false, held };
      const { succeeded, responses } = await this.#ask('kv/txn', {
        compare: [unchanged(key, found)],
        success: [{ request_put: { key: base64(key), value: base64(entryText(next)) } }],
        failure: [{ request_range: { key: base64(key) } }],
      });
      if (succeeded === true) return { swapped: true };
      const there = Array.isArray(responses) ? (responses[0] as Json | undefined)?.response_range : undefined;
      if (!isObject(there)) throw notEtcd('what a transaction found');
      found = keyValues(there.kvs)[0] ?? null;
    }
    throw new IlnpError('E_REGISTRY', `etcd: ${TRIES} times somebody else was quicker with ${formatNid(next.nid)}`);
  }

  async *watch(revision: number, signal: AbortSignal): AsyncGenerator<Changes> {
    for (let at = revision; !signal.aborted; ) {
      const stop = new AbortController();
      const stopToo = (): void => stop.abort();
      signal.addEventListener('abort', stopToo);
      const alive = new SignsOfLife(this.#api, this.#bindings, stop);
      try {
        const request = {
          key: base64(this.#bindings),
          range_end: base64(afterPrefix(this.#bindings)),
          start_revision: String(at + 1),
        };
        const { endpoint, lines } = await this.#api.stream('watch', { create_request: request }, stop.signal);
        alive.begin(endpoint);
        for await (const line of lines) {
          alive.heard();
          if (line.compact_revision !== undefined && line.compact_revision !== '0') throw new Compacted();
          if (line.canceled === true) throw cancelled(String(line.cancel_reason ?? 'the watch was ended'));
          if (line.created === true) await this.#checkReached(endpoint, at);
          const entries = this.#changed(line.events);
          if (!Array.isArray(line.events)) continue;
          at = revisionOf(line.header);
          if (entries.length > 0) yield { entries, revision: at };
        }
        throw new EtcdError(UNAVAILABLE, 'the watch ended');
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Compacted) throw error;
        if (error instanceof EtcdError && error.isToken) this.#api.forgetToken();
        else this.#api.leave(alive.endpoint);
        throw registryError(alive.failure ?? error);
      } finally {
        alive.end();
        signal.removeEventListener('abort', stopToo);
        stop.abort();
      }
    }
  }

  async lease(name: string, holder: string, ttlMs: number): Promise<Lease> {
    const key = `${this.#leases}${name}`;
    const seconds = Math.ceil(ttlMs / 1000);
    for (let tries = 0; tries < TRIES; tries++) {
      const held = await this.#read(key);
      if (held !== null && held.value !== holder) return leaseOf(held);
      if (held !== null && (await this.#prolong(held.lease)) >= seconds) return leaseOf(held);
      const { ID } = await this.#ask('lease/grant', { TTL: String(seconds) });
      const { succeeded } = await this.#ask('kv/txn', {
        compare: [unchanged(key, held)],
        success: [{ request_put: { key: base64(key), value: base64(holder), lease: String(ID) } }],
      });
      const now = succeeded === true ? await this.#read(key) : null;
      if (now !== null && now.lease === String(ID)) {
        if (held !== null) await this.#revoke(held.lease);
        return leaseOf(now);
      }
      await this.#revoke(String(ID));
    }
    throw new IlnpError('E_REGISTRY', `etcd: ${TRIES} times somebody else was quicker with the lease ${name}`);
  }

  async release(name: string, holder: string): Promise<void> {
    const held = await this.#read(`${this.#leases}${name}`);
    if (held?.value === holder) await this.#revoke(held.lease);
  }

  async close(): Promise<void> {
    this.#api.close();
  }

  /** Gives the seconds that the lease goes on for; 0: it is over. */
  async #prolong(id: string): Promise<number> {
    const { result } = await this.#ask('lease/keepalive', { ID: id });
    return Number((result as Json | undefined)?.TTL ?? 0);
  }

  async #revoke(id: string): Promise<void> {
    await this.#ask('lease/revoke', { ID: id }).catch((error) => {
      if (!(error instanceof IlnpError && error.cause instanceof EtcdError && error.cause.code === NOT_FOUND))
        throw error;
    });
  }

  /** A watch from a revision that etcd has not come to, because it was set back, would be silent: Compacted, so all is listed anew. */
  async #checkReached(endpoint: string, revision: number): Promise<void> {
    const { header } = await this.#api.askAt(endpoint, 'kv/range', { key: base64(this.#bindings), count_only: true });
    if (revisionOf(header) < revision) throw new Compacted();
  }

  async #read(key: string): Promise<KeyValue | null> {
    const { kvs } = await this.#ask('kv/range', { key: base64(key) });
    return keyValues(kvs)[0] ?? null;
  }

  async #ask(method: string, body: Json): Promise<Json> {
    try {
      return await this.#api.ask(method, body);
    } catch (error) {
      if (error instanceof EtcdError && error.isCompacted) throw new Compacted();
      throw registryError(error);
    }
  }

  #changed(events: unknown): Entry[] {
    if (!Array.isArray(events)) return [];
    return (events as Json[]).flatMap(({ type, kv }) => {
      const [pair] = keyValues([kv]);
      if (type !== 'DELETE') return this.#entryOf(pair!) ?? [];
      this.#warn(`${pair!.key}: somebody has deleted it from etcd; borders go on with what they know`);
      return [];
    });
  }

  /** The entry of a pair; undefined, and said, if it is none of ours. */
  #entryOf({ key, value }: KeyValue): Entry | undefined {
    const line = readLine(value);
    if (typeof line !== 'string' && 'nid' in line && this.#keyOf(line.nid) === key) return line;
    this.#warn(`${key}: ${typeof line === 'string' ? line : 'expected the entry of this key'}; it is passed over`);
    return undefined;
  }

  #heldEntry(pair: KeyValue, nid: Nid): Entry {
    const entry = this.#entryOf(pair);
    if (entry !== undefined) return entry;
    throw new IlnpError('E_REGISTRY', `what etcd has for ${formatNid(nid)} under ${pair.key} is no entry`);
  }

  #keyOf({ hi, lo }: Nid): string {
    return `${this.#bindings}${hex(hi)}${hex(lo)}`;
  }
}

/** How often somebody else may be quicker. Reason: far more often than sites write one key at a time. */
const TRIES = 100;
const NOT_FOUND = 5;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** Of a watch etcd says in words only why it ends it; members that were started anew know no token of before. */
const cancelled = (reason: string): EtcdError =>
  new EtcdError(/auth|permission denied/i.test(reason) ? UNAUTHENTICATED : UNAVAILABLE, reason);

/** Ends a watch whose endpoint does not answer any more, or cannot reach the others. */
class SignsOfLife {
  readonly #api: EtcdApi;
  readonly #key: string;
  readonly #stop: AbortController;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  endpoint: string;
  failure: Error | undefined;

  constructor(api: EtcdApi, key: string, stop: AbortController) {
    this.#api = api;
    this.#key = key;
    this.#stop = stop;
    this.endpoint = api.endpoint;
  }

  begin(endpoint: string): void {
    this.endpoint = endpoint;
    this.heard();
  }

  heard(): void {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#timer = setTimeout(() => void this.#ask(), SILENT_MS);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    try {
      await this.#api.askAt(this.endpoint, 'kv/range', { key: base64(this.#key), count_only: true });
      this.heard();
    } catch (error) {
      this.failure = error as Error;
      this.#stop.abort();
    }
  }
}

function registryError(error: unknown): Error {
  if (error instanceof IlnpError || error instanceof Compacted) return error;
  return new IlnpError('E_REGISTRY', `etcd: ${error instanceof Error ? error.message : error}`, { cause: error });
}

/** The condition of a transaction: nobody has written the key since `found`. */
const unchanged = (key: string, found: KeyValue | null): Json => ({
  key: base64(key),
  target: 'MOD',
  result: 'EQUAL',
  mod_revision: found?.modRevision ?? '0',
});

const leaseOf = ({ value, createRevision }: KeyValue): Lease => ({ holder: value, token: Number(createRevision) });

function keyValues(kvs: unknown): KeyValue[] {
  if (kvs === undefined) return [];
  if (!Array.isArray(kvs)) throw notEtcd('a list of keys');
  return kvs.map((kv: unknown) => {
    if (!isObject(kv) || Object.values(kv).some((value) => typeof value === 'object')) throw notEtcd('a key');
    return {
      key: utf8(kv.key),
      value: utf8(kv.value),
      modRevision: String(kv.mod_revision ?? '0'),
      createRevision: String(kv.create_revision ?? '0'),
      lease: String(kv.lease ?? '0'),
    };
  });
}

function revisionOf(header: unknown): number {
  const revision = isObject(header) ? Number(header.revision) : Number.NaN;
  if (!Number.isSafeInteger(revision) || revision < 0) throw notEtcd('a revision');
  return revision;
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** The answer has another form than etcd's. */
const notEtcd = (expected: string): IlnpError =>
  new IlnpError('E_REGISTRY', `etcd: expected ${expected} in an answer, got none; is it etcd v3?`);

/** The first key behind all that begin with `prefix`, whose last character is plain. */
const afterPrefix = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const utf8 = (text: unknown): string => Buffer.from(typeof text === 'string' ? text : '', 'base64').toString();
const hex = (half: number): string => half.toString(16).padStart(8, '0');
