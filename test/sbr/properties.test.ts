/** What holds for every packet, whatever it is, at every border, however it is configured. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SiteConfig } from '../../src/config/site-config.ts';
import { INSIDE, OUTSIDE, type PacketBatch, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import * as fibs from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import { formatPrefix, parseIlv, prefixesOverlap } from '../../src/wire/text.ts';
import { addressesOf, batchOf, full, hasRightChecksum, packetOf, slowSum, tcp6, udp6 } from '../support/packets.ts';
import { fibOf, pass, siteConfig } from '../support/sites.ts';
import { type Arrival, arrivals, bindings, worlds } from '../support/worlds.ts';

const UNTOUCHED = 0xa5;
const MIN_MTU = 1280;
const CHECKSUM_AT: Readonly<Record<number, number>> = { 6: 16, 17: 6, 58: 2, 136: 6 };
const be16 = (b: Uint8Array, o: number): number => (b[o]! << 8) | b[o + 1]!;

/** The upper layer by a walk of its own: where it begins and what it is; null when no octet of it can be trusted. */
function upperOf(packet: Uint8Array, from = 0): { protocol: number; at: number } | null {
  let protocol = packet[from + 6]!;
  let at = from + 40;
  while ([0, 43, 44, 51, 60].includes(protocol)) {
    if (at + 8 > packet.length) return null;
    if (protocol === 44 && (be16(packet, at + 2) & 0xfff8) !== 0) return null;
    const next = packet[at]!;
    at += protocol === 44 ? 8 : protocol === 51 ? (packet[at + 1]! + 2) * 4 : (packet[at + 1]! + 1) * 8;
    protocol = next;
    if (at > packet.length) return null;
  }
  return { protocol, at };
}

/** Offset of the transport checksum when it is inside the packet, or -1. */
function checksumOf(packet: Uint8Array, from = 0): number {
  const upper = upperOf(packet, from);
  const within = upper === null ? undefined : CHECKSUM_AT[upper.protocol];
  return within === undefined || upper!.at + within + 2 > packet.length ? -1 : upper!.at + within;
}

/** One's complement sum of addresses and everything from `at` on: what a checksum update must not change. */
const coveredSum = (packet: Uint8Array, from: number, at: number): number =>
  slowSum(packet.slice(from + 8, from + 40), packet.slice(at)) % 0xffff;

/** Where the packet quoted by an ICMPv6 error begins, or -1. */
function quoteOf(packet: Uint8Array): number {
  const upper = upperOf(packet);
  if (upper === null || upper.protocol !== 58 || upper.at + 8 > packet.length) return -1;
  return packet[upper.at]! < 128 ? upper.at + 8 : -1;
}

/** One slot per arrival, everything around the packets filled, so that a stray write is seen. */
function placed(list: readonly Arrival[], vnet: boolean): PacketBatch {
  const padded = list.map((a) => Uint8Array.from([...a.packet, ...new Array<number>(a.padding).fill(0)]));
  const batch = batchOf(0, padded, vnet);
  batch.bytes.fill(UNTOUCHED);
  list.forEach((a, i) => {
    const o = batch.offset[i]!;
    batch.port[i] = a.port;
    batch.bytes.set(padded[i]!, o);
    if (!vnet) return;
    const field = checksumOf(a.packet);
    const upper = upperOf(a.packet);
    batch.bytes.fill(0, o - 10, o);
    if ((a.flags & 1) === 0 || field < 0 || (field & 1) !== 0) return;
    batch.bytes.set([1, 0, 0, 0, 0, 0, upper!.at & 0xff, upper!.at >>> 8, field - upper!.at, 0], o - 10);
  });
  return batch;
}

/** Every prefix that means something at this site. */
function ownPrefixes(config: SiteConfig) {
  const whole = [
    ...config.uplinks.map((u) => u.l64),
    ...config.inside.flatMap((l) => [l.l64, ...l.guests]),
    ...config.peers.map((p) => p.l64),
    ...config.bindings.map((b) => b.guest),
  ].map((l64) => ({ ...l64, length: 64 }));
  return [...whole, ...config.subnets.flatMap((s) => [s.inside, s.outside])];
}
const globalPrefixes = (config: SiteConfig) => [
  ...config.uplinks.map((u) => ({ ...u.l64, length: 64 })),
  ...config.subnets.map((s) => s.outside),
];
const locatorOf = (address: string) => ({ ...parseIlv(address)!.l64, length: 64 });
const isIn = (prefixes: ReturnType<typeof ownPrefixes>, address: string): boolean =>
  prefixes.some((p) => prefixesOverlap(p, locatorOf(address)));

