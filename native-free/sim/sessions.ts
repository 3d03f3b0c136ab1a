/** The sessions of a scenario: applications that talk, and what came of it. */

import type { Engine } from './engine.ts';
import type { Host } from './host.ts';
import type { HostNode } from './host-node.ts';
import * as icmp from './icmp.ts';
import { Meter } from './meter.ts';
import { datagram, EchoSink, UdpSink } from './probe.ts';
import type { ScenarioSession } from './scenario-schema.ts';
import type { TcpConnection } from './tcp.ts';
import { Traceroute } from './traceroute.ts';

/** How often an application writes. */
const WRITE_US = 10_000;
/** Octets an application without a rate keeps waiting. */
const BULK_AHEAD = 512 * 1024;
/** Octets a paced application lets wait before it pauses. */
const PACED_AHEAD = 256 * 1024;

/** What became of a session. */
export interface SessionResult {
  readonly name: string;
  readonly kind: ScenarioSession['kind'];
  readonly lived: boolean;
  /** Why it did not live, in words; empty if it did. */
  readonly why: string;
  readonly octets: number;
  readonly retransmits: number;
  readonly sent: number;
  readonly lost: number;
  readonly repeated: number;
  readonly overtaken: number;
  /** Longest silence, milliseconds. */
  readonly gapMs: number;
  /** Ways that a traceroute found one after the other: addresses of the hops, "*" for one that did not answer. */
  readonly ways: readonly string[];
}

/** A session under way. */
export interface Session {
  readonly name: string;
  readonly meters: readonly Meter[];
  /** No more is written or sent from now on. */
  stop(now: number): void;
  readonly isOver: boolean;
  /** Of who has begun it, once it has begun. */
  readonly connection?: TcpConnection | undefined;
  result(): SessionResult;
}

/** A host with its place in the network. */
interface Talker {
  readonly host: Host;
  readonly node: HostNode;
  /** A guest, and the site where it is; undefined while it is nowhere. */
  readonly guest?: object | undefined;
  readonly at?: string | undefined;
}

/** Where applications talk. */
export interface SessionWorld {
  readonly engine: Engine;
  station(name: string): Talker;
  /** The address under which `from` reaches `to` now. */
  addressFor(spec: ScenarioSession): Uint8Array;
}

/** Starts a session when its time comes. */
export function openSession(world: SessionWorld, spec: ScenarioSession, index: number): Session {
  if (spec.kind === 'tcp') return new TcpSession(world, spec, index);
  return spec.kind === 'traceroute' ? new RouteSession(world, spec, index) : new ProbeSession(world, spec, index);
}

class TcpSession implements Session {
  readonly name: string;
  readonly meters: Meter[];
  readonly #world: SessionWorld;
  readonly #spec: ScenarioSession & { readonly kind: 'tcp' };
  #client: TcpConnection | undefined;
  #server: TcpConnection | undefined;
  #isStopped = false;

