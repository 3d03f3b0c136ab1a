/**
 * Packets of every type a border meets, from a seed: the same seed, the same octets. Built by hand (support/packets.ts),
 * so that our own readers and writers are judged and not believed.
 */
import type { SeededRandom } from '../../native-free/random.ts';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { fragmentHeader, ipv6, joined, octetsOf, sealed } from '../support/packets.ts';

/** What is wrong with a packet on purpose: `cut` octets are missing at its end, `padded` ones are behind it. */
type Wrong = 'nothing' | 'checksum' | 'cut' | 'padded';

export interface Generated {
  /** Side from which a border of site 1 gets it. */
  readonly port: number;
  readonly octets: Uint8Array;
  readonly kind: string;
  readonly wrong: Wrong;
  /** The transport checksum leaves Locators out (RFC 6741 section 4.2). */
  readonly zeroed: boolean;
}

interface Ends {
  readonly src: string;
  readonly dst: string;
}
interface Payload {
  readonly protocol: number;
  readonly octets: Uint8Array;
  /** Of a Routing header with segments left: the last destination, which checksums cover (RFC 8200 section 8.1). */
  readonly last?: string;
}

const be16 = (x: number): number[] => [(x >>> 8) & 0xff, x & 0xff];
const be32 = (x: number): number[] => [...be16(x >>> 16), ...be16(x & 0xffff)];
const [HOPOPTS, TCP, UDP, ROUTING, FRAGMENT, AH, ICMPV6, NONE, DSTOPTS, UDPLITE] = [
  0, 6, 17, 43, 44, 51, 58, 59, 60, 136,
];

/** Guests of the world in border.ts, how they are known on each side, and correspondents. */
const CORRESPONDENTS = ['2001:db8:c::c0', '2001:db8:cc:1:ffff:ffff:ffff:ffff', '2a00:1:2:3::', '2001:db8:d::1:0:0'];
const FLOWS: readonly (readonly [number, readonly string[], readonly string[]])[] = [
  [OUTSIDE, CORRESPONDENTS, ['2001:db8:1::a1', '2001:db8:1::a2', '2001:db8:11::a1', '2001:db8:1:0:211:22ff:fe33:4455']],
  [INSIDE, ['fd00:1::a1', 'fd00:1:0:0:211:22ff:fe33:4455', 'fd00:2::b2', 'fd00:9::c3'], CORRESPONDENTS],
  [SITE, ['fd00:1::a2'], CORRESPONDENTS],
  [SITE, CORRESPONDENTS, ['fd00:1::b2', 'fd00:1::a1']],
  [INSIDE, ['fd00:1::a1'], ['fd00:1::a2', '2001:db8:1::a3', '2001:db8:1::a2', 'fd00:2::b1']],
  [OUTSIDE, CORRESPONDENTS, ['2001:db8:100:7::10', '2001:db8:1::dead']],
  [INSIDE, ['fd01:203:405:7::10'], CORRESPONDENTS],
  [OUTSIDE, ['fe80::1', '::', '2001:db8:1::a1'], ['ff02::1:ff00:a1', '::ffff:192.0.2.1', '2001:db8:1::a1']],
];
const ROUTERS = ['2001:db8:aa::1', '2001:db8:aa::ffff'];

/** What becomes of the ends of most packets at their guest's border. */
const acrossTheBorder = ({ src, dst }: Ends): Ends => ({
  src: src.replace('fd00:1::', '2001:db8:1::'),
  dst: dst.replace('2001:db8:1::', 'fd00:1::'),
});

export class PacketSource {
  readonly #r: SeededRandom;

  constructor(random: SeededRandom) {
    this.#r = random;
  }

