/**
 * Under which global Locators a host of a site is reached, for what its correspondents are told (sbr/updates.ts), and where
 * names lead new ones. Pure.
 */
import type { SiteConfig } from '../config/site-config.ts';
import type { BindingClass } from '../ilnp/bindings.ts';
import type { Published } from '../names/update.ts';
import type { Reach } from '../sbr/updates.ts';
import { type L64, prefixesOverlap } from '../wire/text.ts';

type UplinkConfig = SiteConfig['uplinks'][number];
type SubnetConfig = SiteConfig['subnets'][number];

/** Per uplink of the configuration: what sessions know it by, and whether it can be used. */
export interface Uplinks {
  readonly ids: Uint8Array;
  readonly usable: readonly boolean[];
}

/**
 * First where new sessions go: the uplink of its binding, then by preference. Null when the host is not here: a guest that is
 * at another site, or nobody we know. `inside`: the Locator it uses itself.
 */
export function reachOf(
  config: SiteConfig,
  binding: BindingClass | undefined,
  inside: L64,
  { ids, usable }: Uplinks,
): readonly Reach[] | null {
  const isGuest = binding !== undefined && (same(binding.guest, inside) || !mapOf(config, inside));
  if (isGuest && binding.at !== config.site) return null;
  if (!isGuest && !mapOf(config, inside)) return null;
  const pinned = isGuest && binding.home === config.site ? binding.uplink : undefined;
  const rank = (u: UplinkConfig): number => (u.name === pinned ? -1 : u.preference);
  return config.uplinks
    .map((uplink, k) => ({ uplink, id: ids[k]!, isUsable: usable[k] ?? false }))
    .filter(({ isUsable }) => isUsable)
    .sort((a, b) => rank(a.uplink) - rank(b.uplink))
    .flatMap(({ uplink, id }) => {
      if (isGuest) return [{ id, locator: uplink.l64 }];
      const map = mapOf(config, inside, uplink.name);
      return map === undefined ? [] : [{ id, locator: outsideOf(map, inside) }];
    });
}

/** Where names of a guest lead new sessions; null: another border says that, or nobody. */
export interface NamedReach {
  /** Of who speaks ILNP: the uplinks of the site where the guest is, to which updates would send the session anyway. */
  readonly ilnp: readonly Published[] | null;
  /** Of plain IPv6: the uplinks of its home that it prefers, wherever the guest is; without a nonce its answers leave there. */
  readonly plain: readonly Published[] | null;
}

/** `usable`: per uplink of the configuration. */
export function namedReach(
  { site, uplinks }: SiteConfig,
  binding: BindingClass | undefined,
  usable: readonly boolean[],
): NamedReach {
  const pinned = binding?.home === site ? binding.uplink : undefined;
  const least = pinned === undefined ? 0 : 1; // nothing is preferred to the uplink of the binding
  const all = uplinks
    .filter((_, k) => usable[k])
    .map(({ name, l64, preference }) => ({ l64, preference: name === pinned ? 0 : Math.max(least, preference) }))
    .sort((a, b) => a.preference - b.preference);
  return {
    ilnp: binding?.at === site ? all : null,
    plain: binding?.home === site ? all.filter(({ preference }) => preference === all[0]!.preference) : null,
  };
}

const mapOf = ({ subnets }: SiteConfig, inside: L64, uplink?: string): SubnetConfig | undefined =>
  subnets.find((s) => prefixesOverlap(s.inside, { ...inside, length: 64 }) && (uplink ?? s.uplink) === s.uplink);

/** L_pp of the outside, L_ss as it is (RFC 6748 section 2.3). */
function outsideOf({ inside: { length }, outside }: SubnetConfig, l64: L64): L64 {
  const high = length >= 32 ? 0xffffffff : ~(0xffffffff >>> length);
  const low = length <= 32 ? 0 : length >= 64 ? 0xffffffff : ~(0xffffffff >>> (length - 32));
  return {
    hi: ((outside.hi & high) | (l64.hi & ~high)) >>> 0,
    lo: ((outside.lo & low) | (l64.lo & ~low)) >>> 0,
  };
}

const same = (a: L64, b: L64): boolean => a.hi === b.hi && a.lo === b.lo;
