/**
 * A guest moves to and fro between two sites that exist nowhere, before there are packets. The engine compiles what it has
 * seen happen; what happens for the first time throws that away and runs thirty times slower for a while: on a border that
 * has only forwarded so far that would be the moment when packets wait for a move. Nothing of it is left behind but code.
 */
import { Bindings } from '../ilnp/bindings.ts';
import { LocatorTable } from '../ilnp/locator-table.ts';
import { HEADROOM, INSIDE, OUTSIDE, PacketBatch, SITE } from '../packet/batch.ts';
import { isSent } from '../packet/verdict.ts';
import { native32, put16 } from '../wire/bytes.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { type L64, parseL64 } from '../wire/text.ts';
import * as virtio from '../wire/virtio-net.ts';
import { compile } from './compile.ts';
import { COUNTERS, Fib } from './fib.ts';
import { forward } from './forward.ts';
import { Keeper } from './keep.ts';

const l64 = (text: string): L64 => parseL64(text)!;
const GLOBAL = l64('2001:db8:1::/64');
const GUEST = l64('fd00:1::/64');
const CORRESPONDENT = l64('2001:db8:c::/64');
const SITES = [
  { site: 'one', l64: GUEST },
  { site: 'two', l64: l64('fd00:2::/64') },
] as const;
const NID = { hi: 0, lo: 0xa1 };
const [NID0, NID1] = [native32(NID.hi) | 0, native32(NID.lo) | 0];
const SEED = [1, 2] as const;

/** So many moves, with so many batches before, during and after each. Reason: then the engine has compiled what it takes. */
const MOVES = 6;
const BATCHES = 6;
const PACKETS = 64;
/** Of packets. Reason: the engine has seen both ways to copy one, and more than one chunk of what waits. */
const SHORT = 80;
const LONG = 1400;
/** Before a packet, its virtio-net header included. */
const VNET_ROOM = 16;
const SEGMENT = 16;
const TCP_HEADER_LENGTH = 0x50;
const UDP_CHECKSUM = 6;
const TCP_CHECKSUM = 16;
const SLOT = HEADROOM + LONG;
/** A number of the kind that clocks give: what was compiled for small integers is thrown away when the first greater one comes. */
const START_US = 2 ** 50 + 0.25;
const LIMITS = { octets: 1 << 22, packets: 4096, us: 1e6 };

/** One of the two borders. */
class Rehearsed {
  readonly fib: Fib;
  readonly keeper: Keeper;
  readonly #bindings = new Bindings(1, SEED);

