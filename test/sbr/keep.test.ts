/** What is kept for a guest on the move: order, bounds, copies, and that nobody else notices. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { BEHIND_MS, type KeepCounts, noCounts } from '../../src/ilnp/keeping.ts';
import { HEADROOM, INSIDE, OUTSIDE, PacketBatch, SITE } from '../../src/packet/batch.ts';
import { DROP_HOLD_FULL, DROP_NOT_HERE, FORWARD, HELD } from '../../src/packet/verdict.ts';
import { COUNT_HOLD_GAVE_WAY, COUNT_PACKETS_IN, type Fib } from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import { KEPT_MAX, Keeper } from '../../src/sbr/keep.ts';
import type { KeepLimits } from '../../src/sbr/kept-packets.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { error6, udp6 } from '../support/packets.ts';
import { bound, fibOf, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const GUEST = 'fd00:1::a1';
const GLOBAL = '2001:db8:1::a1';
const A1 = native32(0xa1) | 0;
const LIMITS: KeepLimits = { octets: 1 << 20, packets: 1000, us: 5e6 };
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2), bound('b1', 'fd00:2::/64', 2, 2)];

let fib: Fib;
let keeper: Keeper;

/** Site 1 with one uplink; `limits` of what it keeps. */
function start(limits: Partial<KeepLimits> = {}): void {
  const config = siteConfig(1, 3, BINDINGS);
  fib = fibOf({ ...config, uplinks: config.uplinks.slice(0, 1) });
  keeper = new Keeper(fib, { ...LIMITS, ...limits });
  fib.keeper = keeper;
}

beforeEach(() => start());

/** A packet with a number in it. */
const numbered = (n: number, src = CN, dst = GLOBAL, size = 8): Uint8Array => {
  const payload = new Uint8Array(size);
  payload.set([n >>> 8, n & 0xff]);
  return udp6({ src, dst }, payload);
};

/** UDP of so many octets, to be cut into segments of `size`. */
const superPacket =
  (octets: number, size: number) =>
  (port: number, dst = GLOBAL): PacketBatch => {
    const batch = new PacketBatch(new ArrayBuffer(66_048), 1, true);
    batch.bytes.set(numbered(1, CN, dst, octets), HEADROOM);
    batch.bytes.set([1, 5, 48, 0, size & 0xff, size >>> 8, 40, 0, 6, 0], HEADROOM - 10);
    batch.offset[0] = HEADROOM;
    batch.length[0] = 48 + octets;
    batch.port[0] = port;
    batch.count = 1;
    return batch;
  };

interface Left {
  readonly number: number;
  readonly egress: number;
  readonly verdict: number;
  readonly dst: string;
}

/** Lets go whatever is to be let go, `slots` packets at a time, as a worker does; with packets that are read before, one batch. */
function pump(slots = 3, now = 1e6, read = 0): Left[] {
  const size = HEADROOM + 66_000 - (66_000 % 8);
  const batch = new PacketBatch(new ArrayBuffer(slots * size), slots, true);
  const left: Left[] = [];
  while (keeper.releasing) {
    keeper.read(read);
    for (let i = 0; i < slots; i++) batch.offset[i] = i * size + HEADROOM;
    keeper.fill(batch, slots);
    forward(batch, fib, now);
    for (let i = 0; i < batch.count; i++) {
      const o = batch.offset[i]!;
      const words = Array.from(
        { length: 8 },
        (_, k) => (batch.bytes[o + 24 + 2 * k]! << 8) | batch.bytes[o + 25 + 2 * k]!,
      );
      left.push({
        number: (batch.bytes[o + 48]! << 8) | batch.bytes[o + 49]!,
        egress: batch.egress[i]!,
        verdict: batch.verdict[i]!,
        dst: words
          .slice(0, 2)
          .map((w) => w.toString(16))
          .join(':'),
      });
    }
    keeper.filled();
    if (read > 0) break;
  }
  return left;
}

const numbers = (left: readonly Left[]): number[] => left.map(({ number }) => number);
const hold = (ms = 4000): boolean => keeper.order(0, A1, { what: 'hold', ms });
const release = (order: { since?: number; ms?: number; departs?: boolean; behind?: number } = {}): KeepCounts => {
  const counts: KeepCounts = noCounts();
  const { since = null, ms = 9000, departs = false, behind = 0 } = order;
  keeper.order(0, A1, { what: 'release', since, ms, departs, behind }, (c) => Object.assign(counts, c));
  return counts;
};

