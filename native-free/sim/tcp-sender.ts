/**
 * The sending half of a TCP connection: sliding window, slow start and congestion avoidance (RFC 5681), fast retransmit
 * and recovery (RFC 6582, NewReno), retransmission timer with back-off (RFC 6298). Places in the stream are whole
 * numbers that never wrap: 0 is the SYN, the first octet of data is 1. No I/O: `transmit` says what to send.
 */

const SECOND = 1e6;
/** RFC 6298 section 2.1. */
const FIRST_RTO = SECOND;
/** Linux's TCP_RTO_MIN, less than the second of RFC 6298 section 2.4. */
const MIN_RTO = 0.2 * SECOND;
/** RFC 6298 section 2.5 allows any of at least 60 s. */
const MAX_RTO = 60 * SECOND;
/** Linux's tcp_retries2. */
const MAX_RETRIES = 15;
const DUPLICATES = 3;
/** RFC 6928. */
const INITIAL_SEGMENTS = 10;

/** Sends the octets [from, to) of the stream; `from` 0: the SYN, `fin`: with the FIN behind them. */
export type Transmit = (from: number, to: number, fin: boolean) => void;

export class TcpSender {
  /** First place not acknowledged, next to send, behind the last ever sent. */
  una = 0;
  next = 0;
  sentMax = 0;
  /** Behind the last octet that the application has written. */
  written = 1;
  finWanted = false;
  cwnd: number;
  ssthresh = Number.MAX_SAFE_INTEGER;
  peerWindow = 65_535;
  mss: number;
  retransmits = 0;
  timeouts = 0;
  /** The peer has not answered for so long that the connection is given up. */
  isDead = false;
  /** When the retransmission timer fires. */
  deadline = Number.POSITIVE_INFINITY;
  readonly #transmit: Transmit;
  #duplicates = 0;
  /** Acknowledgements of this recovery that showed another gap. */
  #partials = 0;
  #recover = -1;
  #rto = FIRST_RTO;
  #srtt = 0;
  #rttvar = 0;
  #retries = 0;
  /** One segment at a time is timed, never a repeated one (Karn). */
  #timedEnd = -1;
  #timedAt = 0;

  constructor(mss: number, transmit: Transmit) {
    this.mss = mss;
    this.cwnd = INITIAL_SEGMENTS * mss;
    this.#transmit = transmit;
  }

