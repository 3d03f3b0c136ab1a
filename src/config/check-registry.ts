/** Checks who keeps the bindings: the keys of each kind, names that exist, ranges that do not overlap. */
import { compareNids } from '../wire/nid-order.ts';
import type { Nid } from '../wire/text.ts';
import type { SiteDraft } from './schema.ts';
import type { Report } from './validate.ts';

const KEYS = {
  embedded: ['name', 'control'],
  etcd: ['endpoints', 'caFile', 'user', 'passwordFile', 'prefix'],
} as const;

type Draft = NonNullable<SiteDraft['registry']>;

/** Reports what is wrong with `registry` and `registries`. */
export function checkRegistries(site: SiteDraft, report: Report): void {
  const { registry, registries = [] } = site;
  if (registry !== undefined) checkOne(site, registry, ['registry'], report);
  if (registry !== undefined && registries.length > 0) {
    report(['registries'], 'either registry or registries with a range each, not both');
  }
  registries.forEach((one, i) => {
    if (one === undefined) return;
    checkOne(site, one, ['registries', i], report);
    const overlaps = registries.slice(0, i).some((other) => other?.range && one.range && meet(other.range, one.range));
    const isTwice = one.kind === 'embedded' && registries.slice(0, i).some((other) => other?.name === one.name);
    if (isTwice && one.name !== undefined)
      report(['registries', i, 'name'], 'another one than in the ranges before: it keeps one registry');
    if (overlaps) report(['registries', i, 'range'], 'a range that meets no other one');
  });
}

function checkOne(site: SiteDraft, registry: Draft, at: (string | number)[], report: Report): void {
  const { kind } = registry;
  if (kind === undefined) return;
  const other = kind === 'etcd' ? 'embedded' : 'etcd';
  for (const key of KEYS[other]) {
    if (registry[key] !== undefined) report([...at, key], `no ${key}: it belongs to kind ${other}`);
  }
  if (kind === 'etcd') checkEtcd(registry, at, report);
  else checkEmbedded(site, registry, at, report);
}

function checkEtcd({ endpoints, user, passwordFile }: Draft, at: (string | number)[], report: Report): void {
  if (endpoints === undefined || endpoints.length === 0) report([...at, 'endpoints'], 'at least one member of etcd');
  if (user !== undefined && passwordFile === undefined)
    report([...at, 'passwordFile'], 'the password of the user', 'none');
  (endpoints ?? []).forEach((endpoint, i) => {
    if (user !== undefined && endpoint !== undefined && isOpenTo(endpoint))
      report([...at, 'endpoints', i], 'https, because a password goes there, or this machine');
  });
  if (passwordFile !== undefined && user === undefined) report([...at, 'user'], 'the user of the password', 'none');
}

/** What goes there can be read on the way. */
function isOpenTo(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint);
  return protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

function checkEmbedded(site: SiteDraft, { name, control }: Draft, at: (string | number)[], report: Report): void {
  const { peers = [], control: own = {} } = site;
  if (name === undefined) {
    report([...at, 'name'], 'the site or the controller that keeps it', 'none');
    return;
  }
  if (name === site.site && site.pair !== undefined) {
    report([...at, 'name'], 'a controller (ilnp controller) or etcd: a border of a pair keeps no registry');
  }
  const isSite = name === site.site || peers.some((peer) => peer?.site === name);
  if (isSite && control !== undefined) report([...at, 'control'], `no control: ${name} is a site`);
  if (!isSite && control === undefined) {
    report([...at, 'control'], `where the controller ${name} listens, or the name of a site`, 'none');
  }
  if (name !== site.site && own.keyFile === undefined) {
    report([...at, 'name'], 'control.keyFile beside it, because registries authenticate who asks', 'none');
  }
}

type Range = { readonly from?: Nid | undefined; readonly to?: Nid | undefined } | undefined;

function meet(a: Range, b: Range): boolean {
  if (!a?.from || !a.to || !b?.from || !b.to) return false;
  return compareNids(a.from, b.to) <= 0 && compareNids(b.from, a.to) <= 0;
}
