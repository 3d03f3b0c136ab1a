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

/** Reasons: the dead-peer time is what an operator waits for; three words are lost before it is over. */
export const PEER_TIMING: PeerTiming = {
  requestMs: 2000,
  pingMs: 900,
  deadMs: 3000,
  handshakeMs: 3000,
  reconnectFirstMs: 100,
  reconnectLastMs: 5000,
};
