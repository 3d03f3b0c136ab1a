/**
 * The ICMPv6 Locator Update, RFC 6743 section 2: a node tells a correspondent all Locators it has now, and is answered
 * with the same message as an acknowledgement.
 *
 *   | 156 | code 0 | checksum | number of Locators | operation | reserved |     8 octets
 *   | Locator (8 octets) | preference | lifetime, seconds |                    12 octets, 1..255 times
 *
 * The checksum always covers whole addresses (RFC 6741 section 4.3). Nothing here throws.
 */
import { type Bytes, put16, put32, u16, u32 } from './bytes.ts';
import { segmentChecksum, segmentSum } from './checksum.ts';
import { headerChain } from './header-chain.ts';
import * as ipv6 from './ipv6.ts';
import { nonceHeader } from './nonce-option.ts';
import type { L64 } from './text.ts';

export const LOCATOR_UPDATE = 156;
export const ADVERTISEMENT = 1;
export const ACKNOWLEDGEMENT = 2;

/** Octets before the first Locator, and of each with what belongs to it. */
export const LOCATORS_AT = 8;
export const LOCATOR_ENTRY = 12;
const LOCATORS_MAX = 255;

export interface LocatorEntry {
  readonly locator: L64;
  /** Lower is preferred, 0..65535, as in DNS (RFC 6742 section 2.3). */
  readonly preference: number;
  /** Seconds the Locator may be kept, 0..65535; usually the TTL of its L64 record. */
  readonly lifetime: number;
}

export interface LocatorUpdate {
  readonly operation: typeof ADVERTISEMENT | typeof ACKNOWLEDGEMENT;
  /** 1 to 255. */
  readonly locators: readonly LocatorEntry[];
}

/** Why octets are no Locator Update. */
export type LocatorUpdateFault =
  | 'another type'
  | 'unknown code'
  | 'wrong checksum'
  | 'no Locator'
  | 'unknown operation'
  | 'cut'
  | 'octets behind the Locators';

/** The Locator with preference and lifetime at `o`, 12 octets. */
export const locatorEntryAt = (b: Bytes, o: number): LocatorEntry => ({
  locator: { hi: u32(b, o), lo: u32(b, o + 4) },
  preference: u16(b, o + 8),
  lifetime: u16(b, o + 10),
});

/**
 * Reads the ICMPv6 message of `length` octets at `o`; the IPv6 header, for the checksum, is at `base`. Zeros behind the
 * last Locator are passed over. Whether its nonce is right (RFC 6743 section 6) is not known here.
 */
export function readLocatorUpdate(
  b: Bytes,
  base: number,
  o: number,
  length: number,
): LocatorUpdate | LocatorUpdateFault {
  if (length < LOCATORS_AT) return 'cut';
  if (b[o] !== LOCATOR_UPDATE) return 'another type';
  if (b[o + 1] !== 0) return 'unknown code';
  if (segmentSum(b, base, o, length, { protocol: ipv6.ICMPV6, convention: 'full' }) !== 0xffff) return 'wrong checksum';
  const count = b[o + 4]!;
  const operation = b[o + 5]!;
  if (count === 0) return 'no Locator';
  if (operation !== ADVERTISEMENT && operation !== ACKNOWLEDGEMENT) return 'unknown operation';
  const end = o + LOCATORS_AT + count * LOCATOR_ENTRY;
  if (end > o + length) return 'cut';
  for (let k = end; k < o + length; k++) if (b[k] !== 0) return 'octets behind the Locators';
  const at = (k: number): number => o + LOCATORS_AT + k * LOCATOR_ENTRY;
  return { operation, locators: Array.from({ length: count }, (_, k) => locatorEntryAt(b, at(k))) };
}

