/** Two end systems that talk: what each program sends is what the other program gets, wherever both are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nonceOf } from '../../src/wire/nonce-option.ts';
import {
  addressesOf,
  batchOf,
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  full,
  hasRightChecksum,
  ipv6,
  joined,
  packetOf,
  tcp6,
  tcpSegment,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { type End, endSystem, know, move, STABLE_A, STABLE_B } from './support.ts';

const A = '2001:db8:1::a1';
const A2 = '2001:db8:2::a1';
const B = '2001:db8:b::b1';
const PLAIN_PEER = '2001:db8:c::c0';

/** A knows B by name; B learns A. */
function pair(): { a: End; b: End } {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const b = endSystem(STABLE_B, ['2001:db8:b::']);
  know(a, B);
  return { a, b };
}

const through = (packet: Uint8Array, from: End, to: End, now = 1): { wire: Uint8Array; got: Uint8Array } => {
  const wire = from.pass(packet, now);
  if (typeof wire === 'string') throw new Error(`not sent: ${wire}`);
  const got = to.pass(wire, now);
  if (typeof got === 'string') throw new Error(`not delivered: ${got}`);
  return { wire, got };
};

test('a program that speaks to its own node by a Locator is answered from there', () => {
  const { a } = pair();
  for (const packet of [tcp6({ src: STABLE_A, dst: A }), udp6({ src: STABLE_A, dst: A })]) {
    const got = a.pass(packet) as Uint8Array; // and its answer has the same addresses
    expect(addressesOf(got)).toEqual({ src: full(A), dst: full(STABLE_A) });
    expect(hasRightChecksum(got)).toBe(true);
  }
});

describe('a session', () => {
  // shows: H8
  test('the first packet carries a nonce and current Locators, the program gets neither', () => {
    const { a, b } = pair();
    const { wire, got } = through(tcp6({ src: STABLE_A, dst: B }), a, b);

    expect(addressesOf(wire)).toEqual({ src: full(A), dst: full(B) });
    expect(nonceOf(wire, 0, wire.length)).toEqual(a.shim.node.ilcc.find(...nidWords(B))!.localNonce);
    expect(addressesOf(got)).toEqual({ src: full(A), dst: full(STABLE_B) });
    expect(hasRightChecksum(got)).toBe(true);
    expect(hasRightChecksum(joined(plainHeader(wire), wire.slice(48)))).toBe(true);
  });

  // shows: H7, H8
  test('the answer carries the nonce of the other direction', () => {
    const { a, b } = pair();
    const first = through(tcp6({ src: STABLE_A, dst: B }), a, b);
    const second = through(tcp6({ src: STABLE_B, dst: A }), b, a);

    const n1 = nonceOf(first.wire, 0, first.wire.length);
    const n2 = nonceOf(second.wire, 0, second.wire.length);
    expect(n1).toHaveLength(4);
    expect(n2).toHaveLength(4);
    expect(n2).not.toEqual(n1);
    expect(addressesOf(second.got)).toEqual({ src: full(B), dst: full(STABLE_A) });
    expect(hasRightChecksum(second.got)).toBe(true);
  });

  // shows: H2, H4, H16, H18
  test('programs keep the addresses they know when one end has moved and said so', () => {
    const { a, b } = pair();
    through(tcp6({ src: STABLE_A, dst: B }), a, b);
    through(tcp6({ src: STABLE_B, dst: A }), b, a);

    move(a, ['2001:db8:2::']);
    expect(a.sent).toHaveLength(1);
    expect(addressesOf(a.sent[0]!)).toEqual({ src: full(A2), dst: full(B) });
    expect(b.pass(a.sent[0]!)).toBe('taken');
    expect(b.sent).toHaveLength(1); // the acknowledgement
    expect(a.pass(b.sent[0]!)).toBe('taken');
    expect(a.shim.updates.outstanding).toBe(0);

    const back = through(tcp6({ src: STABLE_B, dst: A }), b, a);
    expect(addressesOf(back.wire)).toEqual({ src: full(B), dst: full(A2) });
    expect(addressesOf(back.got)).toEqual({ src: full(B), dst: full(STABLE_A) });
    const forth = through(tcp6({ src: STABLE_A, dst: B }), a, b);
    expect(addressesOf(forth.got)).toEqual({ src: full(A), dst: full(STABLE_B) });
    expect(hasRightChecksum(forth.got)).toBe(true);
  });

  // shows: H21
  test('data from the new Locator is answered there while the update is on its way', () => {
    const { a, b } = pair();
    through(tcp6({ src: STABLE_A, dst: B }), a, b);
    through(tcp6({ src: STABLE_B, dst: A }), b, a);
    move(a, ['2001:db8:2::']);
    through(tcp6({ src: STABLE_A, dst: B }), a, b); // the update is lost

    const back = through(tcp6({ src: STABLE_B, dst: A }), b, a);
    expect(addressesOf(back.wire).dst).toBe(full(A2));
  });

  test('both ends move at once and find each other by the first packet that arrives', () => {
    const { a, b } = pair();
    through(tcp6({ src: STABLE_A, dst: B }), a, b);
    through(tcp6({ src: STABLE_B, dst: A }), b, a);
    move(a, ['2001:db8:2::', '2001:db8:1::']);
    move(b, ['2001:db8:bb::', '2001:db8:b::']);
    for (const update of a.sent.splice(0)) expect(b.pass(update)).toBe('taken');
    for (const update of b.sent.splice(0)) expect(a.pass(update)).toBe('taken');

    const forth = through(tcp6({ src: STABLE_A, dst: B }), a, b);
    expect(addressesOf(forth.wire)).toEqual({ src: full(A2), dst: full('2001:db8:bb::b1') });
    expect(addressesOf(forth.got)).toEqual({ src: full(A), dst: full(STABLE_B) });
  });
});

