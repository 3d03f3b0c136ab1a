/** What a log line says of a packet: Locators, identifiers, protocol, ports or ICMPv6 type (RFC 6741 section 11.1). */
import { u16, u32 } from '../wire/bytes.ts';
import { offsetOf, protocolOf, upperLayer } from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { formatIlv } from '../wire/text.ts';

/** `packet`: its first octets. */
export function shownPacket(packet: Uint8Array): Record<string, string | number> {
  if (packet.length < ipv6.HEADER_LENGTH) return { octets: packet.length };
  const address = (o: number): string =>
    formatIlv({ hi: u32(packet, o), lo: u32(packet, o + 4) }, { hi: u32(packet, o + 8), lo: u32(packet, o + 12) });
  const shown = { source: address(ipv6.SRC), destination: address(ipv6.DST) };
  const upper = upperLayer(packet, 0, packet.length);
  const protocol = protocolOf(upper);
  const at = offsetOf(upper);
  if (at + 4 > packet.length) return { ...shown, protocol };
  if (protocol === ipv6.ICMPV6) return { ...shown, protocol, type: packet[at]! };
  if (protocol !== ipv6.TCP && protocol !== ipv6.UDP) return { ...shown, protocol };
  return { ...shown, protocol, sourcePort: u16(packet, at), destinationPort: u16(packet, at + 2) };
}
