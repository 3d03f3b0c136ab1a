/**
 * DNS messages, RFC 1035 section 4: the header, the question and where the records are; and whole messages from parts.
 * Names are absolute and in lower case. Pure; what is no message is null, whatever the octets.
 *
 *   id 16 | QR opcode AA TC RD RA Z AD CD rcode | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT | sections
 */
import { type Bytes, put16, put32, u16, u32 } from './bytes.ts';
import { absolute, readNameAt, writeName } from './dns-name.ts';

export const DNS_HEADER = 12;
const DNS_LONGEST = 65_535;

export const QR = 0x8000;
export const TC = 0x0200;
export const RD = 0x0100;
export const RA = 0x0080;
export const CD = 0x0010;
export const OPCODE = 0x7800;
/** RFC 2136: opcode 5. */
export const OPCODE_UPDATE = 0x2800;

export const IN = 1;
/** Of an update: all records of the RRset (RFC 2136 section 2.5.2); of TSIG. */
export const CLASS_ANY = 255;

export const RR_CNAME = 5;
export const RR_SOA = 6;
export const RR_AAAA = 28;
export const RR_OPT = 41;

/** What a server says became of the request; RFC 1035 section 4.1.1, RFC 2136 section 2.2. */
export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;
const RCODES = 'NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE'.split(' ');

export const rcodeOf = (flags: number): number => flags & 0xf;
export const rcodeName = (rcode: number): string => RCODES[rcode] ?? `rcode ${rcode}`;

export interface DnsQuestion {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Offset behind it. */
  readonly end: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  /** Offset of the record, and of its RDATA of `length` octets. */
  readonly start: number;
  readonly at: number;
  readonly length: number;
}

export interface DnsMessage {
  readonly id: number;
  readonly flags: number;
  /** The first, or null: there is none. */
  readonly question: DnsQuestion | null;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Reads a whole message. */
export function readMessage(b: Bytes): DnsMessage | null {
  if (b.length < DNS_HEADER || b.length > DNS_LONGEST) return null;
  let o = DNS_HEADER;
  let question: DnsQuestion | null = null;
  for (let k = u16(b, 4); k > 0; k--) {
    const name = readNameAt(b, o);
    if (name === null || name.end + 4 > b.length) return null;
    o = name.end + 4;
    question ??= { name: absolute(name.name), type: u16(b, name.end), class: u16(b, name.end + 2), end: o };
  }
  const sections: DnsRecord[][] = [[], [], []];
  for (const [k, records] of sections.entries()) {
    for (let n = u16(b, 6 + 2 * k); n > 0; n--) {
      const record = readRecord(b, o);
      if (record === null) return null;
      records.push(record);
      o = record.at + record.length;
    }
  }
  const [answers, authorities, additionals] = sections as [DnsRecord[], DnsRecord[], DnsRecord[]];
  return { id: u16(b, 0), flags: u16(b, 2), question, answers, authorities, additionals };
}

function readRecord(b: Bytes, start: number): DnsRecord | null {
  const name = readNameAt(b, start);
  if (name === null || name.end + 10 > b.length) return null;
  const o = name.end;
  const length = u16(b, o + 8);
  if (o + 10 + length > b.length) return null;
  const ttl = u32(b, o + 4);
  return {
    name: absolute(name.name),
    type: u16(b, o),
    class: u16(b, o + 2),
    ttl: ttl > 0x7fff_ffff ? 0 : ttl, // RFC 2181 section 8
    start,
    at: o + 10,
    length,
  };
}

/** A question, as it stands in a message. RangeError: the name is none. */
export function questionOctets(name: string, type: number): Uint8Array {
  const owner = nameOctets(name);
  const octets = new Uint8Array(owner.length + 4);
  octets.set(owner);
  put16(octets, owner.length, type);
  put16(octets, owner.length + 2, IN);
  return octets;
}

/** A record, as it stands in a message. `ttl`: seconds. RangeError: the name is none. */
export function recordOctets(
  name: string,
  { type, class: klass = IN, ttl }: { readonly type: number; readonly class?: number; readonly ttl: number },
  rdata: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const owner = nameOctets(name);
  const o = owner.length;
  const octets = new Uint8Array(o + 10 + rdata.length);
  octets.set(owner);
  put16(octets, o, type);
  put16(octets, o + 2, klass);
  put32(octets, o + 4, ttl);
  put16(octets, o + 8, rdata.length);
  octets.set(rdata, o + 10);
  return octets;
}

/** EDNS (RFC 6891): answers up to 1232 octets fit into every path. */
export function optOctets(): Uint8Array {
  return recordOctets('.', { type: RR_OPT, class: 1232, ttl: 0 });
}

/** A message of four sections; each is a list of questions or records. */
export function messageOctets(
  id: number,
  flags: number,
  sections: readonly [readonly Uint8Array[], readonly Uint8Array[], readonly Uint8Array[], readonly Uint8Array[]],
): Uint8Array {
  const parts = sections.flat();
  const octets = new Uint8Array(DNS_HEADER + parts.reduce((sum, part) => sum + part.length, 0));
  put16(octets, 0, id);
  put16(octets, 2, flags);
  for (const [k, section] of sections.entries()) put16(octets, 4 + 2 * k, section.length);
  let o = DNS_HEADER;
  for (const part of parts) {
    octets.set(part, o);
    o += part.length;
  }
  return octets;
}

/** RangeError: it is none. */
export function nameOctets(name: string): Uint8Array {
  const octets = writeName(name);
  if (octets === null) throw new RangeError(`expected a domain name, got "${name}"`);
  return octets;
}
