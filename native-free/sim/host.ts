/**
 * A host of plain IPv6: TCP connections, UDP probes, echo. A protocol machine without I/O: `input`, `tick`,
 * `nextDeadline`, and `send` for what it says; host-node.ts gives it a place in the network. Guests that speak ILNP
 * themselves can stand in its place.
 */
import { u16 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import type { SeededRandom } from '../random.ts';
import * as icmp from './icmp.ts';
import { isIntact, isSame, type Packet } from './packet.ts';
import { TcpConnection } from './tcp.ts';
import { ACK, type ReadSegment, RST, readSegment, SYN, tcpPacket } from './tcp-segment.ts';

/** What a host thinks of a packet: its checksum is wrong; it is for somebody else. */
export type InputResult = 'taken' | 'damaged' | 'strayed';

/** A protocol machine at the end of a link. */
export interface HostMachine {
  readonly addresses: readonly Uint8Array[];
  /** Takes a packet; says whether it was whole and meant for it. */
  input(packet: Uint8Array, now: number): InputResult;
  tick(now: number): void;
  /** When `tick` next has work; Infinity when nothing is planned. */
  nextDeadline(): number;
}

/** Something in a host that sends by itself and listens on a port or identifier. */
export interface HostService {
  /** UDP port or echo identifier it listens on. */
  readonly port: number;
  readonly protocol: 'udp' | 'echo';
  input(packet: Uint8Array, now: number): void;
  /** Takes an ICMPv6 error about an echo request of its identifier; `quote`: offset of the request in it. */
  failed?(packet: Uint8Array, quote: number): void;
}

export interface HostCounters {
  damaged: number;
  strayed: number;
  resetsSent: number;
  echoed: number;
  /** ICMPv6 errors that explain themselves, by type, and those that quote nothing this host has said. */
  errors: Record<number, number>;
  errorsUnexplained: number;
}

export class Host implements HostMachine {
  readonly addresses: readonly Uint8Array[];
  readonly connections: TcpConnection[] = [];
  readonly counters: HostCounters = {
    damaged: 0,
    strayed: 0,
    resetsSent: 0,
    echoed: 0,
    errors: {},
    errorsUnexplained: 0,
  };
  readonly #services: HostService[] = [];
  readonly #listeners = new Map<number, (connection: TcpConnection) => void>();
  readonly #send: (packet: Packet) => void;
  readonly #random: SeededRandom;
  readonly #mss: number;
  #forgotten = 0;

  constructor(options: {
    readonly addresses: readonly Uint8Array[];
    readonly mtu: number;
    readonly random: SeededRandom;
    readonly send: (packet: Packet) => void;
  }) {
    this.addresses = options.addresses;
    this.#send = options.send;
    this.#random = options.random;
    this.#mss = options.mtu - 60;
  }

  add(service: HostService): void {
    this.#services.push(service);
  }

  listen(port: number, onConnection: (connection: TcpConnection) => void): void {
    this.#listeners.set(port, onConnection);
  }

  /** Opens a connection from a port of its own. */
  connect(dst: Uint8Array, port: number, now: number): TcpConnection {
    const localPort = 40_000 + this.#forgotten + this.connections.length;
    const connection = this.#open(this.addresses[0]!, dst, localPort, port);
    connection.connect(now);
    return connection;
  }

  /** Starts anew: listens as before and knows no connection. */
  restart(): void {
    for (const connection of this.connections) connection.wasReset = true;
    this.#forgotten += this.connections.length;
    this.connections.length = 0;
  }

  input(packet: Uint8Array, now: number): InputResult {
    if (!isIntact(packet)) {
      this.counters.damaged++;
      return 'damaged';
    }
    const dst = packet.subarray(ipv6.DST, ipv6.DST + 16);
    if (!this.addresses.some((address) => isSame(address, dst))) {
      this.counters.strayed++;
      return 'strayed';
    }
    const protocol = packet[ipv6.NEXT_HEADER];
    if (protocol === ipv6.TCP) this.#tcp(packet, now);
    else if (protocol === ipv6.UDP) this.#serve('udp', u16(packet, ipv6.HEADER_LENGTH + 2), packet, now);
    else if (protocol === ipv6.ICMPV6) this.#icmp(packet, now);
    return 'taken';
  }

  tick(now: number): void {
    for (const connection of this.connections) if (connection.nextDeadline() <= now) connection.tick(now);
  }

  nextDeadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const connection of this.connections) first = Math.min(first, connection.nextDeadline());
    return first;
  }

  #serve(protocol: 'udp' | 'echo', port: number, packet: Uint8Array, now: number): void {
    for (const service of this.#services)
      if (service.protocol === protocol && service.port === port) service.input(packet, now);
  }

  #tcp(packet: Uint8Array, now: number): void {
    const segment = readSegment(packet);
    if (segment === null) return;
    const src = packet.slice(ipv6.SRC, ipv6.SRC + 16);
    const dst = packet.slice(ipv6.DST, ipv6.DST + 16);
    const known = this.#find(dst, src, segment.destinationPort, segment.sourcePort);
    if (known !== undefined) {
      known.input(segment, packet, now);
      return;
    }
    const onConnection = this.#listeners.get(segment.destinationPort);
    if (onConnection !== undefined && (segment.flags & (SYN | ACK | RST)) === SYN) {
      const connection = this.#open(dst, src, segment.destinationPort, segment.sourcePort);
      connection.input(segment, packet, now);
      onConnection(connection);
    } else if ((segment.flags & RST) === 0) {
      this.#refuse(segment, packet, dst, src);
    }
  }

  /** RFC 9293 section 3.10.7.1. */
  #refuse(segment: ReadSegment, packet: Uint8Array, src: Uint8Array, dst: Uint8Array): void {
    this.counters.resetsSent++;
    const hasAck = (segment.flags & ACK) !== 0;
    const length = packet.length - segment.data + ((segment.flags & SYN) !== 0 ? 1 : 0);
    this.#send(
      tcpPacket(
        { src, dst },
        {
          sourcePort: segment.destinationPort,
          destinationPort: segment.sourcePort,
          sequence: hasAck ? segment.acknowledgement : 0,
          acknowledgement: hasAck ? 0 : (segment.sequence + length) >>> 0,
          flags: hasAck ? RST : RST | ACK,
          window: 0,
          mss: 0,
        },
      ),
    );
  }

  #open(src: Uint8Array, dst: Uint8Array, localPort: number, remotePort: number): TcpConnection {
    const connection = new TcpConnection({
      addresses: { src, dst },
      localPort,
      remotePort,
      mss: this.#mss,
      iss: this.#random.next(),
      send: this.#send,
    });
    this.connections.push(connection);
    return connection;
  }

  #icmp(packet: Uint8Array, now: number): void {
    const type = packet[ipv6.HEADER_LENGTH]!;
    if (type === icmp.ECHO_REQUEST) {
      this.counters.echoed++;
      const src = packet.slice(ipv6.DST, ipv6.DST + 16);
      const dst = packet.slice(ipv6.SRC, ipv6.SRC + 16);
      this.#send(icmp.echoReply({ src, dst }, packet));
    } else if (type === icmp.ECHO_REPLY) {
      this.#serve('echo', icmp.readEcho(packet).id, packet, now);
    } else if (type < 128) {
      this.#error(packet, now);
    }
  }

  /** An error helps only if it quotes a packet as this host has sent it. */
  #error(packet: Uint8Array, now: number): void {
    const error = icmp.readError(packet);
    if (error === null) return;
    const q = error.quote;
    const src = packet.subarray(q + ipv6.SRC, q + ipv6.SRC + 16);
    if (!this.addresses.some((address) => isSame(address, src))) {
      this.counters.errorsUnexplained++;
      return;
    }
    this.counters.errors[error.type] = (this.counters.errors[error.type] ?? 0) + 1;
    if (packet[q + ipv6.NEXT_HEADER] === ipv6.ICMPV6) {
      const { id } = icmp.readEcho(packet, q);
      for (const service of this.#services)
        if (service.protocol === 'echo' && service.port === id) service.failed?.(packet, q);
    }
    if (packet[q + ipv6.NEXT_HEADER] !== ipv6.TCP) return;
    const dst = packet.subarray(q + ipv6.DST, q + ipv6.DST + 16);
    const ports = q + ipv6.HEADER_LENGTH;
    const connection = this.#find(src, dst, u16(packet, ports), u16(packet, ports + 2));
    if (connection === undefined) this.counters.errorsUnexplained++;
    else if (error.type === icmp.PACKET_TOO_BIG) connection.shrink(Math.max(ipv6.MIN_MTU, error.value), now);
  }

  #find(local: Uint8Array, remote: Uint8Array, localPort: number, remotePort: number): TcpConnection | undefined {
    return this.connections.find(
      ({ options }) =>
        options.localPort === localPort &&
        options.remotePort === remotePort &&
        isSame(options.addresses.src, local) &&
        isSame(options.addresses.dst, remote),
    );
  }
}
