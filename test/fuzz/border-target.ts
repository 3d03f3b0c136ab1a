/**
 * The border router under attack: rounds of a few thousand packets through one border, everything from the round's seed; what
 * a finding needs to happen again is cut down to few packets and kept.
 */
import { SeededRandom } from '../../native-free/random.ts';
import { HEADROOM } from '../../src/packet/batch.ts';
import type { forward } from '../../src/sbr/forward.ts';
import { VNET_LENGTH } from '../../src/wire/virtio-net.ts';
import { BorderCheck, type CheckOptions, Stores, WAYS, type Way } from './border-check.ts';
import { BORDER_NAMES, borderOf } from './borders.ts';
import { type CorpusFile, type CorpusPacket, isNamed, keep, packetCorpus } from './corpus.ts';
import { Finding } from './finding.ts';
import { PacketMutator } from './packet-mutator.ts';

/** Packets of a round. Reason: long enough to fill sessions, short enough to be repeated at once. */
const ROUND = 8192;
const SLOTS = 64;
const SLOT_OCTETS = 2048;
/** Where a packet may begin in its slot: multiples of 8 from HEADROOM on. */
const PLACES = 8;
/** Slots of the size of a real device's, for the largest packets. */
const LARGE_SLOTS = 4;
const LARGE_SLOT_OCTETS = 65536 + 256;
const MINIMISING_MS = 10_000;

let usual: Stores | undefined;
let large: Stores | undefined;
const usualStores = (): Stores => (usual ??= new Stores(SLOTS, SLOT_OCTETS));
const largeStores = (): Stores => (large ??= new Stores(LARGE_SLOTS, LARGE_SLOT_OCTETS));

let corpus: readonly CorpusPacket[] | undefined;

/** What a round consists of. */
interface Setting {
  readonly border: string;
  readonly vnet: boolean;
  readonly way: Way;
}

export type Path = typeof forward;

/** What was sent, batch by batch; kept only when a finding is to be repeated. */
interface Batch {
  readonly packets: readonly CorpusPacket[];
  readonly now: number;
}

/** Plays the round of `seed`. Returns the counters of its border (sbr/fib.ts). Throws a Finding. */
export const borderRound = (seed: number, path?: Path): Float64Array => attack(seed, path).counters;

const settingOf = (random: SeededRandom): Setting => ({
  border: BORDER_NAMES[random.below(BORDER_NAMES.length)]!,
  vnet: random.below(2) === 0,
  way: WAYS[random.below(WAYS.length)]!,
});

function attack(seed: number, path?: Path, record?: (batch: Batch) => void): BorderCheck {
  corpus ??= packetCorpus()
    .filter(isNamed)
    .flatMap((file) => file.entries);
  const random = new SeededRandom(seed);
  const setting = settingOf(random);
  const stores = random.below(32) === 0 ? largeStores() : usualStores();
  stores.refill(() => random.next());
  const check = new BorderCheck(optionsOf(setting, stores, path));
  if (random.below(8) === 0) check.spoilSessions(() => random.next());
  const mutator = new PacketMutator(random, corpus);
  const places = stores === largeStores() ? 1 : PLACES;
  let now = random.below(2 ** 31) * 1e3;
  const most = stores.slots === LARGE_SLOTS ? ROUND / 16 : ROUND;
  for (let sent = 0; sent < most; ) {
    const count = Math.min(1 + random.below(stores.slots), most - sent);
    for (let i = 0; i < count; i++) {
      const shift = 8 * random.below(places);
      const offset = i * stores.slotOctets + HEADROOM + shift;
      const length = mutator.next(check.input, offset, stores.room - shift);
      check.put(i, offset, length, mutator.port);
    }
    now += random.below(1e5);
    if (random.below(64) === 0) now = random.below(2 ** 31) * 1e3; // somebody sets the clock
    if (record !== undefined) record({ packets: packetsOf(check, count, setting.vnet), now });
    check.run(count, now);
    sent += count;
  }
  check.finish();
  return check;
}

const optionsOf = ({ border, vnet, way }: Setting, stores: Stores, path?: Path): CheckOptions => ({
  border: borderOf(border),
  vnet,
  way,
  stores,
  ...(path && { path }),
});

function packetsOf(check: BorderCheck, count: number, vnet: boolean): CorpusPacket[] {
  return Array.from({ length: count }, (_, i) => {
    const { offset, length, port } = check.arrival(i);
    return {
      port,
      vnet: vnet ? check.input.slice(offset - VNET_LENGTH, offset) : null,
      octets: check.input.slice(offset, offset + length),
    };
  });
}