/** The guest is at site 2 from now on. */
const moveAway = (): void => {
  const a2 = native32(0xa2) | 0;
  const there = fib.table.slots[fib.table.find(0, a2) + 2]! - 1;
  fib.table.put(0, A1, there, 1);
  keeper.mark(0, A1);
};

describe('hold', () => {
  test('keeps what goes towards the guest, from every side, and nothing else', () => {
    hold();

    expect(pass(fib, OUTSIDE, numbered(1)).verdict).toBe(HELD);
    expect(pass(fib, INSIDE, numbered(2, 'fd00:1::9', GUEST)).verdict).toBe(HELD);
    expect(pass(fib, SITE, numbered(3, 'fd00:2::b1', GUEST)).verdict).toBe(HELD);
    expect(
      pass(fib, OUTSIDE, error6({ src: '2001:db8:cc::1', dst: GLOBAL }, 3, 0, 0, udp6({ src: GLOBAL, dst: CN })))
        .verdict,
    ).toBe(HELD);
    expect(pass(fib, OUTSIDE, numbered(4, CN, '2001:db8:1::a2'))).toMatchObject({ verdict: FORWARD, egress: SITE });
    expect(pass(fib, INSIDE, numbered(5, GUEST, CN))).toMatchObject({ verdict: FORWARD, egress: OUTSIDE });
  });

  test('lets them go by the tables of then, in order, before what has come meanwhile', () => {
    hold();
    for (let n = 0; n < 10; n++) pass(fib, OUTSIDE, numbered(n));
    moveAway();
    for (let n = 10; n < 20; n++) pass(fib, OUTSIDE, numbered(n));
    release();
    for (let n = 20; n < 25; n++) expect(pass(fib, OUTSIDE, numbered(n)).verdict).toBe(HELD);

    const left = pump();

    expect(numbers(left)).toEqual(Array.from({ length: 25 }, (_, n) => n));
    expect(new Set(left.map(({ egress, dst }) => `${egress} ${dst}`))).toEqual(new Set([`${SITE} fd00:2`]));
    expect(pass(fib, OUTSIDE, numbered(25)).verdict).toBe(FORWARD);
  });

  test('a packet is the same whether it waited or not', () => {
    const packets = [numbered(1), numbered(2, CN, GLOBAL, 60_000), numbered(3, CN, GLOBAL, 1333)];
    const direct = packets.map((packet) => [...pass(fib, OUTSIDE, packet).packet]);
    hold();
    for (const packet of packets) pass(fib, OUTSIDE, packet);
    release();
    const size = 66_048;
    const batch = new PacketBatch(new ArrayBuffer(4 * size), 4, false);
    for (let i = 0; i < 4; i++) batch.offset[i] = i * size + HEADROOM;
    keeper.read(0);
    keeper.fill(batch, 4);
    forward(batch, fib, 1e6);

    expect(batch.count).toBe(3);
    packets.forEach((_, i) => {
      const o = batch.offset[i]!;
      expect([...batch.bytes.subarray(o, o + batch.length[i]!)]).toEqual(direct[i]);
    });
  });

  test('a super-packet waits whole, with its virtio-net header', () => {
    hold();
    const size = 66_048;
    const batch = new PacketBatch(new ArrayBuffer(size), 1, true);
    batch.bytes.set(numbered(1, CN, GLOBAL, 30_000), HEADROOM);
    batch.bytes.set([1, 5, 48, 0, 0xb0, 4, 40, 0, 6, 0], HEADROOM - 10);
    Object.assign(batch, { count: 1 });
    batch.offset[0] = HEADROOM;
    batch.length[0] = 30_048;
    forward(batch, fib, 1e6);
    expect(batch.verdict[0]).toBe(HELD);
    batch.bytes.fill(0xee);
    release();

    keeper.read(0);
    keeper.fill(batch, 1);

    expect([...batch.bytes.subarray(HEADROOM - 10, HEADROOM)]).toEqual([1, 5, 48, 0, 0xb0, 4, 40, 0, 6, 0]);
    expect(batch.length[0]).toBe(30_048);
  });

  test('what came from other borders goes first: it had set out before', () => {
    hold();
    pass(fib, OUTSIDE, numbered(1));
    pass(fib, SITE, numbered(2, 'fd00:2::b1', GUEST));
    pass(fib, OUTSIDE, numbered(3));
    pass(fib, SITE, numbered(4, 'fd00:2::b1', GUEST));
    release();

    expect(numbers(pump())).toEqual([2, 4, 1, 3]);
  });

  test('what other borders have let go is waited for, also where news of it has passed it', () => {
    hold();
    pass(fib, SITE, numbered(2, 'fd00:2::b1', GUEST));
    pass(fib, OUTSIDE, numbered(4));
    release({ behind: 2 });
    expect(numbers(pump())).toEqual([2]);
    pass(fib, OUTSIDE, numbered(5));
    expect(pump()).toEqual([]);
    pass(fib, SITE, numbered(3, 'fd00:2::b1', GUEST));

    expect(numbers(pump())).toEqual([3, 4, 5]);
  });

  test('what waits to be read when it is let go is read before the rest goes, and not before what came from other borders', () => {
    hold();
    pass(fib, SITE, numbered(1, 'fd00:2::b1', GUEST));
    pass(fib, OUTSIDE, numbered(3));
    release();
    expect(numbers(pump(3, 1e6, 7))).toEqual([1]);
    pass(fib, SITE, numbered(2, 'fd00:2::b1', GUEST));
    expect(numbers(pump(3, 1e6, 0))).toEqual([2, 3]);
  });

  test('a read beside what was let go may have found no room: the rest waits for one more', () => {
    hold();
    pass(fib, SITE, numbered(1, 'fd00:2::b1', GUEST));
    pass(fib, OUTSIDE, numbered(2));
    release();
    expect(numbers(pump(1, 1e6, 7))).toEqual([1]);
    keeper.read(0);
    expect([keeper.ready, keeper.releasing]).toEqual([false, true]);
    keeper.read(0);
    expect(keeper.ready).toBe(true);
    expect(numbers(pump())).toEqual([2]);
  });

  test('who was waited for has come, and what is to be read is still read first', () => {
    hold();
    pass(fib, OUTSIDE, numbered(2));
    release({ behind: 1 });
    for (let batch = 1; batch < 60; batch++) expect(pump(3, 1e6, 7)).toEqual([]);
    pass(fib, SITE, numbered(1, 'fd00:2::b1', GUEST));
    expect(numbers(pump(3, 1e6, 7))).toEqual([1]);
    expect(numbers(pump())).toEqual([2]);
  });

  test('a queue that never empties does not keep the rest for ever', () => {
    hold();
    pass(fib, OUTSIDE, numbered(1));
    release();
    for (let batch = 1; batch < 40; batch++) expect(pump(3, 1e6, 7)).toEqual([]);
    expect(numbers(pump(3, 1e6, 7))).toEqual([1]);
  });

  test('it is not waited for for ever, and only by a hold that was there', () => {
    keeper.tick(1e6);
    hold();
    pass(fib, OUTSIDE, numbered(1));
    release({ behind: 1 });
    keeper.tick(1e6 + BEHIND_MS * 1000 - 1);
    expect(pump()).toEqual([]);
    keeper.tick(1e6 + BEHIND_MS * 1000);
    expect(numbers(pump())).toEqual([1]);

    release({ behind: 1 });
    expect(keeper.releasing).toBe(true);
  });

  test('what is let go towards another border is counted as it will be on the wire, and so is what comes', () => {
    const wire = superPacket(30_000, 1200);
    hold();
    forward(wire(OUTSIDE), fib, 1e6);
    pass(fib, OUTSIDE, numbered(1));
    moveAway();
    const counts = release();
    pump();
    expect(counts.letGo).toBe(25 + 1);

    keeper.order(0, A1, { what: 'end' });
    hold();
    pass(fib, OUTSIDE, numbered(4));
    release({ behind: 25 });
    pass(fib, SITE, numbered(2, 'fd00:2::b1', GUEST));
    expect(numbers(pump())).toEqual([2]);
    forward(superPacket(28_800, 1200)(SITE, GUEST), fib, 1e6);
    expect(numbers(pump())).toEqual([1, 4]);
  });

  test('what was let go in an earlier move is not counted again', () => {
    moveAway();
    hold();
    for (let n = 0; n < 3; n++) pass(fib, OUTSIDE, numbered(n));
    const earlier = release();
    pump();
    expect(earlier.letGo).toBe(3);

    hold();
    pass(fib, OUTSIDE, numbered(3));
    const counts = release();
    pump();
    expect(counts.letGo).toBe(1);
  });

  test('who says again and again that more is on its way does not make packets wait longer', () => {
    keeper.tick(1e6);
    hold();
    pass(fib, OUTSIDE, numbered(1));
    release({ behind: 1 });
    keeper.tick(1e6 + BEHIND_MS * 999);
    hold();
    release({ behind: 2 });
    keeper.tick(1e6 + BEHIND_MS * 1000);
    expect(numbers(pump())).toEqual([1]);
  });

  test('packets are counted as arrived once, and their two verdicts by name', () => {
    hold();
    for (let n = 0; n < 5; n++) pass(fib, OUTSIDE, numbered(n));
    const counts = release();
    pump();

    expect(fib.counters[COUNT_PACKETS_IN + OUTSIDE]).toBe(5);
    expect([fib.counters[HELD], fib.counters[FORWARD]]).toEqual([5, 5]);
    expect(counts).toEqual({ ...noCounts(), held: 5, firstAt: 1e6 });
  });

  test.each([
    ['packets', { packets: 3 }],
    ['octets', { octets: 3 * (32 + 56) + 40 }],
  ])('beyond its %s packets are dropped under their name', (_, limits) => {
    start(limits);
    hold();
    const verdicts = [1, 2, 3, 4, 5].map((n) => pass(fib, OUTSIDE, numbered(n)).verdict);

    expect(verdicts).toEqual([HELD, HELD, HELD, DROP_HOLD_FULL, DROP_HOLD_FULL]);
    expect(release()).toMatchObject({ held: 0 }); // told when all is let go
    expect(numbers(pump())).toEqual([1, 2, 3]);
  });

  test('ends by itself, by the tables as they are, when its time is over', () => {
    keeper.tick(1e6);
    hold(60_000); // asked for more than the limit allows
    pass(fib, OUTSIDE, numbered(1));
    keeper.tick(5.9e6);
    expect(keeper.releasing).toBe(false);

    keeper.tick(6e6);

    expect(pump()).toMatchObject([{ number: 1, egress: INSIDE, verdict: FORWARD }]);
    expect(pass(fib, OUTSIDE, numbered(2)).verdict).toBe(FORWARD);
    expect(release()).toMatchObject({ held: 0 });
    pump();
    keeper.tick(61e6);
    expect(keeper.active).toBe(false);
  });

  test('keeps no packet longer because it is ordered again and again', () => {
    hold(10_000);
    pass(fib, OUTSIDE, numbered(1));
    for (let s = 1; s < 5; s++) {
      keeper.tick(s * 1e6);
      hold(10_000);
    }
    expect(pump()).toEqual([]);
    keeper.tick(5e6);

    expect(numbers(pump())).toEqual([1]);
  });

  test('outlives a new image with more classes, and a binding that is told anew', () => {
    hold();
    const config = siteConfig(1, 3, [...BINDINGS, bound('a3', 'fd00:9::/64', 1, 3)]);
    fib.load(fibOf({ ...config, uplinks: config.uplinks.slice(0, 1) }).image);
    expect(pass(fib, OUTSIDE, numbered(1)).verdict).toBe(HELD);
    moveAway();
    expect(pass(fib, OUTSIDE, numbered(2)).verdict).toBe(HELD);
    release({ ms: 0 });

    expect(pump().map(({ egress }) => egress)).toEqual([SITE, SITE]);
    expect(keeper.active).toBe(false);
    expect(pass(fib, OUTSIDE, numbered(3))).toMatchObject({ verdict: FORWARD, egress: SITE });
  });

  test('has room for as many as it says', () => {
    for (let n = 1; n <= KEPT_MAX; n++) expect(keeper.order(7, n, { what: 'hold', ms: 9000 })).toBe(true);

    expect(keeper.order(8, 1, { what: 'hold', ms: 9000 })).toBe(false);
    for (let n = 1; n <= KEPT_MAX; n++) keeper.order(7, n, { what: 'end' });
    expect(keeper.active).toBe(false);
  });
});

