/**
 * What a kernel says by itself to whoever asks: ICMPv6 errors, echo replies, resets, and the answer to a SYN. No program
 * had a part in it, so it does not make a correspondent of somebody who may have forged his address. Who speaks to a
 * program loses nothing by that: the third packet of a TCP session, or an answer of the program, says more.
 */
import type { Bytes } from './bytes.ts';
import { ICMPV6, TCP } from './ipv6.ts';

const ECHO_REPLY = 129;
const FIRST_INFORMATIONAL = 128;
const TCP_FLAGS = 13;
const [SYN, RST, ACK] = [0x02, 0x04, 0x10];

/** True for such a message of `protocol` whose header is at `at`; `end`: first octet behind the packet. */
export function isAutomatic(b: Bytes, protocol: number, at: number, end: number): boolean {
  if (protocol === ICMPV6) return at < end && (b[at]! < FIRST_INFORMATIONAL || b[at] === ECHO_REPLY);
  if (protocol !== TCP || at + TCP_FLAGS >= end) return false;
  const flags = b[at + TCP_FLAGS]!;
  return (flags & RST) !== 0 || (flags & (SYN | ACK)) === (SYN | ACK);
}
