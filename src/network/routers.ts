/**
 * Which routers of a link are the way out for which prefix, RFC 8028 section 3: a site that gets a packet with a source of
 * another provider drops it. Learned from Router Advertisements; where none was heard any router of the link will do.
 * And which of them do not answer any more, because this node is at another link (RFC 6059, the other way round).
 * Pure: time is an argument, milliseconds.
 */
import { formatL64, type L64 } from '../wire/text.ts';
import type { KernelRoute } from './kernel-view.ts';
import type { Advertisement } from './router-advertisement.ts';

/** Strangers can advertise what they like: no more than this is kept, the oldest goes. */
const KEPT = 256;

interface Way {
  readonly interface: string;
  readonly l64: string;
  readonly router: string;
  /** As it said it with this prefix. */
  mac: string;
  until: number;
  /** It was asked in vain since. */
  isSilent: boolean;
}

/** What an advertisement changes: a router, a prefix of it, or its return (`new`); a prefix taken back (`less`). */
export type News = 'new' | 'less' | 'none';

export class Routers {
  /** In the order of hearing. */
  readonly #ways = new Map<string, Way>();

  heard(name: string, router: string, { prefixes, mac }: Advertisement, now: number): News {
    let news = this.#meet(name, router, mac);
    for (const { l64, valid } of prefixes) {
      const way = { interface: name, l64: formatL64(l64), router, mac, until: now + valid * 1000, isSilent: false };
      const key = `${name} ${way.l64} ${router}`;
      const isKnown = this.#isWay(this.#ways.get(key), now);
      this.#ways.delete(key);
      if (valid > 0) this.#ways.set(key, way);
      if (valid > 0 && !isKnown) news = 'new';
      else if (valid === 0 && isKnown && news === 'none') news = 'less';
    }
    for (const key of this.#ways.keys()) {
      if (this.#ways.size <= KEPT) break;
      this.#ways.delete(key);
    }
    return news;
  }

  /** The router is there. With another link-layer address it is another one that has its name, and not the way for the rest. */
  #meet(name: string, router: string, mac: string): News {
    let news: News = 'none';
    for (const way of this.#ways.values()) {
      if (way.interface !== name || way.router !== router) continue;
      const isOther = mac !== '' && way.mac !== '' && mac !== way.mac;
      if (way.isSilent !== isOther) news = 'new';
      way.isSilent = isOther;
    }
    return news;
  }

  /** The router does not answer: what it has advertised leads nowhere until it is heard again. */
  silent(name: string, router: string): void {
    for (const way of this.#ways.values()) if (way.interface === name && way.router === router) way.isSilent = true;
  }

  /** True for a prefix that was advertised, by nobody who is still there. */
  isLost(name: string, l64: L64, now: number): boolean {
    const ways = this.#waysFor(name, l64, now);
    return ways.length > 0 && ways.every((way) => way.isSilent);
  }

  /** The way out for `l64` on the interface `name`, or null; `routes`: those of the kernel. */
  wayOut(name: string, l64: L64, routes: readonly KernelRoute[], now: number): KernelRoute | null {
    const here = routes.filter((r) => r.interface === name && r.destination === 'default' && r.gateway !== null);
    here.sort((a, b) => a.metric - b.metric || b.preference - a.preference); // RFC 4191 section 3.2
    const ways = this.#waysFor(name, l64, now);
    if (ways.length === 0) return here[0] ?? null;
    return here.find((r) => ways.some(({ router, isSilent }) => router === r.gateway && !isSilent)) ?? null;
  }

  #waysFor(name: string, l64: L64, now: number): Way[] {
    const prefix = formatL64(l64);
    return [...this.#ways.values()].filter((w) => w.interface === name && w.l64 === prefix && w.until > now);
  }

  #isWay(way: Way | undefined, now: number): boolean {
    return way !== undefined && way.until > now;
  }
}
