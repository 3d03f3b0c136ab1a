/** What borders do with packets of a Node Identifier while it moves: the orders, and what is told of them. */

/**
 * What is to be done for one NID. `ms`: after so long it ends by itself, so that nobody's death keeps a packet for ever.
 */
export type KeepOrder =
  /** Keep everything towards it, and what it sends while it is not here; at the end it is let go. */
  | { readonly what: 'hold'; readonly ms: number }
  /** Keep what it sends before this site knows that it is here. */
  | { readonly what: 'expect'; readonly ms: number }
  /** Keep copies of what was sent to it during the last `windowMs`. */
  | { readonly what: 'retain'; readonly ms: number; readonly windowMs: number }
  /**
   * Let go by the tables as they are now, beginning with copies of what was sent since `since`: microseconds of the wall
   * clock (CLOCK_REALTIME of this machine), null: no copies. What comes for it from then on is counted, and with `departs`
   * it may still send from here though it has left. `behind`: so many segments that other borders let go were on their way
   * here when the order was given: they go first, and are waited for no longer than BEHIND_MS.
   */
  | {
      readonly what: 'release';
      readonly ms: number;
      readonly since: number | null;
      readonly departs: boolean;
      readonly behind: number;
    }
  /** Note its plain sessions, as a site with several uplinks always does; nothing waits. */
  | { readonly what: 'watch'; readonly ms: number }
  /** It has left, while packets towards it wait on: what it still sends from here passes. */
  | { readonly what: 'depart'; readonly ms: number }
  /** Let go and forget it. */
  | { readonly what: 'end' };

/** A commit that begins while packets may wait takes at most so long; they wait as much longer. */
export const COMMIT_MS = 2000;

/** Reason: a busy kernel may hand over packets some milliseconds after news that set out later; what was lost on the way never comes. */
export const BEHIND_MS = 25;

/** What was done for one NID since it is kept. */
export interface KeepCounts {
  /** Packets that waited, that found no room, that were let go because time was over, that were sent once more. */
  held: number;
  full: number;
  expired: number;
  replayed: number;
  /** Packets for it that came from other borders though it was at another site, after the release: they were sent on. */
  sentOn: number;
  /** Segments of the last hold that were let go towards other borders. */
  letGo: number;
  /** When the first packet went towards it after a release had begun, microseconds of the wall clock; 0: none has. */
  firstAt: number;
  /** When a correspondent has first acknowledged a Locator Update that was sent for it here, wall clock; 0: none has. */
  acknowledgedAt: number;
  /** Octets of Locator Updates that were sent for it here, and of their acknowledgements, as IPv6 packets. */
  updateOctets: number;
}

export const noCounts = (): KeepCounts => ({
  held: 0,
  full: 0,
  expired: 0,
  replayed: 0,
  sentOn: 0,
  letGo: 0,
  firstAt: 0,
  acknowledgedAt: 0,
  updateOctets: 0,
});

/** Adds up what several queues or sites did; the earliest time counts. */
export function addCounts(sum: KeepCounts, more: KeepCounts): void {
  sum.held += more.held;
  sum.full += more.full;
  sum.expired += more.expired;
  sum.replayed += more.replayed;
  sum.sentOn += more.sentOn;
  sum.letGo += more.letGo;
  sum.updateOctets += more.updateOctets;
  sum.firstAt = earliest(sum.firstAt, more.firstAt);
  sum.acknowledgedAt = earliest(sum.acknowledgedAt, more.acknowledgedAt);
}

/** Of two times, 0 for none. */
export const earliest = (a: number, b: number): number => (a === 0 || b === 0 ? a + b : Math.min(a, b));
