/**
 * The two sides of a connection: who opened it asks, who accepted it answers. Replies come in any order. Requests
 * without a reply are bounded on both sides.
 */
import { IlnpError } from '../runtime/errors.ts';
import { errorReply, parseReply, parseRequest, type Reply, type Request } from './messages.ts';
import { PeerError } from './peer-error.ts';
import { PeerStream, type PeerStreamOptions } from './peer-stream.ts';

/** Requests without a reply on one connection. */
const MAX_PENDING = 1024;
/** The frame that says "are you there" or "I am". */
const SIGN_OF_LIFE = 0;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: IlnpError) => void;
  readonly timer: NodeJS.Timeout;
}

/** The side that opened the connection. */
export class AskingConnection {
  readonly #options: PeerStreamOptions;
  readonly #stream: PeerStream;
  readonly #pending = new Map<number, Pending>();
  readonly #onHeard: () => void;
  #lastId = 0;
  #heard = false;

  /** `onHeard`: the other side answered for the first time. */
  constructor(options: PeerStreamOptions, onHeard: () => void) {
    this.#options = options;
    this.#onHeard = onHeard;
    this.#stream = new PeerStream(options, {
      message: (id, message) => this.#take(id, message),
      silent: () => this.#stream.say(SIGN_OF_LIFE),
      ended: (reason) => this.#ended(reason),
    });
    this.#stream.say(SIGN_OF_LIFE);
  }

  /** Resolves with the reply; rejects with PeerError, or with the error that the other side answered. */
  request(request: Request, timeoutMs = this.#options.timing.requestMs): Promise<Reply> {
    const { site, counters } = this.#options;
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.reject(new PeerError(`${site} has ${MAX_PENDING} requests to answer already`, false));
    }
    return new Promise((resolve, reject) => {
      this.#lastId = (this.#lastId % 0xffffffff) + 1;
      const id = this.#lastId;
      if (!this.#stream.say(id, request)) {
        reject(new PeerError(`${site} is not connected or does not read what it is sent`, false));
        return;
      }
      counters.requestsSent++;
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        counters.requestsUnanswered++;
        reject(new PeerError(`${site} did not answer within ${timeoutMs} ms`, true));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
    });
  }

  close(reason: string): void {
    this.#stream.close(reason);
  }

  #take(id: number, message: unknown): void {
    if (!this.#heard) {
      this.#heard = true;
      this.#onHeard();
    }
    if (id === SIGN_OF_LIFE) return;
    const reply = parseReply(message);
    const pending = this.#pending.get(id);
    if (pending === undefined) return; // too late
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (reply.kind === 'error') pending.reject(new IlnpError(reply.code, `${this.#options.site}: ${reply.message}`));
    else pending.resolve(reply);
  }

  #ended(reason: string): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      this.#options.counters.requestsUnanswered++;
      reject(new PeerError(`${this.#options.site} did not answer: ${reason}`, true));
    }
    this.#pending.clear();
  }
}

/** Answers a request of a site. */
export type AnswerRequest = (site: string, request: Request) => Promise<Reply>;

/** The side that accepted the connection. */
export class AnsweringConnection {
  readonly #options: PeerStreamOptions;
  readonly #stream: PeerStream;
  readonly #answer: AnswerRequest;
  #busy = 0;

  constructor(options: PeerStreamOptions, answer: AnswerRequest) {
    this.#options = options;
    this.#answer = answer;
    this.#stream = new PeerStream(options, {
      message: (id, message) => this.#take(id, message),
      ended: () => {}, // answers under way find it closed
    });
  }

  close(reason: string): void {
    this.#stream.close(reason);
  }

  #take(id: number, message: unknown): void {
    if (id === SIGN_OF_LIFE) {
      this.#say(SIGN_OF_LIFE);
      return;
    }
    const request = parseRequest(message);
    if (++this.#busy === MAX_PENDING) this.#stream.listen(false);
    this.#answer(this.#options.site, request)
      .catch(errorReply)
      .then((reply) => {
        if (this.#busy-- === MAX_PENDING) this.#stream.listen(true);
        if (this.#stream.isClosed) return;
        this.#options.counters.requestsAnswered++;
        this.#say(id, reply);
      });
  }

  #say(id: number, reply?: Reply): void {
    if (!this.#stream.say(id, reply)) this.#stream.close('it does not read what it is sent');
  }
}
