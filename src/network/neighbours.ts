/**
 * Neighbour discovery on behalf of others (proxy NDP, RFC 4861 section 7.2.8): for global addresses whose prefix is on
 * the uplink instead of routed to us, and for guests of an inside link that are at another site. And the announcement of
 * the gateway to guests that arrive, whose own link-layer addresses are asked for.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { formatIlv, type L64 } from '../wire/text.ts';
import { announce } from './announce.ts';
import { ipJson } from './ip.ts';
import { changeOf } from './ip-words.ts';
import { RouteSocket } from './netlink.ts';
import { PROTOCOL } from './plan.ts';
import { resolveNeighbours } from './resolve.ts';

/** Reason: many guests may arrive at once, one message reaches them all. */
const ANNOUNCE_GAP_MS = 10;
/**
 * Most entries we make. Reason: the kernel keeps them, and the multicast groups it joins for them, in lists that it walks
 * for each: so many take it two seconds, twice as many four times as long.
 */
export const MAX_NEIGHBOURS = 16_384;
/**
 * How long a guest that has arrived is waited for. Reasons: what waits for it too would be lost, but for some packets; other changes
 * wait meanwhile, and home is patient for half a second (sites/handoffs.ts); an emulated one answers in 20 ms.
 */
const RESOLVE_MS = 200;
/** Most guests asked for at a time. */
const MAX_RESOLVED = 64;
/** Commands at a time, so that the process hears signals and other borders in between. */
const CHUNK = 1024;

export class Neighbours {
  /** Entries we made, `address interface`. */
  readonly #entries = new Set<string>();
  readonly #run: (commands: string[][]) => void;
  readonly #onFull: (left: number) => void;
  #announced = 0;
  #later: NodeJS.Timeout | undefined;
  #opened: RouteSocket | undefined;

  /**
   * `run`: does, or shows to whoever does it by hand, commands of `ip -6`. `onFull`: so many entries were not made because
   * there are MAX_NEIGHBOURS.
   */
  constructor(options: { run?: (commands: string[][]) => void; onFull: (left: number) => void }) {
    this.#run = options.run ?? ((commands) => this.#tell(commands));
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

  /**
   * Asks for guests that have arrived, so that the first packets for them find their way at once; true when they have
   * answered in time.
   */
  async resolve(config: SiteConfig, arrived: readonly Binding[]): Promise<boolean> {
    const wanted = arrived.slice(0, MAX_RESOLVED).map(({ guest, nid }) => {
      const serves = (l64: L64): boolean => l64.hi === guest.hi && l64.lo === guest.lo;
      const link = config.inside.find(({ l64, guests }) => [l64, ...guests].some(serves)) ?? config.inside[0]!; // as plan.ts
      return { interface: link.interface, address: formatIlv(guest, nid) };
    });
    if (wanted.length === 0) return true;
    try {
      return await resolveNeighbours(this.#socket, wanted, RESOLVE_MS);
    } catch {
      return false; // no socket: then packets ask
    }
  }

  async clear(): Promise<void> {
    clearTimeout(this.#later);
    await this.#change([], [...this.#entries]);
    this.#opened?.close();
    this.#opened = undefined;
  }

  get #socket(): RouteSocket {
    this.#opened ??= new RouteSocket();
    return this.#opened;
  }

  /** What is there already, or is not any more, is as it should be. */
  #tell(commands: readonly (readonly string[])[]): void {
    for (const words of commands) {
      const change = changeOf(words);
      if (change !== null) this.#socket.change(change);
    }
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
