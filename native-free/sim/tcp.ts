/**
 * A TCP connection of a simulated host (RFC 9293): hand-shake, data both ways, cumulative acknowledgements, FIN, RST. The
 * data are those of pattern.ts; the receiver holds every octet against them, so that "intact" is measured.
 */

import type { Addresses, Packet } from './packet.ts';
import { isPattern, writePattern } from './pattern.ts';
import { Ranges } from './ranges.ts';
import { ACK, FIN, type ReadSegment, RST, SYN, tcpPacket } from './tcp-segment.ts';
import { TcpSender } from './tcp-sender.ts';

/** Octets that the receiver is ready to hold. */
const RECEIVE_WINDOW = 1 << 20;

export interface TcpOptions {
  /** From the point of view of this end. */
  readonly addresses: Addresses;
  readonly localPort: number;
  readonly remotePort: number;
  readonly mss: number;
  /** First sequence number, 32 bits. */
  readonly iss: number;
  readonly send: (packet: Packet) => void;
  /** Octets of data that are now complete in order. */
  onData?: (octets: number, now: number) => void;
}

export class TcpConnection {
  readonly options: TcpOptions;
  readonly sender: TcpSender;
  /** Octets of data received in order. */
  received = 0;
  /** The data so far are those that were sent. */
  intact = true;
  wasReset = false;
  #irs = 0;
  /** Next place expected; 0 before the peer's SYN. */
  #expected = 0;
  #finAt = -1;
  readonly #ahead = new Ranges();

  constructor(options: TcpOptions) {
    this.options = options;
    this.sender = new TcpSender(options.mss, (from, to, fin) => this.#transmit(from, to, fin));
  }

  get isEstablished(): boolean {
    return this.sender.isOpen && this.#expected > 0;
  }

  /** Both directions were closed properly. */
  get isClosed(): boolean {
    return this.sender.isDone && this.#peerIsDone;
  }

  get isDead(): boolean {
    return this.wasReset || this.sender.isDead;
  }

  /** Ranges received out of order, held until the gap closes. */
  get held(): number {
    return this.#ahead.size;
  }

  get #peerIsDone(): boolean {
    return this.#finAt >= 0 && this.#expected > this.#finAt;
  }

  /** Begins; the other end listens. */
  connect(now: number): void {
    this.sender.open(now);
  }

  /** Writes `octets` more of the pattern. */
  write(octets: number, now: number): void {
    if (this.sender.finWanted) throw new RangeError('the connection is closed for writing');
    this.sender.written += octets;
    this.sender.push(now);
  }

  /** Octets written and not acknowledged yet. */
  get unacknowledged(): number {
    return Math.max(0, this.sender.written - Math.max(1, this.sender.una));
  }

  close(now: number): void {
    this.sender.finWanted = true;
    this.sender.push(now);
  }

  nextDeadline(): number {
    return this.isDead ? Number.POSITIVE_INFINITY : this.sender.deadline;
  }

  tick(now: number): void {
    if (!this.isDead) this.sender.tick(now);
  }

