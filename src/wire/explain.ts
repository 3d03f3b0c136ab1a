/**
 * A packet as a line for people: what tcpdump would say, and what it does not know of ILNP. Cold; for arbitrary octets it
 * says something and never throws.
 */
import { type Bytes, u16, u32 } from './bytes.ts';
import { nonceAt } from './extension-headers.ts';
import { type HeaderChain, headerChain } from './header-chain.ts';
import * as ipv6 from './ipv6.ts';
import { formatGroups } from './ipv6-text.ts';
import {
  ACKNOWLEDGEMENT,
  ADVERTISEMENT,
  LOCATOR_ENTRY,
  LOCATOR_UPDATE,
  LOCATORS_AT,
  locatorEntryAt,
} from './locator-update.ts';
import { findNonce, NONCE_MALFORMED, NONCE_SEVERAL } from './nonce-option.ts';
import { formatL64, type L64, type Nid } from './text.ts';

const PROTOCOLS: Readonly<Record<number, string>> = {
  [ipv6.TCP]: 'TCP',
  [ipv6.UDP]: 'UDP',
  [ipv6.UDP_LITE]: 'UDP-Lite',
  [ipv6.ICMPV6]: 'ICMPv6',
  [ipv6.ESP]: 'ESP',
  [ipv6.AUTHENTICATION]: 'AH',
  [ipv6.NO_NEXT_HEADER]: 'no next header',
  132: 'SCTP',
};

/** RFC 4443 section 3.1, and of sections 3.3 and 3.4 the codes. */
const UNREACHABLE = [
  'no route',
  'prohibited',
  'beyond scope of source',
  'address unreachable',
  'port unreachable',
  'source failed policy',
  'reject route',
];
const EXCEEDED = ['hop limit exceeded in transit', 'fragment reassembly time exceeded'];
const PARAMETER = ['erroneous header field', 'unknown next header', 'unknown option'];

const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];

/** The address at `o` as text. */
const addressAt = (b: Bytes, o: number): string => formatGroups(Array.from({ length: 8 }, (_, k) => u16(b, o + 2 * k)));

/** The Locator, or the Node Identifier, at `o`. */
export const halfAt = (b: Bytes, o: number): L64 & Nid => ({ hi: u32(b, o), lo: u32(b, o + 4) });

/** Says what the packet of `length` octets at `o` is. `depth`: quotes within quotes are left out. */
export function explainPacket(b: Bytes, o: number, length: number, depth = 0): string {
  if (length < ipv6.HEADER_LENGTH) return `${length} octets, too few for an IPv6 header`;
  if (b[o]! >>> 4 !== 6) return `IP version ${b[o]! >>> 4}, ${length} octets`;
  const end = o + Math.min(length, ipv6.HEADER_LENGTH + ipv6.payloadLength(b, o)); // behind it is padding of the link
  const headers = headerChain(b, o, end);
  const { upper: protocol, at } = headers;
  const [source, destination] = [addressAt(b, o + ipv6.SRC), addressAt(b, o + ipv6.DST)];
  const extras = extensions(b, o, end, headers);
  const ported = (protocol === ipv6.TCP || protocol === ipv6.UDP || protocol === ipv6.UDP_LITE) && at + 4 <= end;
  const ends = ported ? `[${source}]:${u16(b, at)} > [${destination}]:${u16(b, at + 2)}` : `${source} > ${destination}`;
  const isHidden = !headers.isWhole || isLaterFragment(b, headers); // what is above nobody can say
  const name = isHidden ? 'IPv6' : (PROTOCOLS[protocol] ?? `protocol ${protocol}`);
  const detail = protocol === ipv6.ICMPV6 ? icmp(b, at, end, depth) : protocol === ipv6.TCP ? tcp(b, at, end) : '';
  const size = depth > 0 ? '' : `${length} octets`;
  return [`${name} ${ends}`, detail, ...extras, size].filter((part) => part !== '').join(', ');
}

function tcp(b: Bytes, at: number, end: number): string {
  if (at + 14 > end) return '';
  const flags = TCP_FLAGS.filter((_, k) => (b[at + 13]! >>> k) & 1);
  return flags.length === 0 ? 'no flags' : flags.join(' ');
}

