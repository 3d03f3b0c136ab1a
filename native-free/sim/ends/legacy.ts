/** A node without ILNP that gets a Nonce option: RFC 8200 section 4.2 says discard and say so; some say nothing. */
import * as ipv6 from '../../../src/wire/ipv6.ts';
import { errorPacket } from '../icmp.ts';
import type { Packet } from '../packet.ts';

const PARAMETER_PROBLEM = 4;
const UNRECOGNIZED_OPTION = 2;
const FIRST_OPTION = 42;

export const hasOptions = (b: Uint8Array): boolean => b[ipv6.NEXT_HEADER] === ipv6.DESTINATION_OPTIONS;

/** What it answers from the address the packet was for. */
export function refusal(packet: Packet): Packet | null {
  const { octets } = packet;
  const error = { type: PARAMETER_PROBLEM, code: UNRECOGNIZED_OPTION, value: FIRST_OPTION };
  return errorPacket(octets.slice(ipv6.DST, ipv6.DST + 16), octets, error);
}