  /** Takes a segment of this connection whose checksum is right. */
  input(segment: ReadSegment, packet: Uint8Array, now: number): void {
    if (this.isDead) return;
    if ((segment.flags & RST) !== 0) {
      this.#reset(segment);
      return;
    }
    const { sender, options } = this;
    const hasAck = (segment.flags & ACK) !== 0;
    const ack = sender.una + ((segment.acknowledgement - wrap(options.iss + sender.una)) | 0);
    if (hasAck && sender.una === 0 && ack !== 1) {
      this.#refuse(segment); // of another connection (RFC 9293 section 3.10.7)
      return;
    }
    // nor are its data (RFC 5961 section 5.2)
    if (hasAck && (ack > sender.sentMax || ack < sender.una - RECEIVE_WINDOW)) return;
    if ((segment.flags & SYN) !== 0) this.#synchronise(segment, now);
    if (this.#expected === 0) return;

    const place = this.#expected + ((segment.sequence - this.#sequenceExpected()) | 0);
    const length = packet.length - segment.data;
    const isFin = (segment.flags & FIN) !== 0;
    const isPure = length === 0 && !isFin && (segment.flags & SYN) === 0;
    const inWindow = place <= this.#expected + RECEIVE_WINDOW && place + length >= this.#expected - RECEIVE_WINDOW;
    if (!inWindow) return;
    if (hasAck) sender.acknowledge(ack, segment.window, isPure, now);
    if (length > 0) this.#take(packet, segment.data, place, length, now);
    if (isFin && this.#finAt < 0) this.#finAt = place + length;
    if (this.#finAt === this.#expected) this.#expected++;
    const isFirst = (segment.flags & SYN) !== 0 && this.sender.una === 0; // our SYN has said it
    if (!isPure && !isFirst) this.#acknowledge();
  }

  /** A router cannot carry packets beyond `mtu` octets. */
  shrink(mtu: number, now: number): void {
    this.sender.shrink(mtu - 60, now);
  }

  #synchronise(segment: ReadSegment, now: number): void {
    if (this.#expected > 0) return;
    this.#irs = segment.sequence;
    this.#expected = 1;
    if (segment.mss > 0) this.sender.limit(segment.mss);
    if (this.sender.sentMax === 0) this.sender.open(now); // we listened: our SYN with the acknowledgement
  }

  #reset(segment: ReadSegment): void {
    // RFC 5961 section 3: only exactly what is expected; before that, the answer to our SYN
    const { sender, options } = this;
    const answersSyn = this.#expected === 0 && segment.acknowledgement === wrap(options.iss + 1) && sender.una === 0;
    if (answersSyn || (this.#expected > 0 && segment.sequence === this.#sequenceExpected())) this.wasReset = true;
  }

  #refuse({ acknowledgement }: ReadSegment): void {
    const { addresses, send } = this.options;
    send(
      tcpPacket(addresses, { ...this.#header(), sequence: acknowledgement, acknowledgement: 0, flags: RST, mss: 0 }),
    );
  }

  #take(packet: Uint8Array, at: number, place: number, length: number, now: number): void {
    if (!isPattern(packet, at, place - 1, length)) this.intact = false;
    if (place + length <= this.#expected) return;
    this.#ahead.add(Math.max(place, this.#expected), place + length);
    const complete = this.#ahead.take(this.#expected);
    const fresh = complete - this.#expected;
    this.#expected = complete;
    if (fresh === 0) return;
    this.received += fresh;
    this.options.onData?.(fresh, now);
  }

  #sequenceExpected(): number {
    return wrap(this.#irs + this.#expected);
  }

  #transmit(from: number, to: number, fin: boolean): void {
    const { addresses, iss, mss, send } = this.options;
    const syn = from === 0;
    const length = syn ? 0 : to - from;
    const flags = (syn ? SYN : 0) | (fin ? FIN : 0) | (this.#expected > 0 ? ACK : 0);
    send(
      tcpPacket(
        addresses,
        { ...this.#header(), sequence: wrap(iss + from), flags, mss: syn ? mss : 0 },
        length,
        (b, at) => writePattern(b, at, from - 1, length),
      ),
    );
  }

  #acknowledge(): void {
    const { addresses, iss, send } = this.options;
    send(tcpPacket(addresses, { ...this.#header(), sequence: wrap(iss + this.sender.next), flags: ACK, mss: 0 }));
  }

  #header() {
    const { localPort, remotePort } = this.options;
    const acknowledgement = this.#expected > 0 ? this.#sequenceExpected() : 0;
    return { sourcePort: localPort, destinationPort: remotePort, acknowledgement, window: RECEIVE_WINDOW };
  }
}

const wrap = (sequence: number): number => (sequence % 2 ** 32) >>> 0;
