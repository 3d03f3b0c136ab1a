/**
 * Accepts connections of peers on `control.listen`. Strangers get nowhere: before the hand-shake is over nothing of ours
 * reads what they send, there are few of them at a time, they have little time, and they are counted, not logged one by one.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Endpoint } from '../config/site-config.ts';
import { IlnpError } from '../runtime/errors.ts';
import { parseIpv6 } from '../wire/text.ts';
import type { SitesLog } from './moves-world.ts';
import { AnsweringConnection, type AnswerRequest } from './peer-connection.ts';
import type { PeerCounters, WireOctets } from './peer-counters.ts';
import type { PeerTiming } from './peer-timing.ts';
import { serverOptions } from './peer-tls.ts';
import { linkIdentity, linkKey } from './site-key.ts';

/** Connections without a name yet, from addresses that are no peer's. */
const MAX_STRANGERS = 32;
/** As many of them begin a hand-shake in a second. Reason: each takes a millisecond of the thread that moves guests. */
const STRANGERS_A_SECOND = 32;
/** The same from one address, a peer's or not: peers have theirs, whatever strangers do. */
const MAX_PER_ADDRESS = 16;
/** Connections of one peer; it needs one, a second overlaps while the first is dying. */
const MAX_PER_SITE = 4;
/** At most one line of log per this long about refusals; the counters have the rest. */
const REFUSAL_LOG_MS = 10_000;
/** An address that has just been added may still be in duplicate address detection. */
const ADDRESS_RETRIES = 25;
const ADDRESS_RETRY_MS = 200;

export interface PeerListenerOptions {
  /** This site. */
  readonly self: string;
  readonly timing: PeerTiming;
  readonly counters: PeerCounters;
  readonly octets: WireOctets;
  readonly log: SitesLog;
  readonly answer: AnswerRequest;
  /** A peer proved who it is. */
  readonly onPeer: (site: string) => void;
}

export class PeerListener {
  readonly #options: PeerListenerOptions;
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  /** Site and key by the identity a client shows. */
  #expected = new Map<string, { readonly site: string; readonly key: Uint8Array }>();
  readonly #names = new WeakMap<TLSSocket, string>();
  /** Connections without a name yet, with the address they came from. */
  readonly #strangers = new Map<Socket, string>();
  /** Where peers are expected to come from. */
  #peerAddresses: ReadonlySet<string> = new Set();
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Map<string, Set<AnsweringConnection>>();
  /** The second that strangers are counted in, and how many came in it. */
  #second = 0;
  #came = 0;
  #nextLog = 0;
  #unlogged = 0;

