/**
 * A packet as both sides must see it: once from what tshark says (`fromTshark`), once with the readers of src/wire
 * (`fromOctets`). Numbers and RFC 5952 text; what a side cannot see is not there.
 */
import { u16, u32 } from '../../src/wire/bytes.ts';
import { segmentSum } from '../../src/wire/checksum.ts';
import { hasNonce, nonceAt, offsetOf, protocolOf, upperLayer } from '../../src/wire/extension-headers.ts';
import { headerChain } from '../../src/wire/header-chain.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { type LocatorEntry, locatorEntryAt, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { findNonce, NONCE_MALFORMED, NONCE_SEVERAL } from '../../src/wire/nonce-option.ts';
import { formatIlv, parseIlv } from '../../src/wire/text.ts';
import type { Fields } from './tshark.ts';

export interface Header {
  readonly protocol: number;
  /** Octets. */
  readonly length: number;
  /** Segments left of a Routing header. */
  readonly left?: number;
  readonly fragment?: { readonly offset: number; readonly more: boolean; readonly id: number };
  readonly nonces?: readonly string[];
}

/**
 * Judged are whole packets that have no stop before them. Of what an error quotes tshark judges neither ICMPv6 nor, when
 * the error is a part itself, anything.
 */
type Checksum = 'right' | 'wrong' | 'none' | 'not judged';

export interface View {
  readonly source: string;
  readonly destination: string;
  readonly payloadLength: number;
  readonly hopLimit: number;
  readonly headers: readonly Header[];
  /** Protocol behind them; 59 in later fragments. */
  readonly upper: number;
  /** True when a header of the chain is cut. */
  readonly isBroken: boolean;
  readonly ports?: readonly [number, number];
  readonly flags?: number;
  readonly checksum?: Checksum;
  readonly icmp?: { readonly type: number; readonly code: number; readonly detail: readonly (number | string)[] };
  readonly update?: {
    readonly operation: number;
    /** Why a receiver refuses it; it does not judge parts and quotes. */
    readonly fault: string | null;
    /** Those that are there, also when it is refused. */
    readonly locators: readonly LocatorEntry[];
  };
  readonly quote?: View;
}

/**
 * Octets of a header that must be there to be spoken of: ports, flags of TCP (which tshark reads together with what is
 * behind them), an ICMPv6 message, a Neighbour's target.
 */
const [PORTS, FLAGS, ICMP, TARGET] = [4, 16, 8, 24];

const NAMES: Readonly<Record<string, number>> = {
  'ipv6.hopopts': ipv6.HOP_BY_HOP,
  'ipv6.dstopts': ipv6.DESTINATION_OPTIONS,
  'ipv6.routing': ipv6.ROUTING,
  'ipv6.fraghdr': ipv6.FRAGMENT,
  ah: ipv6.AUTHENTICATION,
};
const EXTENSIONS = Object.values(NAMES);

/** Reads the values of one packet in order, each once. */
class Cursor {
  readonly #fields: Fields;
  readonly #at = new Map<string, number>();

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  text(field: string): string | undefined {
    const k = this.#at.get(field) ?? 0;
    this.#at.set(field, k + 1);
    return this.#fields[field]?.[k];
  }

  number(field: string): number | undefined {
    const text = this.text(field);
    return text === undefined ? undefined : Number(text);
  }
}

/** What tshark says, as a view. */
export function fromTshark(fields: Fields): View | null {
  const layers = fields['frame.protocols']![0]!.split(':');
  const messages = fields['_ws.expert.message'] ?? [];
  if (layers[0] !== 'ipv6') return null;
  const cut = messages.map((message) => /exceeds framing length \((\d+) bytes\)/.exec(message)?.[1]).find(Boolean);
  // of a quote without a whole IPv6 header tshark shows what there is, we speak of none
  if (messages.some((message) => message.startsWith('IPv6 header must be exactly 40')))
    layers.splice(layers.lastIndexOf('ipv6'));
  return packetOf(new Cursor(fields), layers, cut === undefined ? Number.POSITIVE_INFINITY : Number(cut));
}

