/** Whether a move is allowed: where a Node Identifier may be, and who may ask for it. */
import type { PolicyRule } from '../config/site-config.ts';
import { isInRange } from '../wire/nid-order.ts';
import { formatNid, type Nid } from '../wire/text.ts';

/**
 * Why `nid` may not be moved to site `to` (null: wherever it is, or nowhere) by the border of site `mover` (null: of nobody in
 * particular); null: it may. `site`: whose policy it is.
 */
export function refusal(
  policy: readonly PolicyRule[],
  {
    nid,
    to,
    mover,
    site,
  }: { readonly nid: Nid; readonly to: string | null; readonly mover: string | null; readonly site: string },
): string | null {
  const rule = policy.find(({ nids }) => isInRange(nids, nid));
  if (rule === undefined) return null;
  const name = formatNid(nid);
  if (to !== null && rule.sites !== undefined && !rule.sites.includes(to))
    return `the policy of ${site} allows ${name} at ${listed(rule.sites)}, not at ${to}`;
  if (mover !== null && rule.movers !== undefined && !rule.movers.includes(mover))
    return `the policy of ${site} lets ${listed(rule.movers)} move ${name}, not ${mover}`;
  return null;
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '));