/** Plays packets in their order, a batch each time they fill one. Throws a Finding. */
function play(setting: Setting, batches: readonly Batch[], path?: Path): void {
  const longest = Math.max(0, ...batches.flatMap((batch) => batch.packets.map((p) => p.octets.length)));
  const stores = longest <= usualStores().room ? usualStores() : largeStores();
  const random = new SeededRandom('play');
  stores.refill(() => random.next());
  const check = new BorderCheck(optionsOf(setting, stores, path));
  for (const { packets, now } of batches) {
    for (let from = 0; from < packets.length; from += stores.slots) {
      const some = packets.slice(from, from + stores.slots);
      some.forEach(({ octets, vnet, port }, i) => {
        const offset = i * stores.slotOctets + HEADROOM;
        check.input.set(octets, offset);
        check.input.fill(0, offset - VNET_LENGTH, offset);
        if (vnet !== null) check.input.set(vnet, offset - VNET_LENGTH);
        check.put(i, offset, octets.length, port);
      });
      check.run(some.length, now);
    }
  }
  check.finish();
}

const NOW = 1e9;

/** Plays a file of the corpus as it says; without a directive, at every border, in every way, from every side it may come. */
export function replayPackets(file: CorpusFile<CorpusPacket>, path?: Path): number {
  if (file.directive !== null) {
    play(settingFrom(file.directive), [{ packets: file.entries, now: NOW }], path);
    return file.entries.length;
  }
  const packets = file.entries.flatMap((p) => (p.port < 0 ? [0, 1, 2].map((port) => ({ ...p, port })) : [p]));
  for (const border of BORDER_NAMES)
    for (const way of WAYS)
      for (const vnet of [false, true]) play({ border, vnet, way }, [{ packets, now: NOW }], path);
  return packets.length;
}

const directiveOf = ({ border, vnet, way }: Setting): string => [border, vnet ? 'vnet' : 'plain', way].join(' ');

function settingFrom([border = '', header, way]: readonly string[]): Setting {
  if (!WAYS.includes(way as Way) || (header !== 'vnet' && header !== 'plain'))
    throw new RangeError(`expected "BORDER vnet|plain ${WAYS.join('|')}", got ${border} ${header} ${way}`);
  return { border, vnet: header === 'vnet', way: way as Way };
}

/** What makes the round of `seed` fail, as few packets as are quickly found, and where they fail. */
export function smallestRound(seed: number, finding: Finding, path?: Path) {
  const batches: Batch[] = [];
  try {
    attack(seed, path, (batch) => batches.push(batch));
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
  }
  const setting = settingOf(new SeededRandom(seed));
  return { directive: directiveOf(setting), packets: smallest(setting, batches, finding.index, path) };
}

/** Writes it to the corpus; returns the file. */
export const keepBorderRound = (seed: number, finding: Finding, again: string): string =>
  keep('border', seed, [finding.message, again], smallestRound(seed, finding));

/** Fewer and shorter packets that fail as well; all of them when they do so only in their batches. */
function smallest(setting: Setting, batches: readonly Batch[], index: number, path?: Path): readonly CorpusPacket[] {
  const deadline = performance.now() + MINIMISING_MS;
  const fails = (packets: readonly CorpusPacket[]): boolean => {
    try {
      play(setting, [{ packets, now: NOW }], path);
      return false;
    } catch (error) {
      if (error instanceof Finding) return true;
      throw error;
    }
  };
  const all = batches.flatMap((batch) => batch.packets);
  const last = batches.at(-1)?.packets ?? [];
  const alone = index >= 0 ? last.slice(index, index + 1) : last;
  let packets: readonly CorpusPacket[] | undefined = [alone, last, all].find(fails);
  if (packets === undefined) return all;
  for (let size = packets.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < packets.length && performance.now() < deadline; ) {
      const fewer: readonly CorpusPacket[] = packets.toSpliced(at, size);
      if (fewer.length > 0 && fails(fewer)) packets = fewer;
      else at += size;
    }
  }
  if (packets.length > 1) return packets;
  let packet = packets[0]!;
  const keeps = (octets: Uint8Array): void => {
    if (performance.now() < deadline && fails([{ ...packet, octets }])) packet = { ...packet, octets };
  };
  for (let size = packet.octets.length >> 1; size >= 1; size >>= 1)
    while (packet.octets.length > size) {
      const before = packet.octets.length;
      keeps(packet.octets.slice(0, before - size));
      if (packet.octets.length === before) break;
    }
  for (let k = 40; k < packet.octets.length; k++) if (packet.octets[k] !== 0) keeps(packet.octets.with(k, 0));
  return [packet];
}
