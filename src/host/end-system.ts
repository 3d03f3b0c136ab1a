/**
 * An end system as a whole: its path, its place in the kernel, and its Locators, followed as the kernel learns them.
 */
import type { Logger } from 'pino';
import type { ShimConfig } from '../config/load-shim.ts';
import { readMtu } from '../device/interface-settings.ts';
import { ifNameToIndex } from '../device/libc.ts';
import { locatorOf } from '../ilnp/correspondent.ts';
import { Names, type NamesReply } from '../names/names.ts';
import { announce } from '../network/announce.ts';
import { claimNetwork } from '../network/claim.ts';
import { ANSWER_MS, askWhoHas } from '../network/duplicate.ts';
import { HostNetwork } from '../network/host-network.ts';
import { journalFile } from '../network/journal-file.ts';
import { LocatorWatch } from '../network/locator-watch.ts';
import { RouteSocket } from '../network/netlink.ts';
import { destinationsOf, type OwnLocator, sameLocators } from '../network/own-locators.ts';
import { IlnpError } from '../runtime/errors.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { formatIlv, formatL64, formatNid, type Nid } from '../wire/text.ts';
import type { Answers, Question, SessionReply } from './messages.ts';
import { nidOf } from './nid.ts';
import { namedHost, Path } from './path.ts';
import { SessionFile } from './session-file.ts';
import { SessionKeeper } from './session-keeper.ts';
import { shownPacket } from './shown-packet.ts';

/**
 * How long packets that are on their way to a Locator that is gone, or have it, are still let through: longer than the
 * first repetitions of a Locator Update take.
 */
const DRAIN_MS = 10_000;

export class EndSystem {
  readonly config: ShimConfig;
  readonly nid: Nid;
  readonly #log: Logger;
  readonly #path: Path;
  readonly #network: HostNetwork;
  readonly #watch: LocatorWatch;
  #keeper: SessionKeeper | null = null;
  readonly #socket = new RouteSocket();
  #drain: NodeJS.Timeout | undefined;
  /** Until when an answer counts. */
  readonly #asked = new Map<string, number>();
  /** Addresses that were this node's in this run. */
  readonly #had = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Addresses and interfaces where somebody else has our Identifier (RFC 4862 section 5.4.5: until people have looked). */
  readonly #duplicates = new Set<string>();
  readonly #names: Names | null;
  #locators: readonly OwnLocator[] = [];
  #others = '';
  /** When half of the shortest lifetime that was told is over. */
  #staleAt = Number.POSITIVE_INFINITY;
  #stopping = false;
  /** Gives back what keeps others from being the end system here. */
  #unclaim = (): void => {};

