/**
 * etcd v3 by its JSON gateway: one question, the endpoint that answers, a token that is renewed. Nothing of gRPC.
 *
 * An endpoint that does not answer in time, or has no leader, is passed over for the next; all questions asked here may
 * be asked twice. Names and passwords go to `auth/authenticate` only and are in no message.
 */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { IlnpError } from '../runtime/errors.ts';

export interface EtcdAccess {
  /** `https://host:port`, at least one. */
  readonly endpoints: readonly string[];
  /** PEM of the authority that signed the endpoints' certificates; undefined: those the system trusts. */
  readonly ca: string | undefined;
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

/** One endpoint's time to answer, in milliseconds, and how long all of them are tried. */
const ANSWER_MS = 2000;
const GIVE_UP_MS = 6000;
/** When all endpoints have failed, before the next round. */
const ROUND_MS = 250;
const MAX_SOCKETS = 64;
/** Longest answer. Reason: a page of 4096 entries has about one MiB as base64. */
const MAX_ANSWER = 16 << 20;
/** Longest line of a stream; etcd sends at most 1.5 MiB of changes at once, more as base64. */
const MAX_LINE = 32 << 20;

/** Codes of gRPC after which another endpoint may do better. */
const TRY_ELSEWHERE = new Set([1, 2, 4, 8, 13, 14]);
const UNAUTHENTICATED = 16;
const OUT_OF_RANGE = 11;

/** An answer of etcd that is an error. */
export class EtcdError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'EtcdError';
    this.code = code;
  }

  /** The revision asked for is compacted away. */
  get isCompacted(): boolean {
    return this.code === OUT_OF_RANGE;
  }

  /** The token is too old, for this endpoint or at all. */
  get isToken(): boolean {
    return this.code === UNAUTHENTICATED || this.message.includes('auth store is old');
  }
}

/** An endpoint that took a question and said nothing. */
class Silence extends Error {
  constructor() {
    super(`no answer within ${ANSWER_MS} ms`);
    this.name = 'Silence';
  }
}

export type Json = { readonly [key: string]: unknown };

/** A stream of answers that one endpoint gives. */
export interface EtcdStream {
  readonly endpoint: string;
  readonly lines: AsyncIterable<Json>;
}

export class EtcdApi {
  readonly #access: EtcdAccess;
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #https: HttpsAgent;
  #current = 0;
  #token: Promise<string> | undefined;
  #closed = false;

