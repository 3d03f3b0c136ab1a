/**
 * Follows the Locators of this node as its kernel learns them. Looks when something is heard, and every ten seconds
 * anyway.
 */
import { ifIndexToName } from '../device/libc.ts';
import { macOf } from '../device/link-layer.ts';
import { claimIn } from './duplicate.ts';
import { type Heard, KernelEars } from './kernel-ears.ts';
import { type KernelView, lookAtKernel } from './kernel-view.ts';
import type { RouteSocket } from './netlink.ts';
import { locatorsIn, type OwnLocator } from './own-locators.ts';
import { prefixesIn } from './router-advertisement.ts';
import { Routers } from './routers.ts';
import { solicit } from './solicit.ts';

const PERIOD_MS = 10_000;

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
  /** Only the look every ten seconds is left. */
  readonly onFailure: (error: Error) => void;
}

export class LocatorWatch {
  readonly #socket: RouteSocket;
  readonly #interfaces: readonly Followed[];
  readonly #events: WatchEvents;
  readonly #routers = new Routers();
  #ears: KernelEars | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: RouteSocket, interfaces: readonly Followed[], events: WatchEvents) {
    this.#socket = socket;
    this.#interfaces = interfaces;
    this.#events = events;
  }

  /** What the kernel has now, and the Locators in it, preferred first. */
  look(): { view: KernelView; locators: OwnLocator[] } {
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
    return { view, locators };
  }

  start(): void {
    this.#timer = setInterval(() => this.#events.onEvent(), PERIOD_MS);
    this.#ears = new KernelEars((heard) => {
      if (this.#timer !== undefined) this.#takeIn(heard);
    }, this.#events.onFailure);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#ears?.stop();
  }

  #takeIn(heard: Heard): void {
    if (heard.kind === 'changed') this.#events.onEvent();
    else if (heard.kind === 'listening') {
      // what routers have said before is not in the kernel: they say it again when asked (RFC 4861 section 6.3.7)
      for (const { interface: name } of this.#interfaces) solicit(name);
      this.#events.onListening();
      this.#events.onEvent();
    } else if (heard.kind === 'advertised') {
      const name = ifIndexToName(heard.index);
      if (!this.#interfaces.some((i) => i.interface === name)) return;
      if (this.#routers.heard(name, heard.router, prefixesIn(heard.message), performance.now())) this.#events.onEvent();
    } else this.#takeClaim(heard.message);
  }

  #takeClaim(message: Uint8Array): void {
    const claim = claimIn(message);
    if (claim === null || this.#interfaces.some((i) => macOf(i.interface) === claim.mac)) return;
    this.#events.onClaim(claim.address);
  }
}