function icmp(b: Bytes, at: number, end: number, depth: number): string {
  if (at + 8 > end) return 'cut off';
  const type = b[at]!;
  const code = b[at + 1]!;
  const word = u32(b, at + 4);
  const about = type < 128 ? quote(b, at + 8, end, depth) : '';
  switch (type) {
    case 1:
      return `Destination Unreachable (${UNREACHABLE[code] ?? `code ${code}`})${about}`;
    case 2:
      return `Packet Too Big, MTU ${word}${about}`;
    case 3:
      return `Time Exceeded (${EXCEEDED[code] ?? `code ${code}`})${about}`;
    case 4:
      return `Parameter Problem (${PARAMETER[code] ?? `code ${code}`}) at octet ${word}${about}`;
    case 128:
    case 129:
      return `Echo ${type === 128 ? 'Request' : 'Reply'} id ${word >>> 16} seq ${word & 0xffff}`;
    case 133:
      return 'Router Solicitation';
    case 134:
      return 'Router Advertisement';
    case 135:
    case 136:
      return `Neighbour ${type === 135 ? 'Solicitation' : 'Advertisement'}${at + 24 <= end ? ` of ${addressAt(b, at + 8)}` : ''}`;
    case LOCATOR_UPDATE:
      return locatorUpdate(b, at, end);
    default:
      return `type ${type} code ${code}${about}`;
  }
}

function quote(b: Bytes, at: number, end: number, depth: number): string {
  if (depth > 0) return '';
  return end - at < ipv6.HEADER_LENGTH
    ? ' about a cut packet'
    : ` about {${explainPacket(b, at, end - at, depth + 1)}}`;
}

/** What is there of it, also of one that `readLocatorUpdate` would refuse. */
function locatorUpdate(b: Bytes, at: number, end: number): string {
  const operation = b[at + 5]!;
  const what =
    operation === ADVERTISEMENT
      ? 'advertisement'
      : operation === ACKNOWLEDGEMENT
        ? 'acknowledgement'
        : `operation ${operation}`;
  const locators: string[] = [];
  for (let k = 0, t = at + LOCATORS_AT; k < b[at + 4]! && t + LOCATOR_ENTRY <= end; k++, t += LOCATOR_ENTRY) {
    const { locator, preference, lifetime } = locatorEntryAt(b, t);
    locators.push(`${formatL64(locator)} preference ${preference} lifetime ${lifetime} s`);
  }
  return `Locator Update, ${what}: ${locators.join('; ') || 'no Locator'}`;
}

/** True when its upper layer is in the first fragment. */
function isLaterFragment(b: Bytes, { headers }: HeaderChain): boolean {
  const last = headers.at(-1);
  return last?.protocol === ipv6.FRAGMENT && u16(b, last.at + 2) > 7;
}

/** What the chain holds that a reader should know: nonce, fragment, other headers. */
function extensions(b: Bytes, base: number, end: number, { headers }: HeaderChain): string[] {
  const found = headers.map(({ protocol, at, length }) => {
    if (protocol === ipv6.FRAGMENT) {
      const field = u16(b, at + 2);
      const id = `0x${u32(b, at + 4).toString(16)}`;
      return `fragment ${id} at octet ${field & 0xfff8}${field & 1 ? '' : ', the last'}`;
    }
    if (protocol === ipv6.HOP_BY_HOP) return 'hop-by-hop options';
    if (protocol === ipv6.ROUTING) return 'routing header';
    if (protocol === ipv6.AUTHENTICATION) return 'authentication header';
    const nonce = nonceAt(b, at, at + length);
    if (nonce === 0) return 'destination options';
    return `nonce ${Buffer.from(b.slice(nonce + 2, nonce + 2 + b[nonce + 1]!)).toString('hex')}`;
  });
  const nonces = findNonce(b, base, end);
  if (nonces === NONCE_SEVERAL) found.push('more than one nonce');
  if (nonces === NONCE_MALFORMED) found.push('broken extension headers');
  return found;
}