describe('a node without ILNP', () => {
  // shows: H9, H25
  test('gets plain IPv6 from the current Locator, and answers to it', () => {
    const { a } = pair();
    const out = a.pass(udp6({ src: STABLE_A, dst: PLAIN_PEER })) as Uint8Array;
    expect(addressesOf(out)).toEqual({ src: full(A), dst: full(PLAIN_PEER) });
    expect(hasRightChecksum(out)).toBe(true);

    const back = a.pass(udp6({ src: PLAIN_PEER, dst: A })) as Uint8Array;
    expect(addressesOf(back)).toEqual({ src: full(PLAIN_PEER), dst: full(STABLE_A) });
    expect(hasRightChecksum(back)).toBe(true);
    expect(a.count('plain')).toBe(2);
  });

  // shows: H23
  test('that was taken for an ILNP node says so, and is spoken to without a nonce', () => {
    const { a } = pair();
    const wire = a.pass(tcp6({ src: STABLE_A, dst: B })) as Uint8Array;
    expect(a.pass(error6({ src: B, dst: A }, 4, 2, 42, wire))).toBe('taken');

    const again = a.pass(tcp6({ src: STABLE_A, dst: B }), 2) as Uint8Array;
    expect(nonceOf(again, 0, again.length)).toBeNull();
    expect(addressesOf(again)).toEqual({ src: full(A), dst: full(B) });
  });

  // shows: H24
  test.each([
    ['another pointer', 41, false],
    ['another nonce', 42, true],
  ])('nobody else can say so: %s', (_what, pointer, forged) => {
    const { a } = pair();
    const wire = a.pass(tcp6({ src: STABLE_A, dst: B })) as Uint8Array;
    const quote = wire.slice();
    if (forged) quote[44]! ^= 1;
    a.pass(error6({ src: B, dst: A }, 4, 2, pointer, quote));

    const again = a.pass(tcp6({ src: STABLE_A, dst: B }), 2) as Uint8Array;
    expect(nonceOf(again, 0, again.length)).toHaveLength(4);
  });

  // shows: H23
  test('that is silent is tried without a nonce', () => {
    const { a } = pair();
    const first = a.pass(tcp6({ src: STABLE_A, dst: B }), 1) as Uint8Array;
    const second = a.pass(tcp6({ src: STABLE_A, dst: B }), 1e6) as Uint8Array;
    const third = a.pass(tcp6({ src: STABLE_A, dst: B }), 3e6) as Uint8Array;

    expect([first, second, third].map((p) => nonceOf(p, 0, p.length) !== null)).toEqual([true, true, false]);
  });

  // shows: H23
  test('that cannot be reached is not silent, if the error quotes our nonce', () => {
    const attempts = (forged: boolean): boolean[] => {
      const { a } = pair();
      const seconds = [1, 2, 3.6];
      return seconds.map((second) => {
        const sent = a.pass(tcp6({ src: STABLE_A, dst: B }), second * 1e6) as Uint8Array;
        const quote = sent.slice();
        if (forged) quote[44]! ^= 1;
        if (second === 2) a.pass(error6({ src: '2001:db8:f::1', dst: A }, 1, 3, 0, quote), second * 1e6);
        return nonceOf(sent, 0, sent.length) !== null;
      });
    };
    expect(attempts(false)).toEqual([true, true, true]);
    expect(attempts(true)).toEqual([true, true, false]);
  });
});

