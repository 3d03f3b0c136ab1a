/** An end of a scenario: programs on a host of plain IPv6, and below it a kernel with a shim, or none. */
import { COUNT_FAILOVERS, COUNT_RETURNS, COUNT_UPDATES_SENT, ILNP, PLAIN, TAKEN } from '../../../src/shim/verdict.ts';
import { u16, u32 } from '../../../src/wire/bytes.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';
import type { L64, Nid } from '../../../src/wire/text.ts';
import type { Engine } from '../engine.ts';
import { Host } from '../host.ts';
import { HostNode } from '../host-node.ts';
import { ECHO_REPLY, ECHO_REQUEST } from '../icmp.ts';
import type { Link } from '../link.ts';
import { isSame, type Packet } from '../packet.ts';
import { addressOf } from '../place.ts';
import type { TcpConnection } from '../tcp.ts';
import { RST, SYN } from '../tcp-segment.ts';
import { type Decided, Kernel, LINK_MTU } from './kernel.ts';
import { hasOptions, refusal } from './legacy.ts';
import { Oracle, type Outcome } from './oracle.ts';
import { attackerL64 } from './place.ts';
import type { EndSpec } from './scenario-schema.ts';

/** What Linux leaves free of the MTU for programs (src/network/host-plan.ts), and a packet that has no room for a nonce. */
const ROOM = 40;
const NONCE_OCTETS = 8;
const FULL = ipv6.MIN_MTU - NONCE_OCTETS;
/** Attempts of an update; what is sent again because the way out has changed counts as a change. */
const ATTEMPTS = 7;

const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const hexL64 = (l64: L64): string => hexOf(addressOf(l64, { hi: 0, lo: 0 })).slice(0, 16);
const hexNid = (nid: Nid): string => hexOf(addressOf({ hi: 0, lo: 0 }, nid)).slice(16);

const isSyn = (b: Uint8Array): boolean => b[ipv6.NEXT_HEADER] === ipv6.TCP && (b[53]! & SYN) !== 0;
const isReset = (b: Uint8Array): boolean => b[ipv6.NEXT_HEADER] === ipv6.TCP && (b[53]! & RST) !== 0;
const attacker = addressOf(attackerL64(), { hi: 0, lo: 0 }).subarray(0, 8);
/** What a program answers to what nobody has sent is no flow. */
const isAttacker = (address: Uint8Array): boolean => isSame(address.subarray(0, 8), attacker);

export interface EndHooks {
  readonly onLost: (end: SimEnd, nid: Nid) => void;
}

export class SimEnd {
  readonly name: string;
  readonly spec: EndSpec;
  readonly nid: Nid;
  readonly host: Host;
  readonly node: HostNode;
  readonly kernel: Kernel | undefined;
  readonly oracle: Oracle;
  /** Locators it is reached at now, preferred first. */
  locators: readonly L64[] = [];
  /** As names have it: where it was last, while it is nowhere. */
  named: readonly L64[] = [];
  /** Connections that need not live: an end of them has restarted, or has moved while they were plain IPv6. */
  readonly excused = new WeakSet<TcpConnection>();
  /** Packets that nobody has sent. */
  readonly forged: WeakSet<object>;
  readonly #engine: Engine;
  /** Under which address a flow of a program knows the other end. */
  readonly #peers = new Map<string, Uint8Array>();
  /** What programs said last on these went without ILNP. */
  readonly #plain = new WeakSet<TcpConnection>();
  /** Who has sent a SYN without a nonce that was taken for plain IPv6: it is answered so. */
  readonly #plainSyns = new Set<string>();
  #hasRestarted = false;
  #changes = 0;
  /** Most correspondents that it had to tell. */
  #othersMax = 1;
  #updatesBefore = 0;
  #link: Link | undefined;

