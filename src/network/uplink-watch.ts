/**
 * Whether the links of the uplinks are up, so that new sessions take one that is (digest section 12.11). Asks the kernel
 * every two seconds: cheap, and an uplink that flaps faster should not be followed.
 */
import { readFileSync } from 'node:fs';
import type { UplinkConfig } from '../config/site-config.ts';

const PERIOD_MS = 2000;

export class UplinkWatch {
  /** Per uplink of the configuration. */
  up: boolean[];
  #uplinks: readonly UplinkConfig[];
  readonly #onChange: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(uplinks: readonly UplinkConfig[], onChange: () => void) {
    this.#uplinks = uplinks;
    this.#onChange = onChange;
    this.up = uplinks.map(isUp);
  }

  start(): void {
    if (this.#uplinks.length > 1) this.#timer ??= setInterval(() => this.#look(), PERIOD_MS).unref();
  }

  watch(uplinks: readonly UplinkConfig[]): void {
    this.stop();
    this.#uplinks = uplinks;
    this.up = uplinks.map(isUp);
    this.start();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#uplinks.map(isUp);
    if (now.every((up, i) => up === this.up[i])) return;
    this.up = now;
    this.#onChange();
  }
}

/** An interface without a link layer of its own says "unknown", which counts as up. */
function isUp(uplink: UplinkConfig): boolean {
  try {
    const state = readFileSync(`/sys/class/net/${uplink.interface}/operstate`, 'utf8').trim();
    return state === 'up' || state === 'unknown';
  } catch {
    return false;
  }
}
