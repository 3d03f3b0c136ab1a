/**
 * Whether TCP and UDP of a correspondent sum over Locators (RFC 8200) or not (RFC 6741 section 4.2). The program here and
 * its kernel always do; on the wire it is as configured for the correspondent, or, with `auto`, as each of its packets
 * shows, and it is answered in kind. A sum that is wrong in both stays wrong: the kernel of the program drops the packet.
 *
 * Where the convention may be another one than `full` the TUN has no offload (host/path.ts), so that no sum is partial
 * and no super-packet is cut by a card that would sum whole addresses.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { fold, segmentSum } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { isPartial } from './rewrite.ts';

/** True for what RFC 6741 sums without Locators; a packet with another stop to go is summed over that stop. */
export const mayBeZeroed = (protocol: number, upper: number): boolean =>
  (protocol === ipv6.TCP || protocol === ipv6.UDP) && !chain.isRouted(upper);

/** True when the sum of packet `i`, as received, has no Locators in it. `proven`: the packet has the right nonce. */
export function isZeroed(batch: PacketBatch, i: number, c: Correspondent, upper: number, proven: boolean): boolean {
  const protocol = chain.protocolOf(upper);
  if (!mayBeZeroed(protocol, upper) || c.checksum === 'full') return false;
  if (c.checksum === 'zeroed' || chain.isFragment(upper)) return c.zeroed;
  const o = batch.offset[i]!;
  if (isPartial(batch, o)) return false; // covers the addresses that the kernel saw
  const at = o + chain.offsetOf(upper);
  const length = batch.offset[i]! + batch.length[i]! - at;
  const sums = (zeroed: boolean): boolean =>
    segmentSum(batch.bytes, o, at, length, { protocol, convention: zeroed ? 'zeroed' : 'full' }) === 0xffff;
  if (sums(c.zeroed)) return c.zeroed;
  if (!sums(!c.zeroed)) return false;
  const zeroed = !c.zeroed;
  if (proven) c.zeroed = zeroed; // else anybody could change how it is spoken to
  return zeroed;
}

/** What a checksum grows by when two Locators, whose sums are given, are taken out of what it covers. */
export const without = (a: number, b: number): number => fold((~a & 0xffff) + (~b & 0xffff));
