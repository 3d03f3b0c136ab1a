/**
 * Packets for us that arrive with their last hop: the kernel, which would have to forward them into the TUN, says Time
 * Exceeded (RFC 4443 section 3.3) as if it were a router in front of us. But they have arrived. What the error quotes is
 * taken for the packet; without that traceroute shows this node twice.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { put16, u16 } from '../wire/bytes.ts';
import { fold, segmentChecksum, segmentSum } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import type { Node } from './node.ts';
import { checksumAt } from './rewrite.ts';

const TIME_EXCEEDED = 3;
const HOP_LIMIT_EXCEEDED = 0;
const QUOTE = ipv6.HEADER_LENGTH + 8;

/**
 * True when packet `i`, a whole one from our stable address, was such an error: the packet it quotes is there in its place.
 * The kernel quotes as much as 1280 octets hold; what is longer stays an error.
 */
export function takeLastHop(batch: PacketBatch, i: number, node: Node): boolean {
  const { bytes: b, word } = batch;
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  const q = o + QUOTE;
  if (b[o + ipv6.NEXT_HEADER] !== ipv6.ICMPV6 || q + ipv6.HEADER_LENGTH > end) return false;
  if (b[q - 8] !== TIME_EXCEEDED || b[q - 7] !== HOP_LIMIT_EXCEEDED || b[q]! >>> 4 !== 6) return false;
  if (b[q + ipv6.HOP_LIMIT]! > 1 || q + ipv6.HEADER_LENGTH + ipv6.payloadLength(b, q) !== end) return false;
  const [w, v] = [o >>> 2, q >>> 2];
  if (!node.isDestination(word, v)) return false;
  for (let k = 0; k < 4; k++) if (word[w + ipv6.W_DST_L64 + k] !== word[v + ipv6.W_SRC_L64 + k]) return false;
  completeChecksum(b, q, end);
  b[q + ipv6.HOP_LIMIT] = 0; // as it would be behind the kernel, to which it is given back
  if (batch.vnet) b.fill(0, q - vnet.VNET_LENGTH, q);
  batch.offset[i] = q;
  batch.length[i] = end - q;
  return true;
}

/** Of a sender on this machine the packet has the sum of its pseudo-header only; the rest was left to a link it never saw. */
function completeChecksum(b: Uint8Array, q: number, end: number): void {
  const upper = chain.upperLayer(b, q, end);
  const at = q + chain.offsetOf(upper);
  const options = { protocol: chain.protocolOf(upper), convention: 'full' } as const;
  const field = checksumAt(options.protocol, at);
  if (field < 0 || field + 2 > end || chain.isFragment(upper)) return;
  if (u16(b, field) !== fold(segmentSum(b, q, at, 0, options) + (end - at))) return;
  put16(b, field, 0);
  put16(b, field, segmentChecksum(b, q, at, end - at, options));
}
