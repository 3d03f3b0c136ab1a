/**
 * The ILNP records of names: asked of the upstreams one type at a time, because servers need not add what was not asked
 * for (RFC 6742 section 3.1), and kept for as long as their TTLs say. What is kept is little and bounded.
 */

import { u32 } from '../wire/bytes.ts';
import {
  type DnsMessage,
  IN,
  messageOctets,
  NOERROR,
  NXDOMAIN,
  optOctets,
  questionOctets,
  RD,
  RR_CNAME,
  RR_SOA,
  rcodeOf,
  readMessage,
} from '../wire/dns-message.ts';
import { absolute, readNameAt } from '../wire/dns-name.ts';
import { type IlnpRecord, readRdata } from '../wire/dns-records.ts';

/** Reason: a name that gets ILNP records is found within five minutes, whatever its zone says (RFC 2308 section 7.2). */
const NEGATIVE_MAX = 300;
const POSITIVE_MAX = 3600;
/** A server that leaves such a question unanswered is not asked again for so long; seconds. */
const UNANSWERED = 30;
const KEPT_MAX = 4096;
/** Records used of one answer, and aliases followed in it. */
const RECORDS_MAX = 64;
const ALIASES_MAX = 8;

/** Records of one name and type; `ttl`: seconds that are left. */
export interface Rrset {
  /** The name that has them: the one asked for, or what it is an alias of. */
  readonly owner: string;
  readonly records: readonly IlnpRecord[];
  readonly ttl: number;
}

interface Kept {
  readonly owner: string;
  readonly records: readonly IlnpRecord[];
  /** Milliseconds of the clock. */
  readonly until: number;
}

export interface RrsetsOptions {
  /** Asks the upstreams. */
  readonly ask: (question: Uint8Array) => Promise<Uint8Array | null>;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

export class Rrsets {
  readonly #options: RrsetsOptions;
  readonly #kept = new Map<string, Kept>();
  /** Questions under way: who asks the same waits for the same answer. */
  readonly #underWay = new Map<string, Promise<Rrset>>();

  constructor(options: RrsetsOptions) {
    this.#options = options;
  }

  /** Names and types that are kept, also that there is nothing. */
  get size(): number {
    return this.#kept.size;
  }

  /** Never fails: without an answer there are no records. `fresh`: not from what is kept. */
  get(name: string, type: number, fresh = false): Promise<Rrset> {
    const key = `${type} ${absolute(name)}`;
    const kept = this.#kept.get(key);
    const leftMs = (kept?.until ?? 0) - this.#options.now();
    if (!fresh && kept !== undefined && leftMs > 0)
      return Promise.resolve({ owner: kept.owner, records: kept.records, ttl: Math.floor(leftMs / 1000) });
    const asked = this.#underWay.get(key) ?? this.#ask(absolute(name), type, key);
    this.#underWay.set(key, asked);
    return asked;
  }

  async #ask(name: string, type: number, key: string): Promise<Rrset> {
    try {
      const reply = await this.#options.ask(
        messageOctets(0, RD, [[questionOctets(name, type)], [], [], [optOctets()]]),
      );
      const found = reply === null ? { owner: name, records: [], ttl: UNANSWERED } : rrsetOf(reply, name, type);
      this.#keep(key, found);
      return found;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** What has a TTL of 0 is used once (RFC 6740 section 4.4). The oldest makes room. */
  #keep(key: string, { owner, records, ttl }: Rrset): void {
    this.#kept.delete(key);
    if (ttl === 0) return;
    if (this.#kept.size >= KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, { owner, records, until: this.#options.now() + ttl * 1000 });
  }
}

/** The records of `name` in an answer, aliases followed; without any, how long that holds (RFC 2308 section 5). */
export function rrsetOf(reply: Uint8Array, name: string, type: number): Rrset {
  const message = readMessage(reply);
  const rcode = message === null ? -1 : rcodeOf(message.flags);
  if (message === null || (rcode !== NOERROR && rcode !== NXDOMAIN))
    return { owner: name, records: [], ttl: UNANSWERED };
  const { owner, ttl: aliasTtl } = aliasOf(reply, message, name);
  const answers = message.answers.filter((r) => r.name === owner && r.type === type && r.class === IN);
  const records = answers
    .slice(0, RECORDS_MAX)
    .map((r) => readRdata(type, reply, r.at, r.length))
    .filter((record) => record !== null);
  if (records.length === 0) return { owner, records, ttl: Math.min(negativeTtl(reply, message), NEGATIVE_MAX) };
  return { owner, records, ttl: Math.min(POSITIVE_MAX, aliasTtl, ...answers.map(({ ttl }) => ttl)) };
}

/** The name at the end of the CNAMEs that begin at `name`. */
function aliasOf(reply: Uint8Array, message: DnsMessage, name: string): { owner: string; ttl: number } {
  let owner = name;
  let ttl = POSITIVE_MAX;
  for (let k = 0; k < ALIASES_MAX; k++) {
    const alias = message.answers.find((r) => r.name === owner && r.type === RR_CNAME && r.class === IN);
    const target = alias && readNameAt(reply, alias.at);
    if (!alias || !target) break;
    owner = absolute(target.name);
    ttl = Math.min(ttl, alias.ttl);
  }
  return { owner, ttl };
}

function negativeTtl(reply: Uint8Array, message: DnsMessage): number {
  const soa = message.authorities.find((r) => r.type === RR_SOA && r.class === IN);
  if (soa === undefined || soa.length < 20) return 0; // not to be kept
  return Math.min(soa.ttl, u32(reply, soa.at + soa.length - 4));
}
