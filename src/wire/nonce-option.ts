/**
 * The ILNPv6 Nonce Destination Option, RFC 6744 section 2.
 *
 *   | Next Header | Hdr Ext Len | 0x8b | option length | nonce, 4 or 12 octets |
 *
 * With a nonce of 4 or 12 octets as its only option the header needs no padding. Received ones may be of any length and
 * stand behind padding and other options, in any Destination Options header of the chain. Nothing here throws.
 */
import { type Bytes, put16 } from './bytes.ts';
import { OPTION_NONCE } from './extension-headers.ts';
import { type ExtensionHeader, headerChain } from './header-chain.ts';
import * as ipv6 from './ipv6.ts';

/** What `findNonce` says instead of a place. */
export const NONCE_NONE = 0;
/** More than one: to be treated as a failed authentication (RFC 6744 section 2). */
export const NONCE_SEVERAL = -1;
/** A header reaches behind the packet, an option behind its header, or a nonce has no octets. */
export const NONCE_MALFORMED = -2;

const OPTION_PAD1 = 0;
const OPTION_PADN = 1;
const OPTION_CALIPSO = 7; // RFC 5570
const LONGEST_HEADER = 8 * 256;
const NOTHING = new Uint8Array(0);

interface Option {
  readonly type: number;
  readonly at: number;
  /** First octet behind it. */
  readonly end: number;
}

/** True for the lengths every implementation understands; only these are sent. */
const isSendable = (nonce: Bytes): boolean => nonce.length === 4 || nonce.length === 12;

/**
 * Offset of the option in the packet whose IPv6 header is at `base`, or one of NONCE_*. Its length is the octet after
 * its type, the nonce follows. `end`: first octet behind the packet.
 */
export function findNonce(b: Bytes, base: number, end: number): number {
  return findOption(b, base, end, OPTION_NONCE);
}

/** The same for a Destination Option of another type. */
export function findOption(b: Bytes, base: number, end: number, wanted: number): number {
  if (end - base < ipv6.HEADER_LENGTH) return NONCE_MALFORMED;
  const chain = headerChain(b, base, end);
  let found = NONCE_NONE;
  for (const header of chain.headers) {
    if (header.protocol !== ipv6.DESTINATION_OPTIONS) continue;
    const options = optionsOf(b, header);
    if (options === null) return NONCE_MALFORMED;
    for (const { type, at } of options) {
      if (type !== wanted) continue;
      if (b[at + 1] === 0) return NONCE_MALFORMED;
      found = found === NONCE_NONE ? at : NONCE_SEVERAL;
    }
  }
  return chain.isWhole ? found : NONCE_MALFORMED;
}

/** The nonce of a packet, or null where `findNonce` finds no single one. */
export function nonceOf(b: Bytes, base: number, end: number): Uint8Array | null {
  const at = findNonce(b, base, end);
  return at > 0 ? b.slice(at + 2, at + 2 + b[at + 1]!) : null;
}

/** A Destination Options header of the nonce, and `more`, an option behind it; null unless the nonce has 4 or 12 octets. */
export function nonceHeader(next: number, nonce: Bytes, more: Bytes = NOTHING): Uint8Array | null {
  if (!isSendable(nonce)) return null;
  const end = 4 + nonce.length + more.length;
  const header = new Uint8Array((end + 7) & ~7);
  header.set([next, header.length / 8 - 1, OPTION_NONCE, nonce.length]);
  header.set(nonce, 4);
  header.set(more, 4 + nonce.length);
  if (header.length - end > 1) header.set([OPTION_PADN, header.length - end - 2], end);
  return header;
}

/**
 * The packet with a nonce: in the Destination Options header before its upper layer, before other options but behind
 * CALIPSO (RFC 6744 section 2), or in a new one there.
 *
 * Null for what cannot take one: no whole IPv6 packet, a broken chain, a nonce already, a fragment (its offsets would
 * no longer fit), an Authentication Header (it covers the option), no room, or a nonce of another length than 4 and 12.
 */
export function insertNonce(packet: Bytes, nonce: Bytes): Uint8Array | null {
  if (!isSendable(nonce) || packet.length < ipv6.HEADER_LENGTH || packet[0]! >>> 4 !== 6) return null;
  const payload = ipv6.payloadLength(packet, 0);
  if (packet.length !== ipv6.HEADER_LENGTH + payload) return null;
  if (findNonce(packet, 0, packet.length) !== NONCE_NONE) return null;
  const { headers, upper, at } = headerChain(packet, 0, packet.length);
  if (headers.some((header) => header.protocol === ipv6.AUTHENTICATION || isPiece(packet, header))) return null;

  const last = headers.at(-1);
  const piece = nonceHeader(upper, nonce)!;
  if (payload + piece.length > 0xffff) return null;
  if (last?.protocol !== ipv6.DESTINATION_OPTIONS) {
    const longer = spliced(packet, at, piece);
    longer[last === undefined ? ipv6.NEXT_HEADER : last.at] = ipv6.DESTINATION_OPTIONS;
    return longer;
  }
  if (last.length + piece.length > LONGEST_HEADER) return null;
  // the option and two octets of padding: what follows keeps its alignment, the header its multiple of 8
  piece.copyWithin(0, 2);
  piece.set([OPTION_PADN, 0], piece.length - 2);
  const longer = spliced(packet, behindCalipso(packet, last), piece);
  longer[last.at + 1]! += piece.length / 8;
  return longer;
}

/** Options of a header that lies within `b`, without Pad1; null when one reaches behind it. */
function optionsOf(b: Bytes, header: ExtensionHeader): Option[] | null {
  const end = header.at + header.length;
  const options: Option[] = [];
  for (let at = header.at + 2; at < end; ) {
    if (b[at] === OPTION_PAD1) {
      at++;
      continue;
    }
    const next = at + 1 < end ? at + 2 + b[at + 1]! : end + 1;
    if (next > end) return null;
    options.push({ type: b[at]!, at, end: next });
    at = next;
  }
  return options;
}

/** Where the nonce goes in a header whose options are known to be right. */
const behindCalipso = (b: Bytes, header: ExtensionHeader): number =>
  optionsOf(b, header)!.findLast((option) => option.type === OPTION_CALIPSO)?.end ?? header.at + 2;

/** True for the header of a fragment that is not the whole packet (RFC 6946). */
const isPiece = (b: Bytes, { protocol, at }: ExtensionHeader): boolean =>
  protocol === ipv6.FRAGMENT && (b[at + 2]! !== 0 || (b[at + 3]! & 0xf9) !== 0);

/** The packet with `piece` put in at `at`, and its Payload Length that of the result. */
function spliced(packet: Bytes, at: number, piece: Bytes): Uint8Array {
  const longer = new Uint8Array(packet.length + piece.length);
  longer.set(packet.subarray(0, at));
  longer.set(piece, at);
  longer.set(packet.subarray(at), at + piece.length);
  put16(longer, ipv6.PAYLOAD_LENGTH, longer.length - ipv6.HEADER_LENGTH);
  return longer;
}
