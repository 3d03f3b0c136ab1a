/**
 * Keeps a zone true about a node: whenever its Locators change, one signed update after the other, the newest last,
 * what lies between them left out; repeated at growing intervals until the server has taken it.
 */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { u16 } from '../wire/bytes.ts';
import { NOERROR, rcodeName, rcodeOf } from '../wire/dns-message.ts';
import { formatL64 } from '../wire/text.ts';
import { type Exchange, exchange, type Server } from './exchange.ts';
import { BADTIME, sign, type TsigKey, verify } from './tsig.ts';
import { type Publication, type Published, updateOctets } from './update.ts';

const TRIES: readonly Exchange[] = [
  { over: 'udp', limitMs: 500 },
  { over: 'udp', limitMs: 1500 },
  { over: 'tcp', limitMs: 4000 },
];
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 300_000;
const SUPERSEDED = 'something newer came first';

/** Runs what it is given, when it may. */
export type Turn = <T>(run: () => Promise<T>) => Promise<T>;

export interface PublisherOptions {
  readonly server: Server;
  readonly to: Publication;
  readonly key: TsigKey;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly send?: typeof exchange;
  readonly firstWaitMs?: number;
  /** Runs a round of tries when it is its turn; absent: at once. */
  readonly turn?: Turn;
}

/** What operators see. */
export interface PublisherState {
  /** What the server has taken last; null: nothing yet. */
  readonly published: readonly string[] | null;
  readonly isCurrent: boolean;
  readonly problem: string | null;
}

export class Publisher {
  readonly #options: Required<PublisherOptions>;
  #wanted: readonly Published[] = [];
  #published: readonly Published[] | null = null;
  #problem: string | null = null;
  /** Of the server's clock before ours, seconds. */
  #offset = 0;
  #running: Promise<void> | null = null;
  #isStopping = false;
  #wake: () => void = () => {};

  constructor(options: PublisherOptions) {
    this.#options = { clock: Date.now, send: exchange, firstWaitMs: FIRST_WAIT_MS, turn: (run) => run(), ...options };
  }

  get state(): PublisherState {
    return {
      published: this.#published?.map(({ l64, preference }) => `${formatL64(l64)} ${preference}`) ?? null,
      isCurrent: this.#published === this.#wanted,
      problem: this.#problem,
    };
  }

  /** The Locators are these now. Returns at once; without any nobody can be told. */
  publish(locators: readonly Published[]): void {
    if (locators.length === 0 || this.#isStopping || isSame(locators, this.#wanted)) return;
    this.#want(locators);
  }

  /** Says the same once more: somebody else may have said something in between. */
  repeat(): void {
    if (this.#wanted.length > 0 && !this.#isStopping) this.#want([...this.#wanted]);
  }

  /** Somebody else speaks for the node now: nothing more is said before the next `publish`, and nothing taken out. */
  release(): void {
    this.#wanted = [];
    this.#published = null;
    this.#problem = null;
    this.#wake();
  }

  /** Nothing more is said, and what is there stays. */
  close(): void {
    this.#isStopping = true;
    this.#wake();
  }

  /** Takes everything of ours out of the zone, if the server answers within two seconds; nothing is published after that. */
  async withdraw(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#running;
    if (this.#published === null) return;
    const problem = await this.#update([], TRIES.slice(0, 2));
    if (problem !== null) this.#options.log.warn({ problem }, 'the records of this node stay in the zone');
    else this.#published = null;
  }

  #want(locators: readonly Published[]): void {
    this.#wanted = locators;
    this.#wake();
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async #run(): Promise<void> {
    const { log, to, turn } = this.#options;
    let waitMs = this.#options.firstWaitMs;
    while (this.#published !== this.#wanted && this.#wanted.length > 0 && !this.#isStopping) {
      let wanted = this.#wanted;
      const problem = await turn(() => {
        wanted = this.#wanted; // as it is when the turn has come
        return wanted.length === 0 ? Promise.resolve(SUPERSEDED) : this.#update(wanted, TRIES);
      });
      if (this.#wanted.length === 0) return; // released
      if (problem === null) {
        const isNew = !isSame(wanted, this.#published ?? []);
        this.#published = wanted;
        waitMs = this.#options.firstWaitMs;
        if (isNew) log.info({ name: to.subnet ?? to.name, locators: this.state.published }, 'the zone was updated');
      } else if (this.#wanted === wanted) {
        if (problem !== this.#problem)
          log.error({ zone: to.zone, name: to.name, problem }, 'the zone was not updated; tried again');
        this.#problem = problem;
        await this.#wait(waitMs);
        waitMs = this.#wanted === wanted ? Math.min(2 * waitMs, LONGEST_WAIT_MS) : this.#options.firstWaitMs;
        continue;
      }
      this.#problem = problem;
    }
  }

  /** Resolves after so long, or when there is something new. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** null: done. Whoever has another clock is believed once, because it says so with our key. */
  async #update(locators: readonly Published[], tries: readonly Exchange[]): Promise<string | null> {
    const { server, key, to, clock, send, log } = this.#options;
    let problem = 'no answer';
    let isClockSet = false;
    for (let k = 0; k < tries.length; k++) {
      if (this.#isStopping && locators.length > 0) return 'the end came first';
      if (!this.#isStopping && this.#wanted !== locators) return SUPERSEDED;
      const seconds = (): number => Math.floor(clock() / 1000) + this.#offset;
      const { octets, mac } = sign(updateOctets(randomInt(0, 0x10000), to, locators), key, seconds());
      const reply = await send(octets, server, tries[k]!);
      if (reply === null) continue;
      const { isVerified, error, serverTime, reason } = verify(reply, key, mac, seconds());
      const flags = u16(reply, 2);
      if (isVerified && error === 0)
        return rcodeOf(flags) === NOERROR ? null : `the server answers ${rcodeName(rcodeOf(flags))}`;
      problem = rcodeOf(flags) === NOERROR ? reason : `the server answers ${rcodeName(rcodeOf(flags))}: ${reason}`;
      if (isVerified && error === BADTIME && serverTime !== null && !isClockSet) {
        isClockSet = true;
        this.#offset += serverTime - seconds();
        log.warn({ offsetSeconds: this.#offset }, 'the clock of the DNS server is another one; its time is used');
        k--;
      }
    }
    return problem;
  }
}

const isSame = (a: readonly Published[], b: readonly Published[]): boolean =>
  a.length === b.length &&
  a.every(({ l64, preference }, k) => {
    const other = b[k]!;
    return l64.hi === other.l64.hi && l64.lo === other.l64.lo && preference === other.preference;
  });
