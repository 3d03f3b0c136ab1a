/**
 * One authenticated connection between two borders, as both sides see it. A frame is `[id, message]`, or `[0]` for
 * "are you there" and "I am".
 *
 * Trusts nothing that comes: a value that is not our protocol closes the connection and is counted. Who hears nothing
 * for `deadMs` closes it too. What waits to be sent is bounded.
 */
import type { Duplex } from 'node:stream';
import { IlnpError } from '../runtime/errors.ts';
import { FrameReader, frame } from './frame.ts';
import type { PeerCounters } from './peer-counters.ts';
import type { PeerTiming } from './peer-timing.ts';

/** Octets that wait because the other side does not read. */
const MAX_UNSENT = 8 << 20;

export interface PeerStreamOptions {
  /** The other site, as authenticated. */
  readonly site: string;
  readonly stream: Duplex;
  readonly timing: PeerTiming;
  readonly counters: PeerCounters;
  /** Called once; `reason` is for people. */
  readonly onClose: (reason: string) => void;
}

export interface PeerStreamEvents {
  /** A frame came; what it throws as E_PROTOCOL closes the connection. */
  readonly message: (id: number, message: unknown) => void;
  /** We have said nothing for `pingMs`; absent: it is the other side that speaks then. */
  readonly silent?: () => void;
  /** It is over; called once, before `onClose`. */
  readonly ended: (reason: string) => void;
}

export class PeerStream {
  readonly #options: PeerStreamOptions;
  readonly #events: PeerStreamEvents;
  readonly #reader = new FrameReader();
  readonly #watch: NodeJS.Timeout;
  #said = performance.now();
  #heard = performance.now();
  #closed = false;

  constructor(options: PeerStreamOptions, events: PeerStreamEvents) {
    this.#options = options;
    this.#events = events;
    const { stream, timing } = options;
    stream.on('data', (chunk: Uint8Array) => this.#read(chunk));
    stream.on('error', (error) => this.close(error.message));
    stream.on('end', () => this.close('closed by the other side'));
    stream.on('close', () => this.close('closed'));
    const often = events.silent === undefined ? timing.deadMs / 3 : timing.pingMs / 2; // each look wakes an idle process
    this.#watch = setInterval(() => this.#check(), Math.ceil(often));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Ends the connection; further calls do nothing. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    this.#options.stream.destroy();
    this.#events.ended(reason);
    this.#options.onClose(reason);
  }

  /** False if it is over or too much waits already: then nothing was taken. */
  say(id: number, message?: unknown): boolean {
    if (this.#closed || this.#options.stream.writableLength > MAX_UNSENT) return false;
    this.#said = performance.now();
    this.#options.stream.write(frame(message === undefined ? [id] : [id, message]));
    return true;
  }

  /** Stops or goes on hearing. */
  listen(listening: boolean): void {
    if (listening) this.#options.stream.resume();
    else this.#options.stream.pause();
  }

  #read(chunk: Uint8Array): void {
    this.#heard = performance.now();
    try {
      for (const message of this.#reader.push(chunk)) {
        if (this.#closed) return;
        if (!Array.isArray(message) || !isId(message[0]) || message.length > 2) {
          throw new IlnpError('E_PROTOCOL', 'expected [id, message]');
        }
        this.#events.message(message[0], message[1]);
      }
    } catch (error) {
      if (!(error instanceof IlnpError)) throw error;
      this.#options.counters.protocolErrors++;
      this.close(error.message);
    }
  }

  #check(): void {
    const { timing, counters, stream } = this.#options;
    const now = performance.now();
    if (stream.isPaused()) this.#heard = now; // it is we who do not listen
    if (now - this.#heard > timing.deadMs) {
      counters.dead++;
      this.close(`nothing heard for ${timing.deadMs} ms`);
    } else if (now - this.#said > timing.pingMs) {
      this.#events.silent?.();
    }
  }
}

const isId = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
