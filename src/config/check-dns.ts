/** Checks the names of guests: each in the zone, and once. */
import { absolute } from '../wire/dns-name.ts';
import type { SiteDraft } from './schema.ts';
import type { Report } from './validate.ts';

/** Reports what is wrong with `dns`. */
export function checkDns({ dns }: SiteDraft, report: Report): void {
  const seen = new Set<string>();
  (dns?.names ?? []).forEach((one, i) => {
    if (one?.name === undefined) return;
    const name = absolute(one.name);
    if (dns?.zone !== undefined && !`.${name}`.endsWith(`.${absolute(dns.zone)}`))
      report(['dns', 'names', i, 'name'], `a name in ${dns.zone}`);
    if (seen.has(name)) report(['dns', 'names', i, 'name'], 'a name that is not in the list already');
    seen.add(name);
  });
}
