/**
 * The write side of a device under attack: batches of packets of a few flows, whose headers, sizes and virtio-net headers are
 * anything a kernel hands over. Cut again by a slow model of the kernel, what is written must be the same packets, each once,
 * in the order of their flow, from octets of theirs alone.
 */
import koffi from 'koffi';
import { SeededRandom } from '../../native-free/random.ts';
import { Arena } from '../../src/device/arena.ts';
import { Coalescer } from '../../src/device/coalesce.ts';
import { fragmentHeader, ipv6, joined, sealed } from '../support/packets.ts';
import { DATA_VALID, NEEDS_CSUM, onTheWire, withPartialSum } from '../support/super-packets.ts';
import { Finding, oneLine } from './finding.ts';

const BATCHES = 16;
const SLOTS = 96;
const VNET = 10;
/** Octets around a packet that must stay what they are. */
const CANARY = 64;
const SEGMENTS_MOST = 64;
const [TCP, UDP, ICMPV6] = [6, 17, 58];

interface Given {
  readonly octets: Uint8Array;
  readonly head: Uint8Array;
  readonly port: number;
  /** Null: nobody can tell. */
  readonly flow: string | null;
}

export interface Tally {
  readonly packets: number;
  readonly writes: number;
}

let arena: Arena | undefined; // mapped once, and never freed

/** Plays the round of `seed`. `Target`: a broken one, in a test. Throws a Finding. */
export function coalesceRound(seed: number, Target: typeof Coalescer = Coalescer): Tally {
  const random = new SeededRandom(`coalesce/${seed}`);
  const tally = { packets: 0, writes: 0 };
  for (let k = 0; k < BATCHES; k++) {
    const batch = batchFrom(random, random.below(8) === 0 ? 1 : 1 + random.below(SLOTS));
    tally.packets += batch.length;
    tally.writes += play(batch, Target, { uso: random.below(4) > 0, alone: random.below(16) === 0 });
  }
  return tally;
}

function batchFrom(r: SeededRandom, count: number): Given[] {
  const pick = <T>(list: readonly T[]): T => list[r.below(list.length)]!;
  const flows = Array.from({ length: 1 + r.below(10) }, (_, k) => ({
    h: { src: pick(['2001:db8:c::c0', '2001:db8:c::c1']), dst: pick(['fd00:1::a1', 'fd00:1::a2']) },
    protocol: pick([TCP, TCP, UDP]),
    ports: [443, 50000 + k],
    port: r.below(3),
    size: pick([1, 2, 7, 64, 100, 536, 1440, 3000]),
    sequence: r.next(),
  }));
  return Array.from({ length: count }, () => {
    const flow = pick(flows);
    const hopLimit = r.below(20) === 0 ? r.below(256) : 64;
    const h = { ...flow.h, hopLimit };
    const size = r.below(10) === 0 ? r.below(flow.size + 2) : flow.size;
    const payload = new Uint8Array(size).fill(r.below(256));
    const kind = r.below(24);
    if (kind === 0)
      return bare(ipv6(h, ICMPV6, sealed(h, ICMPV6, joined(Uint8Array.of(128, 0, 0, 0), payload))), flow.port);
    if (kind === 1)
      return bare(ipv6(h, 44, joined(fragmentHeader(flow.protocol, 8 * r.below(9), true), payload)), flow.port);
    if (kind === 2) return bare(ipv6(h, flow.protocol, payload.slice(0, r.below(8))), flow.port);
    let segment: Uint8Array;
    if (flow.protocol === TCP) {
      const options = pick([[], [], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], [1, 1, 1, 0]]);
      segment = new Uint8Array(20 + options.length + size);
      const view = new DataView(segment.buffer);
      view.setUint32(4, flow.sequence);
      segment[12] = ((20 + options.length) / 4) << 4;
      segment[13] = r.below(8) === 0 ? r.below(256) : 0x10;
      view.setUint16(14, 500);
      segment.set(options, 20);
      segment.set(payload, 20 + options.length);
      flow.sequence = (flow.sequence + size) >>> 0;
      if (r.below(12) === 0) segment[4 + r.below(16)]! ^= 1 << r.below(8);
    } else {
      segment = joined(new Uint8Array(8), payload);
      new DataView(segment.buffer).setUint16(4, r.below(20) === 0 ? r.below(65536) : segment.length);
    }
    new DataView(segment.buffer).setUint16(0, flow.ports[0]!);
    new DataView(segment.buffer).setUint16(2, flow.ports[1]!);
    const octets = ipv6(h, flow.protocol, sealed(h, flow.protocol, segment));
    if (r.below(16) === 0) octets.set([0x60 | r.below(16), r.below(256)]);
    const name = `${flow.port} ${h.src} ${h.dst} ${flow.protocol} ${flow.ports}`;
    return headed(r, octets, flow.port, name);
  });
}

const bare = (octets: Uint8Array, port: number): Given => ({
  ...{ octets, port, head: new Uint8Array(VNET) },
  flow: octets[6] === ICMPV6 ? `${port} icmpv6` : null,
});