  constructor(options: PeerListenerOptions) {
    this.#options = options;
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#tls = createTlsServer(serverOptions((identity, socket) => this.#keyOf(identity, socket)));
    this.#tls.on('secureConnection', (socket: TLSSocket) => this.#secured(socket));
    this.#tls.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      this.#refused(error, socket);
      socket.destroy();
    });
  }

  /** Where it listens; undefined if it does not. */
  get address(): Endpoint | undefined {
    const address = this.#tcp.address();
    return address === null || typeof address === 'string' ? undefined : { host: address.address, port: address.port };
  }

  /** Number of connections of a site. */
  connectionsOf(site: string): number {
    return this.#connections.get(site)?.size ?? 0;
  }

  /**
   * Expects these sites from now on; connections of others, and of all if the key changed, are closed. `addresses`: where
   * they are expected to come from; from elsewhere they come in as long as strangers leave room.
   */
  expect(key: Uint8Array, sites: readonly string[], addresses: readonly string[], keyChanged: boolean): void {
    const { self } = this.#options;
    this.#peerAddresses = new Set(addresses.map(canonical));
    this.#expected = new Map(
      sites.map((site) => [linkIdentity(site, self), { site, key: linkKey(key, site, self) }] as const),
    );
    for (const [site, connections] of this.#connections) {
      if (!keyChanged && sites.includes(site)) continue;
      for (const connection of connections) connection.close('no longer expected');
    }
  }

  /** Resolves when it listens; E_NETWORK if it cannot. */
  async listen(at: Endpoint): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listenOnce(at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EADDRNOTAVAIL' && attempt < ADDRESS_RETRIES) {
          await new Promise((resolve) => setTimeout(resolve, ADDRESS_RETRY_MS));
          continue;
        }
        throw new IlnpError('E_NETWORK', `control.listen [${at.host}]:${at.port}: cannot listen (${code})`, {
          cause: error,
        });
      }
    }
  }

  async close(): Promise<void> {
    for (const connections of this.#connections.values()) for (const one of connections) one.close('closed here');
    for (const socket of this.#sockets) socket.destroy();
    if (this.#tcp.listening) await new Promise((resolve) => this.#tcp.close(resolve));
  }

  #listenOnce({ host, port }: Endpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      const listening = (): void => {
        this.#tcp.off('error', failed);
        resolve();
      };
      const failed = (error: Error): void => {
        this.#tcp.off('listening', listening); // it may be tried again
        reject(error);
      };
      this.#tcp.once('error', failed).once('listening', listening).listen({ host, port });
    });
  }

  #accept(socket: Socket): void {
    const { octets, counters, timing } = this.#options;
    const address = canonical(socket.remoteAddress ?? '');
    if (!this.#hasRoom(address)) {
      counters.refusedMany++;
      socket.destroy();
      return;
    }
    this.#strangers.set(socket, address);
    this.#sockets.add(socket);
    const stopCounting = octets.add(socket);
    const slow = setTimeout(() => {
      if (!this.#strangers.has(socket)) return;
      counters.refusedSlow++;
      this.#logRefusal(socket, 'too slow');
      socket.destroy();
    }, timing.handshakeMs);
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(slow);
      stopCounting();
      this.#strangers.delete(socket);
      this.#sockets.delete(socket);
    });
    this.#tls.emit('connection', socket);
  }

  #hasRoom(address: string): boolean {
    let same = 0;
    let others = 0;
    for (const from of this.#strangers.values()) {
      if (from === address) same++;
      if (!this.#peerAddresses.has(from)) others++;
    }
    if (same >= MAX_PER_ADDRESS) return false;
    return this.#peerAddresses.has(address) || (others < MAX_STRANGERS && this.#isInTime());
  }

  /** One more stranger; false when there were enough in this second. */
  #isInTime(): boolean {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) this.#came = 0;
    this.#second = second;
    return ++this.#came <= STRANGERS_A_SECOND;
  }

  #keyOf(identity: string, socket: TLSSocket): Uint8Array | undefined {
    const expected = this.#expected.get(identity);
    if (expected === undefined) return undefined;
    this.#names.set(socket, expected.site);
    return expected.key;
  }

  #secured(stream: TLSSocket): void {
    const { timing, counters, answer, onPeer } = this.#options;
    for (const socket of this.#strangers.keys()) {
      if (socket.remotePort === stream.remotePort && socket.remoteAddress === stream.remoteAddress) {
        this.#strangers.delete(socket);
      }
    }
    const site = this.#names.get(stream);
    if (site === undefined) {
      counters.refusedName++; // a resumed session: it was never asked for its name
      stream.destroy();
      return;
    }
    const connections = this.#connections.get(site) ?? new Set();
    this.#connections.set(site, connections);
    if (connections.size >= MAX_PER_SITE) for (const oldest of firstOf(connections)) oldest.close('replaced');
    const connection: AnsweringConnection = new AnsweringConnection(
      { site, stream, timing, counters, onClose: () => connections.delete(connection) },
      answer,
    );
    connections.add(connection);
    counters.accepted++;
    onPeer(site);
  }

  #refused(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { counters } = this.#options;
    const { code } = error;
    if (code === 'ERR_SSL_BINDER_DOES_NOT_VERIFY') counters.refusedKey++;
    else if (code === 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM') counters.refusedName++;
    else if (code === 'ECONNRESET')
      return; // went away by itself, or we sent it away and counted that
    else counters.refusedTls++;
    this.#logRefusal(socket, code ?? error.message);
  }

  #logRefusal(socket: Socket, reason: string): void {
    const now = performance.now();
    if (now < this.#nextLog) {
      this.#unlogged++;
      return;
    }
    this.#nextLog = now + REFUSAL_LOG_MS;
    this.#options.log.warn({ from: socket.remoteAddress, reason, unlogged: this.#unlogged }, 'stranger refused');
    this.#unlogged = 0;
  }
}

/** One text for each address, without its zone. */
function canonical(address: string): string {
  const [text = ''] = address.split('%');
  return parseIpv6(text)?.join() ?? text;
}

function firstOf<T>(set: ReadonlySet<T>): T[] {
  for (const one of set) return [one];
  return [];
}
