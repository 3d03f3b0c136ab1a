/**
 * Packets to attack a border with: one of the corpus, given addresses that mean something, then spoilt: bits, lengths that lie,
 * headers put in, taken out of others, nested, cut. Most stay whole enough to reach deep into the path. All from one seed.
 */
import type { SeededRandom } from '../../native-free/random.ts';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { put16, u16 } from '../../src/wire/bytes.ts';
import { segmentChecksum } from '../../src/wire/checksum.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { FLAGS, GSO_TYPE, VNET_LENGTH } from '../../src/wire/virtio-net.ts';
import { ENDPOINTS, IDENTIFIERS, LOCATORS } from './borders.ts';
import type { CorpusPacket } from './corpus.ts';

const INTERESTING = [0, 1, 2, 7, 8, 16, 39, 40, 48, 59, 60, 0x7f, 0x80, 0xfe, 0xff];
const HOPS = [0, 1, 2, 15, 16, 17, 64, 254, 255];
const PROTOCOLS = [0, 6, 17, 43, 44, 50, 51, 58, 59, 60, 132, 135, 136, 139, 140, 255];
const EXTENSIONS = [0, 43, 44, 51, 60, 60, 60, 135];
const CHECKSUM_AT: Readonly<Record<number, number>> = {
  [ipv6.TCP]: 16,
  [ipv6.UDP]: 6,
  [ipv6.ICMPV6]: 2,
  [ipv6.UDP_LITE]: 6,
};
const GSO_TYPES = [0, 0, 1, 4, 5, 0x84, 0x80, 3, 0xff];
/** How often a mutation is done to one packet; a fifth of them stay as they are but for their addresses. */
const TIMES = [0, 1, 1, 2, 4];
const ERROR_HEADER = 8;
const DEEPEST = 40;

export class PacketMutator {
  /** Side from which the packet written last came. */
  port = 0;
  readonly #random: SeededRandom;
  readonly #corpus: readonly CorpusPacket[];
  #b: Uint8Array = new Uint8Array(0);
  #o = 0;
  #length = 0;
  #room = 0;

  constructor(random: SeededRandom, corpus: readonly CorpusPacket[]) {
    this.#random = random;
    this.#corpus = corpus;
  }