  next(): Generated {
    const r = this.#r;
    const [port, sources, destinations] = this.#pick(FLOWS);
    const ends = { src: this.#pick(sources), dst: this.#pick(destinations) };
    const zeroed = r.chance(0.05);
    const kind = zeroed ? this.#pick(['tcp', 'udp']) : this.#pick(KINDS);
    // what a border recognises zeroed sums by (RFC 6744)
    const chain = zeroed ? [this.#nonceHeader()] : r.chance(0.35) ? this.#chain() : [];
    const payload = this.#payload(kind, ends, chain, zeroed);
    let octets = this.#enclose(ends, chain, payload);
    let wrong: Wrong = 'nothing';
    if (!zeroed && payload.octets.length > 0 && r.chance(0.06)) {
      wrong = 'checksum';
      octets[octets.length - 1]! ^= 1 << r.below(8);
    } else if (!zeroed && r.chance(0.04)) {
      wrong = 'cut';
      octets = octets.slice(0, 40 + r.below(octets.length - 39));
      if (octets.length === 40 + ((octets[4]! << 8) | octets[5]!)) wrong = 'nothing';
    } else if (!zeroed && r.chance(0.03)) {
      wrong = 'padded';
      octets = joined(octets, this.#octets(1 + r.below(20)));
    }
    return { port, octets, kind, wrong, zeroed };
  }

  /** A packet with these ends around a chain and a payload; a part of it when the chain says so. */
  #enclose(ends: Ends, chain: readonly Payload[], payload: Payload): Uint8Array {
    const r = this.#r;
    const headers = chain.map(({ octets }, k) => {
      const copy = octets.slice();
      copy[0] = chain[k + 1]?.protocol ?? payload.protocol;
      return copy;
    });
    const hopLimit = this.#pick([64, 64, 255, 1, 0, 128, 254]);
    const octets = ipv6(
      { ...ends, hopLimit },
      chain[0]?.protocol ?? payload.protocol,
      joined(...headers, payload.octets),
    );
    octets.set([0x60 | r.below(16), r.below(256), r.below(256), r.below(256)]);
    return octets;
  }

  #payload(kind: string, ends: Ends, chain: readonly Payload[], zeroed = false): Payload {
    const r = this.#r;
    const covered = { src: ends.src, dst: chain.find(({ last }) => last)?.last ?? ends.dst };
    const seal = (protocol: number, octets: readonly number[] | Uint8Array): Payload => ({
      protocol,
      octets: sealed(covered, protocol, Uint8Array.from(octets), zeroed),
    });
    const icmp = (...octets: number[]): Payload => seal(ICMPV6, octets);
    switch (kind) {
      case 'tcp':
        return seal(TCP, this.#tcp());
      case 'udp':
        return seal(UDP, this.#udp());
      case 'udp without checksum':
        return { protocol: UDP, octets: Uint8Array.from(this.#udp()) };
      case 'udp with checksum ffff': {
        const octets = Uint8Array.from([...this.#udp(), ...(r.chance(0.5) ? [] : [0])]);
        return this.#summingToZero(covered, r.chance(0.5) ? covered : acrossTheBorder(covered), octets);
      }
      case 'udp-lite': {
        const octets = Uint8Array.from(this.#udp());
        const asUdp = sealed(covered, UDP, octets); // the same sum but for the protocol; coverage is the whole
        const sum = ((asUdp[6]! << 8) | asUdp[7]!) + 0xffff - (UDPLITE - UDP);
        octets.set(be16(sum % 0xffff || 0xffff), 6);
        return { protocol: UDPLITE, octets };
      }
      case 'echo':
        return icmp(
          128 + r.below(2),
          0,
          0,
          0,
          ...be16(r.below(65536)),
          ...be16(r.below(65536)),
          ...this.#octets(this.#size()),
        );
      case 'error':
        return seal(ICMPV6, this.#error(ends));
      case 'other error':
        return icmp(this.#pick([100, 101, 127, 5]), r.below(256), 0, 0, ...be32(r.next()), ...this.#quote(ends));
      case 'neighbour discovery':
        return icmp(...this.#neighbourDiscovery());
      case 'other icmpv6':
        return icmp(this.#pick([150, 155, 200, 201, 255]), r.below(256), 0, 0, ...this.#octets(4 + r.below(20)));
      case 'locator update':
      case 'odd locator update':
        return icmp(...this.#locatorUpdate(kind !== 'locator update'));
      case 'no next header':
        return { protocol: NONE, octets: this.#octets(r.below(8)) };
      case 'encrypted':
        return { protocol: 50, octets: this.#octets(16 + r.below(40)) };
      default:
        return { protocol: this.#pick([253, 254]), octets: this.#octets(r.below(40)) };
    }
  }

  #tcp(): number[] {
    const r = this.#r;
    const options = r.chance(0.3) ? [2, 4, ...be16(1440), 1, 3, 3, 7] : [];
    const flags = this.#pick([0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0xc2, 0x00, 0xff]);
    return [
      ...[...this.#ports(), ...be32(r.next()), ...be32(r.next()), ((20 + options.length) / 4) << 4, flags],
      ...[
        ...be16(r.below(65536)),
        0,
        0,
        ...be16((flags & 0x20) !== 0 ? 1 : 0),
        ...options,
        ...this.#octets(this.#size()),
      ],
    ];
  }

  #udp(): number[] {
    const data = this.#octets(this.#size());
    return [...this.#ports(), ...be16(8 + data.length), 0, 0, ...data];
  }

  /** A datagram whose last word makes its checksum between `then` zero, which is sent as ffff (RFC 8200 section 8.1). */
  #summingToZero(ends: Ends, then: Ends, datagram: Uint8Array): Payload {
    const octets = joined(datagram, new Uint8Array(2 + (datagram.length % 2)));
    octets.set(be16(octets.length), 4);
    octets.set(sealed(then, UDP, octets).slice(6, 8), octets.length - 2);
    return { protocol: UDP, octets: sealed(ends, UDP, octets) };
  }

  #error(ends: Ends): number[] {
    const r = this.#r;
    const type = 1 + r.below(4);
    const value = type === 2 ? this.#pick([1280, 1500, 68, 0xffffffff, 9000]) : type === 4 ? r.below(80) : 0;
    return [
      type,
      type === 1 ? r.below(8) : type === 4 ? r.below(4) : r.below(2),
      0,
      0,
      ...be32(value),
      ...this.#quote(ends),
    ];
  }

  /** A packet that went the other way, whole or cut, as an error quotes it; now and then not of IPv6 at all. */
  #quote(ends: Ends): Uint8Array {
    const r = this.#r;
    if (r.chance(0.02)) return this.#octets(r.below(60));
    const back = { src: ends.dst, dst: r.chance(0.3) ? this.#pick(ROUTERS) : ends.src };
    const kind = this.#pick(['tcp', 'udp', 'udp', 'echo', 'locator update', 'udp without checksum', 'other', 'error']);
    const chain = r.chance(0.3) ? this.#chain() : [];
    // errors about errors are not sent, but they arrive; one level is enough
    const payload = this.#payload(kind === 'error' ? 'other icmpv6' : kind, back, chain);
    const packet = this.#enclose(back, chain, payload).slice(0, 1232);
    return r.chance(0.35) ? packet.slice(0, r.below(packet.length + 1)) : packet;
  }

  #neighbourDiscovery(): number[] {
    const r = this.#r;
    const type = 133 + r.below(5);
    const target = [...octetsOf(this.#pick(['fe80::1', '2001:db8:1::a1', 'fd00:1::a1']))];
    const linkLayer = [1 + r.below(2), 1, ...this.#octets(6)];
    const prefix = [3, 4, 64, 0xc0, ...be32(r.next()), ...be32(r.next()), 0, 0, 0, 0, ...octetsOf('2001:db8:1::')];
    const mtu = [5, 1, 0, 0, ...be32(1280 + r.below(300))];
    const body: Record<number, number[]> = {
      133: [0, 0, 0, 0, ...linkLayer],
      134: [64, r.below(4) << 6, ...be16(1800), ...be32(r.next()), ...be32(r.next()), ...prefix, ...mtu],
      135: [0, 0, 0, 0, ...target, ...linkLayer],
      136: [r.below(8) << 5, 0, 0, 0, ...target, ...(r.chance(0.5) ? linkLayer : [])],
      137: [0, 0, 0, 0, ...target, ...octetsOf('2001:db8:c::c0')],
    };
    return [type, 0, 0, 0, ...body[type]!];
  }

  /** `isOdd`: with something a receiver refuses (no Locator, an unknown operation, a code) or passes over (reserved). */
  #locatorUpdate(isOdd: boolean): number[] {
    const r = this.#r;
    const count = this.#pick([1, 1, 2, 3, 5, 20, 102, 255]);
    const fault = isOdd ? r.below(4) : -1;
    const tuples = Array.from({ length: fault === 0 ? 0 : count }, () => [
      ...[...be32(0x20010db8), ...be32(r.next()), ...be16(r.below(65536)), ...be16(r.below(65536))],
    ]);
    const operation = fault === 1 ? 3 + r.below(253) : 1 + r.below(2);
    const reserved = fault === 3 ? be16(1 + r.below(65535)) : [0, 0];
    return [156, fault === 2 ? 1 + r.below(255) : 0, 0, 0, tuples.length, operation, ...reserved, ...tuples.flat()];
  }

  /** Extension headers in the order of RFC 8200 section 4.1, each or not; at most one makes a fragment. */
  #chain(): Payload[] {
    const r = this.#r;
    const chain: Payload[] = [];
    if (r.chance(0.25)) chain.push({ protocol: HOPOPTS, octets: this.#options([[5, 2, 0, 0]]) });
    if (r.chance(0.15)) chain.push({ protocol: DSTOPTS, octets: this.#options([]) });
    if (r.chance(0.2)) chain.push(this.#routing());
    if (r.chance(0.25)) {
      const offset = r.chance(0.5) ? 0 : 8 * (1 + r.below(180));
      const header = fragmentHeader(0, offset, r.chance(0.5), r.next());
      header[3]! |= r.below(4) << 1; // reserved, to be passed over
      header[1] = r.below(256);
      chain.push({ protocol: FRAGMENT, octets: header });
    }
    if (r.chance(0.1)) {
      const words = 3 + 2 * r.below(4); // a multiple of 8 octets (RFC 4302 section 3.3.3.2.1)
      chain.push({
        protocol: AH,
        octets: Uint8Array.from([
          0,
          words - 1,
          0,
          0,
          ...be32(r.next()),
          ...be32(r.next()),
          ...this.#octets(4 * words - 8),
        ]),
      });
    }
    if (r.chance(0.5)) chain.push(this.#nonceHeader());
    return chain;
  }

  /** Of an experimental type and at its end; of type 0 (RFC 5095), 2 (RFC 6275) or 4 (RFC 8754), at its end or before. */
  #routing(): Payload {
    const r = this.#r;
    const type = this.#pick([253, 0, 2, 4]);
    if (type === 253) return { protocol: ROUTING, octets: Uint8Array.of(0, 0, 253, 0, 0, 0, 0, 0) };
    const count = type === 2 ? 1 : 1 + r.below(3);
    const left = type === 2 ? 1 : r.below(type === 4 ? count : count + 1);
    const stops = Array.from({ length: count }, () => this.#pick(CORRESPONDENTS));
    const octets = [
      0,
      2 * count,
      type,
      left,
      type === 4 ? count - 1 : 0,
      0,
      0,
      0,
      ...stops.flatMap((a) => [...octetsOf(a)]),
    ];
    const last = type === 4 ? stops[0]! : stops.at(-1)!; // segments of type 4 are in reverse order
    return { protocol: ROUTING, octets: Uint8Array.from(octets), ...(left > 0 && { last }) };
  }

  #nonceHeader(): Payload {
    const r = this.#r;
    const nonce = (n: number): number[] => [0x8b, n, ...this.#octets(n)];
    const options = [nonce(this.#pick([4, 12, 4, 12, 8, 1]))];
    if (r.chance(0.1)) options.push(nonce(4));
    return { protocol: DSTOPTS, octets: this.#options(options) };
  }

  /** A header with these options, others and padding before and behind. */
  #options(options: readonly (readonly number[])[]): Uint8Array {
    const r = this.#r;
    const before = r.chance(0.3) ? [this.#pick([[0], [1, 0], [1, 3, 0, 0, 0], [0x1e, 2, 9, 9]])] : [];
    const body = [...before, ...options].flat();
    const pad = (8 - ((body.length + 2) % 8)) % 8;
    const padding = pad === 0 ? [] : pad === 1 ? [0] : [1, pad - 2, ...new Array<number>(pad - 2).fill(0)];
    return Uint8Array.from([0, (body.length + 2 + pad) / 8 - 1, ...body, ...padding]);
  }

  #ports(): number[] {
    const port = (): number => this.#pick([443, 53, 1, 65535, 0, 1024 + this.#r.below(64000)]);
    return [...be16(port()), ...be16(port())];
  }

  #size(): number {
    return this.#r.chance(0.9) ? this.#r.below(48) : 500 + this.#r.below(700);
  }

  #octets(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.#r.below(256));
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#r.below(list.length)]!;
  }
}

export const KINDS = [
  ...[
    'tcp',
    'tcp',
    'tcp',
    'udp',
    'udp',
    'udp',
    'udp without checksum',
    'udp with checksum ffff',
    'udp-lite',
    'echo',
    'echo',
  ],
  ...['error', 'error', 'error', 'error', 'error', 'other error', 'neighbour discovery', 'neighbour discovery'],
  ...['other icmpv6', 'locator update', 'locator update', 'odd locator update', 'no next header', 'encrypted', 'other'],
];
