/**
 * The channel between simulated borders: what src/sites/peer-*.ts does over TLS, over a line that loses and is cut. Like
 * there, each border opens a connection of its own to each other; like TCP, a lost piece comes later, and only a
 * dead connection loses what was said; unlike TCP, what follows may then arrive before it, which is worse. Frames and messages are the production ones.
 */
import { IlnpError } from '../../src/runtime/errors.ts';
import { FrameReader, frame } from '../../src/sites/frame.ts';
import { parseReply, parseRequest, type Reply, type Request } from '../../src/sites/messages.ts';
import { PeerError } from '../../src/sites/peer-error.ts';
import { PEER_TIMING } from '../../src/sites/peer-timing.ts';
import type { SeededRandom } from '../random.ts';
import type { Engine } from './engine.ts';

/** Octets that TLS 1.3 adds to a record: header, content type, tag. */
const TLS_RECORD = 5 + 1 + 16;
const FIRST_RTO_MS = 200;
const MAX_RTO_MS = 2000;
/** When a message comes again: after its answer, before much else. */
const TWICE_US = 20_000;

export interface ControlConfig {
  readonly delayMs: number;
  /** Probability that a message must be repeated by TCP. */
  readonly loss: number;
}

/** What becomes of one message besides what the weather does: it is lost, late, later than all that follows it, or comes twice. */
export type Fate =
  | { readonly lost: true }
  | { readonly lateMs: number; readonly holdsUp: boolean }
  | { readonly twice: true };

/** One end as the channel sees it. */
export interface ControlEnd {
  readonly name: string;
  /** Which of its processes it is: another number after a crash. */
  readonly life: () => number;
  /** Its process runs. */
  readonly isUp: () => boolean;
  /** Its machine is on: a process that dies on it closes its connections, a machine that is off says nothing. */
  readonly isPowered: () => boolean;
  readonly handle: (from: string, request: Request) => Promise<Reply>;
  readonly connected: (to: string) => void;
}

/** The lines between sites; a pair that is cut carries nothing. */
export class ControlLines {
  readonly config: ControlConfig;
  /** Asked about every message, in the order in which they are said; null: as the weather is. */
  fate: ((from: string, to: string, kind: string) => Fate | null) | undefined;
  readonly #cut = new Set<string>();

  constructor(config: ControlConfig) {
    this.config = config;
  }

  set(a: string, b: string, isUp: boolean): void {
    const key = [a, b].sort().join(' ');
    if (isUp) this.#cut.delete(key);
    else this.#cut.add(key);
  }

  isUp(a: string, b: string): boolean {
    return this.#cut.size === 0 || !this.#cut.has([a, b].sort().join(' '));
  }
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

interface Line {
  /** When the last piece of this direction arrives. */
  last: number;
}

export class ControlChannel {
  octets = 0;
  messages = 0;
  /** What the other end is reached through to be asked to try at once as well. */
  twin: ControlChannel | undefined;
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  readonly #lines: ControlLines;
  readonly #self: ControlEnd;
  readonly #peer: ControlEnd;
  readonly #pending = new Map<number, Pending>();
  #lives = 0;
  /** The process of the other end that this connection is with. */
  #peerLife = -1;
  #isConnected = false;
  #isClosed = false;
  #waitMs = PEER_TIMING.reconnectFirstMs;
  #cancelRetry: (() => void) | undefined;
  #id = 0;

  constructor(options: {
    readonly engine: Engine;
    readonly lines: ControlLines;
    readonly self: ControlEnd;
    readonly peer: ControlEnd;
    readonly life: number;
  }) {
    this.#engine = options.engine;
    this.#lines = options.lines;
    this.#self = options.self;
    this.#peer = options.peer;
    this.#random = options.engine.random(`control ${options.self.name} ${options.peer.name} ${options.life}`);
    this.#retryIn(this.#random.fraction() * 10);
    this.#watch();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Requests without an answer so far. */
  get pending(): number {
    return this.#pending.size;
  }

  request(request: Request, timeoutMs: number = PEER_TIMING.requestMs): Promise<Reply> {
    if (!this.#isConnected) return Promise.reject(new PeerError(`${this.#peer.name} is not connected`, false));
    const id = ++this.#id;
    const life = this.#lives;
    return new Promise((resolve, reject) => {
      const cancel = this.#engine.after(timeoutMs * 1000, () => {
        this.#pending.delete(id);
        this.#engine.touch();
        reject(new PeerError(`${this.#peer.name} does not answer`, true));
      });
      this.#pending.set(id, { resolve, reject, cancel });
      const peerLife = this.#peerLife;
      this.#say(this.#self, request.kind, frame([id, request]), life, (octets) =>
        this.#arrived(octets, life, peerLife),
      );
    });
  }

