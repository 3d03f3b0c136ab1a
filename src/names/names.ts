/**
 * Names of an end system: the resolver that its programs ask, what the path learns from it, where lost correspondents are
 * found again, and this node's own records. The control plane's part; no packet passes here.
 */
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { IlnpHost } from '../config/hosts-file.ts';
import type { NamesConfig } from '../config/load-shim.ts';
import { absolute } from '../wire/dns-name.ts';
import { formatL64, formatNid, type L64, type Nid } from '../wire/text.ts';
import type { Found } from './choose.ts';
import { Listener } from './listener.ts';
import { lookUp } from './lookup.ts';
import { Publisher, type PublisherState } from './publisher.ts';
import { Resolver } from './resolver.ts';
import { Rrsets } from './rrsets.ts';
import { readTsigKey } from './tsig-key.ts';
import { forEverybody, type Published } from './update.ts';
import { Upstreams } from './upstreams.ts';

/** Of what comes from the hosts file, seconds. */
const HOSTS_TTL = 60;
/** Names remembered, for nodes that get lost. */
const TAUGHT_MAX = 65_536;
/** Longer than the tries of a withdrawal. */
const WITHDRAW_MS = 2500;

export interface NamesOptions {
  readonly config: NamesConfig;
  readonly self: { readonly nid: Nid; readonly stable: L64 };
  readonly hosts: readonly IlnpHost[];
  readonly log: Logger;
  /**
   * Tells the path where a node is; resolves when it knows. `isKnownName`: it was taught by this name before. False: it
   * does not believe this.
   */
  readonly teach: (found: Found, isKnownName: boolean) => Promise<boolean>;
}

/** What operators see. */
export interface NamesReply {
  readonly answers: Readonly<Record<string, number>>;
  readonly kept: number;
  readonly names: readonly { readonly nid: string; readonly name: string; readonly locators: readonly string[] }[];
  readonly update: PublisherState | null;
}

export class Names {
  readonly #options: NamesOptions;
  readonly #resolver: Resolver;
  readonly #rrsets: Rrsets;
  readonly #hosts = new Map<string, Found>();
  /** By NID, oldest first. */
  readonly #taught = new Map<string, Found>();
  readonly #seeking = new Set<string>();
  #listener: Listener | null = null;
  #publisher: Publisher | null = null;

  constructor(options: NamesOptions) {
    this.#options = options;
    const upstreams = new Upstreams(options.config.upstream);
    this.#rrsets = new Rrsets({
      ask: (question) => upstreams.ask(question, 'both'),
      now: () => performance.now(),
    });
    for (const host of options.hosts) {
      const locators = host.locators.map((l) => ({ ...l, lifetime: Number.POSITIVE_INFINITY }));
      locators.sort((a, b) => a.preference - b.preference);
      for (const name of host.names.map(absolute)) {
        const found = { name, nid: host.nid, locators, ttl: HOSTS_TTL };
        this.#hosts.set(name, found);
        this.#remember(found);
      }
    }
    this.#resolver = new Resolver({
      ask: (question, over) => upstreams.ask(question, over),
      find: (name) => this.#find(name),
      isHost: (name) => this.#hosts.has(name),
      self: options.self,
      teach: (found) => this.#teach(found),
    });
  }

  /** IlnpError E_NAMES: something else listens there; E_KEY: no key. */
  async start(): Promise<void> {
    const { config, self, log } = this.#options;
    const { listen, update } = config;
    if (update !== undefined) {
      const { server, zone, name, subnet, ttl } = update;
      const to = { zone, name, subnet, ttl, nid: self.nid, withL64: true, withNid: update.nid, withAaaa: update.aaaa };
      this.#publisher = new Publisher({ server, to, key: await readTsigKey(update.keyFile), log });
    }
    this.#listener = await Listener.open(listen, (query, over) => this.#resolver.answer(query, over));
    const nameserver = listen.port === 53 ? `nameserver ${listen.host}` : `port ${listen.port} of ${listen.host}`;
    log.info({ resolvConf: nameserver }, 'names are answered here; /etc/resolv.conf is left alone, programs need this');
  }

  /** Takes this node's records out of the zone, if its server answers in time. */
  async stop(): Promise<void> {
    await this.#listener?.close();
    this.#listener = null;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise((resolve) => {
      timer = setTimeout(resolve, WITHDRAW_MS);
    });
    await Promise.race([this.#publisher?.withdraw(), limit]);
    clearTimeout(timer);
  }

  /** The Locators of this node are these. */
  publish(locators: readonly Published[]): void {
    this.#publisher?.publish(forEverybody(locators));
  }

  /** A correspondent answers nowhere: its name may say where it is now. */
  async lost(nid: Nid): Promise<void> {
    const key = formatNid(nid);
    const taught = this.#taught.get(key);
    if (taught === undefined || this.#seeking.has(key)) return;
    this.#seeking.add(key);
    try {
      const found = await lookUp(taught.name, (...asked) => this.#rrsets.get(...asked), { fresh: true, wanted: nid });
      const locators = found?.locators.map(({ l64 }) => formatL64(l64)) ?? null;
      this.#options.log.info({ nid: key, name: taught.name, locators }, 'names were asked for a lost correspondent');
      if (found !== null) await this.#teach({ ...found, name: taught.name });
    } finally {
      this.#seeking.delete(key);
    }
  }

  show(): NamesReply {
    return {
      answers: this.#resolver.counters,
      kept: this.#rrsets.size,
      names: [...this.#taught].map(([nid, { name, locators }]) => ({
        nid,
        name,
        locators: locators.map(({ l64, preference }) => `${formatL64(l64)} ${preference}`),
      })),
      update: this.#publisher?.state ?? null,
    };
  }

  #find(name: string): Promise<Found | null> {
    const host = this.#hosts.get(absolute(name));
    if (host !== undefined) return Promise.resolve(host);
    return lookUp(name, (...asked) => this.#rrsets.get(...asked));
  }

  async #teach(found: Found): Promise<boolean> {
    const isKnownName = this.#taught.get(formatNid(found.nid))?.name === found.name;
    const isBelieved = await this.#options.teach(found, isKnownName).catch(() => false); // the path is ending
    if (isBelieved) this.#remember(found);
    return isBelieved;
  }

  #remember(found: Found): void {
    const key = formatNid(found.nid);
    this.#taught.delete(key);
    if (this.#taught.size >= TAUGHT_MAX) this.#taught.delete(this.#taught.keys().next().value!);
    this.#taught.set(key, found);
  }
}