/** The ICMPv6 message, its checksum still zero; null for no Locator, more than 255, or numbers that do not fit. */
function writeLocatorUpdate({ operation, locators }: LocatorUpdate): Uint8Array | null {
  if (operation !== ADVERTISEMENT && operation !== ACKNOWLEDGEMENT) return null;
  if (locators.length < 1 || locators.length > LOCATORS_MAX) return null;
  if (!locators.every(({ preference, lifetime }) => is16(preference) && is16(lifetime))) return null;
  const message = new Uint8Array(LOCATORS_AT + locators.length * LOCATOR_ENTRY);
  message.set([LOCATOR_UPDATE, 0, 0, 0, locators.length, operation]);
  locators.forEach(({ locator, preference, lifetime }, k) => {
    const at = LOCATORS_AT + k * LOCATOR_ENTRY;
    put32(message, at, locator.hi);
    put32(message, at + 4, locator.lo);
    put16(message, at + 8, preference);
    put16(message, at + 10, lifetime);
  });
  return message;
}

export interface Envelope {
  /** 16 octets each. */
  readonly source: Bytes;
  readonly destination: Bytes;
  /** Of this direction, 4 or 12 octets: no Locator Update goes without (RFC 6743 section 6). */
  readonly nonce: Bytes;
}

/** Gives an option that stands behind the nonce of such a message (update-authentication.ts). */
type OptionOf = (message: Bytes, envelope: Envelope) => Uint8Array;

/** The whole packet: IPv6, Destination Options with the nonce, ICMPv6; null where a part of it cannot be. */
export function locatorUpdatePacket(update: LocatorUpdate, envelope: Envelope, option?: OptionOf): Uint8Array | null {
  const message = writeLocatorUpdate(update);
  return message && icmpWithNonce(message, envelope, option);
}

/**
 * What acknowledges the advertisement in `packet`, an IPv6 packet: the same message but for operation and checksum, sent
 * to where it came from, with the nonce of that direction. Null when there is no right advertisement in it.
 */
export function acknowledgementOf(packet: Bytes, nonce: Bytes, option?: OptionOf): Uint8Array | null {
  if (packet.length < ipv6.HEADER_LENGTH) return null;
  const end = Math.min(packet.length, ipv6.HEADER_LENGTH + ipv6.payloadLength(packet, 0));
  const { upper, at } = headerChain(packet, 0, end);
  if (upper !== ipv6.ICMPV6) return null;
  const update = readLocatorUpdate(packet, 0, at, end - at);
  if (typeof update === 'string' || update.operation !== ADVERTISEMENT) return null;
  const message = packet.slice(at, end);
  message[5] = ACKNOWLEDGEMENT;
  const source = packet.subarray(ipv6.DST, ipv6.DST + 16);
  return icmpWithNonce(message, { source, destination: packet.subarray(ipv6.SRC, ipv6.SRC + 16), nonce }, option);
}

/** Puts an ICMPv6 message behind a nonce into a packet and fills in its checksum; null for addresses or a nonce that cannot be. */
export function icmpWithNonce(message: Bytes, envelope: Envelope, option?: OptionOf): Uint8Array | null {
  const { source, destination, nonce } = envelope;
  if (source.length !== 16 || destination.length !== 16) return null;
  const options = nonceHeader(ipv6.ICMPV6, nonce, option?.(message, envelope));
  if (options === null) return null;
  const at = ipv6.HEADER_LENGTH + options.length;
  const packet = new Uint8Array(at + message.length);
  packet[0] = 0x60;
  put16(packet, ipv6.PAYLOAD_LENGTH, packet.length - ipv6.HEADER_LENGTH);
  packet[ipv6.NEXT_HEADER] = ipv6.DESTINATION_OPTIONS;
  packet[ipv6.HOP_LIMIT] = 64; // the default of IP (IANA, Internet Protocol parameters)
  packet.set(source, ipv6.SRC);
  packet.set(destination, ipv6.DST);
  packet.set(options, ipv6.HEADER_LENGTH);
  packet.set(message, at);
  put16(packet, at + 2, 0);
  const rules = { protocol: ipv6.ICMPV6, convention: 'full' } as const;
  put16(packet, at + 2, segmentChecksum(packet, 0, at, message.length, rules));
  return packet;
}

const is16 = (x: number): boolean => Number.isInteger(x) && x >= 0 && x <= 0xffff;
