/**
 * Which routers of a link are the way out for which prefix, RFC 8028 section 3: a site that gets a packet with a source of
 * another provider drops it. Learned from Router Advertisements; where none was heard any router of the link will do.
 * Pure: time is an argument, milliseconds.
 */
import type { L64 } from '../wire/text.ts';
import type { KernelRoute } from './kernel-view.ts';
import type { Advertised } from './router-advertisement.ts';

/** Strangers can advertise what they like: no more than this is kept, the oldest goes. */
const KEPT = 256;

export class Routers {
  /** Per interface, prefix and router: until when it counts, in the order of hearing. */
  readonly #until = new Map<string, number>();

  /** True when something is new: another prefix, or a prefix taken back. */
  heard(name: string, router: string, prefixes: readonly Advertised[], now: number): boolean {
    let changed = false;
    for (const { l64, valid } of prefixes) {
      const key = keyOf(name, l64, router);
      const known = this.#until.delete(key);
      if (valid > 0) this.#until.set(key, now + valid * 1000);
      if (known !== valid > 0) changed = true;
    }
    for (const key of this.#until.keys()) {
      if (this.#until.size <= KEPT) break;
      this.#until.delete(key);
    }
    return changed;
  }

  /** The way out for `l64` on the interface `name`, or null; `routes`: those of the kernel. */
  wayOut(name: string, l64: L64, routes: readonly KernelRoute[], now: number): KernelRoute | null {
    const here = routes.filter((r) => r.interface === name && r.destination === 'default' && r.gateway !== null);
    here.sort((a, b) => a.metric - b.metric || b.preference - a.preference); // RFC 4191 section 3.2
    const prefix = keyOf(name, l64, '');
    const advertisers = [...this.#until].filter(([key, until]) => key.startsWith(prefix) && until > now);
    if (advertisers.length === 0) return here[0] ?? null;
    return here.find((r) => advertisers.some(([key]) => key === prefix + r.gateway)) ?? null;
  }
}

const keyOf = (name: string, { hi, lo }: L64, router: string): string => `${name} ${hi}:${lo} ${router}`;
