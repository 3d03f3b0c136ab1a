/**
 * Destination Unreachable, RFC 4443 section 3.1, for a packet whose destination NID nobody has bound: the packet becomes
 * the error in its own slot, quoted as its sender knows it, and goes back to the side it came from.
 */
import { type PacketBatch, SITE } from '../packet/batch.ts';
import { ANSWERED, DROP_ERROR_RATE, DROP_UNKNOWN_DESTINATION } from '../packet/verdict.ts';
import { put16, put32 } from '../wire/bytes.ts';
import { segmentChecksum } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import type { Fib } from './fib.ts';

const DESTINATION_UNREACHABLE = 1;
const ADDRESS_UNREACHABLE = 3;
const ERROR_HEADER = 8;
const FIRST_INFORMATIONAL = 128;
const REDIRECT = 137; // RFC 4861 section 4.5
/** RFC 4443 section 2.4 c: as much as fits into the minimum MTU. */
const QUOTE_MAX = ipv6.MIN_MTU - ipv6.HEADER_LENGTH - ERROR_HEADER;
const HOP_LIMIT = 64;

/** Answers packet `i`, or drops it when it must not be answered (RFC 4443 section 2.4 e, f). */
export function unreachable(batch: PacketBatch, i: number, fib: Fib, port: number, now: number): number {
  const b = batch.bytes;
  const word = batch.word;
  const o = batch.offset[i]!;
  const own = fib.image.addresses;
  const a = port * 4;
  // another border is told by its own look-up; without an address of our own there is nobody to answer as
  if (port === SITE || (own[a]! | own[a + 1]! | own[a + 2]! | own[a + 3]!) === 0) return DROP_UNKNOWN_DESTINATION;
  if (ipv6.isUnforwardable(b, o + ipv6.SRC) || b[o + ipv6.DST] === 0xff) return DROP_UNKNOWN_DESTINATION;
  if (isErrorOrRedirect(b, o, o + batch.length[i]!)) return DROP_UNKNOWN_DESTINATION;
  if (!fib.mayAnswer(now)) return DROP_ERROR_RATE;

  const quoted = Math.min(batch.length[i]!, QUOTE_MAX);
  const icmp = o + ipv6.HEADER_LENGTH;
  const quote = icmp + ERROR_HEADER;
  b.copyWithin(quote, o, o + quoted);
  put32(b, o, 0x60000000);
  put16(b, o + ipv6.PAYLOAD_LENGTH, ERROR_HEADER + quoted);
  b[o + ipv6.NEXT_HEADER] = ipv6.ICMPV6;
  b[o + ipv6.HOP_LIMIT] = HOP_LIMIT;
  const w = o >>> 2;
  for (let k = 0; k < 4; k++) {
    word[w + 2 + k] = own[a + k]!;
    word[w + 6 + k] = word[(quote >>> 2) + 2 + k]!;
  }
  b[icmp] = DESTINATION_UNREACHABLE;
  b[icmp + 1] = ADDRESS_UNREACHABLE;
  put16(b, icmp + 2, 0);
  put32(b, icmp + 4, 0);
  const length = ERROR_HEADER + quoted;
  put16(b, icmp + 2, segmentChecksum(b, o, icmp, length, { protocol: ipv6.ICMPV6, convention: 'full' }));
  if (batch.vnet) b.fill(0, o - vnet.VNET_LENGTH, o);
  batch.length[i] = ipv6.HEADER_LENGTH + length;
  batch.egress[i] = port;
  return ANSWERED;
}

/** True for what no error may answer, also when it is too short to be taken for one elsewhere (RFC 4443 section 2.4 e). */
function isErrorOrRedirect(b: Uint8Array, o: number, end: number): boolean {
  const upper = chain.upperLayer(b, o, end);
  if (chain.protocolOf(upper) !== ipv6.ICMPV6) return false;
  const at = o + chain.offsetOf(upper);
  return at >= end || b[at]! < FIRST_INFORMATIONAL || b[at] === REDIRECT;
}
