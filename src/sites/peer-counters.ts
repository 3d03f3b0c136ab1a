/** What the control plane between borders counts; every refusal has a name. */

/** Counters of a PeerChannel. */
export interface PeerCounters {
  /** Hand-shakes that came to nothing: a wrong key, a name we do not expect, not TLS 1.3 at all, too slow, too many. */
  refusedKey: number;
  refusedName: number;
  refusedTls: number;
  refusedSlow: number;
  refusedMany: number;
  /** Connections closed because something came that is not our protocol. */
  protocolErrors: number;
  /** Connections closed because nothing was heard for too long. */
  dead: number;
  connected: number;
  accepted: number;
  requestsSent: number;
  requestsAnswered: number;
  requestsUnanswered: number;
}

export const newPeerCounters = (): PeerCounters => ({
  refusedKey: 0,
  refusedName: 0,
  refusedTls: 0,
  refusedSlow: 0,
  refusedMany: 0,
  protocolErrors: 0,
  dead: 0,
  connected: 0,
  accepted: 0,
  requestsSent: 0,
  requestsAnswered: 0,
  requestsUnanswered: 0,
});

/** Counts TCP payload octets of sockets that come and go: what is really on the wire, TLS included. */
export class WireOctets {
  readonly #live = new Set<{ readonly bytesRead: number; readonly bytesWritten: number }>();
  #received = 0;
  #sent = 0;

  /** Counts this socket from now on; call the result when it is closed. */
  add(socket: { readonly bytesRead: number; readonly bytesWritten: number }): () => void {
    this.#live.add(socket);
    return () => {
      if (!this.#live.delete(socket)) return;
      this.#received += socket.bytesRead;
      this.#sent += socket.bytesWritten;
    };
  }

  get received(): number {
    let sum = this.#received;
    for (const socket of this.#live) sum += socket.bytesRead;
    return sum;
  }

  get sent(): number {
    let sum = this.#sent;
    for (const socket of this.#live) sum += socket.bytesWritten;
    return sum;
  }
}
