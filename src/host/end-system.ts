/**
 * An end system as a whole: its path, its place in the kernel, and its Locators, followed as the kernel learns them.
 */
import type { Logger } from 'pino';
import type { ShimConfig } from '../config/load-shim.ts';
import { readMtu } from '../device/interface-settings.ts';
import { ifNameToIndex } from '../device/libc.ts';
import { locatorOf } from '../ilnp/ilcc.ts';
import { nidOfInterfaces } from '../network/eui64.ts';
import { HostNetwork } from '../network/host-network.ts';
import {
  LocatorWatch,
  type OwnLocator,
  otherDestinations,
  ownLocators,
  sameLocators,
} from '../network/own-locators.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatL64, formatNid, type Nid } from '../wire/text.ts';
import type { Answers, Question } from './messages.ts';
import { Path } from './path.ts';
import { shownPacket } from './shown-packet.ts';

export class EndSystem {
  readonly config: ShimConfig;
  readonly nid: Nid;
  readonly #log: Logger;
  readonly #path: Path;
  readonly #network: HostNetwork;
  readonly #watch: LocatorWatch;
  #locators: readonly OwnLocator[] = [];
  #others = '';
  #stopping = false;

  /** `runFolder`: for the journal of the set-up. `onFailure`: the path is gone. */
  constructor(config: ShimConfig, options: { runFolder: string; log: Logger; onFailure: (error: Error) => void }) {
    this.config = config;
    this.#log = options.log;
    this.#path = new Path({
      onFailure: options.onFailure,
      onDrops: (drops) => {
        for (const { verdict, packet } of drops) this.#log.warn({ drop: verdict, ...shownPacket(packet) }, 'dropped');
      },
      onLost: (lost) => this.#log.warn({ nid: formatNid(lost) }, 'a correspondent answers on no path'),
    });
    const nid = config.nid ?? nidOfInterfaces(config.interfaces.map((i) => i.interface));
    if (nid === null) throw new IlnpError('E_NETWORK', 'expected `nid`, or an interface with a link-layer address');
    this.nid = nid;
    const identity = { nid, stable: config.stable, tun: config.tun.name };
    const interfaces = config.interfaces.map((i) => i.interface);
    this.#network = new HostNetwork(options.runFolder, config.node, identity, interfaces);
    this.#watch = new LocatorWatch(() => this.#look());
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

  counters(): Record<string, number> {
    return this.#path.counters();
  }

  /** Sets everything up; the commands run. On failure everything is taken back. */
  async start(): Promise<string[]> {
    const missing = this.config.interfaces.filter((i) => ifNameToIndex(i.interface) === 0).map((i) => i.interface);
    if (missing.length > 0)
      throw new IlnpError('E_NETWORK', `expected these interfaces to exist, got none: ${missing.join(', ')}`);
    try {
      this.#path.open(this.config); // first: whoever has the TUN owns the set-up
      if (this.#network.recover()) this.#log.warn({}, 'an earlier run had not cleaned up; its set-up was taken back');
      const mtu = Math.min(...this.config.interfaces.map((i) => readMtu(i.interface)));
      await this.#path.start(this.config, this.nid, mtu);
      const commands = this.#network.up(mtu);
      this.#look();
      this.#watch.start();
      return commands;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#watch.stop();
    this.#network.down();
    if (await this.#path.close()) this.#network.removeTun();
  }

  /** Takes over what the kernel has now: first the kernel's side, so that an update told to others is true already. */
  #look(): void {
    if (this.#stopping) return;
    try {
      const found = ownLocators(this.config.interfaces);
      const next = found.filter(({ l64 }) => !this.#isStable(l64));
      const { interfaces, tun } = this.config;
      const others = otherDestinations([...interfaces.map((i) => i.interface), tun.name]);
      if (sameLocators(next, this.#locators) && others.join() === this.#others) return;
      this.#locators = next;
      this.#others = others.join();
      const commands = this.#network.setLocators(next, others);
      this.#path.setLocators(
        next.map((l) => ({ ...locatorOf(l.l64), preference: l.preference, lifetime: l.lifetime })),
      );
      const said = next.map((l) => `${formatL64(l.l64)} ${l.interface} ${l.preference}`);
      this.#log.info({ locators: said, commands }, 'the Locators of this node are these now');
      if (next.length < found.length) this.#log.error({}, 'the stable Locator is a real one here; it is not used');
    } catch (error) {
      this.#log.error({ error: String(error) }, 'the Locators of this node cannot be followed');
    }
  }

  #isStable({ hi, lo }: { readonly hi: number; readonly lo: number }): boolean {
    return hi === this.config.stable.hi && lo === this.config.stable.lo;
  }
}
