/**
 * The Locators this node has, as its kernel has configured them (Router Advertisements or by hand): the /64 prefixes of
 * the global addresses of its interfaces. Follows `ip monitor`, and looks every ten seconds anyway.
 */
import { type L64, parseIlv } from '../wire/text.ts';
import type { HostLocator } from './host-plan.ts';
import { ipJson } from './ip.ts';
import { Monitor } from './monitor.ts';

export interface OwnLocator extends HostLocator {
  /** Lower is preferred, 0..65535. */
  readonly preference: number;
  /** Seconds, 0..65535. */
  readonly lifetime: number;
}

interface AddressEntry {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
    readonly tentative?: boolean;
    readonly dadfailed?: boolean;
    readonly deprecated?: boolean;
    readonly valid_life_time?: number;
  }[];
}

interface RouteEntry {
  readonly dst?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
}

const LOCATOR_LENGTH = 64;
/** What is about to go (RFC 4862 section 5.5.4), or has no router yet, stands behind everything else. */
const DEPRECATED = 10_000;
const NO_ROUTER = 20_000;
const LIFETIME_MAX = 65_535;
const PERIOD_MS = 10_000;
/** Reason: an address and its route come as several events. */
const SETTLE_MS = 5;
const MONITOR = ['-6', 'monitor', 'link', 'address', 'route'];

/** All of now, preferred first. */
export function ownLocators(interfaces: readonly { readonly interface: string; readonly preference: number }[]) {
  return locatorsIn(ipJson<AddressEntry>('addr', 'show'), ipJson<RouteEntry>('route', 'show', 'default'), interfaces);
}

/** Destinations that other interfaces of this machine lead to, but for default routes: the shim leaves them alone. */
export function otherDestinations(ours: readonly string[]): string[] {
  return destinationsOf(ipJson<RouteEntry>('route', 'show', 'table', 'main'), ours);
}

/** The same from what ip(8) said. Pure. `ours`: interfaces with Locators, and the TUN. */
export function destinationsOf(routes: readonly RouteEntry[], ours: readonly string[]): string[] {
  const others = routes.filter(({ dst, dev }) => {
    if (dst === undefined || dev === undefined || dst === 'default' || dst === '::/0') return false;
    return !ours.includes(dev) && !dst.startsWith('fe80:') && !dst.startsWith('ff');
  });
  return [...new Set(others.map(({ dst }) => dst!))].sort();
}

/** As `ownLocators`, from what ip(8) said. Pure. */
export function locatorsIn(
  addresses: readonly AddressEntry[],
  routes: readonly RouteEntry[],
  interfaces: readonly { readonly interface: string; readonly preference: number }[],
): OwnLocator[] {
  const found = new Map<string, OwnLocator>();
  for (const { interface: name, preference } of interfaces) {
    const link = addresses.find((entry) => entry.ifname === name);
    if (link === undefined || !link.flags.includes('LOWER_UP')) continue;
    const router = routes
      .filter((route) => route.dev === name && route.gateway !== undefined)
      .sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))[0];
    for (const a of link.addr_info) {
      const ilv = parseIlv(a.local ?? '');
      if (ilv === null || a.scope !== 'global' || a.prefixlen !== LOCATOR_LENGTH) continue;
      if (a.tentative || a.dadfailed) continue;
      const locator: OwnLocator = {
        l64: ilv.l64,
        interface: name,
        gateway: router?.gateway ?? null,
        preference: preference + (a.deprecated ? DEPRECATED : 0) + (router === undefined ? NO_ROUTER : 0),
        lifetime: Math.min(a.valid_life_time ?? LIFETIME_MAX, LIFETIME_MAX),
      };
      const key = keyOf(ilv.l64);
      const known = found.get(key);
      if (known === undefined || locator.preference < known.preference) found.set(key, locator);
    }
  }
  return [...found.values()].sort((a, b) => a.preference - b.preference);
}

/** True when somebody has to be told: lifetimes count down by themselves. */
export const sameLocators = (a: readonly OwnLocator[], b: readonly OwnLocator[]): boolean =>
  a.length === b.length &&
  a.every((l, k) => {
    const other = b[k]!;
    const isSame = keyOf(l.l64) === keyOf(other.l64) && l.interface === other.interface;
    return isSame && l.gateway === other.gateway && l.preference === other.preference;
  });

const keyOf = ({ hi, lo }: L64): string => `${hi}:${lo}`;

/** Calls back, soon after something may have changed. */
export class LocatorWatch {
  readonly #onEvent: () => void;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  readonly #monitor = new Monitor(MONITOR, () => this.#eventSoon());

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#monitor.follow(); // again, should it have ended
      this.#onEvent();
    }, PERIOD_MS);
    this.#monitor.follow();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = undefined;
    this.#monitor.stop();
  }

  #eventSoon(): void {
    if (this.#timer === undefined) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#onEvent();
    }, SETTLE_MS);
  }
}
