/**
 * The servers that questions are forwarded to: one after the other, each with a new id and a new port, until one answers.
 * So many at a time; what is beyond that is not asked at all.
 */
import { randomInt } from 'node:crypto';
import { put16, u16 } from '../wire/bytes.ts';
import { REFUSED, rcodeOf, SERVFAIL, TC } from '../wire/dns-message.ts';
import { type Exchange, exchange, type Server } from './exchange.ts';

/** Programs ask again after five seconds. */
const ROUNDS_MS = [1000, 2500];
const TCP_MS = 4000;
/** As many sockets. */
const AT_ONCE = 512;

export class Upstreams {
  readonly #servers: readonly Server[];
  /** Index of the one that answered last. */
  #first = 0;
  #underWay = 0;

  constructor(servers: readonly Server[]) {
    this.#servers = servers;
  }

  /**
   * Asks; the answer has the id of the question again. null: nobody answers. `over`: 'udp' leaves an answer cut short as
   * it is, 'both' asks again over TCP.
   */
  async ask(question: Uint8Array, over: 'udp' | 'tcp' | 'both'): Promise<Uint8Array | null> {
    if (this.#underWay >= AT_ONCE) return null;
    this.#underWay++;
    try {
      const reply = await this.#ask(question, over);
      if (reply === null) return null;
      const answer = Uint8Array.from(reply);
      put16(answer, 0, u16(question, 0));
      return answer;
    } finally {
      this.#underWay--;
    }
  }

  /** A server that has failed itself says nothing about the name: the next one may know. */
  async #ask(question: Uint8Array, over: 'udp' | 'tcp' | 'both'): Promise<Uint8Array | null> {
    const { length } = this.#servers;
    let failed: Uint8Array | null = null;
    for (const limitMs of over === 'tcp' ? [TCP_MS] : ROUNDS_MS) {
      for (let k = 0; k < length; k++) {
        const index = (this.#first + k) % length;
        const server = this.#servers[index]!;
        let reply = await send(question, server, { over: over === 'tcp' ? 'tcp' : 'udp', limitMs });
        if (over === 'both' && reply !== null && (u16(reply, 2) & TC) !== 0)
          reply = await send(question, server, { over: 'tcp', limitMs: TCP_MS });
        if (reply === null) continue;
        const rcode = rcodeOf(u16(reply, 2));
        if (rcode !== SERVFAIL && rcode !== REFUSED) {
          this.#first = index;
          return reply;
        }
        failed = reply;
      }
      if (failed !== null) return failed;
    }
    return null;
  }
}

function send(question: Uint8Array, server: Server, how: Exchange): Promise<Uint8Array | null> {
  const request = Uint8Array.from(question);
  put16(request, 0, randomInt(0, 0x10000));
  return exchange(request, server, how);
}
