/**
 * The network of a scenario: correspondents behind a router of the Internet, borders with their uplinks, a full mesh
 * between sites, guests on the inside link of the site where they are.
 *
 *   correspondent ── access ── internet ── uplink ── border ── lan ── guest
 *                                                   │ site
 *                                                 border …
 */
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import type { L64, Nid } from '../../src/wire/text.ts';
import { SimBorder } from './border.ts';
import { ControlLines } from './control.ts';
import { Engine } from './engine.ts';
import { Host } from './host.ts';
import { HostNode } from './host-node.ts';
import { Invariants } from './invariants.ts';
import { Link, type LinkConfig, type Tap } from './link.ts';
import type { Packet } from './packet.ts';
import { SimPair } from './pair.ts';
import * as places from './place.ts';
import { REGISTRY, SimRegistry } from './registry.ts';
import { Router } from './router.ts';
import type { Scenario, ScenarioSession } from './scenario-schema.ts';
import { standbyOf } from './standby.ts';

/** A host with what it has of links. */
export interface Station {
  readonly name: string;
  readonly host: Host;
  readonly node: HostNode;
  /** Site of a guest; undefined while it is nowhere, and for correspondents. */
  at: string | undefined;
  readonly guest: { readonly nid: Nid; readonly home: string; readonly l64: L64; readonly global: L64 } | undefined;
}

export class World {
  readonly engine: Engine;
  readonly scenario: Scenario;
  readonly lines: ControlLines;
  readonly borders: SimBorder[] = [];
  readonly stations = new Map<string, Station>();
  readonly links: Link[] = [];
  readonly internet = new Router('internet', places.routerAddress());
  readonly invariants: Invariants;
  readonly registry: SimRegistry | undefined;
  readonly #tap: Tap | undefined;
  /** Directions of the lan of a guest by "site guest". */
  readonly #lans = new Map<string, { readonly up: Link; readonly down: Link }>();
  readonly #mesh = new Map<string, Link[]>();

  constructor(scenario: Scenario, seed: number, tap?: Tap) {
    this.scenario = scenario;
    this.engine = new Engine(seed);
    this.lines = new ControlLines(scenario.links.control);
    this.#tap = tap;
    const configs = places.configsOf(scenario);
    this.registry = scenario.registry ? new SimRegistry(this.engine, scenario.guests.length) : undefined;
    this.invariants = new Invariants({
      engine: this.engine,
      lines: this.lines,
      registry: this.registry,
      borders: this.borders,
      inside: configs.map((config) => config.inside[0]!.l64),
      sites: configs.map((config) => ({ site: config.site, l64: config.inside[0]!.l64 })),
    });
    for (const [k, config] of configs.entries()) {
      const border = new SimBorder({
        engine: this.engine,
        config,
        lines: this.lines,
        registry: this.registry,
        diskUs: scenario.diskMs * 1000,
        addresses: { outside: places.outsideAddress(k + 1), inside: places.insideAddress(k + 1) },
        hooks: {
          onSwitched: (one, bindings) => this.invariants.switched(one, bindings),
          onSettled: (one, change) => this.invariants.settled(one, change),
          onForced: (nid, site) => this.invariants.forced(nid, site),
          onLeave: (one, side, octets) => this.invariants.leaves(one, side, octets),
        },
      });
      if (scenario.sites[k]!.pair) border.pair = new SimPair(border, this.engine, this.lines);
      this.borders.push(border);
      this.#joinUplinks(border);
    }
    for (const a of this.borders) for (const b of this.borders) if (a !== b) this.#joinSites(a, b);
    for (const i of scenario.correspondents.keys()) this.#addCorrespondent(i);
    for (const i of scenario.guests.keys()) this.#addGuest(i);
    for (const border of this.borders) border.start(this.borders);
    this.invariants.start(this.links);
  }

  border(name: string): SimBorder {
    const border = this.borders.find((one) => one.name === name);
    if (border === undefined) throw new RangeError(`no border ${name}`);
    return border;
  }

  station(name: string): Station {
    const station = this.stations.get(name);
    if (station === undefined) throw new RangeError(`no host ${name}`);
    return station;
  }

  /** The address under which a session reaches the other end. */
  addressFor({ to, address }: ScenarioSession): Uint8Array {
    const { guest, host } = this.station(to);
    if (guest === undefined) return host.addresses[0]!;
    return places.addressOf(address === 'guest' ? guest.l64 : guest.global, guest.nid);
  }

  /** The border of a site dies, its standby, or the registry: with its machine, if another one can take over. */
  kill(party: string): void {
    const border = this.borders.find(({ name }) => party === name || party === standbyOf(name));
    if (party === REGISTRY) this.registry!.crash();
    else if (party !== border?.name) border!.pair!.killStandby();
    else if (border.pair !== undefined) border.pair.kill();
    else border.crash();
  }

