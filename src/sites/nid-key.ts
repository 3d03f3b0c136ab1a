/** Node Identifiers as keys of a Map, for the control plane: identifiers that move, not all that exist. */
import type { Nid } from '../wire/text.ts';

/** Gives text that is equal for equal identifiers. */
export const nidKey = (nid: Nid): string => `${nid.hi}:${nid.lo}`;