describe('a flood towards one guest on the move', () => {
  const A2 = native32(0xa2) | 0;
  const OTHER = '2001:db8:1::a2';
  const FLOOD = 2000;
  const EACH = 10;
  const both = (order: (nid1: number) => void) => [A1, A2].forEach(order);

  test.each([
    ['packets', { packets: 200 }, 8],
    ['octets', { octets: 200 * 1088 }, 1000],
  ] as const)('takes no room from another: %s', (_, limits, size) => {
    start(limits);
    both((nid1) => keeper.order(0, nid1, { what: 'hold', ms: 4000 }));
    const sent: number[] = [];
    for (let n = 0; n < FLOOD; n++) {
      pass(fib, OUTSIDE, numbered(n, CN, GLOBAL, size));
      if (n % EACH !== 0 || sent.length === 99) continue;
      expect(pass(fib, OUTSIDE, numbered(30_000 + n, CN, OTHER, size)).verdict).toBe(HELD);
      sent.push(30_000 + n);
    }
    const counts = [noCounts(), noCounts()];
    [A1, A2].forEach((nid1, k) => {
      keeper.order(0, nid1, { what: 'release', since: null, ms: 9000, departs: false, behind: 0 }, (c) =>
        Object.assign(counts[k]!, c),
      );
    });
    const left = numbers(pump());

    expect(left.filter((n) => n >= 30_000)).toEqual(sent);
    const flooded = left.filter((n) => n < 30_000);
    expect(flooded.length).toBeGreaterThanOrEqual(100);
    expect(flooded).toEqual([...flooded].sort((a, b) => a - b));
    expect(counts).toMatchObject([{ full: FLOOD - flooded.length }, { full: 0 }]);
    expect(fib.counters[DROP_HOLD_FULL]! + fib.counters[COUNT_HOLD_GAVE_WAY]!).toBe(FLOOD - flooded.length);
    expect(fib.counters[COUNT_HOLD_GAVE_WAY]).toBeGreaterThan(0);
    expect(keeper.store).toMatchObject({ packets: 0, octets: 0 });
  });

  test('does not keep another waiting, though it waits for more from other borders itself', () => {
    both((nid1) => keeper.order(0, nid1, { what: 'hold', ms: 4000 }));
    pass(fib, OUTSIDE, numbered(7, CN, OTHER));
    release({ behind: 99 });
    keeper.order(0, A2, { what: 'release', since: null, ms: 9000, departs: false, behind: 0 });
    const left: number[] = [];
    for (let n = 0; n < 41; n++) {
      pass(fib, SITE, numbered(100, 'fd00:2::b1', GUEST));
      left.push(...numbers(pump(1, 1e6, 1)));
    }

    expect(left).toContain(7);
    expect(left.filter((n) => n === 100).length).toBeGreaterThanOrEqual(39);
  });

  test('takes no copies from another', () => {
    start({ packets: 200 });
    both((nid1) => keeper.order(0, nid1, { what: 'retain', ms: 60_000, windowMs: 1000 }));
    for (let n = 0; n < FLOOD; n++) {
      pass(fib, OUTSIDE, numbered(n), 1e6);
      if (n >= FLOOD - 40 * EACH && n % EACH === 0) pass(fib, OUTSIDE, numbered(30_000 + n, CN, OTHER), 1e6);
    }
    keeper.order(0, A2, { what: 'release', since: 0, ms: 9000, departs: false, behind: 0 });

    expect(numbers(pump())).toHaveLength(40);
  });
});

