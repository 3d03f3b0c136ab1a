/**
 * What a border knows against an entry of a registry. Any site may write there that is home of an identifier, and whoever has
 * the password of etcd; what they write becomes roles, routes and places at every border. Where a border keeps the registry it
 * refuses, elsewhere it passes over. A controller refuses what little it can know: sites that it has not, and its policy.
 */
import type { ControllerConfig } from '../config/load-controller.ts';
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding, BindingClass } from '../ilnp/bindings.ts';
import { impossible } from '../registry/judge.ts';
import type { Entry } from '../registry/registry.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatL64, formatNid, type L64, type Nid, prefixesOverlap } from '../wire/text.ts';
import { isUniqueLocalL64 } from '../wire/unicast.ts';
import { refusal } from './policy.ts';

/** A site as it is configured now, and the classes of the bindings that it has taken. */
export interface RulesWorld {
  readonly config: () => Pick<SiteConfig, 'site' | 'uplinks' | 'inside' | 'peers' | 'subnets' | 'policy'>;
  readonly classes: readonly BindingClass[];
}

/**
 * What is wrong with an entry in the place of `known`; null: nothing. E_BINDING, E_UNKNOWN_SITE, E_POLICY. An identifier that
 * is new may be where our policy allows it; one that moves is let into this site only if our policy allows it here.
 */
export function wrongEntry(world: RulesWorld, entry: Entry, known: BindingClass | null | undefined): IlnpError | null {
  const { nid, binding } = entry;
  if (binding === null) return null; // nothing can be wrong with dropping packets
  const { site, peers, policy } = world.config();
  const name = (): string => formatNid(nid);
  const why = impossible(entry) ?? wrongLocator(world, binding.guest);
  if (why !== null) return new IlnpError('E_BINDING', `${name()}: ${why}`);
  const isSite = (one: string): boolean => one === site || peers.some((peer) => peer.site === one);
  const stranger = [binding.home, binding.at].find((one) => !isSite(one));
  if (stranger !== undefined) return new IlnpError('E_UNKNOWN_SITE', `${name()}: ${site} knows no site "${stranger}"`);
  // A home of ours has asked our policy when it decided.
  const isArriving = known ? binding.at === site && known.at !== site : true;
  const forbidden =
    isArriving && binding.home !== site ? refusal(policy, { nid, to: binding.at, mover: null, site }) : null;
  return forbidden === null ? null : new IlnpError('E_POLICY', forbidden);
}

/**
 * What a border that keeps a registry has against an entry in the place of `held`: the same, and E_REGISTERED when the first
 * who registers an identifier is not the home that our configuration gives it, which comes to that as well.
 */
export function objection(
  world: RulesWorld & { readonly get: (nid: Nid) => Binding | undefined },
  entry: Entry,
  held: Entry | null,
): IlnpError | null {
  const wrong = wrongEntry(world, entry, held?.binding);
  if (wrong !== null || held !== null || entry.binding === null) return wrong;
  const home = world.get(entry.nid)?.home ?? entry.binding.home;
  if (home === entry.binding.home) return null;
  const { site } = world.config();
  return new IlnpError('E_REGISTERED', `${formatNid(entry.nid)} has its home at ${home}, as ${site} knows it`);
}

/**
 * What a controller, which has sites and a policy and no links, has against an entry in the place of `held`: E_UNKNOWN_SITE,
 * E_POLICY. Who is there already may stay, and a move be taken back, whatever the configuration says by now.
 */
export function controllerObjection(
  { controller, sites, policy }: Pick<ControllerConfig, 'controller' | 'sites' | 'policy'>,
  { nid, binding }: Entry,
  held: Entry | null,
): IlnpError | null {
  if (binding === null) return null;
  const { home, at } = binding;
  const isHeldAt = (site: string): boolean => held?.binding?.at === site || (held?.active?.includes(site) ?? false);
  const stranger = [home, at].find((one) => !sites.includes(one) && held?.binding?.home !== one && !isHeldAt(one));
  if (stranger !== undefined)
    return new IlnpError('E_UNKNOWN_SITE', `${formatNid(nid)}: ${controller} knows no site "${stranger}"`);
  if (isHeldAt(at)) return null;
  const forbidden = refusal(policy, { nid, to: at, mover: null, site: controller });
  return forbidden === null ? null : new IlnpError('E_POLICY', forbidden);
}

/** Why no guest can have a Locator by what is configured here. */
function wrongLocator({ config, classes }: RulesWorld, guest: L64): string | null {
  const { site, uplinks, inside, subnets } = config();
  const isGuest = (other: L64): boolean => other.hi === guest.hi && other.lo === guest.lo;
  const text = (): string => formatL64(guest); // a million entries come here, and nothing is wrong with them
  if (uplinks.some(({ l64 }) => isGuest(l64))) return `${text()} is the Locator of an uplink of ${site}`;
  if (subnets.some(({ outside }) => prefixesOverlap(outside, { ...guest, length: 64 })))
    return `${text()} is mapped to a subnet of ${site}`;
  // What is global is somebody's, another site's uplink for example, and would be drawn into the path here.
  const isOurs = (): boolean =>
    classes.some((one) => isGuest(one.guest)) || inside.some(({ l64, guests }) => [l64, ...guests].some(isGuest));
  return isUniqueLocalL64(guest) || isOurs()
    ? null
    : `${text()} is global, and no binding and no inside link of the configuration of ${site} has it`;
}
