/**
 * The channel between simulated borders: what src/sites/peer-*.ts does over TLS, over a line that loses and is cut. Like
 * there, each border opens a connection of its own to each other; like TCP, a lost piece comes later and holds up what
 * follows, and only a dead connection loses what was said. Frames and messages are the production ones.
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

export interface ControlConfig {
  readonly delayMs: number;
  /** Probability that a message must be repeated by TCP. */
  readonly loss: number;
}

/** One end as the channel sees it. */
export interface ControlEnd {
  readonly name: string;
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
    return !this.#cut.has([a, b].sort().join(' '));
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
      this.#say(frame([id, request]), life, this.#there, (octets) => this.#arrived(octets, life));
    });
  }

  /** This process ends. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRetry?.();
    for (const { cancel } of this.#pending.values()) cancel();
    this.#pending.clear();
    this.#lives++;
    this.#isConnected = false;
  }

  /** The other end was heard of: no reason to wait longer. */
  nudge(): void {
    if (!this.#isConnected && this.#cancelRetry !== undefined) this.#retryIn(0);
  }

  readonly #there: Line = { last: 0 };
  readonly #back: Line = { last: 0 };

  /** A request has come to the other end. */
  #arrived(octets: Uint8Array, life: number): void {
    if (!this.#peer.isUp()) return;
    const [[id, value]] = [...new FrameReader().push(octets)] as [[number, unknown]];
    this.#engine.touch();
    void this.#peer.handle(this.#self.name, parseRequest(value)).then((reply) => {
      if (!this.#peer.isUp()) return;
      this.#say(frame([id, reply]), life, this.#back, (answer) => this.#answered(answer));
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
  #say(octets: Uint8Array, life: number, line: Line, deliver: (octets: Uint8Array) => void): void {
    const engine = this.#engine;
    const name = `control ${this.#self.name}>${this.#peer.name}`;
    this.octets += octets.length + TLS_RECORD;
    this.messages++;
    engine.trace.add(engine.now, name, 'message', octets);
    let rto = FIRST_RTO_MS;
    const attempt = (): void => {
      if (life !== this.#lives) return;
      const lost = this.#random.chance(this.#lines.config.loss);
      if (lost || !this.#lines.isUp(this.#self.name, this.#peer.name)) {
        engine.after(rto * 1000, attempt);
        rto = Math.min(2 * rto, MAX_RTO_MS);
        return;
      }
      line.last = Math.max(line.last, engine.now + this.#delayUs());
      engine.at(line.last, () => {
        if (life !== this.#lives) return;
        engine.trace.add(engine.now, name, 'arrived', octets);
        deliver(octets);
      });
    };
    attempt();
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
      if (this.#isConnected && (silentMs >= PEER_TIMING.deadMs || (reachable && !this.#peer.isUp()))) this.#died();
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
      this.#waitMs = PEER_TIMING.reconnectFirstMs;
      this.#engine.touch();
      this.#engine.trace.add(this.#engine.now, `control ${this.#self.name}>${this.#peer.name}`, 'connected');
      this.#self.connected(this.#peer.name);
      this.twin?.nudge();
    });
  }
}
