/**
 * An end system under attack: rounds of packets from both sides through one shim, made from valid ones of live sessions,
 * everything from the round's seed. The same packets go through two shims of one state; around them lie different octets, so
 * that whoever reads one of them decides differently, and all of them are looked at afterwards.
 */
import { SeededRandom } from '../../native-free/random.ts';
import { Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';
import { HEADROOM, PacketBatch } from '../../src/packet/batch.ts';
import { Node } from '../../src/shim/node.ts';
import { Shim } from '../../src/shim/shim.ts';
import { VERDICTS } from '../../src/shim/verdict.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { ACKNOWLEDGEMENT, ADVERTISEMENT, icmpWithNonce, locatorUpdatePacket } from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { parseIlv, parseL64 } from '../../src/wire/text.ts';
import { authenticationOption, EXPERIMENTAL_OPTION } from '../../src/wire/update-authentication.ts';
import { VNET_LENGTH } from '../../src/wire/virtio-net.ts';
import {
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  ipv6,
  joined,
  octetsOf,
  tcp6,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { Finding, oneLine } from './finding.ts';

/** Packets of a round. */
const ROUND = 2048;
const SLOT = 2 * HEADROOM + 2048;
/** What goes in front of a packet: a nonce of 12 octets, the virtio-net header, and what keeps both aligned. */
const FRONT = 32;
const STRANGERS = 32;
/**
 * Packets that one packet may make a shim send besides: an acknowledgement may show that another provider is the one that
 * works, and then everybody is told, once.
 */
const EMITTED_MOST = STRANGERS + 16;

const STABLE = 'fd00:a::a1';
const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const C = '2001:db8:c::c1';
/** With a key of its own. */
const D = '2001:db8:d::d1';
const ROUTER = '2001:db8:f::1';
const N = Uint8Array.of(1, 2, 3, 4);
const KEY = new Uint8Array(32).fill(7);
const LONG = Uint8Array.from({ length: 12 }, (_, k) => k);

interface End {
  readonly shim: Shim;
  readonly batch: PacketBatch;
  /** What lay around the packet. */
  readonly around: Uint8Array;
  emitted: number;
}

/** Plays the round of `seed`; returns how often each verdict was given. Throws a Finding. */
export function shimRound(seed: number): Float64Array {
  const random = new SeededRandom(`shim/${seed}`);
  const vnet = random.below(2) === 0;
  const ends = [0, 0xff].map((mask) => endOf(seed, vnet, mask)) as [End, End];
  const seeds = seedsOf();
  let now = 1;
  for (let k = 0; k < ROUND; k++) {
    now += random.below(64) === 0 ? random.below(2 ** 31) : random.below(1e5);
    const packet = mutated(random, seeds, random.below(8) === 0 ? fresh(random) : seeds[random.below(seeds.length)]!);
    const head = headOf(random, packet);
    for (const end of ends) pass(end, packet, head, now);
    compare(ends, packet);
    if (random.below(128) === 0) for (const end of ends) end.shim.setLocators(locatorsOf(seed + k), now);
    if (random.below(16) === 0) for (const end of ends) end.shim.run(now);
  }
  return ends[0].shim.node.counters.slice(0, VERDICTS.length);
}

const locatorsOf = (k: number) =>
  [['2001:db8:1::', '2001:db8:2::'], ['2001:db8:2::', '2001:db8:1::'], ['2001:db8:1::'], []][k % 4]!.map((text, n) => ({
    ...locatorOf(parseL64(text)!),
    preference: 10 + n,
    lifetime: 1800,
  }));

function endOf(seed: number, vnet: boolean, mask: number): End {
  const random = new SeededRandom(`end/${seed}`);
  const ilv = parseIlv(STABLE)!;
  const filling = new SeededRandom(`around/${seed}`);
  const around = Uint8Array.from({ length: SLOT }, () => filling.below(256) ^ mask);
  const node = new Node({
    nid0: native32(ilv.nid.hi) | 0,
    nid1: native32(ilv.nid.lo) | 0,
    stable: locatorOf(ilv.l64),
    mtu: 1500,
    ilcc: new Ilcc({ strangers: STRANGERS, known: 16 }, [random.next(), random.next()]),
    seed: random.next(),
    random: (octets) => Uint8Array.from({ length: octets }, () => random.below(256)),
    emit: () => void end.emitted++,
  });
  const end: End = { shim: new Shim(node), batch: new PacketBatch(new ArrayBuffer(SLOT), 1, vnet), around, emitted: 0 };
  end.shim.setLocators(locatorsOf(0), 0);
  for (const [address, nonce, proved] of [
    [B, N, true],
    [C, LONG, false],
    [D, N, true],
  ] as const) {
    const { nid, l64 } = parseIlv(address)!;
    const c = new Correspondent(native32(nid.hi) | 0, native32(nid.lo) | 0, {
      localNonce: nonce,
      locators: [{ ...locatorOf(l64), preference: 10, expires: Number.POSITIVE_INFINITY }],
      isConfigured: true,
    });
    c.remoteNonce = nonce;
    c.proved = proved;
    c.heard(1);
    if (address === D) {
      c.key = KEY;
      c.isKeyRequired = true;
      c.remoteSequence = 100;
    }
    node.ilcc.add(c);
  }
  return end;
}

/** Valid packets of every kind, of programs here and from the network. */
function seedsOf(): Uint8Array[] {
  const inward = { src: B, dst: A };
  const outward = { src: STABLE, dst: B };
  const update = (operation: typeof ADVERTISEMENT | typeof ACKNOWLEDGEMENT, count: number): Uint8Array =>
    locatorUpdatePacket(
      {
        operation,
        locators: Array.from({ length: count }, (_, k) => ({
          locator: parseL64(`2001:db8:${(k + 11).toString(16)}::`)!,
          preference: k,
          lifetime: 60,
        })),
      },
      { source: octetsOf(B), destination: octetsOf(A), nonce: N },
    )!;
  const signed = (sequence: number): Uint8Array =>
    locatorUpdatePacket(
      { operation: ADVERTISEMENT, locators: [{ locator: parseL64('2001:db8:d::')!, preference: 1, lifetime: 60 }] },
      { source: octetsOf(D), destination: octetsOf(A), nonce: N },
      sequence === 0
        ? undefined
        : (message, envelope) =>
            authenticationOption(message, envelope, { key: KEY, sequence, option: EXPERIMENTAL_OPTION }),
    )!;
  const wire = insertNonce(tcp6({ src: A, dst: B }), N)!;
  return [
    tcp6(outward),
    udp6(outward, new Uint8Array(1400)),
    echo6(outward),
    udp6({ src: STABLE, dst: ROUTER }),
    udp6({ src: STABLE, dst: 'ff02::1' }),
    error6(outward, 1, 4, 0, udp6({ src: B, dst: STABLE })),
    ipv6(outward, 44, joined(fragmentHeader(17, 0, true), udpSegment(outward, new Uint8Array(64)))),
    ipv6(outward, 60, joined(destinationOptions(17, [0x1e, Uint8Array.of(1)]), udpSegment(outward, new Uint8Array(9)))),
    tcp6(inward),
    insertNonce(tcp6(inward), N)!,
    insertNonce(udp6(inward), LONG)!,
    insertNonce(udp6({ src: C, dst: A }), LONG)!,
    insertNonce(echo6(inward), N)!,
    echo6(inward),
    udp6({ src: '2001:db8:ee::b1', dst: A }),
    signed(0),
    signed(1),
    signed(200),
    update(ADVERTISEMENT, 1),
    update(ADVERTISEMENT, 110),
    update(ACKNOWLEDGEMENT, 2),
    icmpWithNonce(Uint8Array.from([129, ...new Array<number>(15).fill(0)]), {
      source: octetsOf(C),
      destination: octetsOf(A),
      nonce: LONG,
    })!,
    error6({ src: ROUTER, dst: A }, 2, 0, 1300, wire),
    error6({ src: C, dst: A }, 4, 2, 42, insertNonce(tcp6({ src: A, dst: C }), LONG)!),
    ipv6(inward, 60, joined(destinationOptions(17, [0x8b, N], [0x8b, N]), udpSegment(inward, new Uint8Array(9)))),
    udp6({ src: '2001:db8:5::5', dst: ROUTER }),
  ];
}

/** A NID that nobody has heard of, with a nonce. */
function fresh(random: SeededRandom): Uint8Array {
  const src = `2001:db8:${random.below(16).toString(16)}::${random.below(65536).toString(16)}`;
  return insertNonce(
    udp6({ src, dst: A }),
    Uint8Array.from({ length: 4 }, () => random.below(256)),
  )!;
}

function mutated(random: SeededRandom, seeds: readonly Uint8Array[], seed: Uint8Array): Uint8Array {
  let packet: Uint8Array = seed.slice();
  for (let n = [0, 0, 1, 2, 5][random.below(5)]!; n > 0; n--) {
    const near = Math.min(packet.length, random.below(3) === 0 ? packet.length : 96);
    if (near === 0) break;
    const kind = random.below(6);
    if (kind < 2) packet[random.below(near)]! ^= 1 << random.below(8);
    else if (kind === 2) packet[random.below(near)] = [0, 1, 7, 8, 60, 0x8b, 58, 156, 255][random.below(9)]!;
    else if (kind === 3) packet = packet.slice(0, random.below(packet.length + 1));
    else if (kind === 4) packet = joined(packet, new Uint8Array(1 + random.below(40)).fill(random.below(256)));
    else packet = joined(packet.slice(0, Math.min(40, packet.length)), seeds[random.below(seeds.length)]!.slice(40));
  }
  packet = packet.slice(0, 2000);
  if (packet.length >= 40 && random.below(8) !== 0)
    packet.set([(packet.length - 40) >>> 8, (packet.length - 40) & 255], 4);
  return packet;
}

/** A virtio-net header: none, of a partial sum, of a super-packet, or of nothing sensible. */
function headOf(random: SeededRandom, packet: Uint8Array): Uint8Array {
  const head = new Uint8Array(VNET_LENGTH);
  const kind = random.below(4);
  if (kind === 1) for (let k = 0; k < VNET_LENGTH; k++) head[k] = random.below(256);
  else if (kind > 1)
    head.set([1, kind === 2 ? 0 : [1, 4, 5][random.below(3)]!, 60, 0, 0xb0, 5, 40, 0, packet[6] === 17 ? 6 : 16, 0]);
  return head;
}

function pass(end: End, packet: Uint8Array, head: Uint8Array, now: number): void {
  const { batch, shim } = end;
  batch.bytes.set(end.around);
  batch.bytes.set(packet, HEADROOM);
  if (batch.vnet) batch.bytes.set(head, HEADROOM - VNET_LENGTH);
  batch.offset[0] = HEADROOM;
  batch.length[0] = packet.length;
  batch.verdict[0] = 0xff;
  batch.count = 1;
  end.emitted = 0;
  try {
    shim.input(batch, now);
  } catch (error) {
    throw found(packet, `threw ${oneLine(error)}`, error);
  }
  shim.drops.length = 0;
  if (batch.verdict[0]! >= VERDICTS.length) throw found(packet, `has no verdict but ${batch.verdict[0]}`);
  if (end.emitted > EMITTED_MOST) throw found(packet, `made the shim send ${end.emitted} packets`);
  const { size } = shim.node.ilcc;
  if (size > STRANGERS + 16) throw found(packet, `made the cache grow to ${size}`);
  const [from, to] = [HEADROOM - FRONT, HEADROOM + packet.length];
  const [after, before] = [Buffer.from(batch.bytes.buffer), Buffer.from(end.around.buffer)];
  if (after.compare(before, 0, from, 0, from) !== 0) throw found(packet, 'octets before it were written');
  if (after.compare(before, to, SLOT, to, SLOT) !== 0) throw found(packet, 'octets behind it were written');
}

/** Both made the same of it: nothing around it was read or left in it. */
function compare([one, other]: readonly [End, End], packet: Uint8Array): void {
  const { batch } = one;
  const verdict = batch.verdict[0]!;
  if (verdict !== other.batch.verdict[0] || batch.length[0] !== other.batch.length[0])
    throw found(
      packet,
      `depends on octets around it: ${VERDICTS[verdict]!.name}, ${VERDICTS[other.batch.verdict[0]!]!.name}`,
    );
  if (verdict > 1) return;
  const o = batch.offset[0]!;
  const length = batch.length[0]!;
  const head = batch.vnet ? VNET_LENGTH : 0;
  if (o < HEADROOM - FRONT || o + length > HEADROOM + packet.length) throw found(packet, 'grew out of its place');
  if (length !== 40 + ((batch.bytes[o + 4]! << 8) | batch.bytes[o + 5]!))
    throw found(packet, 'has another length than it says');
  const [from, to] = [o - head, o + length];
  if (Buffer.from(batch.bytes.buffer).compare(Buffer.from(other.batch.bytes.buffer), from, to, from, to) !== 0)
    throw found(packet, 'has an octet that lay outside');
}

function found(packet: Uint8Array, what: string, cause?: unknown): Finding {
  return new Finding(
    `a packet of ${packet.length} octets, ${Buffer.from(packet).toString('hex').slice(0, 200)}: ${what}`,
    0,
    { cause },
  );
}
