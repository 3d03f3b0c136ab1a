/**
 * Authentication of Locator Updates by a key that two nodes share: beyond RFC 6743, which has the nonce alone. A
 * Destination Option behind the nonce, of an experimental type (RFC 4727 section 3.5) that who does not know it skips:
 *
 *   | type, 00..... | 24 | sequence number (8 octets) | HMAC-SHA-256 (16 octets of it) |
 *
 * The HMAC covers both NIDs, the sequence number, operation and Locators: everything but where the packet travels.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Bytes, put32, u32 } from './bytes.ts';
import * as ipv6 from './ipv6.ts';
import { LOCATOR_ENTRY, LOCATORS_AT } from './locator-update.ts';
import { findOption } from './nonce-option.ts';

/** RFC 4727 section 3.5: experimental, to be skipped by who does not know it, not changed on the way. */
export const EXPERIMENTAL_OPTION = 0x1e;

const SEQUENCE_OCTETS = 8;
const MAC_OCTETS = 16;
const OPTION_OCTETS = 2 + SEQUENCE_OCTETS + MAC_OCTETS;
const NID_OCTETS = 8;
/** Keeps the key from meaning anything else (a later form has another label). */
const LABEL = 'ILNPv6 Locator Update 1';

/** What authenticates messages between two nodes. */
export interface Authentication {
  readonly key: Bytes;
  /** Type of the option. */
  readonly option: number;
  /** Grows with every set of Locators; below 2^53. */
  readonly sequence: number;
}

/** The option for an ICMPv6 message, from and to these addresses of 16 octets. */
export function authenticationOption(
  message: Bytes,
  { source, destination }: { readonly source: Bytes; readonly destination: Bytes },
  { key, option, sequence }: Authentication,
): Uint8Array {
  const octets = new Uint8Array(OPTION_OCTETS);
  octets.set([option, OPTION_OCTETS - 2]);
  put32(octets, 2, Math.floor(sequence / 2 ** 32));
  put32(octets, 6, sequence >>> 0);
  const nids = { source: source.subarray(NID_OCTETS), destination: destination.subarray(NID_OCTETS) };
  octets.set(macOf(key, nids, octets.subarray(2, 2 + SEQUENCE_OCTETS), message), 2 + SEQUENCE_OCTETS);
  return octets;
}

/**
 * The sequence number of the message at `at`, a right Locator Update or acknowledgement in the packet from `base` to `end`;
 * null when it has no such option, false when that is not right.
 */
export function authenticated(
  b: Bytes,
  base: number,
  at: number,
  end: number,
  { key, option }: Omit<Authentication, 'sequence'>,
): number | null | false {
  const o = findOption(b, base, end, option);
  if (o === 0) return null;
  if (o < 0 || b[o + 1] !== OPTION_OCTETS - 2) return false;
  const nid = (from: number): Bytes => b.subarray(base + from, base + from + NID_OCTETS);
  const nids = { source: nid(ipv6.SRC_NID), destination: nid(ipv6.DST_NID) };
  const mac = macOf(key, nids, b.subarray(o + 2, o + 2 + SEQUENCE_OCTETS), b.subarray(at, end));
  if (!timingSafeEqual(mac, b.subarray(o + 2 + SEQUENCE_OCTETS, o + OPTION_OCTETS))) return false;
  const sequence = u32(b, o + 2) * 2 ** 32 + u32(b, o + 6);
  return Number.isSafeInteger(sequence) && sequence;
}

function macOf(
  key: Bytes,
  { source, destination }: { readonly source: Bytes; readonly destination: Bytes },
  sequence: Bytes,
  message: Bytes,
): Buffer {
  const count = message[4]!;
  return createHmac('sha256', key)
    .update(LABEL)
    .update(source)
    .update(destination)
    .update(sequence)
    .update(message.subarray(4, 6)) // number of Locators, operation
    .update(message.subarray(LOCATORS_AT, LOCATORS_AT + count * LOCATOR_ENTRY))
    .digest()
    .subarray(0, MAC_OCTETS);
}