  constructor(own: number) {
    const config = {
      site: SITES[own]!.site,
      checksum: 'full',
      uplinks: [{ name: 'isp', l64: own === 0 ? GLOBAL : l64('2001:db8:2::/64'), preference: 10 }],
      inside: [{ l64: SITES[own]!.l64, guests: own === 0 ? [] : [GUEST] }],
      peers: SITES.filter((_, i) => i !== own),
      subnets: [],
      icmp: { rate: 10, burst: 10 },
    } as const;
    for (const { site } of SITES) this.#bindings.classOf(bindingAt(site));
    const image = compile(config, this.#bindings, { uplinkUp: [true], outsideAddress: null, insideAddress: null });
    // cloned, as they come to a worker: then they have the shape of those
    this.fib = new Fib(structuredClone(image), new LocatorTable(1, SEED), null, new Float64Array(COUNTERS));
    this.keeper = new Keeper(this.fib, structuredClone(LIMITS));
    this.fib.keeper = this.keeper;
  }

  /** The guest is at the site with this index from now on. */
  put(at: number, epoch: number): void {
    this.fib.table.put(NID0, NID1, this.#bindings.classOf(bindingAt(SITES[at]!.site)), epoch);
    if (this.keeper.active) this.keeper.mark(NID0, NID1);
  }
}

const bindingAt = (at: string) => ({ guest: GUEST, home: SITES[0].site, uplink: undefined, at });

/** What is left of the last one: the engine throws away what it has compiled for shapes that nothing has any more. */
const stage: Rehearsed[] = [];

/** Plays it; the counters of both borders (sbr/fib.ts). `vnet`: packets have virtio-net headers, as on this machine. */
export function rehearse(vnet: boolean): readonly Float64Array[] {
  const borders = SITES.map((_, own) => new Rehearsed(own));
  stage.splice(0, stage.length, ...borders);
  const batch = new PacketBatch(new ArrayBuffer(PACKETS * SLOT), PACKETS, vnet);
  for (let i = 0; i < PACKETS; i++) batch.offset[i] = i * SLOT + HEADROOM;
  let now = START_US;

  /** Has a border forward the batch, and the other one what it sends there. */
  const pass = (own: number): void => {
    for (let border = own, hops = 0; hops < SITES.length && batch.count > 0; border = 1 - border, hops++) {
      forward(batch, borders[border]!.fib, now);
      let count = 0;
      for (let i = 0; i < batch.count; i++) {
        if (!isSent(batch.verdict[i]!) || batch.egress[i] !== SITE) continue;
        const [from, to] = [batch.offset[i]!, batch.offset[count]!];
        batch.bytes.copyWithin(to - VNET_ROOM, from - VNET_ROOM, from + batch.length[i]!);
        batch.length[count] = batch.length[i]!;
        batch.port[count++] = SITE;
      }
      batch.count = count;
    }
  };
  const traffic = (at: number): void => {
    for (let k = 0; k < BATCHES; k++, now += 100) {
      for (const port of [OUTSIDE, INSIDE]) {
        fill(batch, port);
        pass(port === OUTSIDE ? 0 : at);
      }
    }
  };
  const letGo = (own: number): void => {
    const { keeper } = borders[own]!;
    while (keeper.releasing) {
      keeper.tick(now);
      keeper.read(0);
      if (!keeper.ready) continue;
      keeper.fill(batch, PACKETS);
      const { count } = batch;
      pass(own);
      batch.count = count;
      keeper.filled();
    }
  };

  for (const border of borders) border.put(0, 0);
  let at = 0;
  for (let move = 1; move <= MOVES; move++) {
    const [from, to] = [at, 1 - at];
    traffic(from);
    for (const { keeper } of borders) {
      keeper.tick(now);
      if (move % 2 === 0) keeper.order(NID0, NID1, { what: 'retain', ms: 1000, windowMs: 100 });
      keeper.order(NID0, NID1, { what: 'expect', ms: 1000 });
    }
    if (move % 2 === 0) traffic(from);
    const since = now;
    if (move % 2 === 0) traffic(from);
    for (const { keeper } of borders) keeper.order(NID0, NID1, { what: 'hold', ms: 1000 });
    traffic(to);
    at = to;
    for (const own of from === 0 ? [0, 1] : [1, 0]) {
      borders[own]!.put(to, move);
      borders[own]!.keeper.order(NID0, NID1, { what: 'release', ms: 1000, since, departs: own === from, behind: 0 });
      letGo(own);
    }
    traffic(to);
    for (const [own, { keeper }] of borders.entries()) {
      keeper.order(NID0, NID1, { what: 'end' });
      letGo(own);
    }
  }
  // one of everything that a move makes stays with the stage
  for (const { keeper } of borders) keeper.order(NID0, NID1, { what: 'retain', ms: 1000, windowMs: 100 });
  traffic(at);
  return borders.map(({ fib }) => fib.counters);
}

/** UDP and TCP in turn, from the correspondent or from the guest; half of them leave their checksum to us, some are super-packets. */
function fill(batch: PacketBatch, port: number): void {
  const { bytes, word } = batch;
  for (let i = 0; i < PACKETS; i++) {
    const o = batch.offset[i]!;
    const w = o >>> 2;
    const length = i % 4 === 3 ? LONG : SHORT;
    bytes.fill(0, o - VNET_ROOM, o + length);
    word[w] = native32(0x60000000);
    put16(bytes, o + 4, length - ipv6.HEADER_LENGTH);
    bytes[o + ipv6.NEXT_HEADER] = i % 2 === 0 ? ipv6.UDP : ipv6.TCP;
    bytes[o + ipv6.HOP_LIMIT] = 60;
    bytes[o + ipv6.HEADER_LENGTH + 12] = TCP_HEADER_LENGTH; // 20 octets
    const near = port === OUTSIDE ? GLOBAL : GUEST;
    const [here, there] = port === OUTSIDE ? [ipv6.W_DST_L64, ipv6.W_SRC_L64] : [ipv6.W_SRC_L64, ipv6.W_DST_L64];
    for (const [at, { hi, lo }] of [
      [here, near],
      [here + 2, NID],
      [there, CORRESPONDENT],
      [there + 2, { hi: 0, lo: 0xc0 + (i % 4) }],
    ] as const) {
      word[w + at] = native32(hi);
      word[w + at + 1] = native32(lo);
    }
    if (batch.vnet && i % 4 < 2) {
      const isUdp = i % 2 === 0;
      const h = o >>> 1;
      bytes[o + virtio.FLAGS] = virtio.NEEDS_CSUM;
      batch.half[h + virtio.H_CSUM_START] = ipv6.HEADER_LENGTH;
      batch.half[h + virtio.H_CSUM_OFFSET] = isUdp ? UDP_CHECKSUM : TCP_CHECKSUM;
      if (i % 8 < 2) {
        bytes[o + virtio.GSO_TYPE] = isUdp ? virtio.GSO_UDP_L4 : virtio.GSO_TCPV6;
        batch.half[h + virtio.H_SEGMENT_SIZE] = SEGMENT;
      }
    }
    batch.length[i] = length;
    batch.port[i] = port;
  }
  batch.count = PACKETS;
}
