/**
 * From the records of a name to the I-LV that programs get, RFC 6742 section 3.1: any Node Identifier of a name goes with
 * any of its Locators; the lowest preference first. Locators that came through an LP stand where the LP's preference puts
 * them, among themselves by their own. Pure.
 */
import type { L64, Nid } from '../wire/text.ts';
import { isReservedNid, isUnicastL64 } from '../wire/unicast.ts';

/** Reason: as many as a cache entry keeps. */
const LOCATORS_MAX = 16;

/** `ttl`: seconds. */
export interface NidRecord {
  readonly preference: number;
  readonly nid: Nid;
  readonly ttl: number;
}

/** `preference`: of the L64, or of the LP that named it; `within`: then of the L64 there. `ttl`: the least on the way. */
export interface LocatorRecord {
  readonly preference: number;
  readonly within: number;
  readonly l64: L64;
  readonly ttl: number;
}

/** A node of the ILNP by its name. */
export interface Found {
  /** The one that has the records; names that are aliases lead here. */
  readonly name: string;
  readonly nid: Nid;
  /** Preferred first; `lifetime` in seconds. Never empty. */
  readonly locators: readonly { readonly l64: L64; readonly preference: number; readonly lifetime: number }[];
  /** Seconds for which all of it holds. */
  readonly ttl: number;
}

/** null: not a name of an ILNPv6 node. `wanted`: only with this identifier, whatever its preference. */
export function choose(
  name: string,
  nids: readonly NidRecord[],
  locators: readonly LocatorRecord[],
  wanted?: Nid,
): Found | null {
  const isWanted = ({ nid }: NidRecord): boolean =>
    wanted === undefined ? !isReservedNid(nid) : nid.hi === wanted.hi && nid.lo === wanted.lo;
  const [chosen] = nids.filter(isWanted).sort((a, b) => a.preference - b.preference);
  const sorted = locators
    .filter(({ l64 }) => isUnicastL64(l64))
    .sort((a, b) => a.preference - b.preference || a.within - b.within);
  const isFirst = ({ l64 }: LocatorRecord, k: number): boolean =>
    sorted.findIndex((other) => other.l64.hi === l64.hi && other.l64.lo === l64.lo) === k;
  const kept = sorted.filter(isFirst).slice(0, LOCATORS_MAX);
  if (chosen === undefined || kept.length === 0) return null;
  return {
    name,
    nid: chosen.nid,
    locators: kept.map(({ l64, preference, ttl }) => ({ l64, preference, lifetime: ttl })),
    ttl: Math.min(chosen.ttl, ...kept.map(({ ttl }) => ttl)),
  };
}