  constructor(engine: Engine, who: { spec: EndSpec; nid: Nid; stable: L64; forged: WeakSet<object> }, hooks: EndHooks) {
    this.#engine = engine;
    this.spec = who.spec;
    this.name = who.spec.name;
    this.nid = who.nid;
    this.forged = who.forged;
    this.oracle = new Oracle(hexNid(who.nid));
    this.node = new HostNode(engine, this.name, () => this.host);
    const speaks = who.spec.ilnp === 'speaks';
    this.kernel = speaks
      ? new Kernel(
          engine,
          { name: this.name, nid: who.nid, stable: who.stable },
          {
            deliver: (packet) => this.#deliver(packet),
            onDecided: (decided, packet) => this.#judge(decided, packet),
            onLeave: (octets) => this.#left(octets),
            onLost: (nid) => hooks.onLost(this, nid),
          },
        )
      : undefined;
    this.host = new Host({
      addresses: speaks ? [addressOf(who.stable, who.nid)] : [],
      mtu: speaks ? LINK_MTU - ROOM : LINK_MTU,
      random: engine.random(`host ${this.name}`),
      send: (packet) => this.node.send(packet),
    });
    this.node.link = this.kernel && { send: (packet: Packet) => this.#fromProgram(packet) };
  }

  /** It is at these networks now; a link whose Locator is not spoken of is only listened to. */
  setLinks(links: ReadonlyMap<string, Link>, locators: readonly L64[]): void {
    this.locators = locators;
    if (locators.length > 0) this.named = locators;
    if (this.kernel === undefined) {
      (this.host.addresses as Uint8Array[]).splice(0, 1, addressOf(locators[0]!, this.nid));
      this.#link = [...links.values()][0];
      this.node.link = this.#link;
      return;
    }
    for (const l64 of locators) this.oracle.has(hexL64(l64));
    this.#changes++;
    this.kernel.setLinks(links, locators);
    this.#engine.trace.add(this.#engine.now, this.name, `is at ${locators.map(hexL64).join(' ')}`);
  }

  /** From a link. */
  receive(packet: Packet): void {
    if (this.kernel !== undefined) this.kernel.receive(packet);
    else if (!hasOptions(packet.octets)) this.node.receive(packet);
    else if (this.spec.ilnp === 'refuses') {
      const answer = refusal(packet);
      if (answer !== null) this.node.send(answer);
    }
  }

  /** Where an ILNP node is, as DNS or a file of hosts says it. */
  teach(nid: Nid, locators: readonly L64[]): void {
    // which word counts, its own or that of names, is not in the tables
    const known = this.kernel?.teach(nid, locators) ?? [];
    this.oracle.taught(hexNid(nid), known.map(hexL64));
  }

  /** A reboot: connections, correspondents and nonces are gone. */
  restart(): void {
    this.host.restart();
    this.#peers.clear();
    this.#hasRestarted = true;
    this.oracle.restart();
    this.#updatesBefore += this.#updatesSent;
    this.kernel?.restart();
  }

  /** Connections with the node `nid` need not live. */
  excuse(nid: Nid): void {
    for (const connection of this.#with(nid)) this.excused.add(connection);
  }

  /** Nor those that had to begin without ILNP, and are plain IPv6 for good: one of the two, this one and `other`, moves. */
  excusePlain(other: SimEnd): void {
    for (const connection of this.#with(other.nid)) {
      if (!this.#plain.has(connection)) continue;
      const { localPort, remotePort } = connection.options;
      this.excused.add(connection);
      for (const back of other.#with(this.nid))
        if (back.options.localPort === remotePort && back.options.remotePort === localPort) other.excused.add(back);
    }
  }

  #with(nid: Nid): TcpConnection[] {
    const wanted = addressOf({ hi: 0, lo: 0 }, nid).subarray(8);
    return this.host.connections.filter(({ options }) => isSame(options.addresses.dst.subarray(8), wanted));
  }

  get #updatesSent(): number {
    return this.kernel?.shim.node.counters[COUNT_UPDATES_SENT] ?? 0;
  }

  #fromProgram(packet: Packet): void {
    this.#flow(packet.octets, ipv6.DST, (key, address) => {
      if (!isReset(packet.octets) && !this.#peers.has(key) && !isAttacker(address)) this.#peers.set(key, address);
    });
    const verdict = this.kernel!.send(packet);
    const b = packet.octets;
    if (b[ipv6.NEXT_HEADER] !== ipv6.TCP || (b[53]! & SYN) !== 0) return;
    const connection = this.host.connections.find(
      ({ options }) =>
        options.localPort === u16(b, 40) &&
        options.remotePort === u16(b, 42) &&
        isSame(options.addresses.dst, b.subarray(ipv6.DST, ipv6.DST + 16)),
    );
    if (connection === undefined) return;
    if (verdict === PLAIN) this.#plain.add(connection);
    else this.#plain.delete(connection);
  }