/** The packet whose layers are next. `present`: octets there are behind its IPv6 header; `around`: what quotes it. */
function packetOf(c: Cursor, layers: string[], present: number, around?: View): View {
  layers.shift();
  const [source, destination] = [addressOf(c.text('ipv6.src')!), addressOf(c.text('ipv6.dst')!)];
  const payloadLength = c.number('ipv6.plen')!;
  const hopLimit = c.number('ipv6.hlim')!;
  const isWhole = payloadLength <= present;
  let left = Math.min(payloadLength, present);
  let upper = c.number('ipv6.nxt')!;
  const headers: Header[] = [];
  while (layers[0] !== undefined && NAMES[layers[0]] !== undefined) {
    const name = layers.shift()!;
    const header = nextHeader(c, name);
    const next = c.number(name === 'ah' ? 'ah.next_header' : `${name}.nxt`)!;
    left -= header.length;
    if (!(left >= 0)) break; // it is cut
    headers.push(header);
    upper = header.fragment !== undefined && header.fragment.offset > 0 ? ipv6.NO_NEXT_HEADER : next;
  }
  const isBroken = left < 0 || EXTENSIONS.includes(upper);
  if (isBroken) upper = ipv6.NO_NEXT_HEADER;
  const view = { source, destination, payloadLength, hopLimit, headers, upper, isBroken };
  const name = layers.shift() ?? '';
  const transport = name === 'udplite' ? 'udp' : name;
  const status = c.text(`${transport}.checksum.status`);
  const isJudged = isWhole && !headers.some(isUncertain) && around?.headers.some(isPiece) !== true;
  const checksum = isJudged ? (STATUS[status ?? ''] ?? 'not judged') : 'not judged';
  if (transport === 'tcp' || transport === 'udp') {
    if (left < PORTS) return view;
    const ports = [c.number(`${transport}.srcport`)!, c.number(`${transport}.dstport`)!] as const;
    const flags = transport === 'tcp' && left >= FLAGS ? { flags: c.number('tcp.flags')! } : {};
    return { ...view, ports, ...flags, checksum };
  }
  if (transport !== 'icmpv6' || left < ICMP) return view;
  const type = c.number('icmpv6.type')!;
  const code = c.number('icmpv6.code')!;
  const said = {
    ...view,
    checksum: around === undefined ? checksum : 'not judged',
    icmp: { type, code, detail: detailOf(c, type, left) },
  };
  if (type === 156) return { ...said, update: updateOf(c, code, said.checksum, left) };
  if (layers[0] !== 'ipv6' || type > 4) return said;
  return { ...said, quote: packetOf(c, layers, left - ICMP - ipv6.HEADER_LENGTH, view) };
}

function nextHeader(c: Cursor, name: string): Header {
  const protocol = NAMES[name]!;
  if (name === 'ipv6.fraghdr') {
    const offset = 8 * c.number('ipv6.fraghdr.offset')!;
    const more = c.text('ipv6.fraghdr.more') === '1';
    return { protocol, length: 8, fragment: { offset, more, id: c.number('ipv6.fraghdr.ident')! } };
  }
  const units = c.number(name === 'ah' ? 'ah.length' : `${name}.len`)!;
  const length = name === 'ah' ? 4 * (units + 2) : 8 * (units + 1);
  if (name === 'ipv6.routing') return { protocol, length, left: c.number('ipv6.routing.segleft')! };
  const nonces = name.endsWith('opts') ? noncesOf(c, length) : [];
  return { protocol, length, ...(nonces.length > 0 && { nonces }) };
}

const isPiece = ({ fragment }: Header): boolean => fragment !== undefined && (fragment.more || fragment.offset > 0);
/** The checksum covers another destination, which our readers do not look for (RFC 8200 section 8.1). */
const isOnTheWay = ({ left = 0 }: Header): boolean => left > 0;
const isUncertain = (header: Header): boolean => isPiece(header) || isOnTheWay(header);

/** Nonces among the options of a header of `length` octets. */
function noncesOf(c: Cursor, length: number): string[] {
  const nonces: string[] = [];
  for (let left = length - 2; left > 0; ) {
    const type = c.number('ipv6.opt.type');
    if (type === undefined) break;
    left -= type === 0 ? 1 : 2 + c.number('ipv6.opt.length')!;
    if (type === 0x8b) nonces.push((c.text('ipv6.opt.ilnp_nonce') ?? '').replaceAll(':', ''));
  }
  return nonces;
}

/** Bad, good, not present, and of UDP: zero, which is not allowed over IPv6. */
const STATUS: Readonly<Record<string, Checksum>> = { 0: 'wrong', 1: 'right', 3: 'none', 4: 'none' };

