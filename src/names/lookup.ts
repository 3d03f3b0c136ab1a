/**
 * Where a name's node is: its NID, L64 and LP records, and the L64 records of the subnets that its LPs name (RFC 6742
 * section 3). An LP leads to L64 records and no further, so that there are no chains and no circles.
 */
import { sameName } from '../wire/dns-name.ts';
import { RR_L64, RR_LP, RR_NID } from '../wire/dns-records.ts';
import type { Nid } from '../wire/text.ts';
import { choose, type Found, type LocatorRecord, type NidRecord } from './choose.ts';
import type { Rrset } from './rrsets.ts';

/** LPs followed of one name, preferred first. */
const SUBNETS_MAX = 8;

/** `fresh`: asks again whatever is known already. `wanted`: the node that must have the name. */
export interface LookUp {
  readonly fresh?: boolean;
  readonly wanted?: Nid;
}

/** Records of a name, as `Rrsets.get` gives them. */
export type Records = (name: string, type: number, fresh: boolean) => Promise<Rrset>;

/** null: no name of an ILNPv6 node, or nobody knows. */
export async function lookUp(name: string, records: Records, options: LookUp = {}): Promise<Found | null> {
  const { fresh = false, wanted } = options;
  const [nids, l64s, lps] = await Promise.all(
    [RR_NID, RR_L64, RR_LP].map((type) => records(name, type, fresh)) as [
      Promise<Rrset>,
      Promise<Rrset>,
      Promise<Rrset>,
    ],
  );
  if (nids.records.length === 0) return null;
  const subnets = lps.records
    .filter((lp) => lp.type === RR_LP)
    .filter((lp) => !sameName(lp.name, name)) // section 2.4.1.2
    .sort((a, b) => a.preference - b.preference)
    .slice(0, SUBNETS_MAX);
  const there = await Promise.all(subnets.map((lp) => records(lp.name, RR_L64, fresh)));
  const through = subnets.flatMap(({ preference }, k) => locatorsOf(there[k]!, { preference, ttl: lps.ttl }));
  return choose(nids.owner, nidsOf(nids), [...locatorsOf(l64s), ...through], wanted);
}

const nidsOf = ({ records, ttl }: Rrset): NidRecord[] =>
  records.filter((r) => r.type === RR_NID).map(({ preference, nid }) => ({ preference, nid, ttl }));

/** `lp`: what led there. */
function locatorsOf({ records, ttl }: Rrset, lp?: { preference: number; ttl: number }): LocatorRecord[] {
  return records
    .filter((r) => r.type === RR_L64)
    .map(({ preference, locator }) => ({
      preference: lp?.preference ?? preference,
      within: preference,
      l64: locator,
      ttl: Math.min(ttl, lp?.ttl ?? ttl),
    }));
}
