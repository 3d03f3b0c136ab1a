/**
 * The network of a scenario of end systems: every network a link per end that may be there, all joined by one plain router,
 * and an attacker of either kind.
 *
 *   end ── network 1 ──╲
 *      ╲── network 2 ── internet ── network 3 ── end
 */
import { u32 } from '../../../src/wire/bytes.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import type { L64, Nid } from '../../../src/wire/text.ts';
import type { SeededRandom } from '../../random.ts';
import { Engine } from '../engine.ts';
import { Link, type Tap } from '../link.ts';
import type { Packet } from '../packet.ts';
import { addressOf } from '../place.ts';
import { Router } from '../router.ts';
import type { ScenarioSession } from '../scenario-schema.ts';
import type { SessionWorld } from '../sessions.ts';
import { forged, isSignalling, Recorder } from './attacker.ts';
import { SimEnd } from './end.ts';
import { LINK_MTU } from './kernel.ts';
import * as places from './place.ts';
import type { EndsEvent, EndsScenario } from './scenario-schema.ts';

/** How long names take to answer. */
const LOOKUP_US = 30_000;
/** How often somebody looks whether all moves before are known to all. */
const LOOK_US = 20_000;
/** Longer than a packet is on its way. */
const ON_THE_WAY_US = 150_000;
const BEAT_US = 100_000;
const HELD_MAX = 2000;

type Move = Extract<EndsEvent, { do: 'move' }>;

export interface EndMove {
  readonly guest: string;
  readonly from: string;
  readonly to: string;
  readonly at: number;
  doneAt: number;
}

export class EndsWorld implements SessionWorld {
  readonly engine: Engine;
  readonly scenario: EndsScenario;
  readonly ends: SimEnd[] = [];
  readonly links: Link[] = [];
  readonly internet = new Router('internet', places.routerAddress());
  readonly moves: EndMove[] = [];
  /** Packets that ends were not allowed to send there (RFC 2827). */
  filtered = 0;
  readonly #tap: Tap | undefined;
  readonly #recorder: Recorder;
  readonly #weather: SeededRandom;
  readonly #forged = new WeakSet<object>();
  /** Both directions by "network end". */
  readonly #pairs = new Map<string, { readonly up: Link; readonly down: Link }>();
  /** Where each end is, by name. */
  readonly #at = new Map<SimEnd, readonly string[]>();
  readonly #cut = new Set<string>();
  /** When somebody moved, or had not acknowledged a move. */
  #restlessAt = Number.NEGATIVE_INFINITY;