describe('several Locators', () => {
  const ports = (packet: Uint8Array): Uint8Array => packet.slice(40, 44);

  test('a flow with a node without ILNP keeps the Locator it began with, a new one takes the preferred', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::', '2001:db8:2::']);
    const old = a.pass(udp6({ src: STABLE_A, dst: PLAIN_PEER })) as Uint8Array;
    a.pass(ipv6({ src: PLAIN_PEER, dst: A2 }, 17, udpSegment({ src: PLAIN_PEER, dst: A2 }, new Uint8Array(4), [9, 8])));
    move(a, ['2001:db8:3::', '2001:db8:2::', '2001:db8:1::']);
    const sourceOf = (from: number, to: number): string => {
      const h = { src: STABLE_A, dst: PLAIN_PEER };
      return addressesOf(a.pass(ipv6(h, 17, udpSegment(h, new Uint8Array(4), [from, to]))) as Uint8Array).src;
    };

    expect(addressesOf(old).src).toBe(full(A));
    expect(sourceOf(40000, 53)).toBe(full(A));
    expect(sourceOf(8, 9)).toBe(full(A2)); // the answer to who came in there
    expect(sourceOf(40001, 53)).toBe(full('2001:db8:3::a1'));
    move(a, ['2001:db8:3::']);
    expect(sourceOf(40000, 53)).toBe(full('2001:db8:3::a1')); // there is no other
  });

  test('programs that know one correspondent under two Locators each get answers from theirs', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const b = endSystem(STABLE_B, ['2001:db8:b::', '2001:db8:bb::']);
    know(a, B).replace([...locatorsOfB()], 0);
    const first = { src: STABLE_A, dst: B };
    const second = { src: STABLE_A, dst: '2001:db8:bb::b1' };
    through(ipv6(first, 17, udpSegment(first, new Uint8Array(4), [1, 7])), a, b);
    through(ipv6(second, 17, udpSegment(second, new Uint8Array(4), [2, 7])), a, b);
    const back = { src: STABLE_B, dst: A };
    const one = through(ipv6(back, 17, udpSegment(back, new Uint8Array(4), [7, 1])), b, a);
    const two = through(ipv6(back, 17, udpSegment(back, new Uint8Array(4), [7, 2])), b, a);

    expect([one.got, two.got].map((p) => addressesOf(p).src)).toEqual([full(B), full('2001:db8:bb::b1')]);
    expect([one.wire, two.wire].map((p) => addressesOf(p).src)).toEqual([full(B), full(B)]);
    expect([one.got, two.got].every((p) => hasRightChecksum(p))).toBe(true);
    expect(ports(two.got)).toEqual(Uint8Array.of(0, 7, 0, 2));
  });
});

