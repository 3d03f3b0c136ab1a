/**
 * Duplicate Address Detection, RFC 4862 section 5.4, for <Locator>:NID, which the kernel only answers for as a proxy and
 * does not ask about itself. Optimistic in the sense of RFC 4429: the Locator is used meanwhile, because a hand-off cannot
 * wait for a second, but nobody's neighbour cache is overridden before that second is over.
 */
import { ifNameToIndex } from '../device/libc.ts';
import { put16 } from '../wire/bytes.ts';
import { segmentChecksum } from '../wire/checksum.ts';
import { DST, HEADER_LENGTH, HOP_LIMIT, ICMPV6, NEXT_HEADER, PAYLOAD_LENGTH } from '../wire/ipv6.ts';
import { NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION, solicitedNode } from '../wire/neighbour-discovery.ts';
import { formatIlv, parseIpv6 } from '../wire/text.ts';
import { sendRaw } from './multicast.ts';

const MESSAGE = 24;
const TARGET_LINK_LAYER = 2;

/** RetransTimer of RFC 4861 section 10: who has the address answers within this time. */
export const ANSWER_MS = 1000;

/** Asks on `name` who has `address`, as one that has none yet; true when it was sent. */
export function askWhoHas(name: string, address: string): boolean {
  const target = parseIpv6(address);
  const index = ifNameToIndex(name);
  if (target === null || index === 0) return false;
  const packet = new Uint8Array(HEADER_LENGTH + MESSAGE);
  packet[0] = 0x60;
  put16(packet, PAYLOAD_LENGTH, MESSAGE);
  packet[NEXT_HEADER] = ICMPV6;
  packet[HOP_LIMIT] = 255;
  packet.set(solicitedNode(target), DST);
  packet[HEADER_LENGTH] = NEIGHBOUR_SOLICITATION;
  packet.set(target, HEADER_LENGTH + 8);
  const sum = segmentChecksum(packet, 0, HEADER_LENGTH, MESSAGE, { protocol: ICMPV6, convention: 'full' });
  put16(packet, HEADER_LENGTH + 2, sum);
  return sendRaw(index, packet);
}

/** Who says in `message`, an ICMPv6 Neighbor Advertisement from its type on, to have which address; null: it does not. */
export function claimIn(message: Uint8Array): { address: string; mac: string } | null {
  if (message.length < MESSAGE || message[0] !== NEIGHBOUR_ADVERTISEMENT || message[1] !== 0) return null;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const address = formatIlv(
    { hi: view.getUint32(8), lo: view.getUint32(12) },
    { hi: view.getUint32(16), lo: view.getUint32(20) },
  );
  for (let at = MESSAGE; at + 8 <= message.length; at += 8 * message[at + 1]!) {
    if (message[at + 1] === 0) return null;
    if (message[at] !== TARGET_LINK_LAYER) continue;
    const octets = [...message.subarray(at + 2, at + 8)];
    return { address, mac: octets.map((x) => x.toString(16).padStart(2, '0')).join(':') };
  }
  return null;
}
