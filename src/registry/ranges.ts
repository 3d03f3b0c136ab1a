/** Which registry has a Node Identifier, when they are split over several. */
import { isInRange } from '../wire/nid-order.ts';
import type { Nid } from '../wire/text.ts';
import type { Registry } from './registry.ts';

/** A registry and the identifiers it has, both ends included. */
export interface RegistryOfRange {
  readonly range: { readonly from: Nid; readonly to: Nid };
  readonly registry: Registry;
}

/** Gives the registry of an identifier; undefined: it has none, its home decides alone. */
export function registryOf(registries: readonly RegistryOfRange[], nid: Nid): Registry | undefined {
  return registries.find(({ range }) => isInRange(range, nid))?.registry;
}
