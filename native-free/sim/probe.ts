/** Datagrams with numbers, sent at a steady pace; the other end counts which came, which twice, and the longest silence. */
import { put16, put32, u32 } from '../../src/wire/bytes.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import type { HostService } from './host.ts';
import * as icmp from './icmp.ts';
import { type Addresses, ipv6Packet, type Packet } from './packet.ts';

const UDP_HEADER = 8;
const PAYLOAD = 64;

/** What came of a stream of numbered packets. */
class Arrivals {
  /** By number: how often it came. */
  readonly #seen: number[] = [];
  received = 0;
  repeated = 0;
  /** Came behind one that was sent later. */
  overtaken = 0;
  #highest = -1;

  add(sequence: number): void {
    const before = this.#seen[sequence] ?? 0;
    this.#seen[sequence] = before + 1;
    if (before === 0) this.received++;
    else this.repeated++;
    if (before === 0 && sequence < this.#highest) this.overtaken++;
    this.#highest = Math.max(this.#highest, sequence);
  }
}

/** Makes datagram number `sequence` of a probe. */
export const datagram = (addresses: Addresses, port: number, sequence: number): Packet =>
  ipv6Packet(addresses, { protocol: ipv6.UDP, length: UDP_HEADER + PAYLOAD }, (b, at) => {
    put16(b, at, port);
    put16(b, at + 2, port);
    put16(b, at + 4, UDP_HEADER + PAYLOAD);
    put32(b, at + UDP_HEADER, sequence);
  });

/** Receives the datagrams of a probe on its port. */
export class UdpSink implements HostService {
  readonly protocol = 'udp';
  readonly port: number;
  readonly arrivals = new Arrivals();
  readonly #onArrival: (octets: number, now: number) => void;

  constructor(port: number, onArrival: (octets: number, now: number) => void) {
    this.port = port;
    this.#onArrival = onArrival;
  }

  input(packet: Uint8Array, now: number): void {
    this.arrivals.add(u32(packet, ipv6.HEADER_LENGTH + UDP_HEADER));
    this.#onArrival(PAYLOAD, now);
  }
}

/** Receives the replies to echo requests with its identifier. */
export class EchoSink implements HostService {
  readonly protocol = 'echo';
  readonly port: number;
  readonly arrivals = new Arrivals();
  readonly #onArrival: (octets: number, now: number) => void;

  constructor(id: number, onArrival: (octets: number, now: number) => void) {
    this.port = id;
    this.#onArrival = onArrival;
  }

  input(packet: Uint8Array, now: number): void {
    this.arrivals.add(icmp.readEcho(packet).sequence);
    this.#onArrival(8, now);
  }
}
