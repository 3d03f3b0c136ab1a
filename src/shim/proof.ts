/**
 * What shows that a correspondent hears us, so that its nonce may bind it: over TCP it acknowledges a SYN of ours, in a
 * packet with that nonce (a node without ILNP does so without, and somebody may have sent a nonce in its name). Else it is
 * asked, by an echo request with random octets that only who is where our packets go can send back. That also tells our
 * nonce to who is only listened to (RFC 6741 section 13.1).
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import { u32 } from '../wire/bytes.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { icmpWithNonce } from '../wire/locator-update.ts';
import { address } from './address.ts';
import type { Node } from './node.ts';
import { sameOctets } from './same-octets.ts';

const ECHO_REQUEST = 128;
export const ECHO_REPLY = 129;
const ECHO_HEADER = 8;
const QUESTION_OCTETS = 8;
/** Until it is asked again: doubled from the one to the other. */
const FIRST_PAUSE_US = 1e6;
const LONGEST_PAUSE_US = 64e6;
const TCP_FLAGS = 13;
const ACK = 0x10;

/** True when the segment acknowledges one of the last SYNs we have sent. */
export function hasHeardSyn(b: Uint8Array, c: Correspondent, protocol: number, at: number, end: number): boolean {
  if (protocol !== ipv6.TCP || at + 20 > end || (b[at + TCP_FLAGS]! & ACK) === 0) return false;
  return c.challenges.includes(u32(b, at + 8));
}

/** Asks `c`, when it is time to and not too many others have just been asked. */
export function ask(node: Node, c: Correspondent, now: number): void {
  const from = node.locators[0];
  if (now < c.askAt || from === undefined || !node.mayAsk(now)) return;
  c.askPause = Math.min(LONGEST_PAUSE_US, Math.max(FIRST_PAUSE_US, 2 * c.askPause));
  c.askAt = now + c.askPause;
  const question = node.random(QUESTION_OCTETS);
  const message = new Uint8Array(ECHO_HEADER + QUESTION_OCTETS);
  message[0] = ECHO_REQUEST;
  message.set(question, ECHO_HEADER);
  const envelope = { source: address(from, node), destination: address(c.target(now), c), nonce: c.localNonce };
  const packet = icmpWithNonce(message, envelope);
  if (packet === null) return;
  c.question = question;
  node.emit(packet);
}

/** True for the ICMPv6 message at `at` that answers what `c` was asked. */
export function isAnswer(b: Uint8Array, c: Correspondent, at: number, end: number): boolean {
  if (c.question === null || end - at !== ECHO_HEADER + QUESTION_OCTETS || b[at + 1] !== 0) return false;
  return sameOctets(b.subarray(at + ECHO_HEADER, end), c.question);
}
