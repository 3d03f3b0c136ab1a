/**
 * Follows the Locators of this node as its kernel learns them. Looks when something is heard, and every ten seconds
 * anyway.
 */
import { ifIndexToName } from '../device/libc.ts';
import { macOctetsOf, macOf } from '../device/link-layer.ts';
import { parseIpv6 } from '../wire/text.ts';
import { claimIn } from './duplicate.ts';
import { type Heard, KernelEars } from './kernel-ears.ts';
import { type KernelView, lookAtKernel } from './kernel-view.ts';
import type { RouteSocket } from './netlink.ts';
import { locatorsIn, type OwnLocator } from './own-locators.ts';
import { readAdvertisement } from './router-advertisement.ts';
import { Routers } from './routers.ts';
import { solicit } from './solicit.ts';
import { whoHas } from './who-has.ts';

const PERIOD_MS = 10_000;
/** How often a router is asked whether it is still there, and how long it has for each answer. */
const TRIES = 3;
const TRY_MS = 200;

interface Followed {
  readonly interface: string;
  readonly preference: number;
}

export interface WatchEvents {
  /** Something may have changed: look. */
  readonly onEvent: () => void;
  /** From now on answers to what is asked on the links are heard. */
  readonly onListening: () => void;
  /** Somebody else says to have this address. */
  readonly onClaim: (address: string) => void;
  /** A router does not answer any more, after another one was heard on its link. */
  readonly onSilent: (name: string, router: string) => void;
  /** Only the look every ten seconds is left. */
  readonly onFailure: (error: Error) => void;
}

export class LocatorWatch {
  readonly #socket: RouteSocket;
  readonly #interfaces: readonly Followed[];
  readonly #events: WatchEvents;
  readonly #routers = new Routers();
  /** Those that are being asked, each with its interface. */
  readonly #asking = new Set<string>();
  #locators: readonly OwnLocator[] = [];
  #ears: KernelEars | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: RouteSocket, interfaces: readonly Followed[], events: WatchEvents) {
    this.#socket = socket;
    this.#interfaces = interfaces;
    this.#events = events;
  }

  /** What the kernel has now, and the Locators in it, preferred first. */
  look(): { view: KernelView; locators: readonly OwnLocator[] } {
    const view = lookAtKernel(
      this.#socket,
      this.#interfaces.map((i) => i.interface),
    );
    const now = performance.now();
    const locators = locatorsIn(
      view,
      (name, l64) => this.#routers.wayOut(name, l64, view.routes, now),
      this.#interfaces,
    );
    this.#locators = locators.filter(({ interface: name, l64 }) => !this.#routers.isLost(name, l64, now));
    return { view, locators: this.#locators };
  }

  /** Resolves when changes are heard from now on, or cannot be. */
  start(): Promise<void> {
    this.#timer = setInterval(() => this.#events.onEvent(), PERIOD_MS);
    return new Promise((resolve) => {
      const failed = (error: Error): void => {
        this.#events.onFailure(error);
        resolve();
      };
      this.#ears = new KernelEars((heard) => {
        if (this.#timer !== undefined) this.#takeIn(heard);
        if (heard.kind === 'listening') resolve();
      }, failed);
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#ears?.stop();
  }

  /** Asks the routers of all links to advertise now. */
  solicit(): void {
    for (const { interface: name } of this.#interfaces) solicit(name);
  }

  #takeIn(heard: Heard): void {
    if (heard.kind === 'changed') this.#events.onEvent();
    else if (heard.kind === 'listening') {
      // what routers have said before is not in the kernel: they say it again when asked (RFC 4861 section 6.3.7)
      this.solicit();
      this.#events.onListening();
      this.#events.onEvent();
    } else if (heard.kind === 'advertised') {
      const name = ifIndexToName(heard.index);
      if (!this.#interfaces.some((i) => i.interface === name)) return;
      const said = readAdvertisement(heard.message);
      const news = said === null ? 'none' : this.#routers.heard(name, heard.router, said, performance.now());
      if (news === 'new') this.#askOthers(name, heard.router);
      if (news !== 'none') this.#events.onEvent();
    } else this.#takeClaim(heard.message);
  }

  /**
   * Where a router is new this node may be at another link, which nobody else says: neither a bridge nor a hypervisor lets
   * the link go down. So the routers it had are asked whether they are still there (RFC 6059 asks them when a link comes up).
   */
  #askOthers(name: string, router: string): void {
    if (macOctetsOf(name) === null) return; // nobody is asked for a link-layer address there
    const here = this.#locators.filter((l) => l.interface === name);
    for (const gateway of new Set(here.map((l) => l.gateway)))
      if (gateway !== null && gateway !== router) void this.#ask(name, gateway);
  }

  async #ask(name: string, router: string): Promise<void> {
    const place = `${name} ${router}`;
    const address = parseIpv6(router);
    if (address === null || this.#asking.has(place)) return;
    this.#asking.add(place);
    let isThere = false;
    for (let k = 0; k < TRIES && !isThere; k++) isThere = await whoHas(name, address, TRY_MS);
    this.#asking.delete(place);
    if (isThere || this.#timer === undefined) return;
    this.#routers.silent(name, router);
    solicit(name); // if it was only slow it says so
    this.#events.onSilent(name, router);
    this.#events.onEvent();
  }

  #takeClaim(message: Uint8Array): void {
    const claim = claimIn(message);
    if (claim === null || this.#interfaces.some((i) => macOf(i.interface) === claim.mac)) return;
    this.#events.onClaim(claim.address);
  }
}