  /** Place of the FIN, once the application has closed. */
  get #end(): number {
    return this.finWanted ? this.written + 1 : this.written;
  }

  /** All was acknowledged, the FIN included. */
  get isDone(): boolean {
    return this.finWanted && this.una === this.#end;
  }

  /** The SYN was acknowledged. */
  get isOpen(): boolean {
    return this.una > 0;
  }

  /** Sends the SYN. */
  open(now: number): void {
    this.#send(0, 1, now);
    this.next = 1;
  }

  /** Sends what the windows allow. */
  push(now: number): void {
    if (!this.isOpen || this.isDead) return;
    const window = Math.min(this.cwnd, this.peerWindow);
    while (this.next < this.#end) {
      const to = Math.min(this.next + this.mss, this.#end);
      // no small segment while others are on their way, unless it is the last one (RFC 9293 section 3.7.4)
      const isSmall = to - this.next < this.mss && !this.finWanted && this.next > this.una;
      if (to - this.una > window || isSmall) return;
      this.#send(this.next, to, now);
      this.next = to;
    }
  }

  /** Takes an acknowledgement of everything before `ack`. `pure`: without data, so that a repeated one counts. */
  acknowledge(ack: number, window: number, pure: boolean, now: number): void {
    if (ack > this.sentMax || this.isDead) return;
    this.peerWindow = window;
    if (ack > this.una) this.#advance(ack, now);
    else if (ack === this.una && pure && this.sentMax > this.una) this.#duplicate(now);
    this.push(now);
  }

  /** The timer fired: everything after `una` is taken as lost. */
  tick(now: number): void {
    if (now < this.deadline || this.isDead) return;
    this.timeouts++;
    if (++this.#retries > MAX_RETRIES) {
      this.isDead = true;
      this.deadline = Number.POSITIVE_INFINITY;
      return;
    }
    this.ssthresh = Math.max((this.sentMax - this.una) / 2, 2 * this.mss);
    this.cwnd = this.mss;
    this.#duplicates = 0;
    this.#recover = this.sentMax;
    this.#rto = Math.min(MAX_RTO, this.#rto * 2);
    this.#timedEnd = -1;
    this.deadline = Number.POSITIVE_INFINITY;
    this.next = this.una;
    if (this.una === 0) {
      this.#send(0, 1, now);
      this.next = 1;
    } else this.#repeatFirst(now);
  }

  /** A router said that packets must be smaller (RFC 8201). */
  shrink(mss: number, now: number): void {
    if (mss >= this.mss || this.una === 0) return;
    this.mss = mss;
    this.next = this.una;
    this.push(now);
  }

  /** The peer's maximum segment size. */
  limit(mss: number): void {
    this.mss = Math.min(this.mss, mss);
    this.cwnd = INITIAL_SEGMENTS * this.mss;
  }

  #advance(ack: number, now: number): void {
    const acknowledged = ack - this.una;
    if (this.#timedEnd >= 0 && ack >= this.#timedEnd) this.#measure(now - this.#timedAt);
    this.una = ack;
    this.next = Math.max(this.next, ack);
    this.#retries = 0;
    if (this.#duplicates >= DUPLICATES && ack < this.#recover) {
      // partial acknowledgement: the next segment is missing too
      this.cwnd = Math.max(this.mss, this.cwnd - acknowledged + this.mss);
      this.#repeatFirst(now);
      // impatient (RFC 6582 section 4): with many gaps the timer is quicker than one of them a round trip
      if (++this.#partials > 1) return;
    } else if (this.#duplicates >= DUPLICATES) {
      this.cwnd = this.ssthresh;
      this.#duplicates = 0;
    } else {
      this.#duplicates = 0;
      this.cwnd += this.cwnd < this.ssthresh ? Math.min(acknowledged, this.mss) : (this.mss * this.mss) / this.cwnd;
    }
    this.#restart(now);
  }

  #duplicate(now: number): void {
    this.#duplicates++;
    if (this.#duplicates > DUPLICATES) {
      this.cwnd += this.mss;
    } else if (this.#duplicates === DUPLICATES) {
      if (this.una < this.#recover) {
        this.#duplicates = 0; // these answer repetitions of before (RFC 6582 section 4.1)
        return;
      }
      this.#recover = this.sentMax;
      this.#partials = 0;
      this.ssthresh = Math.max((this.sentMax - this.una) / 2, 2 * this.mss);
      this.cwnd = this.ssthresh + DUPLICATES * this.mss;
      this.#repeatFirst(now);
    }
  }

  #repeatFirst(now: number): void {
    const to = Math.min(this.una + this.mss, this.#end);
    if (to <= this.una) return;
    this.#timedEnd = -1;
    this.#send(this.una, to, now);
    this.next = Math.max(this.next, to);
  }

  #send(from: number, to: number, now: number): void {
    if (from < this.sentMax) this.retransmits++;
    else if (this.#timedEnd < 0) {
      this.#timedEnd = to;
      this.#timedAt = now;
    }
    this.sentMax = Math.max(this.sentMax, to); // a repetition may take more along than was sent
    const fin = this.finWanted && to === this.written + 1;
    this.#transmit(from, fin ? to - 1 : to, fin);
    if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = now + this.#rto;
  }

  #measure(rtt: number): void {
    this.#timedEnd = -1;
    if (this.#srtt === 0) {
      this.#srtt = rtt;
      this.#rttvar = rtt / 2;
    } else {
      this.#rttvar = 0.75 * this.#rttvar + 0.25 * Math.abs(this.#srtt - rtt);
      this.#srtt = 0.875 * this.#srtt + 0.125 * rtt;
    }
  }

  #restart(now: number): void {
    const measured = this.#srtt === 0 ? FIRST_RTO : this.#srtt + Math.max(4 * this.#rttvar, MIN_RTO / 4);
    this.#rto = Math.min(MAX_RTO, Math.max(MIN_RTO, measured));
    this.deadline = this.una < this.sentMax ? now + this.#rto : Number.POSITIVE_INFINITY;
  }
}
