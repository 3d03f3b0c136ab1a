/**
 * Coalescing before the write: consecutive packets of one flow leave as one super-packet, because what the kernel costs
 * per write is the largest part of a packet's price (0.2 instead of 3 microseconds; bench). Headers of the first packet and
 * the payloads of all are gathered by the kernel; nothing is copied here.
 *
 * Only packets whose checksum the kernel vouches for (NEEDS_CSUM or DATA_VALID) may be joined, else a wrong checksum would
 * silently become right. Only equal headers are joined, TCP in sequence, and whatever cannot be joined flushes its flow
 * first, so that order within a flow is kept. What the receiver sees is what was sent: the kernel cuts the
 * super-packet at the same places again.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { native16, native32 } from '../wire/bytes.ts';
import { difference, fold } from '../wire/checksum.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import type { Arena } from './arena.ts';
import { type Mapping, mapAnonymous, putAddress } from './libc.ts';

const GROUPS = 32;
const GROUP_SHIFT = 27; // what leaves a group of 32 bits
const MAX_SEGMENTS = 64; // Linux UDP_MAX_SEGMENTS
const MAX_OCTETS = 65000;
const MAX_SEGMENT = 9000;
const VECTOR_OCTETS = 16 * MAX_SEGMENTS;
const VECTORS = 256;

const TCP_FLAGS = 13;
const PSH = 0x08;
const ACK = 0x10;

/** Where finished packets go. `port`: egress. */
export interface PacketSink {
  /** One packet in one piece, virtio-net header first. */
  writeOne(port: number, address: number, length: number): void;
  /** One packet in pieces: `count` entries of struct iovec at `vector`, all together `length` octets. */
  writeGathered(port: number, vector: number, count: number): void;
}

export class Coalescer {
  readonly #arena: Arena;
  readonly #batch: PacketBatch;
  readonly #sink: PacketSink;
  readonly #uso: boolean;
  readonly #vectors: Mapping;
  readonly #vector: Uint32Array;
  /** Per open group; `#segments` 0 = closed. */
  readonly #first = new Uint32Array(GROUPS);
  readonly #port = new Uint8Array(GROUPS);
  readonly #segments = new Uint32Array(GROUPS);
  readonly #headers = new Uint32Array(GROUPS);
  readonly #size = new Uint32Array(GROUPS);
  readonly #octets = new Uint32Array(GROUPS);
  readonly #sequence = new Int32Array(GROUPS);
  readonly #at = new Uint32Array(GROUPS);
  #open = 0;
  #vectorsUsed = 0;

  constructor(arena: Arena, sink: PacketSink, options: { uso: boolean }) {
    this.#arena = arena;
    this.#batch = arena.batch;
    this.#sink = sink;
    this.#uso = options.uso;
    this.#vectors = mapAnonymous(VECTORS * VECTOR_OCTETS);
    this.#vector = new Uint32Array(this.#vectors.buffer);
  }