  constructor(scenario: EndsScenario, seed: number, tap?: Tap) {
    this.scenario = scenario;
    this.engine = new Engine(seed);
    this.#tap = tap;
    this.#recorder = new Recorder(this.engine.random('recorder'));
    this.#weather = this.engine.random('signalling');
    for (const [k, spec] of scenario.ends.entries()) {
      const who = { spec, nid: places.endNid(k), stable: places.stableL64(k), forged: this.#forged };
      const end = new SimEnd(this.engine, who, { onLost: (one, nid) => this.#lookUp(one, nid) });
      this.ends.push(end);
      for (const [n, network] of scenario.networks.entries()) this.#join(end, network.name, n);
      this.#put(end, spec.at, spec.at);
    }
    for (const end of this.ends) for (const name of end.spec.knows) this.#teach(end, this.station(name));
    this.#beat();
  }

  station(name: string): SimEnd {
    const end = this.ends.find((one) => one.name === name);
    if (end === undefined) throw new RangeError(`no end ${name}`);
    return end;
  }

  /** As names say when the program asks; its resolver teaches the shim whom it asked for. */
  addressFor({ from, to }: ScenarioSession): Uint8Array {
    const [asking, asked] = [this.station(from), this.station(to)];
    if (asking.spec.knows.includes(to)) this.#teach(asking, asked);
    return addressOf(asked.named[0]!, asked.nid);
  }

  /** True when everybody has acknowledged where everybody is. */
  get isSettled(): boolean {
    return this.ends.every((end) => (end.kernel?.shim.updates.outstanding ?? 0) === 0);
  }

  /** Everybody knows, and no copy of an update is late: there is no telling an old one from a new one (RFC 6743). */
  get #isCalm(): boolean {
    const { now } = this.engine;
    if (!this.isSettled) this.#restlessAt = now;
    return now - this.#restlessAt >= this.scenario.signalling.lateMs * 1000 + ON_THE_WAY_US;
  }

  /** Carries an end over, when the moves before are known if it is to wait for that. */
  move(order: Move): void {
    if (order.afterOthers && !this.#isCalm && this.engine.now < this.scenario.seconds * 1e6) {
      this.engine.after(LOOK_US, () => this.move(order));
      return;
    }
    this.#restlessAt = this.engine.now;
    const end = this.station(order.end);
    const before = this.#at.get(end)!;
    const report = { guest: end.name, from: before.join(' '), to: order.to.join(' '), at: this.engine.now, doneAt: 0 };
    this.moves.push(report);
    // who has no ILNP knows the old address only, and so does who had to be spoken to without
    for (const other of this.ends) {
      if (other.kernel === undefined) this.#excuse(end, other);
      end.excusePlain(other);
      other.excusePlain(end);
    }
    const arrive = (): void => {
      this.#put(end, order.to, order.to);
      this.#settle(report);
    };
    if (order.overlapMs > 0) {
      const both = [...order.to, ...before.filter((name) => !order.to.includes(name))];
      this.#put(end, both, both);
      this.engine.after(order.overlapMs * 1000, arrive);
    } else {
      const staying = before.filter((name) => order.to.includes(name));
      this.#put(end, staying, staying);
      this.engine.after(order.downtimeMs * 1000, arrive);
    }
  }

  /** The network reaches nobody, and nobody it. */
  cut(network: string, forMs: number): void {
    this.#cut.add(network);
    this.#refresh();
    this.engine.after(forMs * 1000, () => {
      this.#cut.delete(network);
      this.#refresh();
    });
  }

  restart(name: string, forMs: number): void {
    const end = this.station(name);
    const at = this.#at.get(end)!;
    for (const other of this.ends) this.#excuse(end, other);
    this.#put(end, [], []);
    end.restart();
    this.engine.after(forMs * 1000, () => {
      this.#put(end, at, at);
      for (const known of end.spec.knows) this.#teach(end, this.station(known));
    });
  }

  /** Somebody on the path sends again what it has kept. */
  replay(what: 'updates' | 'packets', times: number): void {
    for (let k = 0; k < times; k++)
      this.engine.after(k * 5000, () => {
        const packet = this.#recorder.again(what);
        if (packet !== null) this.#inject(packet);
      });
  }

  /** Somebody off the path sends what it has made up. */
  forge({ what, to, as, times, everyMs }: Extract<EndsEvent, { do: 'forge' }>): void {
    const random = this.engine.random(`forger ${what} ${to} ${this.engine.now}`);
    const [target, claimed] = [this.station(to), this.station(as)];
    for (let number = 0; number < times; number++)
      this.engine.after(number * everyMs * 1000, () => {
        if (target.locators.length === 0) return;
        const aim = {
          to: addressOf(target.locators[random.below(target.locators.length)]!, target.nid),
          as: addressOf(claimed.locators[0] ?? places.attackerL64(), claimed.nid),
          elsewhere: addressOf(places.attackerL64(), claimed.nid),
          number,
        };
        this.#inject(forged(what, aim, random));
      });
  }

  #excuse(one: SimEnd, other: SimEnd): void {
    one.excuse(other.nid);
    other.excuse(one.nid);
  }

  #inject(packet: Packet): void {
    this.#forged.add(packet.origin);
    this.engine.trace.add(this.engine.now, 'attacker', 'sends', packet.octets);
    this.internet.receive(packet);
  }

