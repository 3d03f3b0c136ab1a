/** The production path of one border: compiled tables and `forward`, one packet at a time. */
import type { SiteConfig } from '../../src/config/site-config.ts';
import type { Binding, Bindings } from '../../src/ilnp/bindings.ts';
import { COMMIT_MS, type KeepCounts, type KeepOrder } from '../../src/ilnp/keeping.ts';
import { LocatorTable, S_CLASS, S_EPOCH } from '../../src/ilnp/locator-table.ts';
import type { Sessions } from '../../src/ilnp/sessions.ts';
import { HEADROOM, PacketBatch } from '../../src/packet/batch.ts';
import { ANSWERED, HELD, isSent, VERDICTS } from '../../src/packet/verdict.ts';
import { compile, type Surroundings } from '../../src/sbr/compile.ts';
import { C_FLAGS, CLASS_WORDS, COUNT_RETAINED, COUNTERS, Fib, HERE } from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import { Keeper } from '../../src/sbr/keep.ts';
import { native32 } from '../../src/wire/bytes.ts';
import type { Nid } from '../../src/wire/text.ts';
import { type Packet, packetOf } from './packet.ts';

/** Octets of one slot: room for an error that quotes what came. */
const SLOT = 2 * HEADROOM + 9216;
/** Word before a packet, kept with it, that says which one it is: octets do not know their history. */
const WHICH = (HEADROOM >>> 2) - 4;

export interface Passed {
  readonly packet: Packet;
  readonly egress: number;
}

export class SimPath {
  readonly fib: Fib;
  readonly keeper: Keeper;
  readonly bindings: Bindings;
  readonly #config: SiteConfig;
  readonly #around: { uplinkUp: boolean[] } & Omit<Surroundings, 'uplinkUp'>;
  readonly #batch = new PacketBatch(new ArrayBuffer(SLOT), 1, false);
  /** Packets that wait, with the time since when. */
  readonly #held = new Map<number, { readonly packet: Packet; readonly since: number }>();
  /** Packets of which copies are kept. */
  readonly #copied = new Map<number, Packet>();
  #which = 0;
  #compiledClasses = 0;