  /** Takes packet `i`: joins it to its flow's group, opens a group, or writes it; at once when `alone`. */
  add(i: number, alone: boolean): void {
    const batch = this.#batch;
    const b = batch.bytes;
    const o = batch.offset[i]!;
    const length = batch.length[i]!;
    const protocol = b[o + ipv6.NEXT_HEADER]!;
    const tcp = protocol === ipv6.TCP;
    if ((!tcp && protocol !== ipv6.UDP) || length < 48) {
      if (this.#open !== 0 && protocol !== ipv6.ICMPV6) this.#flushAll(); // its flow is out of sight: overtake nobody
      this.#sink.writeOne(batch.egress[i]!, this.#arena.address(o - vnet.VNET_LENGTH), length + vnet.VNET_LENGTH);
      return;
    }
    const headers = tcp ? 40 + ((b[o + 52]! >>> 4) << 2) : 48;
    const payload = length - headers;
    const flags = tcp ? b[o + 40 + TCP_FLAGS]! : 0;
    const joinable =
      payload > 0 &&
      payload <= MAX_SEGMENT &&
      b[o + vnet.GSO_TYPE] === vnet.GSO_NONE &&
      (b[o + vnet.FLAGS]! & (vnet.NEEDS_CSUM | vnet.DATA_VALID)) !== 0 &&
      (tcp ? headers >= 60 && (flags & ~PSH) === ACK : this.#uso && isWholeDatagram(batch.half, o >>> 1, length));
    if (this.#open !== 0 || (joinable && !alone)) {
      const g = this.#groupOf(o);
      if (this.#segments[g] !== 0) {
        if (joinable && this.#join(g, i, o, headers, payload, tcp ? flags : -1)) return;
        this.#flush(g);
      }
      if (joinable && !alone && (flags & PSH) === 0 && this.#vectorsUsed < VECTORS) {
        this.#begin(g, i, o, headers, payload, tcp);
        return;
      }
    }
    this.#sink.writeOne(batch.egress[i]!, this.#arena.address(o - vnet.VNET_LENGTH), length + vnet.VNET_LENGTH);
  }

  /** Writes every open group; after the last packet of a batch. */
  finish(): void {
    this.#flushAll();
    this.#vectorsUsed = 0;
  }

  #flushAll(): void {
    for (let g = 0; this.#open !== 0 && g < GROUPS; g++) this.#flush(g);
  }

  #begin(g: number, i: number, o: number, headers: number, payload: number, tcp: boolean): void {
    const batch = this.#batch;
    this.#first[g] = o;
    this.#port[g] = batch.egress[i]!;
    this.#headers[g] = headers;
    this.#size[g] = payload;
    this.#octets[g] = payload;
    this.#segments[g] = 1;
    this.#sequence[g] = tcp ? native32(batch.word[(o >>> 2) + 11]!) + payload : 0;
    this.#at[g] = this.#vectorsUsed++;
    this.#put(g, 0, o - vnet.VNET_LENGTH, headers + payload + vnet.VNET_LENGTH);
    this.#open++;
  }

  /** `flags`: of TCP, -1 for UDP. */
  #join(g: number, i: number, o: number, headers: number, payload: number, flags: number): boolean {
    const batch = this.#batch;
    const f = this.#first[g]!;
    if (this.#port[g] !== batch.egress[i] || this.#headers[g] !== headers) return false;
    if (payload > this.#size[g]! || this.#octets[g]! + payload > MAX_OCTETS) return false;
    if (!sameFlow(batch.word, f >>> 2, o >>> 2)) return false;
    if (flags >= 0 && !continues(batch.word, f >>> 2, o >>> 2, headers, this.#sequence[g]!)) return false;
    const n = this.#segments[g]!;
    this.#put(g, n, o + headers, payload);
    this.#segments[g] = n + 1;
    this.#octets[g]! += payload;
    this.#sequence[g]! += payload;
    const push = flags >= 0 && (flags & PSH) !== 0;
    if (push) batch.bytes[f + 40 + TCP_FLAGS]! |= PSH;
    if (push || payload < this.#size[g]! || n + 1 === MAX_SEGMENTS) this.#flush(g);
    return true;
  }

  #flush(g: number): void {
    const n = this.#segments[g]!;
    if (n === 0) return;
    this.#segments[g] = 0;
    this.#open--;
    const f = this.#first[g]!;
    const vector = this.#vectors.address + this.#at[g]! * VECTOR_OCTETS;
    if (n === 1) {
      const length = this.#headers[g]! + this.#octets[g]! + vnet.VNET_LENGTH;
      this.#sink.writeOne(this.#port[g]!, this.#arena.address(f - vnet.VNET_LENGTH), length);
      return;
    }
    this.#describe(g, f);
    this.#sink.writeGathered(this.#port[g]!, vector, n);
  }

  /** Makes the first packet's headers those of the super-packet: lengths, partial checksum, virtio-net header. */
  #describe(g: number, f: number): void {
    const { bytes, half } = this.#batch;
    const h = f >>> 1;
    const tcp = bytes[f + ipv6.NEXT_HEADER] === ipv6.TCP;
    const transport = this.#headers[g]! - 40;
    const length = transport + this.#octets[g]!;
    const field = h + (tcp ? 28 : 23);
    if ((bytes[f + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0) {
      const before = transport + this.#size[g]!; // of the partial sum only the length changes
      half[field] = fold(half[field]! + difference(native16(length), native16(before)));
    } else {
      let s = native16(length) + native16(tcp ? ipv6.TCP : ipv6.UDP);
      for (let k = 4; k < 20; k++) s += half[h + k]!;
      half[field] = fold(s);
    }
    half[h + 2] = native16(length);
    if (!tcp) half[h + 22] = native16(length);
    bytes[f + vnet.FLAGS] = vnet.NEEDS_CSUM;
    bytes[f + vnet.GSO_TYPE] = tcp ? vnet.GSO_TCPV6 : vnet.GSO_UDP_L4;
    half[h + vnet.H_HEADER_LENGTH] = this.#headers[g]!;
    half[h + vnet.H_SEGMENT_SIZE] = this.#size[g]!;
    half[h + vnet.H_CSUM_START] = 40;
    half[h + vnet.H_CSUM_OFFSET] = tcp ? 16 : 6;
  }

  #put(g: number, n: number, offset: number, length: number): void {
    const k = (this.#at[g]! * MAX_SEGMENTS + n) * 4;
    putAddress(this.#vector, k, this.#arena.address(offset));
    putAddress(this.#vector, k + 2, length);
  }

  #groupOf(o: number): number {
    const word = this.#batch.word;
    const w = o >>> 2;
    const x = word[w + 10]! ^ (word[w + 9]! >>> 24) ^ (word[w + 5]! >>> 24);
    return Math.imul(x, 0x9e3779b1) >>> GROUP_SHIFT; // neighbouring ports, of either side or both, apart
  }
}

/** A checksum is there and the datagram ends where the packet does; both survive being cut again. */
function isWholeDatagram(half: Uint16Array, h: number, length: number): boolean {
  return half[h + 23] !== 0 && native16(half[h + 22]!) === length - ipv6.HEADER_LENGTH;
}

/** Same version, class, label, protocol, hop limit, addresses and ports; the length may differ. */
function sameFlow(word: Int32Array, f: number, w: number): boolean {
  return (
    word[f + 10] === word[w + 10] &&
    word[f] === word[w] &&
    native32(word[f + 1]! ^ word[w + 1]!) << 16 === 0 &&
    word[f + 2] === word[w + 2] &&
    word[f + 3] === word[w + 3] &&
    word[f + 4] === word[w + 4] &&
    word[f + 5] === word[w + 5] &&
    word[f + 6] === word[w + 6] &&
    word[f + 7] === word[w + 7] &&
    word[f + 8] === word[w + 8] &&
    word[f + 9] === word[w + 9]
  );
}

/** TCP: next in sequence, same acknowledgement, window, urgent pointer, options and flags but PSH (RFC 9293 section 3.1). */
function continues(word: Int32Array, f: number, w: number, headers: number, sequence: number): boolean {
  if ((native32(word[w + 11]!) | 0) !== sequence || word[f + 12] !== word[w + 12]) return false;
  if (((native32(word[f + 13]!) ^ native32(word[w + 13]!)) & ~(PSH << 16)) !== 0) return false;
  if ((native32(word[f + 14]! ^ word[w + 14]!) & 0xffff) !== 0) return false;
  for (let k = 15; k < headers >>> 2; k++) if (word[f + k] !== word[w + k]) return false;
  return true;
}
