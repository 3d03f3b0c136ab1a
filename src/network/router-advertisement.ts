/**
 * What a Router Advertisement says that the kernel does not keep: which prefixes this router is the way out for (RFC 8028
 * section 3: a host sends from a prefix through a router that has advertised it). RFC 4861 sections 4.2, 4.6.1, 4.6.2.
 */
import type { L64 } from '../wire/text.ts';

export const ROUTER_ADVERTISEMENT = 134;
const FIXED = 16;
const SOURCE_LINK_LAYER = 1;
const LINK_LAYER_OPTION = 8;
const PREFIX_INFORMATION = 3;
const PREFIX_OPTION = 32;
const LOCATOR_LENGTH = 64;

export interface Advertised {
  readonly l64: L64;
  /** Valid lifetime, seconds; 0: the router takes it back. */
  readonly valid: number;
}

export interface Advertisement {
  /** Those of 64 bits. */
  readonly prefixes: readonly Advertised[];
  /** Link-layer address of the router, empty when it does not say it. */
  readonly mac: string;
}

/** Reads an ICMPv6 message from its type on; null when it cannot be read (RFC 4861 section 4.6: it counts for nothing). */
export function readAdvertisement(message: Uint8Array): Advertisement | null {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.length < FIXED || message[0] !== ROUTER_ADVERTISEMENT || message[1] !== 0) return null;
  const prefixes: Advertised[] = [];
  let mac = '';
  for (let at = FIXED; at + 8 <= message.length; ) {
    const octets = 8 * message[at + 1]!;
    if (octets === 0 || at + octets > message.length) return null;
    if (message[at] === PREFIX_INFORMATION && octets === PREFIX_OPTION && message[at + 2] === LOCATOR_LENGTH)
      prefixes.push({
        l64: { hi: view.getUint32(at + 16), lo: view.getUint32(at + 20) },
        valid: view.getUint32(at + 4),
      });
    if (message[at] === SOURCE_LINK_LAYER && octets === LINK_LAYER_OPTION)
      mac = Array.from(message.subarray(at + 2, at + 8), (x) => x.toString(16).padStart(2, '0')).join(':');
    at += octets;
  }
  return { prefixes, mac };
}