  constructor(
    config: SiteConfig,
    bindings: Bindings,
    options: { readonly around: Surroundings; readonly sessions: Sessions; readonly seed: readonly [number, number] },
  ) {
    this.#config = config;
    this.bindings = bindings;
    this.#around = { ...options.around, uplinkUp: [...options.around.uplinkUp] };
    const table = new LocatorTable(config.limits.bindings, options.seed);
    this.fib = new Fib(this.#compile(), table, options.sessions, new Float64Array(COUNTERS));
    const { holdOctets, holdPackets, holdMs } = config.limits;
    this.keeper = new Keeper(this.fib, { octets: holdOctets, packets: holdPackets, us: (holdMs + COMMIT_MS) * 1000 });
    this.fib.keeper = this.keeper;
  }

  /** Takes bindings that are in the store already into the table of the path. */
  put(moved: Iterable<Binding>): void {
    for (const binding of moved) {
      const index = this.bindings.classOf(binding);
      if (this.bindings.classes.length !== this.#compiledClasses) this.fib.load(this.#compile());
      this.fib.table.put(native32(binding.nid.hi), native32(binding.nid.lo), index, binding.epoch);
      this.keeper.mark(native32(binding.nid.hi), native32(binding.nid.lo));
    }
  }

  /** Says whether the link of an uplink is up. */
  setUplink(index: number, isUp: boolean): void {
    this.#around.uplinkUp[index] = isUp;
    this.fib.load(this.#compile());
  }

  /** True if the path would hand packets for this identifier to a guest of this site. */
  isHere(nid: Nid): boolean {
    const { table, classes } = this.fib;
    const slot = this.#find(nid);
    return slot >= 0 && (classes[(table.slots[slot + S_CLASS]! - 1) * CLASS_WORDS + C_FLAGS]! & HERE) !== 0;
  }

  /** Epoch of what the path does with packets for this identifier; -1 if it does not know it. */
  epochOf(nid: Nid): number {
    const slot = this.#find(nid);
    return slot < 0 ? -1 : this.fib.table.slots[slot + S_EPOCH]!;
  }

  /** True if the Locator at `at` has a role here: the kernel routes it into the TUN. */
  isOwn(octets: Uint8Array, at: number): boolean {
    const words = new Int32Array(octets.slice(at, at + 8).buffer);
    return this.fib.role(words[0]!, words[1]!) !== 0;
  }

  /** Forwards one packet that came from `side`; null if it was dropped. */
  pass(packet: Packet, side: number, now: number): Passed | null {
    const batch = this.#batch;
    if (packet.octets.length > SLOT - 2 * HEADROOM) return null;
    batch.offset[0] = HEADROOM;
    batch.length[0] = packet.octets.length;
    batch.port[0] = side;
    batch.bytes.set(packet.octets, HEADROOM);
    batch.word[WHICH] = ++this.#which;
    batch.count = 1;
    this.keeper.tick(now);
    const { counters } = this.fib;
    const retained = counters[COUNT_RETAINED]!;
    forward(batch, this.fib, now);
    if (counters[COUNT_RETAINED]! > retained) this.#copied.set(this.#which, packet);
    if (batch.verdict[0] === HELD) this.#held.set(this.#which, { packet, since: now });
    return this.#passed(packet);
  }

  /** Does what is ordered for packets of an identifier; false when too many are kept. */
  keep(nid: Nid, order: KeepOrder, now: number, done: (counts: KeepCounts) => void): boolean {
    this.keeper.tick(now);
    return this.keeper.order(native32(nid.hi) | 0, native32(nid.lo) | 0, order, done);
  }

  /** Forwards everything that is let go now. */
  *letGo(now: number): Generator<Passed> {
    this.keeper.tick(now);
    while (this.keeper.releasing) {
      this.keeper.read(0);
      const batch = this.#batch;
      batch.offset[0] = HEADROOM;
      const count = this.keeper.fill(batch, 1);
      forward(batch, this.fib, now);
      const which = batch.word[WHICH]!;
      const passed = count === 0 ? null : this.#passed(this.#held.get(which)?.packet ?? this.#again(which));
      const again = batch.verdict[0] === HELD ? this.#held.get(which) : undefined;
      if (count > 0) this.#held.delete(which);
      // it is for, or from, another one that moves, whose time counts from now on
      if (again !== undefined) this.#held.set(which, { packet: again.packet, since: now });
      this.keeper.filled();
      if (passed !== null) yield passed;
    }
    if (!this.keeper.active) this.#copied.clear();
  }

  /** Since when the oldest packet has waited; null: none does. */
  get heldSince(): number | null {
    for (const { since } of this.#held.values()) return since;
    return null;
  }

  /** A packet that is sent once more. */
  #again(which: number): Packet {
    const packet = this.#copied.get(which)!;
    packet.origin.copies++;
    return packet;
  }

  #passed(packet: Packet): Passed | null {
    const batch = this.#batch;
    const verdict = batch.verdict[0]!;
    if (!isSent(verdict)) return null;
    const octets = batch.bytes.slice(HEADROOM, HEADROOM + batch.length[0]!);
    const sent = verdict === ANSWERED ? packetOf(octets, packet.origin.corrupted) : { octets, origin: packet.origin };
    return { packet: sent, egress: batch.egress[0]! };
  }

  /** Verdicts so far, by name; those that never came are left out. */
  verdicts(): Record<string, number> {
    const named: Record<string, number> = {};
    VERDICTS.forEach(({ name }, verdict) => {
      const count = this.fib.counters[verdict]!;
      if (count > 0) named[name] = count;
    });
    return named;
  }

  #find(nid: Nid): number {
    return this.fib.table.find(native32(nid.hi) | 0, native32(nid.lo) | 0);
  }

  #compile() {
    this.#compiledClasses = this.bindings.classes.length;
    return compile(this.#config, this.bindings, this.#around);
  }
}
