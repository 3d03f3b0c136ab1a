/**
 * Entries and leases as lines of JSON, on our disk and as values in etcd:
 *
 *   {"nid":"0:0:0:a1","epoch":3,"guest":"fd00:9::/64","home":"site1","uplink":"isp1","at":"site2","active":["site1"]}
 *   {"nid":"0:0:0:a1","epoch":4}                                              withdrawn
 *   {"lease":"site1","holder":"border-a","token":7,"ttlMs":3000}              without holder: given back
 */
import { z } from 'zod';
import { formatL64, formatNid, type L64, type Nid, parseL64, parseNid } from '../wire/text.ts';
import { MAX_EPOCH } from './judge.ts';
import type { Entry } from './registry.ts';

/** A lease that was given to a new holder, or given back. */
export interface LeaseLine {
  readonly lease: string;
  readonly holder?: string | undefined;
  readonly token: number;
  readonly ttlMs: number;
}

/** Names of sites and uplinks, as the configuration allows them. */
const NAME = /^[\w.-]{1,64}$/;
/** Most sites of an open move. */
export const MAX_ACTIVE = 64;

export const name = z.string().regex(NAME, { error: 'expected a name' });
const text = <T>(what: string, parse: (from: string) => T | null) =>
  z.string().transform((from, context): T => {
    const value = parse(from);
    if (value !== null) return value;
    context.addIssue({ code: 'custom', message: `expected ${what}, got "${from.slice(0, 60)}"` });
    return z.NEVER;
  });

const entryLine = z.strictObject({
  nid: text<Nid>('a Node Identifier', parseNid),
  epoch: z.int().min(0).max(MAX_EPOCH),
  guest: text<L64>('a Locator', parseL64).optional(),
  home: name.optional(),
  uplink: name.optional(),
  at: name.optional(),
  active: z.array(name).max(MAX_ACTIVE).optional(),
});
/** Names of leases and holders may have parts. */
export const leaseName = z.string().regex(/^[\w.:/-]{1,192}$/, { error: 'expected the name of a lease' });
const leaseLine = z.strictObject({
  lease: leaseName,
  holder: leaseName.optional(),
  token: z.int().min(1),
  ttlMs: z.int().min(1),
});

/** Gives the line of an entry, without a line end. */
export function entryText({ nid, epoch, binding, active }: Entry): string {
  const line = { nid: formatNid(nid), epoch, ...(binding && { ...binding, guest: formatL64(binding.guest) }), active };
  return JSON.stringify(line);
}

export const leaseText = (lease: LeaseLine): string => JSON.stringify(lease);

/** Gives what a line says, or as text what is wrong with it. */
export function readLine(line: string): Entry | LeaseLine | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return `expected an entry as JSON, got ${JSON.stringify(line.slice(0, 80))}`;
  }
  const isLease = typeof value === 'object' && value !== null && 'lease' in value;
  const result = isLease ? leaseLine.safeParse(value) : entryLine.safeParse(value);
  if (!result.success) {
    const [first] = result.error.issues;
    return `${first?.path.join('.') || 'line'}: ${first?.message}`;
  }
  if ('lease' in result.data) return result.data;
  const { nid, epoch, guest, home, uplink, at, active } = result.data;
  if (guest === undefined && home === undefined && at === undefined) return entry(nid, epoch, null, active);
  if (guest === undefined || home === undefined || at === undefined)
    return 'expected guest, home and at, or none of them';
  return entry(nid, epoch, { guest, home, uplink, at }, active);
}

const entry = (nid: Nid, epoch: number, binding: Entry['binding'], active: readonly string[] | undefined): Entry =>
  active === undefined ? { nid, epoch, binding } : { nid, epoch, binding, active };