describe('ICMPv6 errors', () => {
  // shows: H14, H31
  test('a Packet Too Big reaches the program: its own packet quoted, less room by the option', () => {
    const { a, b } = pair();
    const sent = udp6({ src: STABLE_A, dst: B }, new Uint8Array(1300));
    const { wire } = through(sent, a, b);
    const got = a.pass(error6({ src: '2001:db8:f::1', dst: A }, 2, 0, 1400, wire)) as Uint8Array;

    expect(addressesOf(got)).toEqual({ src: full('2001:db8:f::1'), dst: full(STABLE_A) });
    expect(hasRightChecksum(got)).toBe(true);
    expect([...got.slice(44, 48)]).toEqual([0, 0, 1392 >> 8, 1392 & 0xff]);
    const quote = got.slice(48);
    const expected = sent.slice(0, quote.length);
    expected[7] = quote[7]!; // hop limit
    expect(quote).toEqual(expected);
  });

  test('on a path of 1280 octets the largest packets go without a nonce', () => {
    const { a, b } = pair();
    const { wire } = through(udp6({ src: STABLE_A, dst: B }, new Uint8Array(1300)), a, b);
    const got = a.pass(error6({ src: '2001:db8:f::1', dst: A }, 2, 0, 1280, wire)) as Uint8Array;
    expect([...got.slice(44, 48)]).toEqual([0, 0, 5, 0]);

    const large = a.pass(udp6({ src: STABLE_A, dst: B }, new Uint8Array(1280 - 48))) as Uint8Array;
    const small = a.pass(udp6({ src: STABLE_A, dst: B }, new Uint8Array(1272 - 48))) as Uint8Array;
    expect([large.length, small.length]).toEqual([1280, 1280]);
    expect([large, small].map((p) => nonceOf(p, 0, p.length) !== null)).toEqual([false, true]);
  });

  test('of a packet that was never sent are dropped', () => {
    const { a } = pair();
    const foreign = udp6({ src: '2001:db8:9::99', dst: B });
    expect(a.pass(error6({ src: '2001:db8:f::1', dst: A }, 1, 0, 0, foreign))).toBe('drop_quote_unknown');
  });

  // shows: H10
  test('an error of this node quotes what was on the wire, and the other end understands it', () => {
    const { a, b } = pair();
    const asked = udp6({ src: STABLE_A, dst: B });
    const { got } = through(asked, a, b);
    const { wire, got: answer } = through(error6({ src: STABLE_B, dst: A }, 1, 4, 0, got), b, a);

    expect(nonceOf(wire, 0, wire.length)).toHaveLength(4);
    expect(addressesOf(answer)).toEqual({ src: full(B), dst: full(STABLE_A) });
    expect(addressesOf(answer.slice(48))).toEqual({ src: full(STABLE_A), dst: full(B) });
    expect(hasRightChecksum(answer)).toBe(true);
  });
});

describe('what the kernel offloads', () => {
  const NEEDS_CSUM = 1;
  const TCPV6 = 4;

  test('a super-packet stays whole; start of the sum and header length move with the option', () => {
    const { a } = pair();
    const batch = batchOf(0, [tcp6({ src: STABLE_A, dst: B }, new Uint8Array(3000))], true);
    const o = batch.offset[0]!;
    batch.bytes.set([NEEDS_CSUM, TCPV6], o - 10);
    batch.half.set([60, 1432, 40, 16], (o >>> 1) - 4);
    const partial = batch.half[(o + 56) >>> 1]!;
    a.passBatch(batch);

    const moved = batch.offset[0]!;
    expect(moved).toBe(o - 8);
    expect([...batch.bytes.slice(moved - 10, moved - 8)]).toEqual([NEEDS_CSUM, TCPV6]);
    expect([...batch.half.slice((moved >>> 1) - 4, moved >>> 1)]).toEqual([68, 1432, 48, 16]);
    expect(batch.half[(moved + 64) >>> 1]).not.toBe(partial); // other Locators in the pseudo-header

    const b = endSystem(STABLE_B, ['2001:db8:b::']);
    b.passBatch(batch);
    expect(batch.offset[0]).toBe(o);
    expect([...batch.half.slice((o >>> 1) - 4, o >>> 1)]).toEqual([60, 1432, 40, 16]);
    expect(addressesOf(packetOf(batch))).toEqual({ src: full(A), dst: full(STABLE_B) });
  });
});

