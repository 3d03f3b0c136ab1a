/** The connection this border opens to one peer, and opens again whenever it ends: back-off, jitter, no end. */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Endpoint } from '../config/site-config.ts';
import type { Reply, Request } from './messages.ts';
import type { SitesLog } from './moves-world.ts';
import { AskingConnection } from './peer-connection.ts';
import type { PeerCounters, WireOctets } from './peer-counters.ts';
import { PeerError } from './peer-error.ts';
import type { PeerTiming } from './peer-timing.ts';
import { clientOptions, weaknessOf } from './peer-tls.ts';

export interface PeerLinkOptions {
  /** This site. */
  readonly self: string;
  /** The other one. */
  readonly site: string;
  readonly control: Endpoint;
  /** Own address; undefined: the kernel chooses. */
  readonly from: string | undefined;
  readonly key: Uint8Array;
  readonly timing: PeerTiming;
  readonly counters: PeerCounters;
  readonly octets: WireOctets;
  readonly log: SitesLog;
  /** The peer answers (again). */
  readonly onConnected: () => void;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  #connection: AskingConnection | undefined;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #waitMs: number;
  #heard = false;
  #closed = false;
  #problem: string | undefined;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#waitMs = options.timing.reconnectFirstMs;
    this.#connect();
  }

  get control(): Endpoint {
    return this.#options.control;
  }

  get isConnected(): boolean {
    return this.#heard && this.#connection !== undefined;
  }

  /** Why the last attempt or connection ended; undefined while connected. */
  get problem(): string | undefined {
    return this.#problem;
  }

  request(request: Request, timeoutMs?: number): Promise<Reply> {
    if (this.#connection !== undefined) return this.#connection.request(request, timeoutMs);
    const why = this.#problem === undefined ? '' : ` (${this.#problem})`;
    return Promise.reject(new PeerError(`${this.#options.site} is not connected${why}`, false));
  }

  /** The peer was heard of in another way: if we wait, it is over. */
  nudge(): void {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#waitMs = this.#options.timing.reconnectFirstMs;
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.close('closed here');
    this.#socket?.destroy();
  }

  #connect(): void {
    const { control, from, octets, timing, key, self, site } = this.#options;
    const socket = connectTcp({
      ...{ host: control.host, port: control.port, noDelay: true },
      ...(from !== undefined && { localAddress: from }),
    });
    this.#socket = socket;
    const stopCounting = octets.add(socket);
    const tls = connectTls({ ...clientOptions(key, self, site), socket });
    let problem = 'closed in the hand-shake';
    const slow = setTimeout(() => {
      problem = `no hand-shake within ${timing.handshakeMs} ms`;
      tls.destroy();
      socket.destroy();
    }, timing.handshakeMs);
    const failed = (error: Error): void => {
      problem = describe(error);
    };
    socket.on('error', failed);
    tls.on('error', failed);
    tls.once('secureConnect', () => {
      clearTimeout(slow);
      this.#secured(tls);
    });
    socket.once('close', () => {
      clearTimeout(slow);
      stopCounting();
      tls.destroy();
      if (this.#connection === undefined) this.#ended(problem);
      else this.#connection.close(problem);
    });
  }

  #secured(tls: TLSSocket): void {
    const { site, timing, counters, log, onConnected } = this.#options;
    const weakness = weaknessOf(tls);
    if (weakness !== undefined || this.#closed) {
      tls.destroy(weakness === undefined ? undefined : new Error(weakness));
      return;
    }
    const onClose = (reason: string): void => {
      this.#connection = undefined;
      this.#problem = reason;
      this.#socket?.destroy(); // its close plans the next attempt
    };
    this.#connection = new AskingConnection({ site, stream: tls, timing, counters, onClose }, () => {
      this.#heard = true;
      this.#problem = undefined;
      this.#waitMs = timing.reconnectFirstMs;
      counters.connected++;
      log.info({ site }, 'peer connected');
      onConnected();
    });
  }

  #ended(problem: string): void {
    const { site, timing, log } = this.#options;
    const reason = this.#heard ? (this.#problem ?? problem) : problem;
    if (this.#closed) return;
    // One line per change: a peer that is down for a day is not news every five seconds.
    if (this.#heard || reason !== this.#problem) log.warn({ site, reason }, 'peer not connected');
    this.#heard = false;
    this.#problem = reason;
    const wait = this.#waitMs * (0.5 + Math.random() / 2);
    this.#waitMs = Math.min(2 * this.#waitMs, timing.reconnectLastMs);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, wait);
  }
}

/** OpenSSL's errors are a line of library internals; their code says it in a word. */
function describe(error: NodeJS.ErrnoException): string {
  const { code } = error;
  if (code === 'ERR_SSL_SSLV3_ALERT_ILLEGAL_PARAMETER') return 'the peer has another key';
  if (code === 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE') return 'the peer does not expect this site';
  return code?.startsWith('ERR_SSL_') ? code : error.message;
}