  #l64Of(network: string): L64 {
    return places.networkL64(this.scenario.networks.findIndex(({ name }) => name === network));
  }

  #join(end: SimEnd, network: string, n: number): void {
    const { link: config } = this.scenario.networks[n]!;
    const l64 = places.networkL64(n);
    const up = this.#link(`${end.name}>${network}`, { ...config, mtu: LINK_MTU }, (packet) => {
      const { octets } = packet;
      if (u32(octets, ipv6.SRC) !== l64.hi || u32(octets, ipv6.SRC + 4) !== l64.lo) {
        if (!packet.origin.corrupted) this.filtered++;
        return;
      }
      if (octets.length > config.mtu) this.internet.tooBig(packet, config.mtu);
      else this.#pass(packet);
    });
    const down = this.#link(`${network}>${end.name}`, config, (packet) => end.receive(packet));
    up.cut();
    down.cut();
    this.#pairs.set(`${network} ${end.name}`, { up, down });
  }

  /** Through the middle of the network, where updates are lost, doubled and late, and somebody listens. */
  #pass(packet: Packet): void {
    if (!packet.origin.corrupted) this.#recorder.see(packet.octets);
    const { loss, duplicate, lateMs } = this.scenario.signalling;
    if (loss + duplicate + lateMs === 0 || !isSignalling(packet.octets)) {
      this.internet.receive(packet);
      return;
    }
    const random = this.#weather;
    if (random.chance(loss)) {
      this.engine.trace.add(this.engine.now, 'internet', 'loses an update', packet.octets);
      return;
    }
    const copies = random.chance(duplicate) ? 2 : 1;
    packet.origin.copies += copies - 1;
    for (let k = 0; k < copies; k++) {
      const copy = { octets: packet.octets.slice(), origin: packet.origin };
      this.engine.after(random.fraction() * lateMs * 1000, () => this.internet.receive(copy));
    }
  }

  #link(name: string, config: Link['config'], deliver: (packet: Packet) => void): Link {
    const link = new Link({ engine: this.engine, name, config, deliver, tap: this.#tap });
    this.links.push(link);
    return link;
  }

  /** Puts an end at networks; of those in `named` it has the Locator. */
  #put(end: SimEnd, at: readonly string[], named: readonly string[]): void {
    this.#at.set(end, at);
    this.#refresh();
    const links = new Map(
      at.map((name) => {
        const { hi, lo } = this.#l64Of(name);
        return [`${hi}:${lo}`, this.#pairs.get(`${name} ${end.name}`)!.up] as const;
      }),
    );
    end.setLinks(
      links,
      named.map((name) => this.#l64Of(name)),
    );
  }

  /** Links are up where their end is and nobody has cut the network. */
  #refresh(): void {
    for (const end of this.ends)
      for (const { name } of this.scenario.networks) {
        const pair = this.#pairs.get(`${name} ${end.name}`);
        if (pair === undefined) continue;
        const isThere = (this.#at.get(end) ?? []).includes(name);
        this.internet.routeHost(addressOf(this.#l64Of(name), end.nid), isThere ? pair.down : undefined);
        const isUp = isThere && !this.#cut.has(name);
        for (const link of [pair.up, pair.down]) if (link.isUp !== isUp) isUp ? link.heal() : link.cut();
      }
  }

  #teach(end: SimEnd, other: SimEnd): void {
    end.teach(other.nid, other.named);
  }

  /** Names know where a node is, when nobody else does; they take a while. */
  #lookUp(end: SimEnd, nid: Nid): void {
    this.engine.after(LOOKUP_US, () => {
      const other = this.ends.find((one) => one.nid.lo === nid.lo && one.nid.hi === nid.hi);
      if (other !== undefined && other.kernel !== undefined) this.#teach(end, other);
    });
  }

  #settle(report: EndMove): void {
    if (this.isSettled) report.doneAt = this.engine.now;
    else if (this.engine.now < (this.scenario.seconds + this.scenario.drainSeconds) * 1e6)
      this.engine.after(LOOK_US, () => this.#settle(report));
  }

  #beat(): void {
    for (const { host, name } of this.ends)
      for (const connection of host.connections)
        if (connection.held > HELD_MAX) this.engine.violate(`${name} holds ${connection.held} ranges`);
    this.engine.after(BEAT_US, () => this.#beat());
  }
}
