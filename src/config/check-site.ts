/** Checks across keys: sites, names, keys and interfaces. Addresses and bindings have files of their own. */
import { formatPath, type Path } from './problem.ts';
import type { SiteDraft } from './schema.ts';
import type { Report } from './validate.ts';

/** One value that a configuration may hold only once, and where it stands. */
interface Claim {
  readonly value: string | undefined;
  readonly path: Path;
}

/** Reports what is wrong between the keys of a site. */
export function checkSite(site: SiteDraft, report: Report): void {
  const { uplinks = [], peers = [], control = {} } = site;
  const mute = control.keyFile === undefined;

  peers.forEach((peer, i) => {
    if (peer?.site !== undefined && peer.site === site.site) {
      report(['peers', i, 'site'], 'another site than this one');
    }
    if (peer?.control !== undefined && mute) {
      report(['peers', i, 'control'], 'control.keyFile beside it, because borders authenticate each other', 'none');
    }
  });
  if (site.pair?.address !== undefined && mute) {
    report(['pair'], 'control.keyFile beside it, because borders authenticate each other', 'none');
  }
  const { listen, peer } = site.pair ?? {};
  if (listen !== undefined && peer !== undefined && listen.host === peer.host && listen.port === peer.port) {
    report(['pair', 'peer'], 'the address of the other border, not that of this one');
  }
  if (control.listen !== undefined && mute) {
    report(['control', 'listen'], 'control.keyFile beside it, because borders authenticate each other', 'none');
  }

  const uplinkNames = uplinks.map((uplink, i) => ({ value: uplink?.name, path: ['uplinks', i, 'name'] }));
  const peerSites = peers.map((peer, i) => ({ value: peer?.site, path: ['peers', i, 'site'] }));
  const known = [site.site, ...peers.map((peer) => peer?.site)];
  (site.policy ?? []).forEach((rule, i) => {
    for (const key of ['sites', 'movers'] as const)
      (rule?.[key] ?? []).forEach((name, j) => {
        if (name !== undefined && !known.includes(name))
          report(['policy', i, key, j], `this site or one of peers (${known.filter(Boolean).join(', ')})`);
      });
  });
  eachOnce(uplinkNames, report);
  eachOnce(peerSites, report);
  checkInterfaces(site, report);
}

/** The kernel tells the sides apart by interface, so an interface belongs to one side, and none is our own device. */
function checkInterfaces({ tun, uplinks = [], inside = [], peers = [] }: SiteDraft, report: Report): void {
  const own = tun?.name === undefined ? [] : [tun.name, `${tun.name}-in`, `${tun.name}-site`];
  const sideOf = new Map(own.map((device) => [device, 'tun']));
  for (const [side, links] of Object.entries({ uplinks, inside, peers })) {
    links.forEach((link, i) => {
      const device = link?.interface;
      if (device === undefined) return;
      const first = sideOf.get(device) ?? side;
      sideOf.set(device, first);
      if (first !== side) report([side, i, 'interface'], `an interface that ${first} does not use already`);
    });
  }
}

function eachOnce(claims: readonly Claim[], report: Report): void {
  const seen = new Map<string, Path>();
  for (const { value, path } of claims) {
    if (value === undefined) continue;
    const first = seen.get(value);
    if (first === undefined) seen.set(value, path);
    else report(path, `another name than that of ${formatPath(first)}`);
  }
}