  constructor(world: SessionWorld, spec: ScenarioSession & { readonly kind: 'tcp' }, index: number) {
    this.name = `tcp ${spec.from} to ${spec.to}`;
    this.#world = world;
    this.#spec = spec;
    const from = world.station(spec.from);
    const to = world.station(spec.to);
    const port = 5000 + index;
    const meterTo = new Meter(`at ${spec.to}`);
    const meterFrom = new Meter(`at ${spec.from}`);
    this.meters = [...(spec.data === 'receive' ? [] : [meterTo]), ...(spec.data === 'send' ? [] : [meterFrom])];
    to.host.listen(port, (connection) => {
      this.#server = connection;
      connection.options.onData = (octets, now) => meterTo.add(octets, now);
      this.#write(to, spec.data !== 'send', () => this.#server);
    });
    world.engine.at(spec.startAt * 1e6, () => {
      if (this.#isStopped) return;
      const client = from.host.connect(world.addressFor(spec), port, world.engine.now);
      client.options.onData = (octets, now) => meterFrom.add(octets, now);
      this.#client = client;
      from.node.plan();
      this.#write(from, spec.data !== 'receive', () => this.#client);
    });
  }

  get isOver(): boolean {
    const ends = [this.#client, this.#server];
    return ends.every((end) => end?.isClosed) || ends.some((end) => end?.isDead) || (this.#isStopped && !this.#client);
  }

  get connection(): TcpConnection | undefined {
    return this.#client;
  }

  stop(now: number): void {
    this.#isStopped = true;
    for (const meter of this.meters) meter.end(now);
  }

  result(): SessionResult {
    const why = this.#why();
    return {
      name: this.name,
      kind: 'tcp',
      lived: why === '',
      why,
      octets: (this.#client?.received ?? 0) + (this.#server?.received ?? 0),
      retransmits: (this.#client?.sender.retransmits ?? 0) + (this.#server?.sender.retransmits ?? 0),
      sent: 0,
      lost: 0,
      repeated: 0,
      overtaken: 0,
      gapMs: Math.round(Math.max(...this.meters.map((meter) => meter.longest())) / 1000),
      ways: [],
    };
  }

  #why(): string {
    const client = this.#client;
    const server = this.#server;
    if (client === undefined || server === undefined) return 'never began';
    if (client.wasReset || server.wasReset) return 'reset';
    if (client.isDead || server.isDead) return 'given up after too many repetitions';
    if (!client.intact || !server.intact) return 'data changed on the way';
    if (!client.isClosed || !server.isClosed) return 'not finished in time';
    const differs = client.received !== server.sender.written - 1 || server.received !== client.sender.written - 1;
    return differs ? 'not all data arrived' : '';
  }

  /** Writes until the session stops, then closes; an end that has nothing to say only closes. */
  #write(station: Talker, isWriter: boolean, end: () => TcpConnection | undefined): void {
    const { engine } = this.#world;
    const { rateKbit } = this.#spec;
    const portion = rateKbit === undefined ? 0 : (rateKbit * WRITE_US) / 8000;
    let owed = 0;
    const beat = (): void => {
      const connection = end();
      if (connection === undefined || connection.isDead) return;
      if (this.#isStopped) {
        connection.close(engine.now);
        station.node.plan();
        return;
      }
      const waiting = connection.unacknowledged;
      owed = rateKbit === undefined ? BULK_AHEAD - waiting : waiting > PACED_AHEAD ? 0 : owed + portion;
      if (isWriter && connection.isEstablished && owed >= 1) {
        connection.write(Math.floor(owed), engine.now);
        owed -= Math.floor(owed);
      }
      station.node.plan();
      engine.after(WRITE_US, beat);
    };
    beat();
  }
}

class ProbeSession implements Session {
  readonly name: string;
  readonly meters: Meter[];
  readonly #spec: ScenarioSession & { readonly kind: 'udp' | 'ping' };
  readonly #sink: UdpSink | EchoSink;
  #sent = 0;
  #isStopped = false;

  constructor(world: SessionWorld, spec: ScenarioSession & { readonly kind: 'udp' | 'ping' }, index: number) {
    this.name = `${spec.kind} ${spec.from} to ${spec.to}`;
    this.#spec = spec;
    const { engine } = world;
    const from = world.station(spec.from);
    const to = world.station(spec.to);
    const isUdp = spec.kind === 'udp';
    const meter = new Meter(`${spec.kind} at ${isUdp ? spec.to : spec.from}`);
    this.meters = [meter];
    const onArrival = (octets: number, now: number): void => {
      if (!this.#isStopped) meter.add(octets, now);
    };
    this.#sink = isUdp ? new UdpSink(7000 + index, onArrival) : new EchoSink(100 + index, onArrival);
    (isUdp ? to : from).host.add(this.#sink);
    const src = from.host.addresses[0]!;
    let dst: Uint8Array;
    const beat = (): void => {
      if (this.#isStopped) return;
      engine.after(spec.everyMs * 1000, beat);
      if (from.guest !== undefined && from.at === undefined) return; // it is being carried over, and does not run
      dst ??= world.addressFor(spec);
      const sequence = this.#sent++;
      from.node.send(
        isUdp
          ? datagram({ src, dst }, 7000 + index, sequence)
          : icmp.echoPacket({ src, dst }, { type: icmp.ECHO_REQUEST, id: 100 + index, sequence }),
      );
    };
    engine.at(spec.startAt * 1e6, beat);
  }

  get isOver(): boolean {
    return this.#isStopped;
  }

  stop(now: number): void {
    this.#isStopped = true;
    for (const meter of this.meters) meter.end(now);
  }

  result(): SessionResult {
    const { received, repeated, overtaken } = this.#sink.arrivals;
    return {
      name: this.name,
      kind: this.#spec.kind,
      lived: true, // datagrams are counted, nobody promises them
      why: '',
      octets: received * (this.#spec.kind === 'udp' ? 64 : 8),
      retransmits: 0,
      sent: this.#sent,
      lost: this.#sent - received,
      repeated,
      overtaken,
      gapMs: Math.round(this.meters[0]!.longest() / 1000),
      ways: [],
    };
  }
}

/** A round of traceroute now and then. */
class RouteSession implements Session {
  readonly name: string;
  readonly meters: readonly Meter[] = [];
  readonly #traceroute: Traceroute;
  #isStopped = false;

  constructor(world: SessionWorld, spec: ScenarioSession & { readonly kind: 'traceroute' }, index: number) {
    this.name = `traceroute ${spec.from} to ${spec.to}`;
    const { engine } = world;
    const from = world.station(spec.from);
    const dst = world.addressFor(spec);
    this.#traceroute = new Traceroute(100 + index, { src: from.host.addresses[0]!, dst });
    from.host.add(this.#traceroute);
    const beat = (): void => {
      if (this.#isStopped) return;
      for (const probe of this.#traceroute.round()) from.node.send(probe);
      engine.after(spec.everyMs * 1000, beat);
    };
    engine.at(spec.startAt * 1e6, beat);
  }

  get isOver(): boolean {
    return this.#isStopped;
  }

  stop(): void {
    this.#isStopped = true;
  }

  result(): SessionResult {
    const { ways } = this.#traceroute;
    const none = { octets: 0, retransmits: 0, sent: 0, lost: 0, repeated: 0, overtaken: 0, gapMs: 0 };
    return { name: this.name, kind: 'traceroute', lived: true, why: '', ...none, ways };
  }
}