/** The kernel vouches for a sum, or not, or says that it is a super-packet. */
function headed(r: SeededRandom, octets: Uint8Array, port: number, flow: string): Given {
  const head = new Uint8Array(VNET);
  const kind = r.below(12);
  if (kind === 0) return { octets, head: head.map(() => r.below(256)).fill(0, 0, 2), port, flow };
  if (kind === 1)
    return { octets, head: Uint8Array.of(1, [4, 5, 0x84, 3][r.below(4)]!, 60, 0, 100, 0, 40, 0, 16, 0), port, flow };
  if (kind < 5) return { octets, head: Uint8Array.of(DATA_VALID, ...head.slice(1)), port, flow };
  const { packet, offset } = withPartialSum(octets);
  const flags = kind < 7 ? NEEDS_CSUM | DATA_VALID : NEEDS_CSUM;
  return { octets: packet, head: Uint8Array.of(flags, 0, 0, 0, 0, 0, 40, 0, offset, 0), port, flow };
}

const memory = (address: number, length: number): Uint8Array =>
  new Uint8Array(koffi.view(address as never, length)).slice();

/** Puts a batch through; returns the number of writes. */
function play(batch: readonly Given[], Target: typeof Coalescer, options: { uso: boolean; alone: boolean }): number {
  arena ??= new Arena(SLOTS, SLOTS, true);
  const { bytes, offset, length, egress } = arena.batch;
  const places = batch.map(({ octets, head, port }, i) => {
    const o = arena!.packetAt(i);
    bytes.fill(0xa5, o - CANARY, o + octets.length + CANARY);
    bytes.set(head, o - VNET);
    bytes.set(octets, o);
    offset[i] = o;
    length[i] = octets.length;
    egress[i] = port;
    return o;
  });
  const base = arena.address(0);
  const written: number[] = [];
  let writes = 0;
  /** Which packet the octets from `from` on belong to; they must end where it ends. */
  const ownerOf = (from: number, octets: number): number => {
    const i = places.findIndex((o, k) => from >= o - VNET && from < o + batch[k]!.octets.length);
    if (i < 0 || from + octets !== places[i]! + batch[i]!.octets.length)
      throw new Finding('octets of no packet are written');
    return i;
  };
  const wireOf = ({ head, octets }: Given): string => onTheWire(joined(head, octets)).map(hex).join();
  const sink = {
    writeOne(port: number, address: number, octets: number): void {
      writes++;
      const i = ownerOf(address - base, octets);
      const { head, octets: given, port: egressOf } = batch[i]!;
      if (port !== egressOf || hex(bytes.slice(address - base, address - base + octets)) !== hex(joined(head, given)))
        throw new Finding(`packet ${i} alone is written otherwise than it came`);
      written.push(i);
    },
    writeGathered(port: number, vector: number, count: number): void {
      writes++;
      if (count < 2 || count > SEGMENTS_MOST) throw new Finding(`a write of ${count} pieces`);
      const entries = new BigUint64Array(memory(vector, 16 * count).buffer);
      const pieces = Array.from(
        { length: count },
        (_, k) => [Number(entries[2 * k]!) - base, Number(entries[2 * k + 1]!)] as const,
      );
      const owners = pieces.map(([from, octets]) => ownerOf(from, octets));
      const frame = joined(...pieces.map(([from, octets]) => bytes.slice(from, from + octets)));
      if (frame.length > VNET + 40 + 65535) throw new Finding('a write larger than a packet can be');
      const [now, then] = [onTheWire(frame).map(hex).join(), owners.map((i) => wireOf(batch[i]!)).join()];
      if (now !== then || owners.some((i) => batch[i]!.port !== port))
        throw new Finding(`packets ${owners} are others when they are cut again`);
      written.push(...owners);
    },
  };
  try {
    const coalescer = new Target(arena, sink, options);
    for (let i = 0; i < batch.length; i++) coalescer.add(i, options.alone);
    coalescer.finish();
  } catch (error) {
    throw error instanceof Finding ? error : new Finding(`threw ${oneLine(error)}`, -1, { cause: error });
  }
  if (new Set(written).size !== batch.length || written.length !== batch.length)
    throw new Finding(`${batch.length} packets, ${written.length} written`);
  const last = new Map<string, number>();
  let barrier = -1;
  for (const i of written) {
    const { flow } = batch[i]!;
    if (i < barrier && flow?.endsWith('icmpv6') !== true) throw new Finding(`packet ${i} is overtaken by ${barrier}`);
    if (flow === null) barrier = i;
    else if (i < (last.get(flow) ?? -1)) throw new Finding(`packet ${i} is overtaken in its flow`);
    else last.set(flow, i);
  }
  for (const [i, o] of places.entries()) {
    const end = o + batch[i]!.octets.length;
    const around = [...bytes.subarray(o - CANARY, o - VNET), ...bytes.subarray(end, end + CANARY)];
    if (around.some((octet) => octet !== 0xa5)) throw new Finding(`octets around packet ${i} were written`);
  }
  return writes;
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
