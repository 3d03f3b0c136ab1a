/**
 * Neighbour discovery on behalf of others (proxy NDP, RFC 4861 section 7.2.8): for global addresses whose prefix is on
 * the uplink instead of routed to us, and for guests of an inside link that are at another site. And the announcement of
 * the gateway to guests that arrive.
 */
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { formatIlv } from '../wire/text.ts';
import { announce } from './announce.ts';
import { ipBatch, ipJson } from './ip.ts';
import { PROTOCOL } from './plan.ts';

/** Reason: many guests may arrive at once, one message reaches them all. */
const ANNOUNCE_GAP_MS = 10;

export class Neighbours {
  /** Entries we made, `address interface`. */
  readonly #entries = new Set<string>();
  readonly #run: (commands: string[][]) => void;
  #announced = 0;
  #later: NodeJS.Timeout | undefined;

  /** `run`: does, or shows to whoever does it by hand, commands of `ip -6`. */
  constructor(run: (commands: string[][]) => void = (commands) => ipBatch(commands, { force: true })) {
    this.#run = run;
  }

  /** Takes over what an earlier run left, so that `sync` and `clear` know of it. */
  adopt(): void {
    for (const { dst, dev } of ipJson<{ dst: string; dev: string }>('neigh', 'show', 'proxy', 'protocol', PROTOCOL))
      this.#entries.add(`${dst} ${dev}`);
  }

  /** Makes the entries that the bindings want and removes all others of ours. */
  sync(config: SiteConfig, bindings: Iterable<Binding>): void {
    const wanted = new Set<string>();
    for (const binding of bindings) for (const entry of entriesFor(config, binding)) wanted.add(entry);
    this.#change(
      [...wanted].filter((e) => !this.#entries.has(e)),
      [...this.#entries].filter((e) => !wanted.has(e)),
    );
  }

  /** The same after links went down, with which the kernel forgot entries. */
  repair(config: SiteConfig, bindings: Iterable<Binding>): void {
    this.#entries.clear();
    this.adopt();
    this.sync(config, bindings);
  }

  /** The same for some bindings only. */
  moved(config: SiteConfig, bindings: readonly Binding[]): void {
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
    this.#change(add, remove);
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

  clear(): void {
    clearTimeout(this.#later);
    this.#change([], [...this.#entries]);
  }

  #change(add: readonly string[], remove: readonly string[]): void {
    const command = (verb: string, entry: string): string[] => {
      const [address, name] = entry.split(' ') as [string, string];
      return ['neigh', verb, 'proxy', address, 'dev', name, ...(verb === 'add' ? ['protocol', PROTOCOL] : [])];
    };
    const commands = [...remove.map((e) => command('del', e)), ...add.map((e) => command('add', e))];
    if (commands.length > 0) this.#run(commands);
    for (const entry of remove) this.#entries.delete(entry);
    for (const entry of add) this.#entries.add(entry);
  }
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