const run = (property: (config: SiteConfig, list: Arrival[], vnet: boolean) => void, numRuns = 400): void =>
  fc.assert(fc.property(worlds, fc.array(arrivals, { minLength: 1, maxLength: 12 }), fc.boolean(), property), {
    numRuns,
  });

describe('any packet', () => {
  // shows: W22, S2, P1, P10
  test('changes no octet but Locators, hop, checksums; nothing around it; nothing when it is dropped', () => {
    run((config, list, vnet) => {
      const batch = placed(list, vnet);
      const before = batch.bytes.slice();
      forward(batch, fibOf(config), 1e6);

      const mayDiffer = new Uint8Array(before.length);
      list.forEach((arrival, i) => {
        const o = batch.offset[i]!;
        const verdict = batch.verdict[i]!;
        if (verdict === v.ANSWERED) {
          mayDiffer.fill(1, vnet ? o - 10 : o, o + Math.max(arrival.packet.length, MIN_MTU));
          return;
        }
        const undone = verdict === v.DROP_TRANSPORT_TRUNCATED || verdict === v.DROP_OFFLOAD_HEADER;
        if (verdict !== v.FORWARD && !undone) return;
        const packet = before.slice(o, o + 40 + be16(before, o + 4));
        const quote = quoteOf(packet);
        const field = checksumOf(packet);
        mayDiffer.fill(1, o + 7, o + 16);
        mayDiffer.fill(1, o + 24, o + 32);
        if (field >= 0) mayDiffer.fill(1, o + field, o + field + 2);
        if (vnet && (before[o - 10]! & 1) !== 0) {
          const partial = o + (before[o - 4]! | (before[o - 3]! << 8)) + (before[o - 2]! | (before[o - 1]! << 8));
          mayDiffer.fill(1, partial, partial + 2);
        }
        if (quote < 0) return;
        const quoted = checksumOf(packet, quote);
        mayDiffer.fill(1, o + quote + 8, o + quote + 16);
        mayDiffer.fill(1, o + quote + 24, o + quote + 32);
        if (quoted >= 0) mayDiffer.fill(1, o + quoted, o + quoted + 2);
      });
      const strays = [...before.keys()].filter((k) => before[k] !== batch.bytes[k] && mayDiffer[k] === 0);
      expect(strays).toEqual([]);
    });
  });

  // shows: S35, P4
  test('keeps its length without padding, and has one hop more, 255 at most; a straggler has sixteen less', () => {
    run((config, list, vnet) => {
      const batch = placed(list, vnet);
      forward(batch, fibOf(config), 1e6);
      list.forEach(({ packet, port }, i) => {
        if (batch.verdict[i] !== v.FORWARD) return;
        expect(batch.length[i]).toBe(40 + be16(packet, 4));
        const hops = [
          Math.min(255, packet[7]! + 1),
          ...(port === SITE && batch.egress[i] === SITE ? [packet[7]! - 15] : []),
        ];
        expect(hops).toContain(packetOf(batch, i)[7]);
      });
    });
  });

  // shows: S4, S5, S6
  test('keeps its checksum right when it was, and wrong by the same difference when it was not; so does a quote', () => {
    run((config, list, vnet) => {
      const batch = placed(list, vnet);
      const before = list.map((_, i) => packetOf(batch, i));
      forward(batch, fibOf({ ...config, checksum: 'full' }), 1e6);
      list.forEach((_, i) => {
        if (batch.verdict[i] !== v.FORWARD) return;
        const o = batch.offset[i]!;
        const after = packetOf(batch, i);
        const came = before[i]!.slice(0, after.length);
        const field = checksumOf(came);
        const quote = quoteOf(came);
        if (quote >= 0) {
          const quoted = checksumOf(came, quote);
          const unsummed = upperOf(came, quote)?.protocol === 17 && be16(came, quoted) === 0;
          if (quoted >= 0 && !unsummed)
            expect(coveredSum(after, quote, upperOf(came, quote)!.at)).toBe(
              coveredSum(came, quote, upperOf(came, quote)!.at),
            );
          if (unsummed && quoted >= 0) expect(be16(after, quoted)).toBe(0);
        }
        if (field < 0) return;
        const { protocol, at } = upperOf(came)!;
        if (vnet && (batch.bytes[o - 10]! & 1) !== 0) {
          const partial = (packet: Uint8Array): number => {
            const rest = packet.slice();
            rest.set([0, 0], field);
            return (be16(packet, field) + 0xffff - (slowSum(rest.slice(8, 40)) % 0xffff)) % 0xffff;
          };
          expect(partial(after)).toBe(partial(came));
        } else if ((protocol === 17 || protocol === 136) && be16(came, field) === 0) {
          expect(be16(after, field)).toBe(0);
        } else {
          expect(coveredSum(after, 0, at)).toBe(coveredSum(came, 0, at));
          if (protocol === 17) expect(be16(after, field)).not.toBe(0);
        }
      });
    });
  });

  // shows: S1
  test('leaves for outside only under a global Locator of this site, and towards nobody of it', () => {
    run((config, list, vnet) => {
      const batch = placed(list, vnet);
      forward(batch, fibOf(config), 1e6);
      list.forEach(({ port }, i) => {
        if (!v.isSent(batch.verdict[i]!) || batch.egress[i] !== OUTSIDE) return;
        const packet = packetOf(batch, i);
        const { src, dst } = addressesOf(packet);
        if (batch.verdict[i] === v.ANSWERED) {
          expect([port, src]).toEqual([OUTSIDE, full('2001:db8:f1::2')]);
          return;
        }
        // a router of ours has an address of its own, which its errors may carry; it is none with a role
        const isOfTheWorld = (address: string) => !/^(f[cdef]|0:0:0:0:0:0:0:[01]$)/.test(address);
        const speaksForItself =
          port === SITE && quoteOf(packet) >= 0 && !isIn(ownPrefixes(config), src) && isOfTheWorld(src);
        if (!speaksForItself)
          expect(globalPrefixes(config).map(formatPrefix), src).toSatisfy(() => isIn(globalPrefixes(config), src));
        expect(isIn(ownPrefixes(config), dst)).toBe(false);
        expect(isOfTheWorld(dst), dst).toBe(true);
      });
    });
  });

  // shows: S23
  test('from outside with a source of this site goes nowhere, and reaches inside Locators of others only', () => {
    run((config, list, vnet) => {
      const batch = placed(
        list.map((a) => ({ ...a, port: OUTSIDE })),
        vnet,
      );
      const before = list.map((_, i) => packetOf(batch, i));
      forward(batch, fibOf(config), 1e6);
      list.forEach((_, i) => {
        if (batch.verdict[i] !== v.FORWARD) return;
        const { src, dst } = addressesOf(before[i]!);
        expect(isIn(ownPrefixes(config), src)).toBe(false);
        expect(isIn(globalPrefixes(config), dst)).toBe(true);
        expect(batch.egress[i]).not.toBe(OUTSIDE);
      });
    });
  });

  test('is counted once: in by side, out by side, and by what became of it', () => {
    run((config, list, vnet) => {
      const fib = fibOf(config);
      const batch = placed(list, vnet);
      const octetsIn = [0, 1, 2].map((p) => list.reduce((sum, a, i) => sum + (a.port === p ? batch.length[i]! : 0), 0));
      forward(batch, fib, 1e6);
      const of = (first: number) => [0, 1, 2].map((p) => fib.counters[first + p]);
      const sent = (what: (i: number) => number) =>
        [0, 1, 2].map((p) =>
          list.reduce((sum, _, i) => sum + (v.isSent(batch.verdict[i]!) && batch.egress[i] === p ? what(i) : 0), 0),
        );

      expect(of(fibs.COUNT_PACKETS_IN)).toEqual([0, 1, 2].map((p) => list.filter((a) => a.port === p).length));
      expect(of(fibs.COUNT_OCTETS_IN)).toEqual(octetsIn);
      expect(of(fibs.COUNT_PACKETS_OUT)).toEqual(sent(() => 1));
      expect(of(fibs.COUNT_OCTETS_OUT)).toEqual(sent((i) => batch.length[i]!));
      expect([...fib.counters.slice(0, v.VERDICTS.length)]).toEqual(
        v.VERDICTS.map((_, verdict) => list.filter((_, i) => batch.verdict[i] === verdict).length),
      );
    });
  });

  test('of the straight flows fares on the short cut as by the whole rule', () => {
    let short = 0;
    run((config, list, vnet) => {
      const one = { ...config, subnets: [], checksum: 'full' as const, uplinks: config.uplinks.slice(0, 1) };
      const results = [true, false].map((straight) => {
        const fib = fibOf(one);
        expect(fib.straight).toBe(true);
        fib.straight = straight;
        const batch = placed(list, vnet);
        forward(batch, fib, 1e6);
        const { verdict, egress, length, bytes } = batch;
        const sentTo = [...egress].map((e, i) => (v.isSent(verdict[i]!) ? e : -1));
        short += [...verdict].filter((x) => x === v.FORWARD).length;
        const octets = Buffer.from(bytes).toString('latin1');
        return { verdict: [...verdict], sentTo, length: [...length], octets, counters: [...fib.counters] };
      });

      expect(results[0]).toEqual(results[1]);
    }, 1500);
    expect(short).toBeGreaterThan(500);
  });
});

