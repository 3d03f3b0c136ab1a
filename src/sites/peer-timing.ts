/** Times of the channel between borders, in milliseconds; tests shorten them. */

export interface PeerTiming {
  /** How long a reply may take unless the request says otherwise. */
  readonly requestMs: number;
  /** After this long without a word the asking side says one. */
  readonly pingMs: number;
  /** After this long without hearing one the connection is dead. */
  readonly deadMs: number;
  readonly handshakeMs: number;
  readonly reconnectFirstMs: number;
  readonly reconnectLastMs: number;
}

/** Reasons: a move notices a dead peer by its own requests; idle borders should cost nothing; two words may be lost. */
export const PEER_TIMING: PeerTiming = {
  requestMs: 2000,
  pingMs: 5000,
  deadMs: 15_000,
  handshakeMs: 3000,
  reconnectFirstMs: 100,
  reconnectLastMs: 5000,
};
