/** Nonces of 12 octets: sent, taken out, quoted; also where the other end sends 4. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { nonceOf } from '../../src/wire/nonce-option.ts';
import {
  addressesOf,
  batchOf,
  destinationOptions,
  error6,
  fragmentHeader,
  full,
  hasRightChecksum,
  ipv6,
  joined,
  packetOf,
  tcp6,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { type End, endSystem, know, move, STABLE_A, STABLE_B } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const ROUTER = '2001:db8:f::1';
const LIMITS = { strangers: 64, known: 64 };

/** A knows B by name; B learns A. */
function pair(ofA: 4 | 12 = 12, ofB: 4 | 12 = 12): { a: End; b: End } {
  const a = endSystem(STABLE_A, ['2001:db8:1::'], LIMITS, { nonceOctets: ofA });
  const b = endSystem(STABLE_B, ['2001:db8:b::'], LIMITS, { nonceOctets: ofB });
  know(a, B);
  return { a, b };
}

const sent = (end: End, packet: Uint8Array): Uint8Array => {
  const out = end.pass(packet);
  if (typeof out === 'string') throw new Error(`not sent: ${out}`);
  return out;
};

describe('on the wire', () => {
  // shows: W1, H8
  test('a header of 16 octets without padding, which the other end takes out', () => {
    const { a, b } = pair();
    const packet = tcp6({ src: STABLE_A, dst: B });
    const wire = sent(a, packet);
    const got = sent(b, wire);

    expect(wire.length).toBe(packet.length + 16);
    expect([...wire.slice(40, 44)]).toEqual([6, 1, 0x8b, 12]);
    expect(nonceOf(wire, 0, wire.length)).toHaveLength(12);
    expect(got.length).toBe(packet.length);
    expect(addressesOf(got)).toEqual({ src: full(A), dst: full(STABLE_B) });
    expect(hasRightChecksum(got)).toBe(true);
  });

  test.each([
    [12, 4],
    [4, 12],
  ] as const)('one end sends %i octets, the other %i', (ofA, ofB) => {
    const { a, b } = pair(ofA, ofB);
    const forth = sent(a, tcp6({ src: STABLE_A, dst: B }));
    sent(b, forth);
    const back = sent(b, tcp6({ src: STABLE_B, dst: A }));
    expect([forth, back].map((p) => nonceOf(p, 0, p.length)!.length)).toEqual([ofA, ofB]);
    expect(hasRightChecksum(sent(a, back))).toBe(true);

    move(b, ['2001:db8:bb::']);
    expect(a.pass(b.sent[0]!)).toBe('taken');
    expect(b.pass(a.sent[0]!)).toBe('taken');
    expect(b.shim.updates.outstanding).toBe(0);
    expect(typeof readLocatorUpdate(a.sent[0]!, 0, 44 + ofA, a.sent[0]!.length - 44 - ofA)).toBe('object');
  });

  test('behind other options of the program, and out again', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 100 }), (option, payload) => {
        const { a, b } = pair();
        const make = (h: { src: string; dst: string }) =>
          ipv6(h, 60, joined(destinationOptions(17, [0x1e, option]), udpSegment(h, payload)));
        const wire = sent(a, make({ src: STABLE_A, dst: B }));
        expect(nonceOf(wire, 0, wire.length)).toHaveLength(12);
        const expected = make({ src: A, dst: STABLE_B });
        const got = sent(b, wire);
        expected[7] = got[7]!;
        expect(got).toEqual(expected);
      }),
    );
  });

  test('a super-packet stays whole; start of the sum and header length move with the option', () => {
    const { a } = pair();
    const batch = batchOf(0, [tcp6({ src: STABLE_A, dst: B }, new Uint8Array(3000))], true);
    const o = batch.offset[0]!;
    batch.bytes.set([1, 4], o - 10);
    batch.half.set([60, 1424, 40, 16], (o >>> 1) - 4);
    a.passBatch(batch);

    const moved = batch.offset[0]!;
    expect(moved).toBe(o - 16);
    expect([...batch.half.slice((moved >>> 1) - 4, moved >>> 1)]).toEqual([76, 1424, 56, 16]);
    expect(nonceOf(packetOf(batch), 0, packetOf(batch).length)).toHaveLength(12);
  });
});