describe('what the guest sends', () => {
  const fromGuest = (n: number) => pass(fib, INSIDE, numbered(n, GUEST, CN));

  beforeEach(moveAway); // this site thinks it is elsewhere

  test('before its place is known here waits until it is', () => {
    expect(fromGuest(1).verdict).toBe(DROP_NOT_HERE);
    keeper.order(0, A1, { what: 'expect', ms: 60_000 });
    expect(pass(fib, OUTSIDE, numbered(9))).toMatchObject({ verdict: FORWARD, egress: SITE });
    expect(fromGuest(2).verdict).toBe(HELD);
    fib.table.put(0, A1, 0, 2);
    keeper.mark(0, A1);
    release();

    expect(pump()).toMatchObject([{ number: 2, egress: OUTSIDE, verdict: FORWARD }]);
  });

  test('does not wait for ever', () => {
    keeper.tick(1e6);
    keeper.order(0, A1, { what: 'expect', ms: 60_000 });
    fromGuest(1);
    keeper.tick(6e6);

    expect(pump()).toMatchObject([{ number: 1, verdict: DROP_NOT_HERE }]);
  });

  test('from where it was a moment ago still goes out, for a while', () => {
    hold();
    expect(fromGuest(1).verdict).toBe(HELD);
    release({ departs: true, ms: 5000 });

    expect(pump()).toMatchObject([{ number: 1, egress: OUTSIDE, verdict: FORWARD }]);
    expect(fromGuest(2)).toMatchObject({ verdict: FORWARD, egress: OUTSIDE });
    keeper.tick(5e6);
    expect(fromGuest(3).verdict).toBe(DROP_NOT_HERE);
  });

  test('is dropped as ever when the move is called off', () => {
    hold();
    fromGuest(1);
    keeper.order(0, A1, { what: 'end' });

    expect(pump()).toMatchObject([{ number: 1, verdict: DROP_NOT_HERE }]);
    expect(keeper.active).toBe(false);
  });
});