  /** What was killed starts again, with what it has on disk. */
  revive(party: string): void {
    const border = this.borders.find(({ name }) => party === name || party === standbyOf(name));
    if (party === REGISTRY) this.registry!.start();
    else if (party !== border?.name) border!.pair!.reviveStandby();
    else if (border.pair !== undefined) border.pair.revive();
    else border.start(this.borders);
  }

  /** Takes a guest off its link; what is on its way to it there is lost, what it has sent is with the border's machine. */
  detach(station: Station): void {
    const { at, guest } = station;
    if (at === undefined || guest === undefined) return;
    this.#lans.get(`${at} ${station.name}`)!.down.cut();
    this.border(at).gateway.setGuest(guest.nid, undefined);
    station.node.link = undefined;
    station.at = undefined;
  }

  /** Puts a guest on the inside link of a site; the border finds it at once (it is announced). */
  attach(station: Station, site: string): void {
    if (station.guest === undefined) throw new RangeError(`${station.name} is no guest`);
    if (station.at === site) return;
    this.detach(station);
    const { up, down } = this.#lans.get(`${site} ${station.name}`)!;
    down.heal();
    this.border(site).gateway.setGuest(station.guest.nid, down);
    station.node.link = up;
    station.at = site;
    this.engine.trace.add(this.engine.now, station.name, `is on the link of ${site}`);
  }

  /** Cuts or heals the network between two sites, for packets, control channel, or both. */
  connect(a: string, b: string, what: 'control' | 'data' | 'both', isUp: boolean): void {
    if (what !== 'data') this.lines.set(a, b, isUp);
    if (what !== 'control')
      for (const link of this.#mesh.get([a, b].sort().join(' ')) ?? []) isUp ? link.heal() : link.cut();
    this.engine.trace.add(this.engine.now, `${a} ${b}`, `${what} ${isUp ? 'healed' : 'cut'}`);
  }

  #link(name: string, config: LinkConfig, deliver: (packet: Packet) => void): Link {
    const link = new Link({ engine: this.engine, name, config, deliver, tap: this.#tap });
    this.links.push(link);
    return link;
  }

  #joinUplinks(border: SimBorder): void {
    const { uplink } = this.scenario.links;
    for (const { name, l64 } of border.config.uplinks) {
      const out = this.#link(`${border.name}.${name}>internet`, uplink, (packet) => this.internet.receive(packet));
      const back = this.#link(`internet>${border.name}.${name}`, uplink, (packet) =>
        border.gateway.receive(packet, OUTSIDE),
      );
      border.gateway.addUplink(l64, out);
      this.internet.route(l64, back);
    }
  }

  #joinSites(a: SimBorder, b: SimBorder): void {
    const link = this.#link(`${a.name}>${b.name}`, this.scenario.links.site, (packet) =>
      b.gateway.receive(packet, SITE),
    );
    a.gateway.addPeer(b.config.inside[0]!.l64, link);
    const key = [a.name, b.name].sort().join(' ');
    this.#mesh.set(key, [...(this.#mesh.get(key) ?? []), link]);
  }

  #addStation(name: string, address: Uint8Array, guest: Station['guest']): Station {
    const node: HostNode = new HostNode(this.engine, name, () => host);
    const host = new Host({
      addresses: [address],
      mtu: this.scenario.links.lan.mtu,
      random: this.engine.random(`host ${name}`),
      send: (packet) => node.send(packet),
    });
    const station: Station = { name, host, node, at: undefined, guest };
    this.stations.set(name, station);
    this.invariants.boundHeld(`ranges held by ${name}`, () =>
      host.connections.reduce((held, connection) => held + connection.held, 0),
    );
    return station;
  }

  #addCorrespondent(index: number): void {
    const name = this.scenario.correspondents[index]!;
    const l64 = places.correspondentL64(index);
    const station = this.#addStation(name, places.addressOf(l64, places.correspondentNid(index)), undefined);
    const { access } = this.scenario.links;
    station.node.link = this.#link(`${name}>internet`, access, (packet) => this.internet.receive(packet));
    this.internet.route(
      l64,
      this.#link(`internet>${name}`, access, (packet) => station.node.receive(packet)),
    );
  }

  #addGuest(index: number): void {
    const { name, home, at = home, uplink, epoch } = this.scenario.guests[index]!;
    const { config } = this.border(home);
    const nid = places.guestNid(index);
    const l64 = config.inside[0]!.l64;
    const global = (config.uplinks.find((one) => one.name === uplink) ?? config.uplinks[0]!).l64;
    const station = this.#addStation(name, places.addressOf(l64, nid), { nid, home, l64, global });
    for (const border of this.borders) {
      if (epoch > 0) border.disk.hasMoved({ nid, at, epoch });
      const up = this.#link(`${name}>${border.name}`, this.scenario.links.lan, (packet) =>
        border.gateway.receive(packet, INSIDE),
      );
      const down = this.#link(`${border.name}>${name}`, this.scenario.links.lan, (packet) =>
        station.node.receive(packet),
      );
      down.cut();
      this.#lans.set(`${border.name} ${name}`, { up, down });
    }
    this.attach(station, at);
  }
}
