/**
 * The promise of the path, checked for a batch of arbitrary packets: nothing throws, nothing outside the packet is read or
 * written, every packet has exactly one verdict, tables and sessions stay as large as they were.
 *
 * The same packets go through two borders of one configuration. Around the packets lie different octets in both, so that
 * whoever reads one of them decides differently or leaves something different behind; and all of them are looked at afterwards.
 */
import { HEADROOM, OUTSIDE, PacketBatch, PORT_NAMES, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { decide } from '../../src/sbr/decide.ts';
import type { Fib } from '../../src/sbr/fib.ts';
import * as fibs from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import * as chain from '../../src/wire/extension-headers.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { NEEDS_CSUM, VNET_LENGTH } from '../../src/wire/virtio-net.ts';
import type { Border } from './borders.ts';
import { Finding, oneLine } from './finding.ts';

/** What the second border does: the same, the whole rule without the short cut, or decide.ts alone without the loop. */
export const WAYS = ['again', 'whole-rule', 'decide'] as const;
export type Way = (typeof WAYS)[number];

export interface CheckOptions {
  readonly border: Border;
  readonly vnet: boolean;
  readonly way: Way;
  readonly stores: Stores;
  /** The path under attack; tests of the fuzzer put a broken one here. */
  readonly path?: typeof forward;
}

const ERROR_GROWTH = 48; // an IPv6 and an ICMPv6 header in front of what is quoted (sbr/unreachable.ts)
const QUOTE_MAX = 1232;
const CHECKSUM = 2;
const LOCATORS_OF_QUOTE = 16;

/** The memory of a check, used again by the next one: what arrives, and for both borders their store and what was there. */
export class Stores {
  readonly slots: number;
  readonly slotOctets: number;
  readonly input: Uint8Array;
  readonly batches: Readonly<Record<'plain' | 'vnet', readonly [PacketBatch, PacketBatch]>>;
  readonly around: readonly [Buffer, Buffer];

  /** `slotOctets`: a multiple of 8, with HEADROOM and room for an ICMPv6 error. */
  constructor(slots: number, slotOctets: number) {
    this.slots = slots;
    this.slotOctets = slotOctets;
    const octets = slots * slotOctets;
    const batchesOf = (vnet: boolean) =>
      [0, 1].map(() => new PacketBatch(new ArrayBuffer(octets), slots, vnet)) as [PacketBatch, PacketBatch];
    this.input = new Uint8Array(octets);
    this.batches = { plain: batchesOf(false), vnet: batchesOf(true) };
    this.around = [Buffer.alloc(octets), Buffer.alloc(octets)];
  }

  /** Most octets of a packet that begins at the start of its slot's room. */
  get room(): number {
    return this.slotOctets - HEADROOM - ERROR_GROWTH;
  }

  /** Fills what will lie around packets; `next` gives 32 bits. */
  refill(next: () => number): void {
    const [one, other] = this.around.map((b) => new Uint32Array(b.buffer, b.byteOffset, b.length / 4));
    for (let k = 0; k < one!.length; k++) {
      one![k] = next();
      other![k] = ~one![k]!;
    }
  }
}

export class BorderCheck {
  /** Where packets are put before `run`, octet by octet; the virtio-net header in front. */
  readonly input: Uint8Array;
  readonly #options: CheckOptions;
  readonly #batches: readonly [PacketBatch, PacketBatch];
  readonly #stores: readonly [Buffer, Buffer];
  readonly #input: Buffer;
  readonly #fibs: readonly [Fib, Fib];
  readonly #sessions: readonly [Buffer, Buffer];
  readonly #pairs: readonly [Buffer, Buffer];
  /** What the counters of the first border have to be. */
  readonly #expected = new Float64Array(fibs.COUNTERS);
  readonly #head: number;
  /** As the packets came. */
  readonly #lengths: Uint32Array;

  constructor(options: CheckOptions) {
    const { border, stores, vnet, way } = options;
    this.#options = options;
    this.input = stores.input;
    this.#input = bufferOf(stores.input);
    this.#batches = stores.batches[vnet ? 'vnet' : 'plain'];
    this.#stores = [bufferOf(this.#batches[0].bytes), bufferOf(this.#batches[1].bytes)];
    const made = [border.fib(), border.fib()] as const;
    this.#fibs = [made[0].fib, made[1].fib];
    this.#sessions = [bufferOf(made[0].sessions), bufferOf(made[1].sessions)];
    this.#pairs = [bufferOf(made[0].pairs), bufferOf(made[1].pairs)];
    if (way !== 'again') this.#fibs[1].straight = false;
    this.#head = vnet ? VNET_LENGTH : 0;
    this.#lengths = new Uint32Array(stores.slots);
  }

  /** Sessions as a file of them might come back from a broken disk; `next` gives 32 bits. */
  spoilSessions(next: () => number): void {
    const [one, other] = this.#sessions;
    for (let k = 0; k < one.length; k += 4) one.writeUInt32LE(next(), k);
    one.copy(other);
  }

  get counters(): Float64Array {
    return this.#fibs[0].counters;
  }

  /** Says that packet `i` lies at `offset` of `input`, a multiple of 8 within slot `i`. */
  put(i: number, offset: number, length: number, port: number): void {
    for (const batch of this.#batches) {
      batch.offset[i] = offset;
      batch.length[i] = length;
      batch.port[i] = port;
      batch.egress[i] = 0;
      batch.verdict[i] = 0xff;
    }
  }

  /** Where packet `i` was put. */
  arrival(i: number): { readonly offset: number; readonly length: number; readonly port: number } {
    const batch = this.#batches[0];
    return { offset: batch.offset[i]!, length: batch.length[i]!, port: batch.port[i]! };
  }

  /** Sends the first `count` packets through both borders. Throws a Finding. */
  run(count: number, now: number): void {
    const [one, other] = this.#batches;
    for (let b = 0; b < 2; b++) this.#place(b, count);
    for (let i = 0; i < count; i++) {
      this.#expected[fibs.COUNT_PACKETS_IN + one.port[i]!]!++;
      this.#expected[fibs.COUNT_OCTETS_IN + one.port[i]!]! += one.length[i]!;
    }
    try {
      (this.#options.path ?? forward)(one, this.#fibs[0], now);
      if (this.#options.way !== 'decide') (this.#options.path ?? forward)(other, this.#fibs[1], now);
      else for (let i = 0; i < count; i++) other.verdict[i] = decide(other, i, this.#fibs[1], other.port[i]!, now);
    } catch (error) {
      throw new Finding(`threw ${oneLine(error)}`, -1, { cause: error });
    }
    for (let i = 0; i < count; i++) {
      this.#isOne(i);
      for (let b = 0; b < 2; b++) this.#isUntouchedAround(b, i);
      this.#isRewrittenOnly(i);
      this.#isAllowed(i);
      this.#count(i);
    }
    this.#isCounted();
    if (!this.#sessions[0].equals(this.#sessions[1])) throw new Finding('sessions depend on octets outside of packets');
    if (!this.#pairs[0].equals(this.#pairs[1])) throw new Finding('pairs depend on octets outside of packets');
  }

  /** After the last batch: what belongs to the control plane is as it was. Throws a Finding. */
  finish(): void {
    const { table, image } = this.#options.border;
    for (const fib of this.#fibs) {
      const { locators, classes, roles } = fib;
      if (fib.table !== table || fib.image.classes !== classes || fib.image.roles !== roles)
        throw new Finding('tables were replaced');
      if (locators.length !== image.locators.length) throw new Finding('there are more Locators than before');
      for (let k = 0; k < locators.length; k++) {
        const scratch = k >= fibs.SCRATCH_SOURCE && k < fibs.FIRST_ROW;
        if (!scratch && locators[k] !== image.locators[k]) throw new Finding(`word ${k} of the Locators has changed`);
      }
    }
    if (table.size !== sizeOf(table.slots)) throw new Finding('the table of bindings has changed');
  }

  #place(b: number, count: number): void {
    const { stores } = this.#options;
    const batch = this.#batches[b]!;
    const used = count * stores.slotOctets;
    stores.around[b]!.copy(this.#stores[b]!, 0, 0, used);
    for (let i = 0; i < count; i++) {
      const o = batch.offset[i]!;
      this.#input.copy(this.#stores[b]!, o - this.#head, o - this.#head, o + batch.length[i]!);
    }
    batch.count = count;
    this.#lengths.set(batch.length);
  }

  /** Both borders made the same of it. */
  #isOne(i: number): void {
    const [one, other] = this.#batches;
    const verdict = one.verdict[i]!;
    if (verdict >= v.VERDICTS.length) throw this.#found(i, `has no verdict but ${verdict}`);
    const differs =
      verdict !== other.verdict[i] ||
      one.length[i] !== other.length[i] ||
      (v.isSent(verdict) && one.egress[i] !== other.egress[i]);
    if (differs) {
      const words = this.#batches.map((b) => `${v.VERDICTS[b.verdict[i]!]?.name} ${b.egress[i]} ${b.length[i]} octets`);
      throw this.#found(i, `depends on octets outside of it, or on the way: ${words.join(' / ')}`);
    }
    const from = one.offset[i]! - this.#head;
    const to = one.offset[i]! + Math.max(one.length[i]!, this.#lengths[i]!);
    if (this.#stores[0].compare(this.#stores[1], from, to, from, to) !== 0)
      throw this.#found(
        i,
        `has an octet that lay outside, or that depends on the way: ${difference(this.#stores[0], this.#stores[1], from, to, one.offset[i]!)}`,
      );
  }

  /** Every octet of the slot that is not of the packet, or of the error that took its place, is what it was. */
  #isUntouchedAround(b: number, i: number): void {
    const { around, slotOctets } = this.#options.stores;
    const batch = this.#batches[b]!;
    const o = batch.offset[i]!;
    const answered = batch.verdict[i] === v.ANSWERED;
    const error = ERROR_GROWTH + Math.min(this.#lengths[i]!, QUOTE_MAX);
    const longest = this.#isTranslated(i) ? Math.max(batch.length[i]!, this.#lengths[i]!) : this.#lengths[i]!;
    const behind = o + (answered ? Math.max(error, this.#lengths[i]!) : longest);
    const start = i * slotOctets;
    const end = start + slotOctets;
    const store = this.#stores[b]!;
    const before = around[b]!;
    if (store.compare(before, start, o - this.#head, start, o - this.#head) !== 0)
      throw this.#found(i, `octets before it were written: ${difference(store, before, start, o - this.#head, o)}`);
    if (store.compare(before, behind, end, behind, end) !== 0)
      throw this.#found(i, `octets behind it were written: ${difference(store, before, behind, end, o)}`);
  }

  /** A packet sent on differs in Locators, hop and checksums; a dropped one not at all, or as far as it came. */
  #isRewrittenOnly(i: number): void {
    const batch = this.#batches[0];
    const verdict = batch.verdict[i]!;
    if (verdict === v.ANSWERED) {
      if (batch.length[i]! > ipv6.MIN_MTU) throw this.#found(i, `was answered with ${batch.length[i]} octets`);
      return;
    }
    if (this.#isTranslated(i)) {
      this.#isRightUpdate(i);
      return;
    }
    const o = batch.offset[i]!;
    const from = o - this.#head;
    const to = o + this.#lengths[i]!;
    if (this.#stores[0].compare(this.#input, from, to, from, to) === 0) return;
    const undone = verdict === v.DROP_TRANSPORT_TRUNCATED || verdict === v.DROP_OFFLOAD_HEADER;
    if (verdict !== v.FORWARD && !undone) throw this.#found(i, 'was dropped and has changed');
    const { input } = this;
    const b = batch.bytes;
    for (let k = from; k < o + ipv6.HEADER_LENGTH; k++) {
      if (b[k] === input[k]) continue;
      const at = k - o;
      const may = at === ipv6.HOP_LIMIT || (at >= 8 && at < 16) || (at >= 24 && at < 32);
      if (!may) throw this.#found(i, `octet ${at} is ${b[k]}, was ${input[k]}`);
    }
    const end = o + ipv6.HEADER_LENGTH + ipv6.payloadLength(input, o);
    let changed = 0;
    for (let k = o + ipv6.HEADER_LENGTH; k < to; k++) {
      if (b[k] === input[k]) continue;
      if (k >= end) throw this.#found(i, `octet ${k - o}, padding, has changed`);
      changed++;
    }
    const partial = this.#head > 0 && (input[from]! & NEEDS_CSUM) !== 0 ? CHECKSUM : 0;
    const most = this.#isError(o, end) ? 2 * CHECKSUM + LOCATORS_OF_QUOTE + partial : CHECKSUM;
    if (changed > most)
      throw this.#found(i, `${changed} octets behind the IPv6 header have changed, at most ${most} may`);
  }

  /** A Locator Update whose list is another one than before. */
  #isTranslated(i: number): boolean {
    const batch = this.#batches[0];
    const o = batch.offset[i]!;
    const end = o + this.#lengths[i]!;
    const { input } = this;
    const verdict = batch.verdict[i]!;
    const passes = verdict === v.FORWARD || verdict === v.HELD || verdict === v.DROP_HOLD_FULL; // translated, then held
    if (!passes || end - o < 56 || input[o + ipv6.NEXT_HEADER] !== ipv6.DESTINATION_OPTIONS) return false;
    if (this.#head > 0 && (input[o - this.#head]! & NEEDS_CSUM) !== 0) return false;
    const at = o + 48 + 8 * input[o + 41]!;
    if (input[o + 40] !== ipv6.ICMPV6 || at + 8 > end || input[at] !== 156) return false;
    const behind = Math.min(end, batch.offset[i]! + batch.length[i]!);
    return this.#stores[0].compare(this.#input, at + 4, behind, at + 4, behind) !== 0;
  }

  /** Up to its list it is as it was but for Locators, hop, length and checksum, and the list is one of the world. */
  #isRightUpdate(i: number): void {
    const batch = this.#batches[0];
    const { input } = this;
    const b = batch.bytes;
    const o = batch.offset[i]!;
    const at = o + 48 + 8 * input[o + 41]!;
    const length = batch.length[i]!;
    if (length > ipv6.MIN_MTU || length !== ipv6.HEADER_LENGTH + ipv6.payloadLength(b, o))
      throw this.#found(i, `became an update of ${length} octets`);
    for (let k = o - this.#head; k < at + 8; k++) {
      const p = k - o;
      const may = p === 4 || p === 5 || p === 7 || (p >= 8 && p < 16) || (p >= 24 && p < 32);
      if (b[k] !== input[k] && !may && k !== at + 2 && k !== at + 3 && k !== at + 4)
        throw this.#found(i, `octet ${p} of an update is ${b[k]}, was ${input[k]}`);
    }
    const read = readLocatorUpdate(b, o, at, o + length - at);
    if (typeof read === 'string') throw this.#found(i, `became an update that is not right: ${read}`);
    if (batch.egress[i] !== OUTSIDE) return;
    for (let k = at + 8; k < o + length; k += 12)
      if (
        ipv6.isUniqueLocal(b, k) ||
        (this.#fibs[0].role(batch.word[k >>> 2]!, batch.word[(k >>> 2) + 1]!) & fibs.ANY_INSIDE) !== 0
      )
        throw this.#found(i, 'tells the world an inside Locator');
  }

  #isError(o: number, end: number): boolean {
    const upper = chain.upperLayer(this.input, o, end);
    const at = o + chain.offsetOf(upper);
    return chain.protocolOf(upper) === ipv6.ICMPV6 && at + 8 <= end && this.input[at]! < 128;
  }

  /** Nothing from outside claims to be from inside, nothing that leaves for outside speaks of inside. */
  #isAllowed(i: number): void {
    const batch = this.#batches[0];
    if (batch.verdict[i] !== v.FORWARD) return;
    const o = batch.offset[i]!;
    const w = o >>> 2;
    const fib = this.#fibs[0];
    const word = new Int32Array(this.input.buffer, o, 10);
    if (batch.port[i] === OUTSIDE) {
      if (fib.role(word[2]!, word[3]!) !== 0 || ipv6.isUniqueLocal(this.input, o + ipv6.SRC))
        throw this.#found(i, 'came from outside with a source of ours and was forwarded');
      if (batch.egress[i] === OUTSIDE) throw this.#found(i, 'came from outside and went back there');
    }
    if (batch.egress[i] !== OUTSIDE) return;
    const source = fib.role(batch.word[w + 2]!, batch.word[w + 3]!);
    const end = o + ipv6.HEADER_LENGTH + ipv6.payloadLength(this.input, o);
    const ofRouter = batch.port[i] === SITE && source === 0 && this.#isError(o, end);
    if ((source & fibs.ANY_OUTSIDE) === 0 && !ofRouter)
      throw this.#found(i, 'left for outside with a source that is not ours');
    if (fib.role(batch.word[w + 6]!, batch.word[w + 7]!) !== 0)
      throw this.#found(i, 'left for outside towards somebody of ours');
  }

  #count(i: number): void {
    const batch = this.#batches[0];
    const verdict = batch.verdict[i]!;
    this.#expected[verdict]!++;
    if (!v.isSent(verdict)) return;
    if (batch.egress[i]! > SITE) throw this.#found(i, `went to side ${batch.egress[i]}`);
    this.#expected[fibs.COUNT_PACKETS_OUT + batch.egress[i]!]!++;
    this.#expected[fibs.COUNT_OCTETS_OUT + batch.egress[i]!]! += batch.length[i]!;
  }

  #isCounted(): void {
    const [one, other] = this.#fibs;
    for (let k = 0; k < fibs.COUNT_STRAGGLERS; k++) {
      if (one.counters[k] !== this.#expected[k])
        throw new Finding(`counter ${k} is ${one.counters[k]}, expected ${this.#expected[k]}`);
    }
    if (this.#options.way === 'decide') return;
    for (let k = 0; k < fibs.COUNTERS; k++) {
      if (one.counters[k] !== other.counters[k])
        throw new Finding(
          `counter ${k} depends on octets outside of packets: ${one.counters[k]}, ${other.counters[k]}`,
        );
    }
  }

  #found(i: number, what: string): Finding {
    const batch = this.#batches[0];
    const port = PORT_NAMES[batch.port[i]!];
    return new Finding(`packet from ${port} of ${this.#lengths[i]} octets: ${what}`, i);
  }
}

const bufferOf = (b: Uint8Array | Int32Array): Buffer =>
  Buffer.from(b.buffer as ArrayBuffer, b.byteOffset, b.byteLength);

function sizeOf(slots: Int32Array): number {
  let size = 0;
  for (let s = 0; s < slots.length; s += 4) if (slots[s + 2] !== 0) size++;
  return size;
}

/** The first octet that differs, relative to `o`. */
function difference(one: Buffer, other: Buffer, from: number, to: number, o: number): string {
  for (let k = from; k < to; k++) if (one[k] !== other[k]) return `octet ${k - o} is ${one[k]}, not ${other[k]}`;
  return 'nothing';
}
