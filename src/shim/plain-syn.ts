/**
 * A connection that a node with a known identifier begins without a nonce, from where it is not known to be, is plain IPv6
 * (RFC 6744 section 6): its SYN is answered so, although names or a Locator Update may have the node there since. It may be
 * elsewhere by then and have begun once more, and an answer with a nonce would find it there.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';

const KEPT = 8;

/** A SYN of `c` came on these ports; `isPlain`: without a nonce, and from where it was not known to be. */
export function took(c: Correspondent, ports: number, isPlain: boolean): void {
  const at = c.plainSyns.indexOf(ports);
  if (at >= 0) c.plainSyns.splice(at, 1);
  if (!isPlain) return;
  c.plainSyns.push(ports);
  if (c.plainSyns.length > KEPT) c.plainSyns.shift();
}

/** True when the answer to the SYN of `c` on these ports goes without a nonce, too. */
export const isAnsweredPlain = (c: Correspondent, ports: number): boolean => !c.proved && c.plainSyns.includes(ports);