  /** `runFolder`: for the journal of the set-up. `onFailure`: the path is gone. */
  constructor(config: ShimConfig, options: { runFolder: string; log: Logger; onFailure: (error: Error) => void }) {
    this.config = config;
    this.#log = options.log;
    this.#path = new Path({
      onFailure: options.onFailure,
      onDrops: (drops) => {
        for (const { verdict, count, packet } of drops)
          this.#log.warn({ drop: verdict, count, ...shownPacket(packet) }, 'dropped');
      },
      onLost: (lost) => {
        this.#log.warn({ nid: formatNid(lost) }, 'a correspondent answers on no path');
        void this.#names?.lost(lost);
      },
    });
    const nid = nidOf(config);
    if (nid === null) throw new IlnpError('E_NETWORK', 'expected `nid`, or an interface with a link-layer address');
    this.nid = nid;
    this.#names =
      config.names === undefined
        ? null
        : new Names({
            config: config.names,
            self: { nid, stable: config.stable },
            hosts: config.hosts,
            log: options.log,
            teach: (found, isKnownName) => this.#path.ask({ what: 'teach', host: namedHost(found, isKnownName) }),
          });
    const identity = { nid, stable: config.stable, tun: config.tun.name };
    const interfaces = config.interfaces.map((i) => i.interface);
    const journal = journalFile(options.runFolder, 'end-system');
    this.#network = new HostNetwork(journal, this.#socket, identity, interfaces);
    this.#watch = new LocatorWatch(this.#socket, config.interfaces, {
      onEvent: () => this.#look(),
      onListening: () => this.#introduce(this.#locators),
      onClaim: (address) => this.#claimed(address),
      onSilent: (name, router) =>
        this.#log.info({ interface: name, router }, 'another router is there and this one is gone: so is its Locator'),
      onFailure: (error) => this.#log.error({ error: String(error) }, 'changes are noticed every ten seconds only'),
    });
  }

  /** How packets are read and written, for people. */
  get io(): string {
    return this.#path.io;
  }

  /** Valid Locators of this node, preferred first. */
  get locators(): readonly OwnLocator[] {
    return this.#locators;
  }

  /** Asks the path; E_TUN when it has ended. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['what']]> {
    return this.#path.ask(question);
  }

  async sessions(): Promise<SessionReply[]> {
    const all: SessionReply[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const { sessions, next }: Answers['sessions'] = await this.ask({ what: 'sessions', from });
      all.push(...sessions);
      from = next;
    }
    return all;
  }

  /** null: no resolver is configured. */
  names(): NamesReply | null {
    return this.#names?.show() ?? null;
  }

  counters(): Record<string, number> {
    return this.#path.counters();
  }

  /** Sets everything up; the commands run. On failure everything is taken back. */
  async start(): Promise<string[]> {
    const missing = this.config.interfaces.filter((i) => ifNameToIndex(i.interface) === 0).map((i) => i.interface);
    if (missing.length > 0)
      throw new IlnpError('E_NETWORK', `expected these interfaces to exist, got none: ${missing.join(', ')}`);
    const keys = await Promise.all(
      this.config.peers.map(({ keyFile }) => (keyFile === undefined ? null : readSiteKey(keyFile))),
    );
    this.#unclaim = claimNetwork(); // before anything that a running one may have set up is touched
    try {
      this.#path.open(this.config);
      const mtu = Math.min(...this.config.interfaces.map((i) => readMtu(i.interface)));
      await this.#path.start(this.config, this.nid, mtu, { remembered: this.#remember(), keys });
      this.#keeper?.start();
      // not earlier: what a run that was killed has left refuses what would leave in the wrong way
      if (this.#network.recover()) this.#log.warn({}, 'an earlier run had not cleaned up; its set-up was taken back');
      const commands = this.#network.up(mtu);
      this.#look();
      await this.#watch.start();
      await this.#names?.start();
      this.#names?.publish(this.#locators);
      return commands;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#drain);
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#watch.stop();
    await this.#names?.stop(); // while there is a path to the server
    await this.#keeper?.stop();
    this.#keeper = null;
    try {
      this.#network.down();
    } finally {
      if (await this.#path.close()) this.#network.removeTun(); // else its worker would keep this process for ever
      this.#socket.close();
      this.#unclaim();
    }
  }

  /** Takes over what the kernel has now: first the kernel's side, so that an update told to others is true already. */
  #look(): void {
    if (this.#stopping) return;
    try {
      if (this.#network.resettle()) {
        this.#log.warn({}, 'an interface did not have the settings this node needs; they were made again');
        this.#watch.solicit(); // while it did not hear routers they may have spoken
      }
      const { view, locators: found } = this.#watch.look();
      const kernels = new Set(view.addresses.map(({ l64, nid }) => formatIlv(l64, nid)));
      const own = found.find((l) => kernels.has(this.#addressOf(l)));
      const next = found.filter(
        (l) => !this.#isStable(l.l64) && !this.#duplicates.has(this.#placeOf(l)) && !kernels.has(this.#addressOf(l)),
      );
      const { interfaces, tun } = this.config;
      const others = destinationsOf(view.routes, [...interfaces.map((i) => i.interface), tun.name]);
      const isSame = sameLocators(next, this.#locators) && others.join() === this.#others;
      if (isSame && performance.now() < this.#staleAt) {
        if (this.#network.repair())
          this.#log.warn({}, 'somebody had removed rules or routes of this node; they were put back');
        return;
      }
      // what correspondents were told is told again before it expires there
      this.#staleAt = performance.now() + Math.min(...next.map((l) => l.lifetime)) * 500;
      this.#locators = next;
      this.#others = others.join();
      const { commands, arrived } = this.#network.setLocators(next, others);
      const local = next.map((l) => ({ ...locatorOf(l.l64), preference: l.preference, lifetime: l.lifetime }));
      // the update of the zone goes by the new Locators itself
      this.#path.setLocators(local).then(
        () => this.#names?.publish(next),
        () => {}, // the path has ended, which is told elsewhere
      );
      clearTimeout(this.#drain);
      this.#drain = setTimeout(() => this.#forget(), DRAIN_MS);
      this.#introduce(arrived);
      const said = next.map((l) => `${formatL64(l.l64)} ${l.interface} ${l.preference}`);
      this.#log.info({ locators: said, commands }, 'the Locators of this node are these now');
      if (own !== undefined)
        this.#log.error(
          { address: this.#addressOf(own) },
          'the kernel has this address itself: the Locator is not used; choose another `nid`',
        );
      if (found.some(({ l64 }) => this.#isStable(l64)))
        this.#log.error({}, 'the stable Locator is a real one here; it is not used');
    } catch (error) {
      this.#log.error({ error: String(error) }, 'the Locators of this node cannot be followed');
    }
  }

  /** The sessions of an earlier run; without a file that can be used this one begins anew, and is forgotten. */
  #remember(): readonly Uint8Array[] {
    const { state, node, stable, limits } = this.config;
    let file: SessionFile;
    try {
      file = new SessionFile(state, node, { nid: this.nid, stable });
    } catch (error) {
      this.#log.error({ error: String(error) }, 'sessions are not remembered: a restart begins anew');
      return [];
    }
    this.#keeper = new SessionKeeper(file, (options) => this.ask({ what: 'unsaved', ...options }), this.#log);
    try {
      const { records, damaged } = file.read(limits.correspondents + limits.strangers);
      if (damaged > 0) this.#log.warn({ damaged }, 'some sessions of an earlier run cannot be read');
      if (records.length > 0) this.#log.info({ sessions: records.length }, 'sessions of an earlier run go on');
      return records;
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'the sessions of an earlier run cannot be read');
      return [];
    }
  }

  /**
   * Asks whether somebody else has what is ours now; when nobody answers, who remembers us elsewhere learns of it. What was
   * ours before is announced at once: whom routers remember is this node, at another interface.
   */
  #introduce(arrived: readonly OwnLocator[]): void {
    if (arrived.length === 0) return;
    for (const l of arrived) {
      const address = this.#addressOf(l);
      if (this.#had.has(address)) announce(l.interface, address);
      this.#had.add(address);
      askWhoHas(l.interface, this.#addressOf(l));
      this.#asked.set(this.#placeOf(l), performance.now() + ANSWER_MS);
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const ours = new Set(this.#locators.map((l) => this.#placeOf(l)));
      for (const l of arrived) if (ours.has(this.#placeOf(l))) announce(l.interface, this.#addressOf(l));
    }, ANSWER_MS);
    this.#timers.add(timer);
  }

  /** Another node has our Identifier under one of our Locators: that Locator is not used any more. */
  #claimed(address: string): void {
    const taken = this.#locators.find((l) => this.#addressOf(l) === address);
    if (taken === undefined || this.#stopping) return;
    if (performance.now() > (this.#asked.get(this.#placeOf(taken)) ?? 0)) return; // nobody drives us away later
    this.#duplicates.add(this.#placeOf(taken));
    this.#log.error({ address, interface: taken.interface }, 'another node has this address: the Locator is not used');
    this.#look();
  }

  #addressOf({ l64 }: OwnLocator): string {
    return formatIlv(l64, this.nid);
  }

  #placeOf(l: OwnLocator): string {
    return `${this.#addressOf(l)} ${l.interface}`;
  }

  #forget(): void {
    try {
      const commands = this.#network.forget();
      if (commands.length > 0) this.#log.info({ commands }, 'what only earlier Locators need is taken back');
    } catch (error) {
      this.#log.error({ error: String(error) }, 'what earlier Locators needed could not be taken back');
    }
  }

  #isStable({ hi, lo }: { readonly hi: number; readonly lo: number }): boolean {
    return hi === this.config.stable.hi && lo === this.config.stable.lo;
  }
}
