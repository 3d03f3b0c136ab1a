/** The Node Identifier of an end system: the configured one, or that of its first interface (RFC 6741 section 2.2). */
import type { ShimConfig } from '../config/load-shim.ts';
import { nidOfInterfaces } from '../network/eui64.ts';
import { refuseKernelsNid } from '../network/kernel-nid.ts';
import type { Nid } from '../wire/text.ts';

/** null: there is none on this machine. Throws E_NID for one that its kernel uses itself. */
export function nidOf({ nid, interfaces }: Pick<ShimConfig, 'nid' | 'interfaces'>): Nid | null {
  const names = interfaces.map((i) => i.interface);
  const found = nid ?? nidOfInterfaces(names);
  if (found !== null) refuseKernelsNid(found, names);
  return found;
}