  constructor(access: EtcdAccess) {
    this.#access = access;
    this.#https = new HttpsAgent({
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      minVersion: 'TLSv1.2',
      ...(access.ca === undefined ? {} : { ca: access.ca }),
    });
  }

  /**
   * Asks `method` (such as `kv/range`) at whichever endpoint answers. Rejects with EtcdError for an answer that would be
   * the same elsewhere, with IlnpError E_REGISTRY if nobody answers.
   */
  async ask(method: string, body: Json): Promise<Json> {
    const until = performance.now() + GIVE_UP_MS;
    let failures = 0;
    let renewed = false;
    for (;;) {
      const endpoint = this.endpoint;
      try {
        return await this.askAt(endpoint, method, body);
      } catch (error) {
        if (error instanceof EtcdError && error.isToken && !renewed && method !== 'auth/authenticate') {
          renewed = true;
          this.#token = undefined;
          continue;
        }
        if (error instanceof EtcdError && !TRY_ELSEWHERE.has(error.code)) throw error;
        if (error instanceof IlnpError) throw error; // nobody could be asked for a token
        if (this.#closed || performance.now() > until) {
          throw new IlnpError('E_REGISTRY', `etcd at ${endpoint}: ${(error as Error).message}`, { cause: error });
        }
        this.leave(endpoint);
        if (++failures % this.#access.endpoints.length === 0) await pause(ROUND_MS);
      }
    }
  }

  /** Asks one endpoint once. */
  async askAt(endpoint: string, method: string, body: Json): Promise<Json> {
    const token = method === 'auth/authenticate' ? undefined : await this.#authenticated();
    return readJson(await this.#post(endpoint, method, body, { token }).catch(this.#doubt));
  }

  /** Begins a stream at the endpoint of the moment. */
  async stream(method: string, body: Json, signal: AbortSignal): Promise<EtcdStream> {
    const { endpoint } = this;
    const token = await this.#authenticated();
    const response = await this.#post(endpoint, method, body, { token, signal }).catch(this.#doubt);
    return { endpoint, lines: linesOf(response) };
  }

  get endpoint(): string {
    return this.#access.endpoints[this.#current]!;
  }

  /** Another endpoint than this one from now on. */
  leave(endpoint: string): void {
    if (this.endpoint === endpoint) this.#current = (this.#current + 1) % this.#access.endpoints.length;
  }

  /** The token was refused. */
  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * A token names a point in etcd's log that a member waits for: one from before etcd was set back is not refused, its questions
   * are never answered.
   */
  readonly #doubt = (error: unknown): never => {
    if (error instanceof Silence) this.#token = undefined;
    throw error;
  };

  #authenticated(): Promise<string | undefined> {
    const { user } = this.#access;
    if (user === undefined) return Promise.resolve(undefined);
    this.#token ??= this.ask('auth/authenticate', { ...user }).then(({ token }) => {
      if (typeof token === 'string') return token;
      throw new IlnpError('E_REGISTRY', 'etcd gave no token');
    });
    const mine = this.#token;
    mine.catch(() => {
      if (this.#token === mine) this.#token = undefined;
    });
    return mine;
  }

  #post(
    endpoint: string,
    method: string,
    body: Json,
    { token, signal }: { readonly token: string | undefined; readonly signal?: AbortSignal },
  ): Promise<IncomingMessage> {
    const url = new URL(`/v3/${method}`, endpoint);
    const headers = {
      'content-type': 'application/json',
      // A member that has lost its leader ends our streams instead of keeping silent.
      'grpc-metadata-hasleader': 'true',
      ...(token === undefined ? {} : { authorization: token }),
    };
    return new Promise((resolve, reject) => {
      const options = { method: 'POST', headers, ...(signal && { signal }) };
      const asked: ClientRequest =
        url.protocol === 'https:'
          ? requestHttps(url, { ...options, agent: this.#https })
          : requestHttp(url, { ...options, agent: this.#http });
      let slow: NodeJS.Timeout | undefined;
      const isStream = signal !== undefined;
      // A request waits for one of our own sockets first; the endpoint's time begins when it has one.
      asked.once('socket', () => {
        slow = setTimeout(() => asked.destroy(new Silence()), ANSWER_MS);
      });
      asked.once('response', (response) => {
        if (isStream) clearTimeout(slow);
        resolve(response);
      });
      asked.once('close', () => clearTimeout(slow));
      asked.on('error', reject);
      asked.end(JSON.stringify(body));
    });
  }
}

async function readJson(response: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    octets += (chunk as Buffer).length;
    if (octets > MAX_ANSWER) throw new Error(`an answer of more than ${MAX_ANSWER} octets`);
  }
  const text = Buffer.concat(chunks).toString();
  const value = parse(text);
  if (response.statusCode === 200) return value;
  throw errorOf(value, response.statusCode);
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<Json> {
  if (response.statusCode !== 200) {
    await readJson(response); // throws what it says
    return;
  }
  let held: Buffer[] = [];
  let octets = 0;
  for await (const chunk of response) {
    let rest = chunk as Buffer;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...held, rest.subarray(0, end)]).toString();
      held = [];
      octets = 0;
      rest = rest.subarray(end + 1);
      if (line.trim() === '') continue;
      const value = parse(line);
      if ('error' in value) throw errorOf(value.error as Json, undefined);
      yield value.result as Json;
    }
    held.push(rest);
    octets += rest.length;
    if (octets > MAX_LINE) throw new Error(`a line of more than ${MAX_LINE} octets`);
  }
}

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Json;
  } catch {
    // said below
  }
  throw new Error(`expected JSON, got ${JSON.stringify(text.slice(0, 80))}`);
}

function errorOf(value: Json, status: number | undefined): EtcdError {
  const code = [value.code, value.grpc_code].find((one) => typeof one === 'number');
  const text = [value.message, value.error].find((one) => typeof one === 'string');
  return new EtcdError((code as number | undefined) ?? 2, String(text ?? `status ${status}`).slice(0, 300));
}
