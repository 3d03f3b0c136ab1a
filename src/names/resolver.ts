/**
 * What is answered to a program: a name of an ILNPv6 node has one AAAA record, the preferred I-LV, and by the time it is
 * answered the path knows the node; everything else is what the upstream says, untouched.
 */
import { put16, u16 } from '../wire/bytes.ts';
import {
  CD,
  DNS_HEADER,
  type DnsMessage,
  type DnsQuestion,
  FORMERR,
  IN,
  messageOctets,
  NOERROR,
  NOTIMP,
  NXDOMAIN,
  OPCODE,
  optOctets,
  QR,
  RA,
  RD,
  RR_AAAA,
  RR_OPT,
  rcodeOf,
  readMessage,
  recordOctets,
  SERVFAIL,
} from '../wire/dns-message.ts';
import { addressOctets } from '../wire/dns-records.ts';
import type { L64, Nid } from '../wire/text.ts';
import type { Found } from './choose.ts';

/** How long a program waits for ILNP records once it could have its answer without. */
const PATIENCE_MS = 1000;
/** The DO bit of an OPT record's TTL field, RFC 3225. */
const DNSSEC_OK = 0x8000;

export interface ResolverOptions {
  /** Asks the upstreams; the answer has the id of the question. */
  readonly ask: (question: Uint8Array, over: 'udp' | 'tcp') => Promise<Uint8Array | null>;
  /** The ILNP node of a name. Never fails. */
  readonly find: (name: string) => Promise<Found | null>;
  /** True for names of the hosts file: they exist, whatever the upstream thinks. */
  readonly isHost: (name: string) => boolean;
  /** Tells the path; resolves when it knows. False: it does not believe this, the name counts as one without ILNP. */
  readonly teach: (found: Found) => Promise<boolean>;
  /** This node: its own name leads to the address that its programs have. */
  readonly self: { readonly nid: Nid; readonly stable: L64 };
}

export class Resolver {
  readonly #options: ResolverOptions;
  /** Answers given, by kind. */
  readonly counters = { forwarded: 0, ilnp: 0, refused: 0, failed: 0 };

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** The answer to a query that came over UDP or TCP, or null: what came deserves none. */
  async answer(query: Uint8Array, over: 'udp' | 'tcp'): Promise<Uint8Array | null> {
    if (query.length < DNS_HEADER || (u16(query, 2) & QR) !== 0) return null;
    if ((u16(query, 2) & OPCODE) !== 0) return failure(query, NOTIMP);
    const message = readMessage(query);
    if (message === null || message.question === null || u16(query, 4) !== 1) return failure(query, FORMERR);
    const { question } = message;
    const forwarded = this.#options.ask(query, over);
    if (question.type === RR_AAAA && question.class === IN && !validatesItself(message)) {
      const found = await this.#find(question.name, forwarded);
      const isTaught = found !== null && (this.#isSelf(found) || (await this.#options.teach(found)));
      if (isTaught) {
        this.counters.ilnp++;
        return this.#synthesised(query, message, question, found);
      }
      if (found !== null) this.counters.refused++;
    }
    const reply = await forwarded;
    this.counters[reply === null ? 'failed' : 'forwarded']++;
    if (reply === null) return failure(query, SERVFAIL);
    if (rcodeOf(u16(reply, 2)) === NXDOMAIN && this.#options.isHost(question.name))
      put16(reply, 2, (u16(reply, 2) & ~0xf) | NOERROR); // it exists, with other records
    return reply;
  }

  /** Waits no longer than a moment for more than the upstream's answer; not at all for a name that does not exist. */
  async #find(name: string, forwarded: Promise<Uint8Array | null>): Promise<Found | null> {
    const { find, isHost } = this.#options;
    const looking = find(name);
    if (isHost(name)) return looking;
    let timer: NodeJS.Timeout | undefined;
    const patience = forwarded.then((reply) => {
      if (reply !== null && rcodeOf(u16(reply, 2)) === NXDOMAIN) return null;
      return new Promise<null>((resolve) => {
        timer = setTimeout(resolve, PATIENCE_MS, null);
      });
    });
    const found = await Promise.race([looking, patience]);
    clearTimeout(timer);
    return found;
  }

  #isSelf({ nid }: Found): boolean {
    const { self } = this.#options;
    return nid.hi === self.nid.hi && nid.lo === self.nid.lo;
  }

  #synthesised(query: Uint8Array, { flags, additionals }: DnsMessage, question: DnsQuestion, found: Found): Uint8Array {
    const l64 = this.#isSelf(found) ? this.#options.self.stable : found.locators[0]!.l64;
    const asked = query.slice(DNS_HEADER, question.end);
    const answer = recordOctets(question.name, { type: RR_AAAA, ttl: found.ttl }, addressOctets(l64, found.nid));
    const opt = additionals.some(({ type }) => type === RR_OPT) ? [optOctets()] : [];
    return messageOctets(u16(query, 0), QR | RA | (flags & (RD | CD)), [[asked], [answer], [], opt]);
  }
}

/** A program that checks signatures itself would not believe what we make up (as RFC 6147 section 5.5 has it). */
function validatesItself({ flags, additionals }: DnsMessage): boolean {
  return (flags & CD) !== 0 && additionals.some(({ type, ttl }) => type === RR_OPT && (ttl & DNSSEC_OK) !== 0);
}

/** The header alone, with what went wrong. */
function failure(query: Uint8Array, rcode: number): Uint8Array {
  const flags = u16(query, 2);
  const isReadable = rcode === SERVFAIL;
  if (!isReadable) return messageOctets(u16(query, 0), QR | RA | (flags & (OPCODE | RD)) | rcode, [[], [], [], []]);
  const question = query.slice(DNS_HEADER, readMessage(query)!.question!.end);
  return messageOctets(u16(query, 0), QR | RA | (flags & (RD | CD)) | rcode, [[question], [], [], []]);
}
