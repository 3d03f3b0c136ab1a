/**
 * The Locators this node has, as its kernel has configured them (Router Advertisements or by hand): the /64 prefixes of
 * the global addresses of its interfaces. Pure.
 */
import type { L64 } from '../wire/text.ts';
import type { HostLocator } from './host-plan.ts';
import type { KernelAddress, KernelRoute, KernelView } from './kernel-view.ts';

export interface OwnLocator extends HostLocator {
  /** Lower is preferred, 0..65535. */
  readonly preference: number;
  /** Seconds, 0..65535. */
  readonly lifetime: number;
}

/** What a router is for a prefix of an interface, null: there is none. */
export type WayOut = (name: string, l64: L64) => KernelRoute | null;

const LOCATOR_LENGTH = 64;
/** What is about to go (RFC 4862 section 5.5.4), or has no router yet, stands behind everything else. */
const DEPRECATED = 10_000;
const NO_ROUTER = 20_000;
const LIFETIME_MAX = 65_535;

/** All of now, preferred first; of equal ones that of the router with the higher preference (RFC 4191). */
export function locatorsIn(
  { up, addresses }: Pick<KernelView, 'up' | 'addresses'>,
  wayOut: WayOut,
  interfaces: readonly { readonly interface: string; readonly preference: number }[],
): OwnLocator[] {
  const found = new Map<string, { locator: OwnLocator; router: number }>();
  for (const { interface: name, preference } of interfaces) {
    if (!up.includes(name)) continue;
    for (const a of addresses) {
      if (a.interface !== name || a.prefixLength !== LOCATOR_LENGTH || !a.isUsable) continue;
      const router = wayOut(name, a.l64);
      const locator = locatorOf(a, router, preference);
      const key = keyOf(a.l64);
      const known = found.get(key);
      if (known === undefined || locator.preference < known.locator.preference)
        found.set(key, { locator, router: router?.preference ?? 0 });
    }
  }
  const all = [...found.values()];
  all.sort((a, b) => a.locator.preference - b.locator.preference || b.router - a.router);
  return all.map(({ locator }) => locator);
}

function locatorOf(a: KernelAddress, router: KernelRoute | null, preference: number): OwnLocator {
  return {
    l64: a.l64,
    interface: a.interface,
    gateway: router?.gateway ?? null,
    preference: preference + (a.isDeprecated ? DEPRECATED : 0) + (router === null ? NO_ROUTER : 0),
    lifetime: Math.min(a.valid, LIFETIME_MAX),
  };
}

/** True when nobody has to be told: lifetimes count down by themselves. */
export const sameLocators = (a: readonly OwnLocator[], b: readonly OwnLocator[]): boolean =>
  a.length === b.length &&
  a.every((l, k) => {
    const other = b[k]!;
    const isSame = keyOf(l.l64) === keyOf(other.l64) && l.interface === other.interface;
    return isSame && l.gateway === other.gateway && l.preference === other.preference;
  });

/**
 * Destinations that other interfaces of this machine lead to, but for default routes: the shim leaves them alone. `ours`:
 * interfaces with Locators, and the TUN.
 */
export function destinationsOf(routes: readonly KernelRoute[], ours: readonly string[]): string[] {
  const others = routes.filter(({ destination, interface: name }) => {
    if (destination === 'default' || ours.includes(name)) return false;
    return !destination.startsWith('fe80:') && !destination.startsWith('ff');
  });
  return [...new Set(others.map(({ destination }) => destination))].sort();
}

const keyOf = ({ hi, lo }: L64): string => `${hi}:${lo}`;
