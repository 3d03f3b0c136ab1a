/**
 * The dynamic update (RFC 2136) that makes a zone say where a node is: in one message, so that nobody ever sees half
 * of it, each RRset that is ours is taken out and put in as it is now.
 */
import {
  CLASS_ANY,
  messageOctets,
  OPCODE_UPDATE,
  questionOctets,
  RR_AAAA,
  RR_SOA,
  recordOctets,
} from '../wire/dns-message.ts';
import { addressOctets, type IlnpRecord, RR_L64, RR_LP, RR_NID, writeRdata } from '../wire/dns-records.ts';
import type { L64, Nid } from '../wire/text.ts';

/** Seconds: what names a node or its subnet changes rarely (RFC 6742 section 3.1). */
const LONG_TTL = 86_400;
const PREFERENCE = 10;

/** What is published, and where. */
export interface Publication {
  readonly zone: string;
  /** Of the node. */
  readonly name: string;
  /** Name of the subnet: it has the L64 records then, and `name` an LP that leads there. */
  readonly subnet: string | undefined;
  readonly nid: Nid;
  readonly withL64: boolean;
  /** Also the NID record, and AAAA records for who has no ILNP (RFC 6741 section 8.4). */
  readonly withNid: boolean;
  readonly withAaaa: boolean;
  /** Of what changes with the Locators, seconds. */
  readonly ttl: number;
}

export interface Published {
  readonly l64: L64;
  readonly preference: number;
}

/** The Locators that everybody may know: unique local ones lead nowhere from outside (RFC 6748 section 2.4). */
export const forEverybody = (locators: readonly Published[]): Published[] =>
  locators.filter(({ l64 }) => l64.hi >>> 29 === 1);

/** Without Locators the node is none of the ILNP, and everything of ours goes (section 2 of RFC 6742). */
export function updateOctets(id: number, to: Publication, locators: readonly Published[]): Uint8Array {
  const { name, subnet, nid, ttl } = to;
  const isThere = locators.length > 0;
  const updates: Uint8Array[] = [];
  if (to.withL64) {
    const l64s = locators.map(({ l64, preference }) => rdata({ type: RR_L64, preference, locator: l64 }));
    updates.push(...rrset(subnet ?? name, RR_L64, ttl, l64s));
  }
  if (subnet !== undefined) {
    const lp = rdata({ type: RR_LP, preference: PREFERENCE, name: subnet });
    updates.push(...rrset(name, RR_LP, LONG_TTL, isThere ? [lp] : []));
  }
  if (to.withNid) {
    const own = rdata({ type: RR_NID, preference: PREFERENCE, nid });
    updates.push(...rrset(name, RR_NID, LONG_TTL, isThere ? [own] : []));
  }
  if (to.withAaaa) {
    const addresses = locators.map(({ l64 }) => addressOctets(l64, nid));
    updates.push(...rrset(name, RR_AAAA, ttl, addresses));
  }
  return messageOctets(id, OPCODE_UPDATE, [[questionOctets(to.zone, RR_SOA)], [], updates, []]);
}

/** Deletes the RRset (section 2.5.2) and adds what it is now (section 2.5.1). */
function rrset(name: string, type: number, ttl: number, records: readonly Uint8Array[]): Uint8Array[] {
  const deletion = recordOctets(name, { type, class: CLASS_ANY, ttl: 0 });
  return [deletion, ...records.map((octets) => recordOctets(name, { type, ttl }, octets))];
}

const rdata = (record: IlnpRecord): Uint8Array => writeRdata(record)!; // preferences and names are checked
