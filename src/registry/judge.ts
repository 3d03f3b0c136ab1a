/** The one rule by which an entry changes, the same in every registry. */
import { IlnpError } from '../runtime/errors.ts';
import { formatL64, formatNid } from '../wire/text.ts';
import { isReservedNid, isUnicastL64 } from '../wire/unicast.ts';
import type { Entry } from './registry.ts';

/** Greatest epoch; see sites/messages.ts. */
export const MAX_EPOCH = 2 ** 31 - 1;

/**
 * Says what a swap comes to: it changes the entry, it has happened already, or what is held stands against it. A withdrawal
 * that some site has not heard of yet stands against everything but its settlement. Throws as `checkNext`.
 */
export function judge(held: Entry | null, expected: number | null, next: Entry): 'change' | 'same' | 'refused' {
  checkNext(expected, next);
  if (held !== null && isSameEntry(held, next)) return 'same';
  if ((held?.epoch ?? null) !== expected) return 'refused';
  if (held?.binding === null && held.active !== undefined && next.epoch > held.epoch) return 'refused';
  if (held === null || next.epoch > held.epoch) return 'change';
  return held.active !== undefined && isSameBinding(held.binding, next.binding) ? 'change' : 'refused';
}

/** Throws E_BINDING for a binding that cannot be, and E_STALE_EPOCH for a `next` that no entry of epoch `expected` could become. */
export function checkNext(expected: number | null, next: Entry): void {
  const why = impossible(next);
  if (why !== null) throw new IlnpError('E_BINDING', `${formatNid(next.nid)}: ${why}`);
  const { nid, epoch, active } = next;
  const from = expected ?? -1;
  const grows = epoch > from && epoch <= MAX_EPOCH;
  if (grows || (epoch === expected && active === undefined)) return;
  throw new IlnpError('E_STALE_EPOCH', `${formatNid(nid)}: epoch ${epoch} does not follow ${expected ?? 'none'}`);
}

/** Why no node can have this identifier, or this Locator; null: one can, or it is withdrawn. */
export function impossible({ nid, binding }: Entry): string | null {
  if (binding === null) return null;
  if (isReservedNid(nid)) return 'expected an identifier that a node may have';
  return isUnicastL64(binding.guest)
    ? null
    : `expected a guest Locator that is global unicast or unique local, got ${formatL64(binding.guest)}`;
}

function isSameEntry(a: Entry, b: Entry): boolean {
  return (
    a.epoch === b.epoch &&
    isSameBinding(a.binding, b.binding) &&
    JSON.stringify(a.active ?? null) === JSON.stringify(b.active ?? null)
  );
}

function isSameBinding(a: Entry['binding'], b: Entry['binding']): boolean {
  if (a === null || b === null) return a === b;
  const sameGuest = a.guest.hi === b.guest.hi && a.guest.lo === b.guest.lo;
  return sameGuest && a.home === b.home && a.uplink === b.uplink && a.at === b.at;
}
