/**
 * The chain of headers as a list, RFC 8200 section 4, for readers who want every header and not only what is behind them.
 * It ends where `upperLayer` (extension-headers.ts), which the path uses, ends. Allocates: not for the path.
 */
import type { Bytes } from './bytes.ts';
import * as ipv6 from './ipv6.ts';

/** An extension header: its protocol number, where it begins, its length in octets. */
export interface ExtensionHeader {
  readonly protocol: number;
  readonly at: number;
  readonly length: number;
}

export interface HeaderChain {
  /** In the order of the packet; all of them lie before `end`. */
  readonly headers: readonly ExtensionHeader[];
  /** Protocol behind them; No Next Header (59) in a fragment that is not the first and where the chain is cut. */
  readonly upper: number;
  /** Where that begins. */
  readonly at: number;
  /** False when a header reaches behind `end`. */
  readonly isWhole: boolean;
}

/** The chain of the packet whose IPv6 header is at `base`, all 40 octets of it. `end`: first octet behind the packet. */
export function headerChain(b: Bytes, base: number, end: number): HeaderChain {
  const headers: ExtensionHeader[] = [];
  let protocol = b[base + ipv6.NEXT_HEADER]!;
  let at = base + ipv6.HEADER_LENGTH;
  while (isExtension(protocol)) {
    const length = at + 8 > end ? 8 : lengthOf(protocol, b[at + 1]!);
    if (at + length > end) return { headers, upper: ipv6.NO_NEXT_HEADER, at, isWhole: false };
    headers.push({ protocol, at, length });
    const isLater = protocol === ipv6.FRAGMENT && (b[at + 2]! !== 0 || b[at + 3]! > 7);
    protocol = isLater ? ipv6.NO_NEXT_HEADER : b[at]!; // the upper layer is in the first one
    at += length;
  }
  return { headers, upper: protocol, at, isWhole: true };
}

const isExtension = (protocol: number): boolean =>
  protocol === ipv6.DESTINATION_OPTIONS ||
  protocol === ipv6.HOP_BY_HOP ||
  protocol === ipv6.ROUTING ||
  protocol === ipv6.FRAGMENT ||
  protocol === ipv6.AUTHENTICATION;

/** Octets, from the second one of a header. */
function lengthOf(protocol: number, field: number): number {
  if (protocol === ipv6.FRAGMENT) return 8;
  if (protocol === ipv6.AUTHENTICATION) return 4 * (field + 2); // RFC 4302 section 2.2
  return 8 * (field + 1);
}
