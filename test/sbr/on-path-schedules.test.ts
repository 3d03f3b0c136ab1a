/**
 * A guest and its correspondent, both end systems, and two sites between them, in memory: uplinks come and go, the guest moves,
 * packets are lost, doubled and overtaken, what sites tell each other is lost too. By seed.
 */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../native-free/random.ts';
import { reachOf } from '../../src/border/reach.ts';
import type { BindingConfig, SiteConfig } from '../../src/config/site-config.ts';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { compile } from '../../src/sbr/compile.ts';
import { type Tables, tablesOf } from '../../src/sbr/tables.ts';
import { GuestUpdates } from '../../src/sbr/updates.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { LOCATOR_UPDATE, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { formatL64 } from '../../src/wire/text.ts';
import { type End, endSystem, know } from '../shim/support.ts';
import { addressesOf, type Header, udp6 } from '../support/packets.ts';
import { bound, pass, siteConfig } from '../support/sites.ts';

const MS = 1000;
const S = 1e6;
const GUEST = 'fd00:5::a1';
const CN = '2001:db8:c::c9';
const HOME: BindingConfig = bound('a1', 'fd00:1::/64', 1, 1);
/** Global Locators by their first words, and where they lead: the site and its uplink. */
const WAYS: Readonly<Record<string, readonly [site: number, uplink: number]>> = {
  '2001:db8:1::/64': [1, 0],
  '2001:db8:11::/64': [1, 1],
  '2001:db8:2::/64': [2, 0],
};
const EVENTS_UNTIL = 60 * S;
const END = 110 * S;

class Site {
  readonly config: SiteConfig;
  readonly tables: Tables;
  readonly updates: GuestUpdates;
  up: boolean[];

  constructor(n: number, emit: (packet: Uint8Array) => void, seconds: () => number) {
    this.config = siteConfig(n, 2, [HOME]);
    this.up = this.config.uplinks.map(() => true);
    this.tables = tablesOf(this.config, { outsideAddress: null, insideAddress: null, seeds: [n, 2, 3, 4] });
    const { fib, bindings } = this.tables;
    const uplinks = () => ({ ids: fib.image.uplinkIds, usable: this.up });
    this.updates = new GuestUpdates({
      pairs: fib.pairs!,
      reach: (nid, inside) => reachOf(this.config, bindings.get(nid), inside, uplinks()),
      emit: (packets) => packets.forEach(emit),
      seconds,
    });
  }

  /** What is configured, or where the guest is, has changed: correspondents first, then the path. */
  changed(now: number): void {
    this.updates.begin(now);
    const { fib, bindings } = this.tables;
    fib.load(compile(this.config, bindings, { uplinkUp: this.up, outsideAddress: null, insideAddress: null }));
  }

  /** The guest is at site `at` now. */
  place(at: number, epoch: number, now: number): void {
    const { fib, bindings } = this.tables;
    const index = bindings.put({ ...HOME, at: `site${at}`, epoch });
    if (`site${at}` === this.config.site) for (const pair of fib.pairs!.all()) fib.pairs!.arrived(pair);
    this.changed(now);
    fib.table.put(native32(HOME.nid.hi), native32(HOME.nid.lo), index, epoch);
  }
}

