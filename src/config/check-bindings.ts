/** Checks bindings against the site they belong to. Up to a million come here, so nothing is quadratic. */
import { isInRange } from '../wire/nid-order.ts';
import { formatNid, type L64, type Nid } from '../wire/text.ts';
import type { BindingDraft, SiteDraft } from './schema.ts';

/** Takes one mistake in binding number `index`. */
export type ReportBinding = (index: number, field: keyof BindingDraft, expected: string, got?: string) => void;

const SITES_SHOWN = 8;

/** Reports what is wrong with `bindings`, those of the file first, then those of `bindingsFile`. */
export function checkBindings(
  site: SiteDraft,
  bindings: readonly (BindingDraft | undefined)[],
  report: ReportBinding,
): void {
  const { uplinks = [], peers = [], policy = [], limits } = site;
  const sites = [...new Set([site.site, ...peers.map((peer) => peer?.site)])];
  const names = uplinks.map((uplink) => uplink?.name);
  const shown = sites.length > SITES_SHOWN ? `${sites.slice(0, SITES_SHOWN).join(', ')}, ...` : sites.join(', ');
  // A wrong name elsewhere is reported there; what refers to it is not wrong for that.
  const sitesKnown = new Set(sites.includes(undefined) ? [] : sites);
  const namesKnown = new Set(names.includes(undefined) ? [] : names);
  let homeless = false;

  bindings.forEach((binding, i) => {
    const { nid, guest, home, uplink, at } = binding ?? {};
    if (sitesKnown.size > 0) {
      if (home !== undefined && !sitesKnown.has(home)) report(i, 'home', `this site or a peer (${shown})`);
      if (at !== undefined && !sitesKnown.has(at)) report(i, 'at', `this site or a peer (${shown})`);
    }
    if (guest !== undefined && uplinks.some((other) => other?.l64 !== undefined && isSame(other.l64, guest))) {
      report(i, 'guest', 'a guest Locator that is not the Locator of an uplink');
    }
    const allowed = nid && policy.find((rule) => isFor(rule?.nids, nid))?.sites;
    if (at !== undefined && allowed !== undefined && !allowed.includes(at))
      report(i, 'at', `a site that policy allows (${allowed.join(', ') || 'none'})`);
    if (home === undefined || home !== site.site) return; // the uplinks of other sites are not known here
    if (uplinks.length === 0 && !homeless) {
      homeless = true;
      report(i, 'home', 'at least one uplink at the home of a binding', 'none');
    } else if (uplink !== undefined && namesKnown.size > 0 && !namesKnown.has(uplink)) {
      report(i, 'uplink', `the name of an uplink (${names.join(', ')})`);
    }
  });

  for (const i of repeatedNids(bindings)) {
    const nid = bindings[i]?.nid;
    if (nid !== undefined) report(i, 'nid', 'every Node Identifier once', `${formatNid(nid)} again`);
  }
  if (limits?.bindings !== undefined && bindings.length > limits.bindings) {
    const got = `${bindings.length}`;
    report(limits.bindings, 'nid', `at most ${limits.bindings} bindings (limits.bindings)`, got);
  }
}

/** `range`: as far as it could be read. */
function isFor(
  range: { readonly from?: Nid | undefined; readonly to?: Nid | undefined } | undefined,
  nid: Nid,
): boolean {
  const { from, to } = range ?? {};
  return from !== undefined && to !== undefined && isInRange({ from, to }, nid);
}

const isSame = (a: L64, b: L64): boolean => a.hi === b.hi && a.lo === b.lo;

/** Gives the positions of bindings whose identifier came before; sorts numbers, so a million take no strings. */
function repeatedNids(bindings: readonly (BindingDraft | undefined)[]): number[] {
  const halves = new Uint32Array(2 * bindings.length);
  let count = 0;
  for (const binding of bindings) {
    if (binding?.nid === undefined) continue;
    halves[2 * count] = binding.nid.lo;
    halves[2 * count + 1] = binding.nid.hi;
    count++;
  }
  const sorted = new BigUint64Array(halves.buffer, 0, count).sort();
  const repeated = new Set<bigint>();
  for (let i = 1; i < count; i++) if (sorted[i] === sorted[i - 1]) repeated.add(sorted[i]!);
  if (repeated.size === 0) return [];

  const seen = new Set<bigint>();
  return [...bindings.keys()].filter((i) => {
    const nid = bindings[i]?.nid;
    const key = nid && asBigint(nid);
    if (key === undefined || !repeated.has(key)) return false;
    if (seen.has(key)) return true;
    seen.add(key);
    return false;
  });
}

/** The number that the pair of halves reads as in a BigUint64Array, whatever the machine's order of octets. */
function asBigint(nid: Nid): bigint {
  return new BigUint64Array(new Uint32Array([nid.lo, nid.hi]).buffer)[0]!;
}
