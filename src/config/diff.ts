/**
 * What a new configuration changes, so that a re-read touches only what differs. Pure; both sides were checked before.
 * Elements of lists are told apart by what names them (an uplink by its name, a peer by its site), not by position.
 */
import { formatL64, formatPrefix } from '../wire/text.ts';
import type { BindingConfig, SiteConfig } from './site-config.ts';

/** One setting; `before` undefined: it is new, `after` undefined: it is gone. */
interface SettingChange {
  /** `control.listen`, `uplinks[isp1].preference`, or `uplinks[isp1]` for a whole element. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
  /** A running border router cannot take this change. */
  readonly restart: boolean;
}

/** Bindings by Node Identifier. */
export interface BindingChanges {
  readonly added: readonly BindingConfig[];
  readonly removed: readonly BindingConfig[];
  readonly changed: readonly { readonly before: BindingConfig; readonly after: BindingConfig }[];
}

export interface ConfigDiff {
  readonly settings: readonly SettingChange[];
  readonly bindings: BindingChanges;
  /** Paths of the settings that need a restart; empty if everything can change while packets flow. */
  readonly restart: readonly string[];
}

/** What sockets, devices and records on disk were made of at the start. */
const NEEDS_RESTART = [
  'site',
  'tun',
  'network',
  'limits',
  'pair',
  'control.listen',
  'control.socket',
  'registries',
  'state',
] as const;

type Names = { readonly [K in 'uplinks' | 'inside' | 'peers' | 'subnets']: (element: SiteConfig[K][number]) => string };

const NAMES: Names = {
  uplinks: (uplink) => uplink.name,
  inside: (link) => `${link.interface} ${formatL64(link.l64)}`,
  peers: (peer) => peer.site,
  subnets: (subnet) => `${formatPrefix(subnet.inside)} ${subnet.uplink}`,
};

/** Tells what `after` changes in `before`. */
export function diffConfig(before: SiteConfig, after: SiteConfig): ConfigDiff {
  const settings = compare('', settingsOf(before), settingsOf(after));
  return {
    settings,
    bindings: diffBindings(before.bindings, after.bindings),
    restart: settings.filter((change) => change.restart).map((change) => change.path),
  };
}

/** What differs, for people: the paths of settings, and how many bindings. */
export function wordsOf({ settings, bindings: { added, removed, changed } }: ConfigDiff): string[] {
  const count = added.length + removed.length + changed.length;
  return [...settings.map(({ path }) => path), ...(count > 0 ? [`${count} bindings`] : [])];
}

/**
 * Tells which bindings differ, by Node Identifier; the order of the lists does not matter. Equal beginnings and ends
 * are skipped, so that one line more or less in a large file costs no index of all of them.
 */
export function diffBindings(before: readonly BindingConfig[], after: readonly BindingConfig[]): BindingChanges {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isSame(before[head]!, after[head]!)) head++;
  let tail = 0;
  while (tail < shorter - head && isSame(before.at(-1 - tail)!, after.at(-1 - tail)!)) tail++;

  const added: BindingConfig[] = [];
  const changed: { before: BindingConfig; after: BindingConfig }[] = [];
  const remaining = new Map(before.slice(head, before.length - tail).map((binding) => [keyOf(binding), binding]));
  for (const binding of after.slice(head, after.length - tail)) {
    const key = keyOf(binding);
    const old = remaining.get(key);
    remaining.delete(key);
    if (old === undefined) added.push(binding);
    else if (!isSame(old, binding)) changed.push({ before: old, after: binding });
  }
  return { added, removed: [...remaining.values()], changed };
}

const keyOf = ({ nid }: BindingConfig): string => `${nid.hi}:${nid.lo}`;

function isSame(a: BindingConfig, b: BindingConfig): boolean {
  const sameNid = a.nid.hi === b.nid.hi && a.nid.lo === b.nid.lo;
  const sameGuest = a.guest.hi === b.guest.hi && a.guest.lo === b.guest.lo;
  return sameNid && sameGuest && a.home === b.home && a.uplink === b.uplink && a.at === b.at;
}

/** Everything but the bindings, with lists as records by name. */
function settingsOf({ bindings: _, ...rest }: SiteConfig): Record<string, unknown> {
  return {
    ...rest,
    uplinks: byName(rest.uplinks, NAMES.uplinks),
    inside: byName(rest.inside, NAMES.inside),
    peers: byName(rest.peers, NAMES.peers),
    subnets: byName(rest.subnets, NAMES.subnets),
    policy: JSON.stringify(rest.policy),
  };
}

/** Elements of lists, marked so that their paths are written in brackets. */
class Named {
  readonly elements: ReadonlyMap<string, unknown>;

  constructor(elements: ReadonlyMap<string, unknown>) {
    this.elements = elements;
  }
}

function byName<T>(list: readonly T[], name: (element: T) => string): Named {
  return new Named(new Map(list.map((element) => [name(element), element])));
}

function compare(path: string, before: unknown, after: unknown): SettingChange[] {
  if (before instanceof Named && after instanceof Named) {
    const names = new Set([...before.elements.keys(), ...after.elements.keys()]);
    return [...names].flatMap((name) =>
      compare(`${path}[${name}]`, before.elements.get(name), after.elements.get(name)),
    );
  }
  if (isGroup(before) && isGroup(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => compare(path === '' ? key : `${path}.${key}`, before[key], after[key]));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const restart = NEEDS_RESTART.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
  return [{ path, before, after, restart }];
}

/** A mapping of settings; a Locator, a prefix, an endpoint and a list are single values. */
function isGroup(value: unknown): value is Record<string, unknown> {
  const single = typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Named;
  return !single && !('hi' in value) && !('host' in value);
}
