/**
 * Neighbour discovery on behalf of others (proxy NDP, RFC 4861 section 7.2.8): for global addresses whose prefix is on
 * the uplink instead of routed to us, and for guests of an inside link that are at another site. And the announcement of
 * the gateway to guests that arrive.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { formatIlv } from '../wire/text.ts';
import { announce } from './announce.ts';
import { ipBatch, ipJson } from './ip.ts';
import { PROTOCOL } from './plan.ts';

/** Reason: many guests may arrive at once, one message reaches them all. */
const ANNOUNCE_GAP_MS = 10;
/**
 * Most entries we make. Reason: the kernel keeps them, and the multicast groups it joins for them, in lists that it walks
 * for each: so many take it two seconds, twice as many four times as long.
 */
export const MAX_NEIGHBOURS = 16_384;
/** Commands at a time, so that the process hears signals and other borders in between. */
const CHUNK = 1024;

export class Neighbours {
  /** Entries we made, `address interface`. */
  readonly #entries = new Set<string>();
  readonly #run: (commands: string[][]) => void;
  readonly #onFull: (left: number) => void;
  #announced = 0;
  #later: NodeJS.Timeout | undefined;

  /**
   * `run`: does, or shows to whoever does it by hand, commands of `ip -6`. `onFull`: so many entries were not made because
   * there are MAX_NEIGHBOURS.
   */
  constructor(options: { run?: (commands: string[][]) => void; onFull: (left: number) => void }) {
    this.#run = options.run ?? ((commands) => ipBatch(commands, { force: true }));
    this.#onFull = options.onFull;
  }

  /** Makes the entries that the bindings want and removes all others of ours. */
  async sync(config: SiteConfig, bindings: Iterable<Binding>): Promise<void> {
    const wanted = new Set<string>();
    let left = 0;
    for (const binding of bindings)
      for (const entry of entriesFor(config, binding))
        if (wanted.size < MAX_NEIGHBOURS) wanted.add(entry);
        else left++;
    if (left > 0) this.#onFull(left);
    await this.#change(
      [...wanted].filter((e) => !this.#entries.has(e)),
      [...this.#entries].filter((e) => !wanted.has(e)),
    );
  }

  /** The same by what the kernel has: an earlier run left entries, or links went down, with which the kernel forgot some. */
  async repair(config: SiteConfig, bindings: Iterable<Binding>): Promise<void> {
    const there = ipJson<{ dst: string; dev: string }>('neigh', 'show', 'proxy', 'protocol', PROTOCOL);
    this.#entries.clear();
    for (const { dst, dev } of there) this.#entries.add(`${dst} ${dev}`);
    await this.sync(config, bindings);
  }

  /** The same as `sync` for some bindings only. */
  async moved(config: SiteConfig, bindings: readonly Binding[]): Promise<void> {
    const add: string[] = [];
    const remove: string[] = [];
    for (const binding of bindings) {
      const wanted = entriesFor(config, binding);
      add.push(...wanted.filter((e) => !this.#entries.has(e)));
      for (const link of config.inside) {
        const entry = `${formatIlv(binding.guest, binding.nid)} ${link.interface}`;
        if (this.#entries.has(entry) && !wanted.includes(entry)) remove.push(entry);
      }
    }
    const room = MAX_NEIGHBOURS - this.#entries.size + remove.length;
    if (add.length > room) this.#onFull(add.length - room);
    await this.#change(add.slice(0, room), remove);
  }

  /** Tells every inside link that its gateway is here, at once and again a little later for those just plugged in. */
  announceGateways(config: SiteConfig): void {
    const now = Date.now();
    if (now - this.#announced < ANNOUNCE_GAP_MS) {
      this.#later ??= setTimeout(() => {
        this.#later = undefined;
        this.announceGateways(config);
      }, ANNOUNCE_GAP_MS);
      return;
    }
    this.#announced = now;
    for (const link of config.inside) if (link.gateway !== undefined) announce(link.interface, link.gateway);
  }

  async clear(): Promise<void> {
    clearTimeout(this.#later);
    await this.#change([], [...this.#entries]);
  }

  async #change(add: readonly string[], remove: readonly string[]): Promise<void> {
    const command = (verb: string, entry: string): string[] => {
      const [address, name] = entry.split(' ') as [string, string];
      return ['neigh', verb, 'proxy', address, 'dev', name, ...(verb === 'add' ? ['protocol', PROTOCOL] : [])];
    };
    // the newest first: the kernel finds it at the head of its lists
    for (const entries of chunks([...remove].reverse())) {
      this.#run(entries.map((e) => command('del', e)));
      for (const entry of entries) this.#entries.delete(entry);
      await nextTurn();
    }
    for (const entries of chunks(add)) {
      this.#run(entries.map((e) => command('add', e)));
      for (const entry of entries) this.#entries.add(entry);
      await nextTurn();
    }
  }
}

function* chunks(entries: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < entries.length; from += CHUNK) yield entries.slice(from, from + CHUNK);
}

function entriesFor(config: SiteConfig, binding: Binding): string[] {
  const entries: string[] = [];
  if (binding.home === config.site) {
    for (const uplink of config.uplinks)
      if (uplink.onLink) entries.push(`${formatIlv(uplink.l64, binding.nid)} ${uplink.interface}`);
  }
  if (binding.at !== config.site) {
    for (const link of config.inside) {
      const same = link.l64.hi === binding.guest.hi && link.l64.lo === binding.guest.lo;
      if (same) entries.push(`${formatIlv(binding.guest, binding.nid)} ${link.interface}`);
    }
  }
  return entries;
}
