/** What a move did: when which step was done, what became of the packets. Kept by the home of the identifier. */

/** Steps in the order they come; each has its time or none. */
export const STEPS = [
  'prepared',
  'held',
  'paused',
  'resumed',
  'committed',
  'firstPacket',
  'acknowledged',
  'released',
  'drained',
] as const;
export type Step = (typeof STEPS)[number];

export interface MoveReport {
  /** Grows with every move of this home. */
  readonly id: number;
  readonly nid: string;
  readonly from: string;
  readonly to: string | null;
  /** Of the binding afterwards. */
  readonly epoch: number;
  readonly outcome: 'moved' | 'aborted' | 'failed';
  /** Why it did not come to pass. */
  readonly why: string | null;
  /** Who asked, and at the border of which site. */
  readonly by: string;
  /** When it was asked for, microseconds since 1970. */
  readonly askedAt: number;
  /** Microseconds after that, null: the step did not happen or was not seen. */
  readonly timeline: Readonly<Record<Step, number | null>>;
  readonly packets: {
    /** Kept until the guest had a place again, at all sites. */
    readonly held: number;
    /** Found no room (limits.hold*). */
    readonly lost: number;
    /** Let go before the move was over, because their time was. */
    readonly expired: number;
    /** Sent a second time, because the guest may have stopped before it heard them. */
    readonly replayed: number;
    /** Came by way of the old site afterwards: newer ones may have overtaken them. */
    readonly sentOn: number;
  };
  /** Octets of signalling between borders, TCP payload, both ways. */
  readonly octets: number;
  /** Octets of Locator Updates to correspondents of the guest and of their acknowledgements, as IPv6 packets. */
  readonly updateOctets: number;
}