describe('retain', () => {
  const retain = (windowMs = 1000) => keeper.order(0, A1, { what: 'retain', ms: 60_000, windowMs });

  test('sends once more what was sent since an instant, then what waited, in order', () => {
    retain();
    for (let n = 0; n < 5; n++) expect(pass(fib, OUTSIDE, numbered(n), 1e6 + n).verdict).toBe(FORWARD);
    hold();
    for (let n = 5; n < 8; n++) expect(pass(fib, OUTSIDE, numbered(n), 1e6 + n).verdict).toBe(HELD);
    moveAway();
    const counts = release({ since: 1e6 + 3 });

    expect(numbers(pump())).toEqual([3, 4, 5, 6, 7]);
    expect(counts).toMatchObject({ held: 3, replayed: 2 });
  });

  test('without an instant nothing is sent twice', () => {
    retain();
    for (let n = 0; n < 5; n++) pass(fib, OUTSIDE, numbered(n));
    hold();
    pass(fib, OUTSIDE, numbered(5));
    release();

    expect(numbers(pump())).toEqual([5]);
    expect(keeper.store).toMatchObject({ packets: 0, octets: 0, copied: 0 });
  });

  test('nothing is copied while packets of the guest itself wait here: what waits is not taken for a copy', () => {
    moveAway();
    retain(1);
    keeper.order(0, A1, { what: 'expect', ms: 60_000 });
    expect(pass(fib, INSIDE, numbered(1, GUEST, CN), 1e6).verdict).toBe(HELD);
    for (let n = 0; n < 5; n++) pass(fib, OUTSIDE, numbered(n), 2e6 + n);
    fib.table.put(0, A1, 0, 2);
    keeper.mark(0, A1);
    release();

    expect(pump()).toMatchObject([{ number: 1, egress: OUTSIDE, verdict: FORWARD }]);
    expect(keeper.store).toMatchObject({ packets: 0, copied: 0 });
  });

  test('copies older than the window are forgotten', () => {
    retain(1);
    for (let n = 0; n < 100; n++) pass(fib, OUTSIDE, numbered(n), 1e6 + n * 100);

    expect(keeper.store.packets).toBe(11);
  });

  test('copies leave half of the room to what has to wait', () => {
    start({ packets: 10 });
    retain();
    for (let n = 0; n < 30; n++) pass(fib, OUTSIDE, numbered(n), 1e6);
    expect(keeper.store.copied).toBeLessThanOrEqual(6);
    hold();

    const verdicts = [1, 2, 3, 4].map((n) => pass(fib, OUTSIDE, numbered(n)).verdict);
    expect(verdicts).toEqual([HELD, HELD, HELD, HELD]);
  });
});

