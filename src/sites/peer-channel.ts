/**
 * The channel between this border and the others: authenticated, encrypted, there again after every interruption.
 * Each border opens one connection to each peer and asks on it; it answers on those that peers open.
 */
import type { Endpoint, PeerConfig } from '../config/site-config.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { Reply, Request } from './messages.ts';
import type { SitesLog } from './moves-world.ts';
import type { AnswerRequest } from './peer-connection.ts';
import { newPeerCounters, type PeerCounters, WireOctets } from './peer-counters.ts';
import { PeerError } from './peer-error.ts';
import { PeerLink } from './peer-link.ts';
import { PeerListener } from './peer-listener.ts';
import { PEER_TIMING, type PeerTiming } from './peer-timing.ts';

export type ChannelPeer = Pick<PeerConfig, 'site' | 'control'> & Partial<Pick<PeerConfig, 'via'>>;

export interface PeerChannelOptions {
  /** This site. */
  readonly site: string;
  /** From readSiteKey. */
  readonly key: Uint8Array;
  /** Undefined: peers cannot ask us. */
  readonly listen: Endpoint | undefined;
  /** Own address that peers are asked from, if the one that the kernel would choose does not stay here. */
  readonly from?: string;
  /** Peers without `control` may connect to us, but cannot be asked. */
  readonly peers: readonly ChannelPeer[];
  readonly answer: AnswerRequest;
  /** Site can be asked (again). */
  readonly onConnected: (site: string) => void;
  readonly log: SitesLog;
  readonly timing?: Partial<PeerTiming>;
}

/** What `ilnp show peers` says. */
export interface PeerStatus {
  readonly site: string;
  readonly control: Endpoint | undefined;
  /** We can ask it. */
  readonly connected: boolean;
  /** Connections it has opened to us. */
  readonly incoming: number;
  readonly problem: string | undefined;
}

interface Octets {
  readonly sent: number;
  readonly received: number;
}

export class PeerChannel {
  readonly counters: PeerCounters = newPeerCounters();
  readonly #options: PeerChannelOptions;
  readonly #timing: PeerTiming;
  readonly #opened = new WireOctets();
  readonly #accepted = new WireOctets();
  readonly #listener: PeerListener;
  readonly #links = new Map<string, PeerLink>();
  #key: Uint8Array;
  #peers: readonly ChannelPeer[];
  #started = false;

  constructor(options: PeerChannelOptions) {
    this.#options = options;
    this.#timing = { ...PEER_TIMING, ...options.timing };
    this.#key = options.key;
    this.#peers = options.peers;
    this.#listener = new PeerListener({
      self: options.site,
      timing: this.#timing,
      counters: this.counters,
      octets: this.#accepted,
      log: options.log,
      answer: options.answer,
      onPeer: (site) => this.#links.get(site)?.nudge(),
    });
  }

  /** Where peers reach us; with the port that was chosen if the configuration said 0. */
  get address(): Endpoint | undefined {
    return this.#listener.address;
  }

  /** Octets of TCP payload so far: on connections we opened, and on those that were opened to us. */
  get octets(): { readonly opened: Octets; readonly accepted: Octets } {
    const of = ({ sent, received }: WireOctets): Octets => ({ sent, received });
    return { opened: of(this.#opened), accepted: of(this.#accepted) };
  }

  /** Octets both ways on connections we opened: the measure that MovesWorld wants. */
  get asked(): number {
    return this.#opened.sent + this.#opened.received;
  }

  /** Listens and begins to connect; resolves when it listens. E_NETWORK if it cannot. */
  async start(): Promise<void> {
    this.#listener.expect(this.#key, this.#names(), this.#addresses(), false);
    if (this.#options.listen !== undefined) await this.#listener.listen(this.#options.listen);
    this.#started = true;
    this.#connect();
  }

  /** Asks a site; see SendRequest. */
  send(site: string, request: Request, timeoutMs?: number): Promise<Reply> {
    const link = this.#links.get(site);
    if (link !== undefined) return link.request(request, timeoutMs);
    if (!this.#names().includes(site)) {
      return Promise.reject(new IlnpError('E_UNKNOWN_SITE', `no peer "${site}" in the configuration`));
    }
    return Promise.reject(new PeerError(`${site} has no control address in the configuration`, false));
  }

  /** A connection to it is open. */
  isConnected(site: string): boolean {
    return this.#links.get(site)?.isConnected ?? false;
  }

  /** Changes only what differs: other connections stay. A new key closes them all. */
  setPeers(peers: readonly ChannelPeer[], key: Uint8Array = this.#key): void {
    const keyChanged = Buffer.compare(key, this.#key) !== 0;
    this.#peers = peers;
    this.#key = key;
    this.#listener.expect(key, this.#names(), this.#addresses(), keyChanged);
    for (const [site, link] of this.#links) {
      const control = peers.find((peer) => peer.site === site)?.control;
      if (!keyChanged && control?.host === link.control.host && control.port === link.control.port) continue;
      link.close();
      this.#links.delete(site);
    }
    if (this.#started) this.#connect();
  }

  peers(): PeerStatus[] {
    return this.#peers.map(({ site, control }) => {
      const link = this.#links.get(site);
      return {
        site,
        control,
        connected: link?.isConnected ?? false,
        incoming: this.#listener.connectionsOf(site),
        problem: control === undefined ? 'no control address' : link?.problem,
      };
    });
  }

  async close(): Promise<void> {
    this.#started = false;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    await this.#listener.close();
  }

  #connect(): void {
    for (const { site, control } of this.#peers) {
      if (control === undefined || this.#links.has(site)) continue;
      const link = new PeerLink({
        self: this.#options.site,
        site,
        control,
        from: this.#options.from,
        key: this.#key,
        timing: this.#timing,
        counters: this.counters,
        octets: this.#opened,
        log: this.#options.log,
        onConnected: () => this.#options.onConnected(site),
      });
      this.#links.set(site, link);
    }
  }

  #names(): string[] {
    return this.#peers.map((peer) => peer.site);
  }

  /** Where peers are reached, which is where they come from. */
  #addresses(): string[] {
    return this.#peers.flatMap(({ control, via }) => [control?.host, via]).filter((address) => address !== undefined);
  }
}
