/** Node Identifiers as keys of a Map, for the control plane: identifiers that move, not all that exist. */
import type { Nid } from '../wire/text.ts';

/** Gives text that is equal for equal identifiers. */
export const nidKey = (nid: Nid): string => `${nid.hi}:${nid.lo}`;

/** Gives the identifier of such a text. */
export function nidOfKey(key: string): Nid {
  const [hi, lo] = key.split(':').map(Number);
  return { hi: hi!, lo: lo! };
}