describe('there and back', () => {
  const CN = '2001:db8:c::c0';

  /** Follows a packet from border to border as the kernels between them do, until it leaves to a link. */
  function travel(borders: ReturnType<typeof fibOf>[], site: number, port: number, packet: Uint8Array) {
    for (let hops = 0; hops < 4; hops++) {
      const outcome = pass(borders[site - 1]!, port, packet);
      if (outcome.verdict !== v.FORWARD) return { site, outcome };
      if (outcome.egress !== SITE) return { site, outcome };
      const { src, dst } = addressesOf(outcome.packet);
      const isOf = (address: string) => [1, 2, 3].find((n) => n !== site && address.startsWith(`fd00:${n}:0:0:`));
      site = isOf(dst) ?? isOf(src)!;
      port = SITE;
      packet = outcome.packet;
    }
    throw new RangeError('a loop between borders');
  }

  /** Source and destination exchanged; every sum stays right. */
  function answered(packet: Uint8Array): Uint8Array {
    const copy = packet.slice();
    copy.set(packet.slice(24, 40), 8);
    copy.set(packet.slice(8, 24), 24);
    copy[7] = 64;
    return copy;
  }

  const guests = fc.tuple(
    bindings.filter((list) => list.length > 0),
    fc.nat(),
    fc.boolean(),
    fc.uint8Array({ maxLength: 20 }),
  );

  // shows: S2, S29
  test('between a guest and a correspondent everything is as it was, through one border or two', () => {
    fc.assert(
      fc.property(guests, ([list, pick, tcp, data]) => {
        const borders = [1, 2, 3].map((n) => fibOf(siteConfig(n, 3, list)));
        const guest = list[pick % list.length]!;
        const at = Number(guest.at.slice(4));
        const home = Number(guest.home.slice(4));
        const src = formatPrefix({ ...guest.guest, length: 64 }).replace('/64', guest.nid.lo.toString(16));
        const original = (tcp ? tcp6 : udp6)({ src, dst: CN }, data);

        const out = travel(borders, at, INSIDE, original);
        expect([out.site, out.outcome.egress]).toEqual([home, OUTSIDE]);
        expect(hasRightChecksum(out.outcome.packet)).toBe(true);
        const back = travel(borders, home, OUTSIDE, answered(out.outcome.packet));
        expect([back.site, back.outcome.egress]).toEqual([at, INSIDE]);

        expect(answered(back.outcome.packet)).toEqual(original);
      }),
    );
  });

  test('between two guests by guest addresses everything is as it was, wherever they are', () => {
    fc.assert(
      fc.property(
        guests.filter(([list]) => list.length > 1),
        ([list, pick, tcp, data]) => {
          const borders = [1, 2, 3].map((n) => fibOf(siteConfig(n, 3, list)));
          const [a, b] = [list[pick % list.length]!, list[(pick + 1) % list.length]!];
          const addressOf = (g: typeof a) =>
            formatPrefix({ ...g.guest, length: 64 }).replace('/64', g.nid.lo.toString(16));
          const original = (tcp ? tcp6 : udp6)({ src: addressOf(a), dst: addressOf(b) }, data);

          const there = travel(borders, Number(a.at.slice(4)), INSIDE, original);
          expect([there.site, there.outcome.egress]).toEqual([Number(b.at.slice(4)), INSIDE]);
          expect(addressesOf(there.outcome.packet)).toEqual(addressesOf(original));
          const back = travel(borders, there.site, INSIDE, answered(there.outcome.packet));
          expect([back.site, back.outcome.egress]).toEqual([Number(a.at.slice(4)), INSIDE]);
          expect(answered(back.outcome.packet)).toEqual(original);
        },
      ),
    );
  });
});
