/**
 * Follows the Locators of this node as its kernel learns them. Looks when something is heard, and every ten seconds
 * anyway.
 */
import { ifIndexToName } from '../device/libc.ts';
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

export class LocatorWatch {
  readonly #socket: RouteSocket;
  readonly #interfaces: readonly Followed[];
  readonly #onEvent: () => void;
  readonly #onFailure: (error: Error) => void;
  readonly #routers = new Routers();
  #ears: KernelEars | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `onEvent`: something may have changed, look. `onFailure`: only the look every ten seconds is left. */
  constructor(
    socket: RouteSocket,
    interfaces: readonly Followed[],
    events: { onEvent: () => void; onFailure: (error: Error) => void },
  ) {
    this.#socket = socket;
    this.#interfaces = interfaces;
    this.#onEvent = events.onEvent;
    this.#onFailure = events.onFailure;
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
    this.#timer = setInterval(() => this.#onEvent(), PERIOD_MS);
    this.#ears = new KernelEars((heard) => {
      if (this.#timer !== undefined && this.#takeIn(heard)) this.#onEvent();
    }, this.#onFailure);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#ears?.stop();
  }

  /** True when Locators may be others. */
  #takeIn(heard: Heard): boolean {
    if (heard.kind === 'advertised') {
      const name = ifIndexToName(heard.index);
      if (!this.#interfaces.some((i) => i.interface === name)) return false;
      return this.#routers.heard(name, heard.router, prefixesIn(heard.message), performance.now());
    }
    // what routers have said before is not in the kernel: they say it again when asked (RFC 4861 section 6.3.7)
    if (heard.kind === 'listening') for (const { interface: name } of this.#interfaces) solicit(name);
    return true;
  }
}
