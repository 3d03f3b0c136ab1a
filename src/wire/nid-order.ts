/** Node Identifiers as numbers: their order, and ranges of them. */
import type { Nid } from './text.ts';

/** Negative, zero or positive, as the first is below, at or above the second. */
export const compareNids = (a: Nid, b: Nid): number => a.hi - b.hi || a.lo - b.lo;

/** True for an identifier of the range; both ends are in it. */
export const isInRange = ({ from, to }: { readonly from: Nid; readonly to: Nid }, nid: Nid): boolean =>
  compareNids(from, nid) <= 0 && compareNids(nid, to) <= 0;