  /** Writes the next packet, at most `room` octets at `o`, the virtio-net header in front of it; returns its length. */
  next(b: Uint8Array, o: number, room: number): number {
    const random = this.#random;
    const seed = this.#one(this.#corpus);
    this.#b = b;
    this.#o = o;
    this.#room = room;
    this.#length = Math.min(room, seed.octets.length);
    b.set(seed.octets.length > room ? seed.octets.subarray(0, room) : seed.octets, o);
    if (seed.vnet === null) b.fill(0, o - VNET_LENGTH, o);
    else b.set(seed.vnet, o - VNET_LENGTH);
    this.port = seed.port < 0 || random.below(8) === 0 ? random.below(3) : seed.port;
    if (random.below(16) !== 0) this.#address();
    if (random.below(16) === 0) this.#wrap();
    if (random.below(2) === 0) this.#seal();
    for (let n = this.#one(TIMES); n > 0; n--) this.#mutate();
    if (seed.vnet === null && random.below(4) === 0) this.#offload();
    return this.#length;
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }

  #mutate(): void {
    const b = this.#b;
    const o = this.#o;
    const random = this.#random;
    const length = this.#length;
    if (length === 0) return;
    const near = Math.min(length, random.below(3) === 0 ? length : 96);
    switch (random.below(20)) {
      case 0:
      case 1:
        b[o + random.below(near)]! ^= 1 << random.below(8);
        break;
      case 2:
        b[o + random.below(near)] = this.#one(INTERESTING);
        break;
      case 3:
        if (near > 1) put16(b, o + random.below(near - 1), random.below(65536));
        break;
      case 4: // the payload length lies
        if (length > 5) put16(b, o + 4, this.#one([0, 1, 7, 8, length, Math.max(0, length - 41), length - 39, 65535]));
        break;
      case 5:
      case 6:
        this.#chain(random.below(8) === 0 ? DEEPEST : 3);
        break;
      case 7: // a header of the chain says another length
        if (length > 41) b[o + this.#headerAt() + 1] = this.#one(INTERESTING);
        break;
      case 8:
        this.#cut(random.below(length + 1));
        break;
      case 9: // ends in or right behind a header
        this.#cut(Math.min(length, 40 + random.below(64)));
        break;
      case 10: // padding, or more payload
        this.#pad(1 + random.below(random.below(6) === 0 ? this.#room : 64));
        break;
      case 11:
        this.#splice();
        break;
      case 12:
        this.#wrap();
        break;
      case 13: {
        // some of it twice
        const from = random.below(length);
        const count = Math.min(random.below(64), length - from);
        const to = random.below(length);
        b.copyWithin(o + to, o + from, o + from + Math.min(count, length - to));
        break;
      }
      case 14:
        if (length > 6) b[o + 6] = this.#one(PROTOCOLS);
        break;
      case 15:
        if (length > 7) b[o + 7] = this.#one(HOPS);
        break;
      case 16: // an extension header becomes another one
        if (length > 41) b[o + this.#headerAt()] = this.#one(PROTOCOLS);
        break;
      case 17:
        this.#offload();
        break;
      case 18:
        this.#address();
        break;
      default:
        this.#seal();
    }
  }

  /** Source and destination as this side sees them, or any; of an error, its quote the other way round. */
  #address(): void {
    const random = this.#random;
    const b = this.#b;
    const o = this.#o;
    if (this.#length < ipv6.HEADER_LENGTH) return;
    const inbound = this.port === OUTSIDE || (this.port === SITE && random.below(2) === 0);
    const { guest, site, global, correspondent } = ENDPOINTS;
    const near = this.port === OUTSIDE ? global : this.port === INSIDE ? guest : site;
    const far = random.below(5) !== 0 ? correspondent : this.port === OUTSIDE ? global : guest;
    const source = inbound ? far : near;
    const destination = inbound ? near : far;
    this.#endpoint(o + ipv6.SRC, source);
    this.#endpoint(o + ipv6.DST, destination);
    const quote = o + ipv6.HEADER_LENGTH + ERROR_HEADER;
    if (b[o + ipv6.NEXT_HEADER] !== ipv6.ICMPV6 || this.#length < 2 * ipv6.HEADER_LENGTH + ERROR_HEADER) return;
    if (b[o + ipv6.HEADER_LENGTH]! >= 128) return;
    if (random.below(4) === 0) {
      this.#endpoint(quote + ipv6.SRC, destination);
      this.#endpoint(quote + ipv6.DST, source);
      return;
    }
    b.copyWithin(quote + ipv6.SRC, o + ipv6.DST, o + ipv6.DST + 16);
    b.copyWithin(quote + ipv6.DST, o + ipv6.SRC, o + ipv6.SRC + 16);
  }

  /** One of the addresses; now and then any Locator, or any identifier, that is known. */
  #endpoint(at: number, addresses: readonly Uint8Array[]): void {
    const random = this.#random;
    this.#b.set(this.#one(addresses), at);
    if (random.below(8) === 0) this.#b.set(this.#one(LOCATORS), at);
    if (random.below(8) === 0) this.#b.set(this.#one(IDENTIFIERS), at + 8);
  }

  /** Puts up to `most` extension headers behind the IPv6 header. */
  #chain(most: number): void {
    const random = this.#random;
    for (let n = 1 + random.below(most); n > 0 && this.#length >= ipv6.HEADER_LENGTH; n--) {
      const protocol = this.#one(EXTENSIONS);
      const size = protocol === 44 ? 8 : protocol === 51 ? 12 + 4 * random.below(4) : 8 + 8 * random.below(3);
      const at = this.#o + ipv6.HEADER_LENGTH;
      if (!this.#insert(at, size)) return;
      const b = this.#b;
      for (let k = 2; k < size; k++) b[at + k] = 0;
      b[at] = b[this.#o + ipv6.NEXT_HEADER]!;
      b[at + 1] = protocol === 44 ? 0 : protocol === 51 ? size / 4 - 2 : size / 8 - 1;
      if (protocol === 44) put16(b, at + 2, this.#one([0, 1, 8, 0xfff8, 0xffff]));
      if (protocol === 60 || protocol === 0) {
        b[at + 2] = this.#one([0x8b, 0x8b, 1, 0, 0xc2, 5]); // the nonce, PadN, Pad1, others
        b[at + 3] = random.below(4) === 0 ? random.below(256) : size - 4;
      }
      b[this.#o + ipv6.NEXT_HEADER] = protocol;
    }
    this.#fit();
  }

  /** Quotes the packet in an ICMPv6 error to somebody. */
  #wrap(): void {
    const size = ipv6.HEADER_LENGTH + ERROR_HEADER;
    if (!this.#insert(this.#o, size)) return;
    const b = this.#b;
    const o = this.#o;
    b.fill(0, o, o + size);
    b[o] = 0x60;
    b[o + ipv6.NEXT_HEADER] = ipv6.ICMPV6;
    b[o + ipv6.HOP_LIMIT] = this.#one(HOPS);
    b[o + ipv6.HEADER_LENGTH] = this.#one([1, 2, 3, 4, 100, 127]);
    b[o + 47] = this.#random.below(256);
    this.#fit();
    this.#address();
  }

  /** The end of another packet of the corpus over the end of this one. */
  #splice(): void {
    const other = this.#one(this.#corpus).octets;
    const from = this.#random.below(other.length);
    const at = Math.min(this.#length, 40 + 4 * this.#random.below(16));
    const count = Math.min(other.length - from, this.#room - at);
    this.#b.set(other.subarray(from, from + count), this.#o + at);
    this.#length = at + count;
    this.#fit();
  }

  #cut(length: number): void {
    this.#length = length;
    this.#fit();
  }

  #pad(octets: number): void {
    const count = Math.min(octets, this.#room - this.#length);
    const from = this.#o + this.#length;
    for (let k = 0; k < count; k++) this.#b[from + k] = k & 7 ? 0x5a : this.#random.below(256);
    this.#length += count;
    this.#fit();
  }

  /** A virtio-net header: of a partial sum, a super-packet, or of nothing sensible. */
  #offload(): void {
    const random = this.#random;
    const h = this.#o - VNET_LENGTH;
    const b = this.#b;
    if (random.below(3) === 0) {
      for (let k = 0; k < VNET_LENGTH; k++)
        b[h + k] = random.below(2) === 0 ? this.#one(INTERESTING) : random.below(256);
      return;
    }
    const at = CHECKSUM_AT[this.#length > 40 ? b[this.#o + ipv6.NEXT_HEADER]! : 59] ?? this.#one(INTERESTING);
    b.fill(0, h, h + VNET_LENGTH);
    b[this.#o + FLAGS] = this.#one([1, 1, 1, 2, 0]);
    b[this.#o + GSO_TYPE] = this.#one(GSO_TYPES);
    for (const [k, value] of [
      60,
      1 + random.below(1400),
      random.below(8) === 0 ? random.below(2048) : 40,
      at,
    ].entries()) {
      b[h + 2 + 2 * k] = value;
      b[h + 3 + 2 * k] = value >>> 8;
    }
  }

  /** Most lengths are right in the end. */
  #fit(): void {
    if (this.#length < ipv6.HEADER_LENGTH || this.#random.below(5) === 0) return;
    put16(this.#b, this.#o + ipv6.PAYLOAD_LENGTH, Math.min(65535, this.#length - ipv6.HEADER_LENGTH));
  }

  /** Makes the checksum right for the addresses, where the transport header follows at once. */
  #seal(): void {
    const b = this.#b;
    const o = this.#o;
    const at = CHECKSUM_AT[this.#length > 40 ? b[o + ipv6.NEXT_HEADER]! : 59];
    const length = this.#length - ipv6.HEADER_LENGTH;
    if (at === undefined || length < at + 2 || u16(b, o + ipv6.PAYLOAD_LENGTH) !== length) return;
    const field = o + ipv6.HEADER_LENGTH + at;
    const protocol = b[o + ipv6.NEXT_HEADER]!;
    const convention = this.#random.below(4) === 0 ? 'zeroed' : 'full';
    put16(b, field, 0);
    if (protocol === ipv6.UDP && this.#random.below(8) === 0) return;
    put16(b, field, segmentChecksum(b, o, o + ipv6.HEADER_LENGTH, length, { protocol, convention }));
  }

  /** Offset of some header of the chain, from the start of the packet; its first two octets are inside. */
  #headerAt(): number {
    let at = ipv6.HEADER_LENGTH;
    for (let n = this.#random.below(4); n > 0; n--) {
      const next = at + 8 + 8 * this.#b[this.#o + at + 1]!;
      if (next + 2 > this.#length) break;
      at = next;
    }
    return at;
  }

  /** Makes room for `size` octets at `at`; false when there is none. */
  #insert(at: number, size: number): boolean {
    if (this.#length + size > this.#room) return false;
    this.#b.copyWithin(at + size, at, this.#o + this.#length);
    this.#length += size;
    return true;
  }
}
