/**
 * What must hold at every event, whatever the weather. "At every event" without looking at everything every time: who is
 * active changes only when a table switches, what leaves is looked at when it leaves, memory on a beat. host-node.ts
 * holds two more: no packet arrives more often than links copied it, and none arrives damaged unless a link did it.
 */
import type { Binding } from '../../src/ilnp/bindings.ts';
import { OUTSIDE, SITE } from '../../src/packet/batch.ts';
import type { Change } from '../../src/sites/messages.ts';
import { PEER_TIMING } from '../../src/sites/peer-timing.ts';
import { u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { formatNid, type L64, type Nid } from '../../src/wire/text.ts';
import type { SimBorder } from './border.ts';
import type { ControlLines } from './control.ts';
import type { Engine } from './engine.ts';
import { readError } from './icmp.ts';
import type { Link } from './link.ts';
import { REGISTRY, type SimRegistry } from './registry.ts';

/** A site that took part in a move knows it when it is settled. */
const GRACE_INVOLVED_US = 1000;
/**
 * The new site may have forgotten it when it starts again: home tells it as soon as they are connected, which may be the longest wait
 * between two attempts after they can be. A registry does not.
 */
const GRACE_FORGOTTEN_US = PEER_TIMING.reconnectLastMs * 1000 + 0.5e6;
/**
 * Others are told best effort; once they can be: retries, reconnection and the longest time-out are over, which is that of a
 * question to the registry (registry/client.ts).
 */
const GRACE_OTHERS_US = 16e6;
const BEAT_US = 100_000;
/** Events planned at a time: more than any scenario's packets in flight and timers. */
const PLANNED_MAX = 100_000;
const HELD_RANGES_MAX = 2000;
/** Over the longest hold: a commit may take as much longer, and time is looked at on a beat. */
const HOLD_SLACK_MS = 2000 + 200;

interface Committed {
  readonly at: string;
  readonly epoch: number;
  readonly since: number;
  readonly involved: ReadonlySet<string>;
}

const keyOf = ({ hi, lo }: Nid | L64): string => `${hi}:${lo}`;

export class Invariants {
  readonly #engine: Engine;
  readonly #lines: ControlLines;
  readonly #registry: SimRegistry | undefined;
  readonly #borders: readonly SimBorder[];
  readonly #committed = new Map<string, Committed>();
  /** "site nid" that an operator declared dead by force: may be wrong until it has heard. */
  readonly #outlaws = new Set<string>();
  /** Where every identifier is since every epoch that some table had, and the epoch of every table of borders that run. */
  readonly #placeOf = new Map<string, string>();
  readonly #epochs = new Map<string, number>();
  readonly #siteOf = new Map<string, string>();
  readonly #inside: ReadonlySet<string>;
  /** Per site: since when everybody could reach it and it was up. */
  readonly #calmSince = new Map<string, number>();
  /** Places of memory that must stay within bounds: how much there is, how much there may be. */
  readonly bounds: { readonly what: string; readonly now: () => number; readonly max: number }[] = [];

  /** `inside`: Locators that only exist inside; `borders` may still be empty, it is looked at later. */
  constructor(options: {
    readonly engine: Engine;
    readonly lines: ControlLines;
    readonly registry?: SimRegistry | undefined;
    readonly borders: readonly SimBorder[];
    readonly inside: readonly L64[];
    readonly sites: readonly { readonly site: string; readonly l64: L64 }[];
  }) {
    this.#engine = options.engine;
    this.#lines = options.lines;
    this.#registry = options.registry;
    this.#borders = options.borders;
    this.#inside = new Set(options.inside.map(keyOf));
    for (const { site, l64 } of options.sites) this.#siteOf.set(keyOf(l64), site);
    this.bounds.push({ what: 'events planned', now: () => options.engine.plannedMax, max: PLANNED_MAX });
  }

  /** Looks at memory on a beat; `links`: their queues. */
  start(links: readonly Link[]): void {
    const look = (): void => {
      for (const { what, now, max } of this.bounds)
        if (now() > max) this.#engine.violate(`${what}: ${now()}, at most ${max}`);
      for (const link of links)
        if (link.backlogMax > link.config.queueKib * 1024)
          this.#engine.violate(`queue of ${link.name}: ${link.backlogMax} octets, at most ${link.config.queueKib} KiB`);
      for (const { disk, config, running } of this.#borders) {
        const open = running?.moves.unsettled ?? 0;
        const since = running?.path.heldSince ?? this.#engine.now;
        if (this.#engine.now - since > (config.limits.holdMs + HOLD_SLACK_MS) * 1000)
          this.#engine.violate(`${config.site} has held a packet since ${since / 1e6} s`);
        if (Math.max(disk.moved.size, disk.open.size, open) > config.bindings.length)
          this.#engine.violate(`record of ${config.site}: more entries than ${config.bindings.length} bindings`);
      }
      this.#trackCalm();
      this.#engine.after(BEAT_US, look);
    };
    look();
  }

  /** Connections hold what came out of order; not without end. */
  boundHeld(what: string, now: () => number): void {
    this.bounds.push({ what, now, max: HELD_RANGES_MAX });
  }

  /** A border's tables have switched, or it has started. */
  switched(border: SimBorder, bindings: readonly Binding[]): void {
    for (const binding of bindings) {
      const { nid } = binding;
      this.#outlaws.delete(`${border.name} ${formatNid(nid)}`);
      const active = this.#borders.filter(
        (one) => one.isActive(nid) && !this.#outlaws.has(`${one.name} ${formatNid(nid)}`),
      );
      if (active.length > 1)
        this.#engine.violate(`${formatNid(nid)} is active at ${active.map((one) => one.name).join(' and ')}`);
      this.#fenced(border, binding);
    }
  }

  /**
   * An epoch stands for one place, and a table never goes back. Only the site of an epoch may not be sure, when it has started again
   * while a move could have been decided: then it is not active (src/sites/written-ahead.ts).
   */
  #fenced({ name, crashes }: SimBorder, { nid, at, epoch }: Binding): void {
    const decision = `${formatNid(nid)} ${epoch}`;
    const place = this.#placeOf.get(decision) ?? at;
    this.#placeOf.set(decision, place);
    const table = `${formatNid(nid)} ${name} ${crashes}`;
    const before = this.#epochs.get(table);
    this.#epochs.set(table, epoch);
    if (place !== at && (place !== name || before !== undefined))
      this.#engine.violate(`epoch ${epoch} of ${formatNid(nid)} is ${place} and, at ${name}, ${at}`);
    if (before !== undefined && before > epoch)
      this.#engine.violate(`${name} goes back to epoch ${epoch} of ${formatNid(nid)} from ${before}`);
  }

  /** A home has carried out a decision: the sites of before and after have switched, unless force left one out. */
  settled(home: SimBorder, { nid, at, epoch }: Change): void {
    const before = this.#committed.get(keyOf(nid));
    if (before !== undefined && before.epoch >= epoch) return;
    const configured = home.config.bindings.find((b) => b.nid.hi === nid.hi && b.nid.lo === nid.lo)?.at;
    const involved = new Set([home.name, at, before?.at ?? configured ?? at]);
    this.#committed.set(keyOf(nid), { at, epoch, since: this.#engine.now, involved });
  }

  /** Somebody moved an identifier without asking this site, which is said to be dead. */
  forced(nid: string, site: string): void {
    this.#outlaws.add(`${site} ${nid}`);
  }

  /** A packet leaves a border over a link. */
  leaves(border: SimBorder, side: number, octets: Uint8Array): void {
    if (side === OUTSIDE) this.#leavesUplink(border, octets);
    else if (side === SITE) this.#leavesForSite(border, octets);
  }

  #leavesUplink(border: SimBorder, octets: Uint8Array): void {
    const places = [ipv6.SRC, ipv6.DST];
    const error = readError(octets);
    if (error !== null) places.push(error.quote + ipv6.SRC, error.quote + ipv6.DST);
    for (const at of places) {
      if (this.#inside.has(`${u32(octets, at)}:${u32(octets, at + 4)}`))
        this.#engine.violate(`a packet left an uplink of ${border.name} with an inside Locator at octet ${at}`);
    }
  }

  #leavesForSite(border: SimBorder, octets: Uint8Array): void {
    const site = this.#siteOf.get(`${u32(octets, ipv6.DST)}:${u32(octets, ipv6.DST + 4)}`);
    const nid = { hi: u32(octets, ipv6.DST_NID), lo: u32(octets, ipv6.DST_NID + 4) };
    const committed = this.#committed.get(keyOf(nid));
    if (site === undefined || committed === undefined || site === committed.at) return;
    const known = border.running?.bindings.get(nid);
    if (known === undefined) return;
    // what counts is the table that forwards; with a newer epoch there, a newer move is under way
    if (border.running!.path.epochOf(nid) >= committed.epoch) return;
    if (this.#outlaws.has(`${border.name} ${formatNid(nid)}`)) return;
    const { now } = this.#engine;
    const calm = Math.max(this.#calmSince.get(border.name) ?? 0, this.#calmSince.get(known.home) ?? 0, committed.since);
    const mayForget = border.name === committed.at && border.crashes > 0 && this.#registry === undefined;
    let until = calm + GRACE_OTHERS_US;
    if (mayForget) until = calm + GRACE_FORGOTTEN_US;
    else if (committed.involved.has(border.name)) until = committed.since + GRACE_INVOLVED_US;
    if (now > until)
      this.#engine.violate(`${border.name} sends for ${formatNid(nid)} to ${site}, but it is at ${committed.at}`);
  }

  #trackCalm(): void {
    for (const one of this.#borders) {
      const calm = this.#borders.every(
        (other) => other === one || (one.running !== undefined && this.#lines.isUp(one.name, other.name)),
      );
      const asks = this.#registry === undefined || (this.#registry.isUp && this.#lines.isUp(one.name, REGISTRY));
      if (!calm || !asks) this.#calmSince.set(one.name, this.#engine.now + BEAT_US);
    }
  }
}