describe('properties', () => {
  const payload = fc.uint8Array({ maxLength: 600 });
  const segments = fc.oneof(
    payload.map((p) => (h: { src: string; dst: string }) => tcp6(h, p)),
    payload.map((p) => (h: { src: string; dst: string }) => udp6(h, p)),
    fc.constant((h: { src: string; dst: string }) => echo6(h)),
    payload.map((p) => (h: { src: string; dst: string }) => ipv6(h, 132, p)),
    payload.map((p) => (h: { src: string; dst: string }) => {
      const options = destinationOptions(17, [0x1e, Uint8Array.of(1, 2, 3)]);
      return ipv6(h, 60, joined(options, udpSegment(h, p)));
    }),
    payload.map((p) => (h: { src: string; dst: string }) => {
      const segment = tcpSegment(h, p);
      return ipv6(h, 44, joined(fragmentHeader(6, 0, true), segment));
    }),
  );

  test('inbound is the inverse of outbound: the program gets what was sent, but for the addresses it knows', () => {
    fc.assert(
      fc.property(segments, fc.integer({ min: 0, max: 3 }), (make, moves) => {
        const { a, b } = pair();
        through(tcp6({ src: STABLE_A, dst: B }), a, b);
        through(tcp6({ src: STABLE_B, dst: A }), b, a);
        for (let n = 0; n < moves; n++) {
          move(a, [`2001:db8:1${n}::`]);
          for (const update of a.sent.splice(0)) b.pass(update);
          for (const answer of b.sent.splice(0)) a.pass(answer);
          move(b, [`2001:db8:b${n}::`]);
          for (const update of b.sent.splice(0)) a.pass(update);
          for (const answer of a.sent.splice(0)) b.pass(answer);
        }
        const { wire, got } = through(make({ src: STABLE_A, dst: B }), a, b);
        // as if the sender had used the addresses that the receiver knows
        const expected = make({ src: A, dst: STABLE_B });
        expected[7] = got[7]!;
        expect(got).toEqual(expected);
        const isPlainTransport = wire[6] === 60 && wire[41] === 0 && [6, 17, 58].includes(wire[40]!);
        if (isPlainTransport) expect(hasRightChecksum(joined(plainHeader(wire), wire.slice(48)))).toBe(true);
      }),
    );
  });

  test('arbitrary octets never throw and never make a packet longer than it may be', () => {
    const { a, b } = pair();
    through(tcp6({ src: STABLE_A, dst: B }), a, b);
    const header = fc.constantFrom(
      ipv6({ src: STABLE_A, dst: B }, 0, new Uint8Array(0)),
      ipv6({ src: B, dst: A }, 0, new Uint8Array(0)),
      ipv6({ src: '2001:db8:f::1', dst: A }, 0, new Uint8Array(0)),
    );
    const next = fc.constantFrom(0, 6, 17, 43, 44, 50, 51, 58, 59, 60, 136, 255);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(next, fc.uint8Array({ minLength: 7, maxLength: 120 }))
        .map(([n, rest]) => joined(Uint8Array.of(n), rest)),
      fc.uint8Array({ maxLength: 90 }).map((rest) => joined(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), rest)),
    );
    fc.assert(
      fc.property(
        header,
        next,
        body,
        fc.boolean(),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (h, n, p, vnet, v) => {
          const packet = joined(h, p);
          packet[6] = n;
          packet.set([p.length >>> 8, p.length & 0xff], 4);
          const batch = batchOf(0, [packet], vnet);
          if (vnet) batch.bytes.set(v, batch.offset[0]! - 10);
          a.passBatch(batch);
          expect(batch.length[0]).toBeLessThanOrEqual(packet.length + 8);
          if (batch.verdict[0]! > 1) return;
          const out = packetOf(batch);
          expect(out.length).toBe(40 + ((out[4]! << 8) | out[5]!));
        },
      ),
      { numRuns: 3000 },
    );
  });
});

function locatorsOfB() {
  const end = endSystem(STABLE_A, []);
  const [one] = know(end, B).locators;
  const [two] = know(end, '2001:db8:bb::b2').locators;
  return [one!, two!];
}

function nidWords(address: string): [number, number] {
  const c = know(endSystem(STABLE_A, []), address);
  return [c.nid0, c.nid1];
}

/** The IPv6 header of a packet with one Destination Options header, as if that were not there. */
function plainHeader(wire: Uint8Array): Uint8Array {
  const header = wire.slice(0, 40);
  header[6] = wire[40]!;
  const length = ((wire[4]! << 8) | wire[5]!) - 8;
  header.set([length >>> 8, length & 0xff], 4);
  return header;
}