class World {
  readonly guest: End = endSystem(GUEST, ['fd00:1::/64']);
  readonly cn: End = endSystem('fd00:6::c9', ['2001:db8:c::/64']);
  readonly sites: readonly [Site, Site];
  readonly #random: SeededRandom;
  readonly #queue: { readonly at: number; readonly run: () => void }[] = [];
  at: 1 | 2 = 1;
  /** When the programs last heard each other. */
  readonly heard = { guest: 0, cn: 0 };
  #epoch = 0;
  now = 1;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const site = (n: 1 | 2) =>
      new Site(
        n,
        (p) => this.#leaves(n, p),
        () => Math.floor(this.now / S),
      );
    this.sites = [site(1), site(2)];
    know(this.guest, CN);
  }

  run(): void {
    this.#every(100 * MS, () => this.#fromGuest(udp6({ src: GUEST, dst: CN })));
    this.#every(100 * MS, () => {
      for (const end of [this.guest, this.cn]) end.shim.run(this.now);
      for (const { updates } of this.sites) updates.run(this.now);
      this.#flush();
    });
    this.#every(S, () => this.#site().updates.begin(this.now)); // sessions that visitors have begun
    for (let t = 5 * S; t < EVENTS_UNTIL; t += this.#random.below(15 * S)) this.#after(t, () => this.#event());
    while (this.#queue.length > 0) {
      const { at, run } = this.#queue.shift()!;
      if (at > END) return;
      this.now = at;
      run();
    }
  }

  /** The uplinks the guest can be reached by at the end. */
  get reachable(): string[] {
    return Object.entries(WAYS).flatMap(([l, [n, u]]) => (n === this.at && this.sites[n - 1]!.up[u] ? [l] : []));
  }

  #site = (): Site => this.sites[this.at - 1]!;

  #event(): void {
    if (this.#random.chance(0.5)) {
      this.#move();
      return;
    }
    const [home] = this.sites;
    const uplink = this.#random.below(2);
    if (home.up[uplink] && !home.up[1 - uplink]) return;
    home.up = home.up.with(uplink, !home.up[uplink]);
    home.changed(this.now);
  }

  #move(): void {
    const [from, to] = this.at === 1 ? this.sites : [this.sites[1], this.sites[0]];
    this.at = this.at === 1 ? 2 : 1;
    this.#epoch++;
    from.place(this.at, this.#epoch, this.now);
    const pairs = from.tables.fib.pairs!;
    const known = [...pairs.all()].flatMap((pair) => pairs.known(pair) ?? []);
    for (const pair of pairs.all()) pairs.departed(pair);
    to.place(this.at, this.#epoch, this.now);
    if (this.#random.chance(0.5)) return;
    for (const one of known) to.tables.fib.pairs!.learn(one, Math.floor(this.now / S));
    to.updates.begin(this.now);
  }

  #fromGuest(packet: Uint8Array): void {
    const out = this.guest.pass(packet, this.now);
    this.#flush();
    if (typeof out !== 'string') this.#through(this.at, INSIDE, out);
  }

  /** A packet that reaches the border of site `n` by side `port`. */
  #through(n: number, port: number, came: Uint8Array): void {
    const { verdict, egress, packet } = pass(this.sites[n - 1]!.tables.fib, port, came, this.now);
    if (verdict === v.TAKEN) return;
    expect(v.VERDICTS[verdict]!.name).toBe('forwarded');
    if (egress === OUTSIDE) this.#leaves(n, packet);
    else if (egress === SITE) this.#after(MS, () => this.#through(3 - n, SITE, packet));
    else if (n === this.at) this.#toGuest(packet);
  }

  #toGuest(packet: Uint8Array): void {
    if (typeof this.guest.pass(packet, this.now) !== 'string') this.heard.guest = this.now;
    this.#flush();
  }

  #leaves(n: number, packet: Uint8Array): void {
    const source = formatL64({ hi: halfOf(packet, 8), lo: halfOf(packet, 12) });
    expect(Object.keys(WAYS)).toContain(source);
    for (const listed of locatorsIn(packet)) expect(Object.keys(WAYS)).toContain(listed);
    if (WAYS[source]![0] === n && this.sites[n - 1]!.up[WAYS[source]![1]]) this.#travel(() => this.#toCn(packet));
  }

  #toCn(packet: Uint8Array): void {
    const got = this.cn.pass(packet, this.now);
    this.#flush();
    if (typeof got === 'string') return;
    this.heard.cn = this.now;
    const h: Header = { src: addressesOf(got).dst, dst: addressesOf(got).src };
    const answer = this.cn.pass(udp6(h), this.now);
    if (typeof answer !== 'string') this.#fromCn(answer);
  }

  #fromCn(packet: Uint8Array): void {
    const way = WAYS[formatL64({ hi: halfOf(packet, 24), lo: halfOf(packet, 28) })];
    if (way === undefined) return;
    const [n, uplink] = way;
    this.#travel(() => {
      if (this.sites[n - 1]!.up[uplink]) this.#through(n, OUTSIDE, packet);
    });
  }

  /** What the end systems have to say by themselves. */
  #flush(): void {
    for (const packet of this.guest.sent.splice(0)) this.#through(this.at, INSIDE, packet);
    for (const packet of this.cn.sent.splice(0)) this.#fromCn(packet);
  }

  /** The internet: now and then a packet is lost, or comes twice. */
  #travel(arrive: () => void): void {
    const times = this.#random.chance(0.1) ? 0 : this.#random.chance(0.05) ? 2 : 1;
    for (let k = 0; k < times; k++) this.#after(5 * MS + this.#random.below(30 * MS), arrive);
  }

  #every(period: number, run: () => void): void {
    this.#after(period, () => {
      run();
      this.#every(period, run);
    });
  }

  #after(wait: number, run: () => void): void {
    const at = this.now + wait;
    let k = this.#queue.length;
    while (k > 0 && this.#queue[k - 1]!.at > at) k--;
    this.#queue.splice(k, 0, { at, run });
  }
}

const halfOf = (b: Uint8Array, o: number): number => new DataView(b.buffer, b.byteOffset).getUint32(o);

/** Locators that a Locator Update with a nonce lists. */
function locatorsIn(packet: Uint8Array): string[] {
  if (packet[6] !== 60 || packet[40] !== 58 || packet[48] !== LOCATOR_UPDATE) return [];
  const read = readLocatorUpdate(packet, 0, 48, packet.length - 48);
  expect(read).not.toBeTypeOf('string');
  if (typeof read === 'string' || read.operation !== 1) return [];
  return read.locators.map((l) => formatL64(l.locator));
}

const DROPS = ['drop_unknown_locator', 'drop_wrong_nonce', 'drop_forged_update', 'drop_forged_icmp', 'drop_bad_update'];

describe('whatever happens to uplinks, sites and packets', () => {
  // shows: S13, S16, S17a, S17b, S18, S20, S31
  test('no inside Locator leaves, nothing true is refused, and the correspondent ends where the guest is', () => {
    let moved = 0;
    for (let seed = 1; seed <= 15; seed++) {
      const world = new World(seed);
      world.run();
      const c = world.cn.shim.node.ilcc.find(0, native32(0xa1) | 0)!;
      const { l0, l1 } = c.target(world.now);
      const where = formatL64({ hi: native32(l0), lo: native32(l1) });

      expect([seed, world.reachable]).toEqual([seed, expect.arrayContaining([where])]);
      for (const end of [world.guest, world.cn]) expect([seed, DROPS.map(end.count)]).toEqual([seed, [0, 0, 0, 0, 0]]);
      expect(END - world.heard.guest).toBeLessThan(S);
      expect(END - world.heard.cn).toBeLessThan(S);
      moved += world.sites[1].updates.sent;
    }
    expect(moved).toBeGreaterThan(15); // the second site had something to say
  });
});
