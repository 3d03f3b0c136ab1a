/**
 * Checks the address plan: every address has one role at this border. Locators are prefixes of 64 bits here, so that
 * Locators and subnet maps are compared by one sweep; prefixes are nested or disjoint, so a sorted list and a stack of
 * the open ones find every overlap without comparing all pairs.
 */
import { formatPrefix, type L64, type Prefix, prefixesOverlap } from '../wire/text.ts';
import { formatPath, type Path } from './problem.ts';
import type { SiteDraft } from './schema.ts';
import type { Report } from './validate.ts';

type Role = 'uplink' | 'inside' | 'guest' | 'peer' | 'mapped' | 'map';

interface Claim {
  readonly role: Role;
  readonly prefix: Prefix;
  readonly path: Path;
  /** The uplink of a Locator or a map, the interface of an inside link. */
  readonly owner: string | number | undefined;
  /** Position in the file's order of keys: of two that overlap, the later is reported. */
  readonly order: number;
}

/** Reports Locators and subnets that overlap although they must not, and maps that cannot map. */
export function checkAddresses(site: SiteDraft, report: Report): void {
  sweep(claimsOf(site), report);

  const names = (site.uplinks ?? []).map((uplink) => uplink?.name);
  (site.subnets ?? []).forEach((subnet, i) => {
    const { inside, outside, uplink } = subnet ?? {};
    if (inside !== undefined && outside !== undefined && inside.length !== outside.length) {
      report(['subnets', i, 'outside'], `a prefix as long as inside (/${inside.length})`);
    }
    if (uplink !== undefined && !names.includes(uplink) && !names.includes(undefined)) {
      report(['subnets', i, 'uplink'], 'the name of an uplink');
    }
  });
}

function claimsOf({ uplinks = [], inside = [], peers = [], subnets = [] }: SiteDraft): Claim[] {
  const claims: Claim[] = [];
  const claim = (role: Role, prefix: Prefix | undefined, path: Path, owner?: string | number) => {
    if (prefix !== undefined) claims.push({ role, prefix, path, owner, order: claims.length });
  };

  uplinks.forEach((uplink, i) => {
    claim('uplink', whole(uplink?.l64), ['uplinks', i, 'l64'], uplink?.name);
  });
  inside.forEach((link, i) => {
    claim('inside', whole(link?.l64), ['inside', i, 'l64'], i);
    link?.guests?.forEach((guest, j) => {
      claim('guest', whole(guest), ['inside', i, 'guests', j], i);
    });
  });
  peers.forEach((peer, i) => {
    claim('peer', whole(peer?.l64), ['peers', i, 'l64']);
  });
  subnets.forEach((subnet, i) => {
    claim('mapped', subnet?.inside, ['subnets', i, 'inside'], subnet?.uplink);
    claim('map', subnet?.outside, ['subnets', i, 'outside'], subnet?.uplink);
  });
  return claims;
}

const whole = (l64: L64 | undefined): Prefix | undefined => l64 && { ...l64, length: 64 };

function sweep(claims: Claim[], report: Report): void {
  claims.sort((a, b) => a.prefix.hi - b.prefix.hi || a.prefix.lo - b.prefix.lo || a.prefix.length - b.prefix.length);
  const reported = new Set<Claim>();
  let open: Claim[] = [];
  for (const claim of claims) {
    open = open.filter((other) => prefixesOverlap(other.prefix, claim.prefix));
    for (const other of open) {
      const [first, second] = other.order < claim.order ? [other, claim] : [claim, other];
      if (mayOverlap(first, second) || reported.has(second)) continue;
      reported.add(second);
      const text = `${formatPath(first.path)} (${formatPrefix(first.prefix)})`;
      report(second.path, `a ${second.role.startsWith('map') ? 'prefix' : 'Locator'} that does not overlap ${text}`);
    }
    open.push(claim);
  }
}

/** `first` comes before `second` in the order of `claimsOf`. */
function mayOverlap(first: Claim, second: Claim): boolean {
  const sameOwner = first.owner === second.owner;
  switch (`${first.role} ${second.role}`) {
    case 'uplink map': // an uplink's Locator is usually part of what its provider gave
    case 'inside guest': // the kernel routes a guest Locator to one link
    case 'guest inside':
      return sameOwner;
    case 'mapped mapped': // one subnet, seen through each uplink
      return !sameOwner;
    case 'guest peer': // a guest at home there, visiting here
    case 'inside mapped':
    case 'guest mapped':
      return true;
    default:
      return false;
  }
}