  /** This process ends; what it has said still arrives. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    for (const { cancel } of this.#pending.values()) cancel();
    this.#pending.clear();
    this.#isConnected = false;
  }

  /** The other end was heard of: no reason to wait longer. */
  nudge(): void {
    if (!this.#isConnected && this.#cancelRetry !== undefined) this.#retryIn(0);
  }

  readonly #there: Line = { last: 0 };
  readonly #back: Line = { last: 0 };

  /** A request has come to the other end. */
  #arrived(octets: Uint8Array, life: number, peerLife: number): void {
    const isThere = (): boolean => this.#peer.isUp() && this.#peer.life() === peerLife;
    if (!isThere()) return;
    const [[id, value]] = [...new FrameReader().push(octets)] as [[number, unknown]];
    this.#engine.touch();
    void this.#peer.handle(this.#self.name, parseRequest(value)).then((reply) => {
      if (isThere())
        this.#say(this.#peer, reply.kind, frame([id, reply]), life, (answer) => this.#answered(answer), isThere);
    });
  }

  #answered(octets: Uint8Array): void {
    const [[id, value]] = [...new FrameReader().push(octets)] as [[number, unknown]];
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.cancel();
    this.#engine.touch();
    const reply = parseReply(value);
    if (reply.kind === 'error') pending.reject(new IlnpError(reply.code, `${this.#peer.name}: ${reply.message}`));
    else pending.resolve(reply);
  }

  /** Brings octets to the other end of a line, in order, as long as this connection lives. */
  #say(
    from: ControlEnd,
    kind: string,
    octets: Uint8Array,
    life: number,
    deliver: (octets: Uint8Array) => void,
    isAlive: () => boolean = () => !this.#isClosed,
  ): void {
    const engine = this.#engine;
    const to = from === this.#self ? this.#peer : this.#self;
    engine.step(from.name, 'says', kind);
    if (!isAlive()) return;
    const fate = this.#lines.fate?.(from.name, to.name, kind) ?? null;
    const name = `control ${this.#self.name}>${this.#peer.name}`;
    this.octets += octets.length + TLS_RECORD;
    this.messages++;
    engine.trace.add(engine.now, name, 'message', octets);
    const arrive = (): void => {
      if (life !== this.#lives) return;
      engine.step(to.name, 'hears', kind);
      engine.trace.add(engine.now, name, 'arrived', octets);
      deliver(octets);
    };
    const line = from === this.#self ? this.#there : this.#back;
    let rto = FIRST_RTO_MS;
    const attempt = (): void => {
      if (life !== this.#lives) return;
      const lost = this.#random.chance(this.#lines.config.loss);
      if (lost || !this.#lines.isUp(this.#self.name, this.#peer.name)) {
        if (this.#isClosed) return; // nobody says it again
        engine.after(rto * 1000, attempt);
        rto = Math.min(2 * rto, MAX_RTO_MS);
        return;
      }
      const due = Math.max(line.last, engine.now + this.#delayUs());
      if (fate !== null && 'lost' in fate) return;
      const lateUs = fate !== null && 'lateMs' in fate ? fate.lateMs * 1000 : 0;
      if (lateUs === 0 || (fate as { holdsUp?: boolean }).holdsUp) line.last = due + lateUs;
      engine.at(due + lateUs, arrive);
      if (fate !== null && 'twice' in fate) engine.at(due + TWICE_US, arrive);
    };
    attempt();
    engine.step(from.name, 'has said', kind);
  }

  #delayUs(): number {
    return this.#lines.config.delayMs * 1000 * (1 + this.#random.fraction() / 10);
  }

  /** Words of life, PEER_TIMING: a peer that is not heard for `deadMs` is dead; one whose process died says so. */
  #watch(): void {
    let silentMs = 0;
    const stepMs = 100;
    const look = (): void => {
      if (this.#isClosed) return;
      const reachable = this.#lines.isUp(this.#self.name, this.#peer.name) && this.#peer.isPowered();
      silentMs = reachable ? 0 : silentMs + stepMs;
      const isGone = reachable && !(this.#peer.isUp() && this.#peer.life() === this.#peerLife);
      if (this.#isConnected && (silentMs >= PEER_TIMING.deadMs || isGone)) this.#died();
      this.#engine.after(stepMs * 1000, look);
    };
    this.#engine.after(this.#random.fraction() * stepMs * 1000, look);
  }

  #died(): void {
    this.#isConnected = false;
    this.#lives++;
    this.#there.last = 0;
    this.#back.last = 0;
    this.#engine.touch();
    this.#engine.trace.add(this.#engine.now, `control ${this.#self.name}>${this.#peer.name}`, 'connection lost');
    for (const { reject, cancel } of this.#pending.values()) {
      cancel();
      reject(new PeerError(`connection to ${this.#peer.name} lost`, true));
    }
    this.#pending.clear();
    this.#retryIn(this.#waitMs);
  }

  #retryIn(ms: number): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#engine.after(ms * 1000, () => this.#connect());
  }

  /** Three one-way delays of TCP and TLS hand-shakes, then it is up. */
  #connect(): void {
    this.#cancelRetry = undefined;
    const isReachable = (): boolean => this.#lines.isUp(this.#self.name, this.#peer.name) && this.#peer.isUp();
    this.#engine.after(3 * this.#delayUs(), () => {
      if (this.#isClosed || this.#isConnected) return;
      if (!isReachable()) {
        this.#waitMs = Math.min(2 * this.#waitMs, PEER_TIMING.reconnectLastMs);
        return this.#retryIn(this.#waitMs * (0.5 + this.#random.fraction() / 2));
      }
      this.#isConnected = true;
      this.#peerLife = this.#peer.life();
      this.#waitMs = PEER_TIMING.reconnectFirstMs;
      this.#engine.touch();
      this.#engine.trace.add(this.#engine.now, `control ${this.#self.name}>${this.#peer.name}`, 'connected');
      this.#self.connected(this.#peer.name);
      this.twin?.nudge();
    });
  }
}