test('after a release what comes by way of the place the guest has left is counted', () => {
  moveAway();
  hold();
  const counts = release();
  pump();
  pass(fib, SITE, numbered(1, 'fd00:3::c1', GUEST), 2e6);
  pass(fib, OUTSIDE, numbered(2), 2e6);
  keeper.order(0, A1, { what: 'end' }, (c) => Object.assign(counts, c));

  expect(counts).toMatchObject({ sentOn: 1, firstAt: 2e6 });
});

test('whatever is ordered, packets leave once, in order, and the store is empty at the end', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('packet' as const) },
    fc.constantFrom('hold', 'release', 'move', 'end', 'tick', 'expect', 'pump'),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      start({ packets: 20 });
      let now = 1e6;
      let sent = 0;
      let full = 0;
      const left: number[] = [];
      for (const one of steps) {
        now += 1000;
        if (one === 'packet') {
          const { verdict } = pass(fib, OUTSIDE, numbered(sent), now);
          if (verdict === FORWARD) left.push(sent);
          else if (verdict === DROP_HOLD_FULL) full++;
          else expect(verdict).toBe(HELD);
          sent++;
        } else if (one === 'tick') {
          now += 3e6;
          keeper.tick(now);
        } else if (one === 'hold') keeper.order(0, A1, { what: 'hold', ms: 4000 });
        else if (one === 'expect') keeper.order(0, A1, { what: 'expect', ms: 4000 });
        else if (one === 'release') release({ ms: 1000 });
        else if (one === 'end') keeper.order(0, A1, { what: 'end' });
        else if (one === 'move') moveAway();
        else left.push(...numbers(pump(2, now)));
      }
      now += 1e9;
      keeper.tick(now);
      left.push(...numbers(pump(2, now)));
      now += 1e9;
      keeper.tick(now);

      expect(left).toEqual([...left].sort((a, b) => a - b));
      expect(new Set(left).size).toBe(left.length);
      expect(left.length).toBe(sent - full);
      expect(keeper.active).toBe(false);
      expect(keeper.store).toMatchObject({ packets: 0, octets: 0, copied: 0, copiedOctets: 0 });
    }),
    { numRuns: 500 },
  );
});

