/**
 * What became of a packet. Every drop has a name an operator can search for and a counter of the same name.
 *
 * A verdict is a small integer on the path; names are looked up when a human reads.
 */

export const FORWARD = 0;
/** The packet was replaced, in its own slot, by an ICMPv6 error to its sender; it is sent like a forwarded one. */
export const ANSWERED = 1;
export const DROP_TRUNCATED = 2;
export const DROP_VERSION = 3;
export const DROP_SPOOFED_SOURCE = 4;
export const DROP_INSIDE_DESTINATION = 5;
export const DROP_UNKNOWN_SOURCE = 6;
export const DROP_UNKNOWN_DESTINATION = 7;
export const DROP_NOT_HERE = 8;
export const DROP_FOREIGN_SOURCE = 9;
export const DROP_NO_UPLINK = 10;
export const DROP_BAD_ADDRESS = 11;
export const DROP_TRANSPORT_TRUNCATED = 12;
export const DROP_OFFLOAD_HEADER = 13;
export const DROP_QUOTE_UNKNOWN = 14;
export const DROP_ERROR_RATE = 15;
export const DROP_ASTRAY = 16;
export const DROP_INSIDE_LOCATOR = 17;
export const DROP_UNKNOWN_SITE = 18;
/** Not for whom it is addressed to: the border has sent what it answers. */
export const TAKEN = 19;
export const DROP_FORGED_UPDATE = 20;
/** Kept for a guest that is being moved; it passes the border a second time when it is let go. */
export const HELD = 21;
export const DROP_HOLD_FULL = 22;

/** Name and meaning of every verdict, index = verdict. */
export const VERDICTS: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: 'forwarded', meaning: 'Locators rewritten as the tables say, sent on' },
  { name: 'answered', meaning: 'answered with an ICMPv6 Destination Unreachable' },
  { name: 'drop_truncated', meaning: 'shorter than its IPv6 header says' },
  { name: 'drop_version', meaning: 'not IPv6' },
  {
    name: 'drop_spoofed_source',
    meaning: 'from outside, with a source Locator of this site, its guests or its uplinks',
  },
  { name: 'drop_inside_destination', meaning: 'from outside, towards a Locator that only exists inside' },
  { name: 'drop_unknown_source', meaning: 'from inside, with a source that is no bound guest and no mapped subnet' },
  {
    name: 'drop_unknown_destination',
    meaning: 'no binding for the destination NID (quiet: an error must not be answered)',
  },
  { name: 'drop_not_here', meaning: 'from a guest whose binding says it is at another site' },
  { name: 'drop_foreign_source', meaning: 'from another border, with a source it may not send for' },
  { name: 'drop_no_uplink', meaning: 'no uplink of this site can carry it' },
  { name: 'drop_bad_address', meaning: 'multicast, loopback, unspecified or link-local address' },
  { name: 'drop_transport_truncated', meaning: 'transport header incomplete, checksum out of reach' },
  { name: 'drop_offload_header', meaning: 'virtio-net header points outside the packet' },
  { name: 'drop_quote_unknown', meaning: 'ICMPv6 error that quotes a packet no binding explains' },
  {
    name: 'drop_error_rate',
    meaning: 'would have been answered, but the error rate limit is reached (RFC 4443 2.4 f)',
  },
  { name: 'drop_astray', meaning: 'sent on between sites so often that it could not pay another time' },
  {
    name: 'drop_inside_locator',
    meaning: 'Locator Update with Locators that only exist inside and cannot be translated',
  },
  {
    name: 'drop_unknown_site',
    meaning: 'the guest is at, or has its home at, a site that is not in the configuration any more',
  },
  { name: 'taken', meaning: 'acknowledges a Locator Update that this border has sent for a guest' },
  { name: 'drop_forged_update', meaning: 'Locator Update or acknowledgement without the nonce of its session' },
  { name: 'held', meaning: 'kept for a guest that is being moved; counted once more when it is let go' },
  { name: 'drop_hold_full', meaning: 'for a guest that is being moved, but what may be kept is full (limits.hold*)' },
];

/** True for the verdicts whose packet is sent. */
export const isSent = (verdict: number): boolean => verdict <= ANSWERED;