  #judge({ before, verdict, after }: Decided, packet: Packet): void {
    if (packet.origin.corrupted) return;
    const outcome: Outcome =
      verdict === ILNP ? 'session' : verdict === PLAIN ? 'plain' : verdict === TAKEN ? 'taken' : 'dropped';
    const why = this.oracle.arrived(before, outcome, this.kernel!.now);
    if (why !== null) this.#engine.violate(`${this.name} took ${why} for true`);
    if (isSyn(before)) {
      const from = hexOf(before.subarray(ipv6.SRC, ipv6.SRC + 16));
      if (outcome === 'plain') this.#plainSyns.add(from);
      else if (outcome === 'session') this.#plainSyns.delete(from);
    }
    if (after === null || outcome !== 'session' || this.forged.has(packet.origin) || isReset(after.octets)) return;
    this.#flow(after.octets, ipv6.SRC, (key, address) => {
      const known = this.#peers.get(key);
      if (known === undefined || !this.oracle.isProved(hexOf(address.subarray(8)))) this.#peers.set(key, address);
      else if (!isSame(known, address))
        this.#engine.violate(
          `${this.name} got a packet from ${hexOf(address)}, which its program knows as ${hexOf(known)}`,
        );
    });
  }

  #deliver(packet: Packet): void {
    this.node.receive(packet);
    for (const connection of this.host.connections)
      if (connection.wasReset && !this.excused.has(connection))
        this.#engine.violate(`a connection of ${this.name} was reset`);
  }

  #left(octets: Uint8Array): void {
    this.oracle.left(octets);
    const isBound = this.kernel!.shim.node.ilcc.size > 0 && this.#isToSession(octets);
    if (isBound && !hasOptions(octets) && octets.length <= FULL)
      this.#engine.violate(`${this.name} sent ${octets.length} octets without a nonce`);
    this.#othersMax = Math.max(this.#othersMax, this.kernel!.shim.node.ilcc.size);
    const { counters } = this.kernel!.shim.node;
    const changes = this.#changes + counters[COUNT_FAILOVERS]! + counters[COUNT_RETURNS]!;
    const most = ATTEMPTS * this.#othersMax * changes;
    const sent = this.#updatesBefore + this.#updatesSent;
    if (sent > most) this.#engine.violate(`${this.name} sent ${sent} Locator Updates, at most ${most} are right`);
  }

  /** True when the destination has sent us a nonce, is not given up, and nothing runs or begins so with it as plain IPv6. */
  #isToSession(octets: Uint8Array): boolean {
    const { shim, now } = this.kernel!;
    const word = new Int32Array(octets.slice(ipv6.DST, ipv6.DST + 16).buffer);
    const c = shim.node.ilcc.find(word[2]!, word[3]!);
    if (isSyn(octets) && this.#plainSyns.has(hexOf(octets.subarray(ipv6.DST, ipv6.DST + 16)))) return false;
    return c !== null && c.remoteNonce !== null && now >= c.plainUntil && !c.answersPlain && c.isAt(word[0]!, word[1]!);
  }

  /** `ports`: ours first. */
  #hasConnection(ports: number): boolean {
    return this.host.connections.some(
      ({ options }) => ((options.localPort << 16) | options.remotePort) >>> 0 === ports,
    );
  }

  /** Calls `found` with the name of the flow of a packet between programs, and the other end's address at `at`. */
  #flow(b: Uint8Array, at: number, found: (key: string, address: Uint8Array) => void): void {
    const protocol = b[ipv6.NEXT_HEADER]!;
    const o = ipv6.HEADER_LENGTH;
    if (b.length < o + 8 || (this.#hasRestarted && protocol !== ipv6.TCP)) return; // probes go on as if nothing had happened
    const outward = at === ipv6.DST;
    let ports: number;
    if (protocol === ipv6.TCP || protocol === ipv6.UDP)
      ports = outward ? u32(b, o) : ((u16(b, o + 2) << 16) | u16(b, o)) >>> 0;
    else if (protocol === ipv6.ICMPV6 && b[o] === (outward ? ECHO_REQUEST : ECHO_REPLY)) ports = u16(b, o + 4);
    else return;
    if (this.#hasRestarted && !this.#hasConnection(ports)) return; // nor has any program what was before
    found(`${protocol} ${ports} ${hexOf(b.subarray(at + 8, at + 16))}`, b.slice(at, at + 16));
  }
}