/** RFC 5952 text without the dotted tail of section 5, which tshark writes for some prefixes and we for none. */
function addressOf(text: string): string {
  const { l64, nid } = parseIlv(text)!;
  return text.includes('.') ? formatIlv(l64, nid) : text;
}

function detailOf(c: Cursor, type: number, left: number): (number | string)[] {
  if (type === 1 || type === 3) c.text('icmpv6.reserved'); // not wanted, only that of a quoted Locator Update
  if (type === 2) return [c.number('icmpv6.mtu')!];
  if (type === 4) return [c.number('icmpv6.pointer')!];
  if (type === 128 || type === 129)
    return [c.number('icmpv6.echo.identifier')!, c.number('icmpv6.echo.sequence_number')!];
  if ((type !== 135 && type !== 136) || left < TARGET) return [];
  return [addressOf(c.text(type === 135 ? 'icmpv6.nd.ns.target_address' : 'icmpv6.nd.na.target_address')!)];
}

function updateOf(c: Cursor, code: number, checksum: Checksum, left: number): NonNullable<View['update']> {
  const half = (locator: string) => {
    const value = BigInt(locator);
    return { hi: Number(value >> 32n), lo: Number(value & 0xffffffffn) };
  };
  const count = c.number('icmpv6.ilnp.nb_locs')!;
  // tshark knows no Operation: it is the first octet of what it shows as reserved
  const operation = Number.parseInt(c.text('icmpv6.reserved')!.replaceAll(':', '').slice(0, 2), 16);
  const present = Math.min(count, Math.floor((left - ICMP) / 12));
  const locators = Array.from({ length: present }, () => ({
    locator: half(c.text('icmpv6.ilnp.nb_locator')!),
    preference: c.number('icmpv6.ilnp.nb_preference')!,
    lifetime: c.number('icmpv6.ilnp.nb_lifetime')!,
  }));
  return { operation, fault: faultOf(code, checksum, count, operation, present), locators };
}

/** What a receiver has to find wrong with a Locator Update (RFC 6743 section 2). */
function faultOf(code: number, checksum: Checksum, count: number, operation: number, present: number): string | null {
  if (checksum === 'not judged') return checksum;
  if (code !== 0) return 'unknown code';
  if (checksum !== 'right') return 'wrong checksum';
  if (count === 0) return 'no Locator';
  if (operation !== 1 && operation !== 2) return 'unknown operation';
  return present < count ? 'cut' : null;
}

const addressAt = (b: Uint8Array, o: number): string =>
  formatIlv({ hi: u32(b, o), lo: u32(b, o + 4) }, { hi: u32(b, o + 8), lo: u32(b, o + 12) });

/** The same with our own readers; null for what has no IPv6 header. `around`: what quotes it. */
export function fromOctets(b: Uint8Array, base = 0, around?: View): View | null {
  if (b.length - base < ipv6.HEADER_LENGTH || b[base]! >>> 4 !== 6) return null;
  const payloadLength = ipv6.payloadLength(b, base);
  const end = Math.min(b.length, base + ipv6.HEADER_LENGTH + payloadLength);
  const isWhole = end === base + ipv6.HEADER_LENGTH + payloadLength;
  const { headers: places, upper, at, isWhole: isUnbroken } = headerChain(b, base, end);
  const headers = places.map((header) => headerOf(b, header));
  const view = {
    source: addressAt(b, base + ipv6.SRC),
    destination: addressAt(b, base + ipv6.DST),
    payloadLength,
    hopLimit: b[base + ipv6.HOP_LIMIT]!,
    headers,
    upper,
    isBroken: !isUnbroken,
  };
  const left = end - at;
  const checksumAt = (field: number): Checksum => {
    if (!isWhole || headers.some(isUncertain) || around?.headers.some(isPiece)) return 'not judged';
    if (u16(b, field) === 0 && (upper === ipv6.UDP || upper === ipv6.UDP_LITE)) return 'none';
    return segmentSum(b, base, at, left, { protocol: upper, convention: 'full' }) === 0xffff ? 'right' : 'wrong';
  };
  if (upper === ipv6.TCP || upper === ipv6.UDP || upper === ipv6.UDP_LITE) {
    if (left < PORTS) return view;
    const ports = [u16(b, at), u16(b, at + 2)] as const;
    const flags = upper === ipv6.TCP && left >= FLAGS ? { flags: u16(b, at + 12) & 0xfff } : {};
    return { ...view, ports, ...flags, checksum: checksumAt(at + (upper === ipv6.TCP ? 16 : 6)) };
  }
  if (upper !== ipv6.ICMPV6 || left < ICMP) return view;
  const type = b[at]!;
  const checksum = checksumAt(at + 2);
  const icmp = { type, code: b[at + 1]!, detail: detailAt(b, at, left) };
  const said = { ...view, checksum: around === undefined ? checksum : 'not judged', icmp } as const;
  if (type === 156) {
    const update = readLocatorUpdate(b, base, at, left);
    const present = Math.min(b[at + 4]!, Math.floor((left - ICMP) / 12));
    const locators = Array.from({ length: present }, (_, k) => locatorEntryAt(b, at + 8 + 12 * k));
    const fault = said.checksum === 'not judged' ? said.checksum : typeof update === 'string' ? update : null;
    return {
      ...said,
      update: { operation: b[at + 5]!, fault, locators: typeof update === 'string' ? locators : update.locators },
    };
  }
  const quote = type < 1 || type > 4 ? null : fromOctets(b.subarray(0, end), at + ICMP, view);
  return quote === null ? said : { ...said, quote };
}