describe.each([4, 12])('a received nonce of %i octets is found and taken out', (octets) => {
  const nonce = new Uint8Array(octets).fill(7);
  const h = { src: B, dst: A };
  const datagram = udpSegment(h, new Uint8Array(20));
  const routing = (next: number) => Uint8Array.of(next, 0, 4, 0, 0, 0, 0, 0); // no segments left
  const options = destinationOptions(17, [0x1e, Uint8Array.of(1, 2, 3)]);

  test.each([
    ['before a Routing header', joined(destinationOptions(43, [0x8b, nonce]), routing(17), datagram), 43],
    ['behind a Routing header', joined(routing(60), destinationOptions(17, [0x8b, nonce]), datagram), 43],
    [
      'before a Fragment header',
      joined(destinationOptions(44, [0x8b, nonce]), fragmentHeader(17, 0, true), datagram),
      44,
    ],
    [
      'behind a Fragment header',
      joined(fragmentHeader(60, 0, true), destinationOptions(17, [0x8b, nonce]), datagram),
      44,
    ],
    [
      'in the first of two Destination Options headers',
      joined(destinationOptions(43, [0x8b, nonce]), routing(60), options, datagram),
      43,
    ],
    ['behind another option', joined(destinationOptions(17, [0x1e, nonce], [0x8b, nonce]), datagram), 60],
  ])('%s', (_where, payload, next) => {
    const { a } = pair();
    const packet = ipv6(h, firstOf(payload, next), payload);
    const got = sent(a, packet);

    expect([...a.shim.node.ilcc.all()][0]!.remoteNonce).toEqual(nonce);
    expect(nonceOf(got, 0, got.length)).toBeNull();
    expect(got.length).toBe(40 + ((got[4]! << 8) | got[5]!));
    expect(got.slice(-20)).toEqual(packet.slice(-20));
    expect(got[6]).toBe(next);
  });

  const firstOf = (payload: Uint8Array, next: number): number =>
    payload[2] === 0x8b || payload[2] === 0x1e ? 60 : next;
});

describe('room', () => {
  // shows: H31
  test.each([
    [1400, 1384],
    [1296, 1280],
    [1295, 1280],
  ])('a Packet Too Big of %i octets says %i to the program, which finds its own packet in it', (mtu, said) => {
    const { a } = pair();
    const packet = udp6({ src: STABLE_A, dst: B }, new Uint8Array(1300));
    const got = sent(a, error6({ src: ROUTER, dst: A }, 2, 0, mtu, sent(a, packet)));
    const quote = got.slice(48);
    const expected = packet.slice(0, quote.length);
    expected[7] = quote[7]!;

    expect([...got.slice(44, 48)]).toEqual([0, 0, said >> 8, said & 0xff]);
    expect(hasRightChecksum(got)).toBe(true);
    expect(quote).toEqual(expected);
  });

  test('a packet that fits the link and the path only without a nonce goes without', () => {
    const { a } = pair();
    const lengths = (octets: number) => sent(a, udp6({ src: STABLE_A, dst: B }, new Uint8Array(octets - 48))).length;
    expect([1484, 1485].map(lengths)).toEqual([1500, 1485]);

    sent(a, error6({ src: ROUTER, dst: A }, 2, 0, 1290, sent(a, udp6({ src: STABLE_A, dst: B }))));
    expect([1264, 1265, 1280].map(lengths)).toEqual([1280, 1265, 1280]);
  });
});

// shows: H23, H24
test('a Parameter Problem that points at the option and quotes the nonce is believed, with a wrong octet 12 it is not', () => {
  const { a } = pair();
  const wire = sent(a, tcp6({ src: STABLE_A, dst: B }));
  const forged = wire.slice();
  forged[55]! ^= 1;
  expect(a.pass(error6({ src: B, dst: A }, 4, 2, 42, forged))).toBe('drop_quote_unknown');
  expect(a.pass(error6({ src: B, dst: A }, 4, 2, 42, wire))).toBe('taken');
});