describe('watched', () => {
  const noted = () => [...fib.sessions!.of((_, n1) => n1 === A1, 1)];

  test('its plain sessions are noted in both directions, and everything passes; before and after nothing is noted', () => {
    expect(pass(fib, OUTSIDE, numbered(1)).verdict).toBe(FORWARD);
    expect(noted()).toEqual([]);
    keeper.order(0, A1, { what: 'watch', ms: 1000 });
    expect(pass(fib, OUTSIDE, numbered(2)).verdict).toBe(FORWARD);
    expect(pass(fib, INSIDE, numbered(3, GUEST, '2001:db8:c::c1')).verdict).toBe(FORWARD);
    expect(pass(fib, OUTSIDE, numbered(4, CN, '2001:db8:1::a2')).verdict).toBe(FORWARD);
    expect(
      noted()
        .map(({ correspondent }) => native32(correspondent[3]))
        .sort(),
    ).toEqual([0xc0, 0xc1]);
    expect(noted().every(({ flow, uplink, isIlnp }) => flow !== 0 && uplink === 0 && !isIlnp)).toBe(true);

    keeper.tick(2e6);
    expect(keeper.active).toBe(false);
    expect(pass(fib, OUTSIDE, numbered(5, '2001:db8:c::c2')).verdict).toBe(FORWARD);
    expect(noted()).toHaveLength(2);
    expect([...fib.sessions!.of(() => true, 1)]).toHaveLength(2);
  });

  test('leaves room for those who move: half of those that can be kept, and all of the budget', () => {
    start({ packets: 100 });
    let taken = 0;
    for (let n = 0; n < 2 * KEPT_MAX; n++) if (keeper.order(7, n, { what: 'watch', ms: 1000 })) taken++;
    expect(taken).toBe(KEPT_MAX / 2);
    expect(keeper.order(0, A1, { what: 'hold', ms: 5000 })).toBe(true);
    for (let n = 0; n < 200; n++) pass(fib, OUTSIDE, numbered(n));
    keeper.order(0, native32(0xa2) | 0, { what: 'hold', ms: 5000 });
    const others = Array.from({ length: 30 }, (_, n) => pass(fib, OUTSIDE, numbered(n, CN, '2001:db8:1::a2')).verdict);
    expect(new Set(others)).toEqual(new Set([HELD]));
  });

  test('ends by itself, also for one whose packets wait on', () => {
    keeper.order(0, A1, { what: 'hold', ms: 5000 });
    keeper.order(0, A1, { what: 'watch', ms: 1000 });
    keeper.tick(2e6);
    expect(keeper.watched).toBe(0);
    expect(keeper.active).toBe(true);
  });

  test('whose packets wait meanwhile, its hold is not ended by that', () => {
    keeper.order(0, A1, { what: 'watch', ms: 1000 });
    keeper.order(0, A1, { what: 'hold', ms: 5000 });
    keeper.tick(2e6);
    expect(pass(fib, OUTSIDE, numbered(1)).verdict).toBe(HELD);
    keeper.order(0, A1, { what: 'end' });
    expect(pump()).toHaveLength(1);
    expect(keeper.watched).toBe(0);
  });
});