/** What our three walks over the headers of a packet say differently, or nothing. */
export function disagreement(b: Uint8Array): string | null {
  if (b.length < ipv6.HEADER_LENGTH) return null;
  const end = Math.min(b.length, ipv6.HEADER_LENGTH + ipv6.payloadLength(b, 0));
  const chain = headerChain(b, 0, end);
  const walked = upperLayer(b, 0, end);
  if (protocolOf(walked) !== chain.upper) return 'upper layer';
  if (!chain.isWhole) return null;
  if (offsetOf(walked) !== chain.at) return 'its place';
  const count = chain.headers.flatMap((header) => headerOf(b, header).nonces ?? []).length;
  const found = findNonce(b, 0, end);
  if (found === NONCE_MALFORMED) return 'broken options';
  return hasNonce(walked) === count > 0 && (found === NONCE_SEVERAL ? 2 : Math.sign(found)) === Math.min(count, 2)
    ? null
    : 'nonces';
}

function headerOf(b: Uint8Array, { protocol, at, length }: { protocol: number; at: number; length: number }): Header {
  if (protocol === ipv6.FRAGMENT) {
    const field = u16(b, at + 2);
    return { protocol, length, fragment: { offset: field & 0xfff8, more: (field & 1) === 1, id: u32(b, at + 4) } };
  }
  if (protocol === ipv6.ROUTING) return { protocol, length, left: b[at + 3]! };
  if (protocol !== ipv6.DESTINATION_OPTIONS) return { protocol, length };
  const nonces: string[] = [];
  for (let k = at; ; ) {
    const nonce = nonceAt(b, k, at + length);
    if (nonce === 0) break;
    const end = nonce + 2 + b[nonce + 1]!;
    nonces.push(Buffer.from(b.subarray(nonce + 2, end)).toString('hex'));
    k = end - 2; // the search begins two octets behind the start of a header
  }
  return { protocol, length, ...(nonces.length > 0 && { nonces }) };
}

function detailAt(b: Uint8Array, at: number, left: number): (number | string)[] {
  const type = b[at]!;
  if (type === 2 || type === 4) return [u32(b, at + 4)];
  if (type === 128 || type === 129) return [u16(b, at + 4), u16(b, at + 6)];
  return (type === 135 || type === 136) && left >= TARGET ? [addressAt(b, at + 8)] : [];
}

/** How a packet looks with a nonce in its last Destination Options header, or in one of its own. */
export function withNonce(view: View, nonce: Uint8Array): View {
  const grown = 4 + nonce.length;
  const last = view.headers.at(-1);
  const isOptions = last?.protocol === ipv6.DESTINATION_OPTIONS;
  const header = {
    protocol: ipv6.DESTINATION_OPTIONS,
    length: (isOptions ? last.length : 0) + grown,
    nonces: [Buffer.from(nonce).toString('hex')],
  };
  const before = isOptions ? view.headers.slice(0, -1) : view.headers;
  return { ...view, payloadLength: view.payloadLength + grown, headers: [...before, header] };
}
