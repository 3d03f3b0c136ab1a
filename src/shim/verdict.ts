/**
 * What became of a packet at an end system. As at a border (packet/verdict.ts) the first ones are sent, all others are
 * not, and every one has a counter of its name.
 */

/** To an ILNP node, or from one. */
export const ILNP = 0;
/** To or from a node without ILNP: only our own Locator was rewritten. */
export const PLAIN = 1;
/** Taken in: a Locator Update or its acknowledgement, or the proof that a node has no ILNP. */
export const TAKEN = 2;
export const DROP_TRUNCATED = 3;
export const DROP_VERSION = 4;
export const DROP_BAD_ADDRESS = 5;
export const DROP_NO_LOCATOR = 6;
export const DROP_TRANSPORT_TRUNCATED = 7;
export const DROP_OFFLOAD_HEADER = 8;
export const DROP_BAD_OPTIONS = 9;
export const DROP_TWO_NONCES = 10;
export const DROP_WRONG_NONCE = 11;
export const DROP_UNKNOWN_LOCATOR = 12;
export const DROP_FORGED_UPDATE = 13;
export const DROP_BAD_UPDATE = 14;
export const DROP_FORGED_ICMP = 15;
export const DROP_QUOTE_UNKNOWN = 16;
export const DROP_UNAUTHENTICATED_UPDATE = 17;
export const DROP_REPLAYED_UPDATE = 18;

/** Name and meaning of every verdict, index = verdict. */
export const VERDICTS: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: 'ilnp', meaning: 'Locators rewritten, to or from an ILNP correspondent' },
  {
    name: 'plain',
    meaning: 'own Locator rewritten, to or from a node without ILNP; or left alone, from another address',
  },
  { name: 'taken', meaning: 'Locator Update, acknowledgement or proof of missing ILNP, taken in' },
  { name: 'drop_truncated', meaning: 'shorter than its IPv6 header says' },
  { name: 'drop_version', meaning: 'not IPv6' },
  { name: 'drop_bad_address', meaning: 'multicast, loopback, unspecified or link-local address' },
  { name: 'drop_no_locator', meaning: 'this node has no Locator now' },
  { name: 'drop_transport_truncated', meaning: 'transport header incomplete, checksum out of reach' },
  { name: 'drop_offload_header', meaning: 'virtio-net header points outside the packet' },
  { name: 'drop_bad_options', meaning: 'a Destination Options header that cannot be read' },
  { name: 'drop_two_nonces', meaning: 'more than one Nonce option (RFC 6744 section 2)' },
  { name: 'drop_wrong_nonce', meaning: 'from a correspondent, with a nonce that is not its' },
  { name: 'drop_unknown_locator', meaning: 'from the NID of a correspondent under another Locator, without its nonce' },
  { name: 'drop_forged_update', meaning: 'Locator Update or acknowledgement without the right nonce' },
  { name: 'drop_bad_update', meaning: 'Locator Update that cannot be read, or of no usable Locator' },
  {
    name: 'drop_forged_icmp',
    meaning: 'ICMPv6 from a correspondent without its nonce, or an error that cannot be true',
  },
  { name: 'drop_quote_unknown', meaning: 'ICMPv6 error that quotes nothing this node has sent' },
  {
    name: 'drop_unauthenticated_update',
    meaning: 'Locator Update or acknowledgement with the right nonce, but without the key that was agreed on',
  },
  { name: 'drop_replayed_update', meaning: 'Locator Update with the right key that is older than the newest one' },
];

/** Indexes of the counters behind those of the verdicts. */
export const COUNT_OUT = VERDICTS.length;
export const COUNT_IN = COUNT_OUT + 1;
export const COUNT_NONCES_OUT = COUNT_OUT + 2;
export const COUNT_NONCES_IN = COUNT_OUT + 3;
export const COUNT_WITHOUT_NONCE = COUNT_OUT + 4;
export const COUNT_LEARNED = COUNT_OUT + 5;
export const COUNT_FALLBACKS = COUNT_OUT + 6;
export const COUNT_QUOTES = COUNT_OUT + 7;
export const COUNT_UPDATES_SENT = COUNT_OUT + 8;
export const COUNT_UPDATES_TAKEN = COUNT_OUT + 9;
export const COUNT_UPDATES_ACKNOWLEDGED = COUNT_OUT + 10;
export const COUNT_UPDATES_GIVEN_UP = COUNT_OUT + 11;
export const COUNT_QUESTIONS = COUNT_OUT + 12;
export const COUNT_FAILOVERS = COUNT_OUT + 13;
export const COUNT_RETURNS = COUNT_OUT + 14;
export const COUNT_WRITE_FAILED = COUNT_OUT + 15;
export const COUNTERS = COUNT_OUT + 16;

const MORE = [
  'packets_out',
  'packets_in',
  'nonces_sent',
  'nonces_received',
  'ilnp_without_nonce',
  'correspondents_learned',
  'fallbacks',
  'quotes_translated',
  'updates_sent',
  'updates_taken',
  'updates_acknowledged',
  'updates_given_up',
  'questions_sent',
  'failovers',
  'failovers_undone',
  'write_failed',
] as const;

/** Counters by the names operators search for, in a fixed order. Super-packets count as one packet. */
export function namedCounters(sums: Float64Array): Record<string, number> {
  return Object.fromEntries([...VERDICTS.map(({ name }) => name), ...MORE].map((name, k) => [name, sums[k] ?? 0]));
}
