import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import {
  addressesOf,
  echo6,
  error6,
  full,
  hasRightChecksum,
  ipv6,
  joined,
  octetsOf,
  tcp6,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { bound, fibOf, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const ROUTER = '2001:db8:cc::1';
const PEER_ROUTER = '2001:db8:f2::2';
const HERE = [bound('a1', 'fd00:9::/64', 1, 1), bound('a2', 'fd00:9::/64', 1, 1)];
const AWAY = [bound('a1', 'fd00:9::/64', 1, 2), bound('a2', 'fd00:9::/64', 1, 1), bound('b1', 'fd00:9::/64', 2, 2)];
const at = (n: number, bindings = HERE) => fibOf(siteConfig(n, 3, bindings));
const GLOBAL = '2001:db8:1::a1';
const GUEST = 'fd00:9::a1';
const TOO_BIG = [2, 0, 1280] as const;
const TIME_EXCEEDED = [3, 0, 0] as const;
const PORT_UNREACHABLE = [1, 4, 0] as const;

/** The quoted packet of an error. */
const quoteOf = (error: Uint8Array): Uint8Array => error.slice(48);

describe('towards a guest', () => {
  // shows: S6
  test.each([
    ['TCP', tcp6],
    ['UDP', udp6],
    ['echo', echo6],
  ])('a router on the path speaks of a %s packet: the quote is what the guest sent, sums and all', (_, make) => {
    const fib = at(1);
    const sent = pass(fib, INSIDE, make({ src: GUEST, dst: CN })).packet;
    const error = error6({ src: ROUTER, dst: GLOBAL }, ...TOO_BIG, sent);
    const { verdict, egress, packet } = pass(fib, OUTSIDE, error);

    expect([verdict, egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full(ROUTER), dst: full(GUEST) });
    expect(hasRightChecksum(packet)).toBe(true);
    const quote = quoteOf(packet);
    expect(addressesOf(quote)).toEqual({ src: full(GUEST), dst: full(CN) });
    expect(hasRightChecksum(quote)).toBe(true);
  });

  // shows: S6
  test('a quote cut before its checksum, and one with a UDP checksum of zero', () => {
    const fib = at(1);
    const sent = pass(fib, INSIDE, udp6({ src: GUEST, dst: CN })).packet;
    const cut = pass(fib, OUTSIDE, error6({ src: ROUTER, dst: GLOBAL }, ...TIME_EXCEEDED, sent, 44)).packet;
    sent.set([0, 0], 46);
    const unsummed = pass(fib, OUTSIDE, error6({ src: ROUTER, dst: GLOBAL }, ...TIME_EXCEEDED, sent)).packet;

    for (const packet of [cut, unsummed]) {
      expect(hasRightChecksum(packet)).toBe(true);
      expect(addressesOf(quoteOf(packet)).src).toBe(full(GUEST));
    }
    expect([...quoteOf(unsummed).slice(46, 48)]).toEqual([0, 0]);
  });

  test('a UDP checksum that computes to zero comes back as the ffff that was sent (RFC 8200 section 8.1)', () => {
    const fib = at(1);
    const h = { src: GUEST, dst: CN };
    const tuned = udpSegment(h, new Uint8Array(8)).slice(6, 8); // as its last word it makes the sum come out so
    const came = udp6(h, Uint8Array.of(0, 0, 0, 0, 0, 0, ...tuned));
    const sent = pass(fib, INSIDE, came).packet;
    const quote = quoteOf(pass(fib, OUTSIDE, error6({ src: ROUTER, dst: GLOBAL }, ...TIME_EXCEEDED, sent)).packet);

    expect([...came.slice(46, 48)]).toEqual([0xff, 0xff]);
    expect([...sent.slice(46, 48)]).not.toEqual([0xff, 0xff]);
    expect([...quote.slice(8)]).toEqual([...came.slice(8)]);
  });

  test('a guest that is away: the error follows it over both borders', () => {
    const home = at(1, AWAY);
    const away = at(2, AWAY);
    const sent = pass(home, SITE, pass(away, INSIDE, tcp6({ src: GUEST, dst: CN })).packet).packet;

    const first = pass(home, OUTSIDE, error6({ src: ROUTER, dst: GLOBAL }, ...TOO_BIG, sent));
    expect([first.verdict, first.egress]).toEqual([v.FORWARD, SITE]);
    const { egress, packet } = pass(away, SITE, first.packet);

    expect(egress).toBe(INSIDE);
    expect(addressesOf(packet)).toEqual({ src: full(ROUTER), dst: full(GUEST) });
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(GUEST), dst: full(CN) });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });

  test('this gateway speaks of a packet it could not send on from the home border', () => {
    const fib = at(1);
    const sent = pass(fib, INSIDE, tcp6({ src: GUEST, dst: CN })).packet;
    const { verdict, egress, packet } = pass(
      fib,
      SITE,
      error6({ src: '2001:db8:f1::2', dst: GLOBAL }, ...TOO_BIG, sent),
    );

    expect([verdict, egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(quoteOf(packet)).src).toBe(full(GUEST));
    expect(hasRightChecksum(packet)).toBe(true);
  });

  test('the far border speaks of a packet it could not send on to the home border', () => {
    const away = at(2, AWAY);
    const tagged = pass(away, INSIDE, tcp6({ src: GUEST, dst: CN })).packet;
    const { egress, packet } = pass(away, SITE, error6({ src: 'fd00:12::2', dst: 'fd00:1::a1' }, ...TOO_BIG, tagged));

    expect(egress).toBe(INSIDE);
    expect(addressesOf(packet).dst).toBe(full(GUEST));
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(GUEST), dst: full(CN) });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });
});

describe('towards a correspondent', () => {
  // shows: S6
  test('a guest refuses: the quote is what the correspondent sent', () => {
    const fib = at(1);
    const got = pass(fib, OUTSIDE, udp6({ src: CN, dst: GLOBAL })).packet;
    const { verdict, egress, packet } = pass(fib, INSIDE, error6({ src: GUEST, dst: CN }, ...PORT_UNREACHABLE, got));

    expect([verdict, egress]).toEqual([v.FORWARD, OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full(GLOBAL), dst: full(CN) });
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(CN), dst: full(GLOBAL) });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });

  test('a guest that was a stop on the way refuses: the quoted checksum covers the last destination, not its address', () => {
    const fib = at(1);
    const last = '2001:db8:d::d0';
    const route = Uint8Array.of(17, 2, 0, 1, 0, 0, 0, 0, ...octetsOf(last));
    const came = ipv6(
      { src: CN, dst: GLOBAL },
      43,
      joined(route, udpSegment({ src: CN, dst: last }, new Uint8Array(9))),
    );
    const received = pass(fib, OUTSIDE, came).packet;
    const error = pass(fib, INSIDE, error6({ src: GUEST, dst: CN }, ...PORT_UNREACHABLE, received)).packet;

    expect([...received.slice(40)]).toEqual([...came.slice(40)]);
    expect([...quoteOf(error).slice(8)]).toEqual([...came.slice(8)]);
    expect(hasRightChecksum(error)).toBe(true);
  });

  test('the session of the quote, not the preference, says which global Locator', () => {
    const fib = at(1);
    const got = pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:11::a1' })).packet;
    const { packet } = pass(fib, INSIDE, error6({ src: GUEST, dst: CN }, ...PORT_UNREACHABLE, got));

    expect(addressesOf(packet).src).toBe(full('2001:db8:11::a1'));
    expect(addressesOf(quoteOf(packet)).dst).toBe(full('2001:db8:11::a1'));
  });

  test('a guest that is away refuses: over both borders back to what the correspondent sent', () => {
    const home = at(1, AWAY);
    const away = at(2, AWAY);
    const got = pass(away, SITE, pass(home, OUTSIDE, udp6({ src: CN, dst: GLOBAL })).packet).packet;
    const first = pass(away, INSIDE, error6({ src: GUEST, dst: CN }, ...PORT_UNREACHABLE, got));
    expect([first.verdict, first.egress, addressesOf(first.packet).src]).toEqual([v.FORWARD, SITE, full('fd00:1::a1')]);
    const { verdict, egress, packet } = pass(home, SITE, first.packet);

    expect([verdict, egress]).toEqual([v.FORWARD, OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full(GLOBAL), dst: full(CN) });
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(CN), dst: full(GLOBAL) });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });

  test('the far border is a hop of a traceroute: home gives it a global Locator and translates the quote', () => {
    const home = at(1, AWAY);
    const away = at(2, AWAY);
    const onLink = pass(home, OUTSIDE, udp6({ src: CN, dst: GLOBAL })).packet;
    const first = pass(away, SITE, error6({ src: PEER_ROUTER, dst: CN }, ...TIME_EXCEEDED, onLink));
    expect([first.verdict, first.egress, addressesOf(first.packet).src]).toEqual([v.FORWARD, SITE, full('fd00:1::2')]);
    const { verdict, egress, packet } = pass(home, SITE, first.packet);

    expect([verdict, egress]).toEqual([v.FORWARD, OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:1::2'), dst: full(CN) });
    expect(addressesOf(quoteOf(packet)).dst).toBe(full(GLOBAL));
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });

  // shows: S27, E5
  test('the home border itself says that the guest does not answer: own address, translated quote', () => {
    const fib = at(1);
    const inside = pass(fib, OUTSIDE, udp6({ src: CN, dst: GLOBAL })).packet;
    const { egress, packet } = pass(fib, SITE, error6({ src: '2001:db8:f1::2', dst: CN }, 1, 3, 0, inside));

    expect(egress).toBe(OUTSIDE);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:f1::2'), dst: full(CN) });
    expect(addressesOf(quoteOf(packet)).dst).toBe(full(GLOBAL));
  });

  // shows: S27
  test('the home border itself speaks of a packet it has not translated yet: the quote is as it came', () => {
    const came = udp6({ src: CN, dst: '2001:db8:11::a1', hopLimit: 1 });
    const { egress, packet } = pass(at(1), SITE, error6({ src: '2001:db8:f1::2', dst: CN }, ...TIME_EXCEEDED, came));
    const ofInside = pass(at(1), SITE, error6({ src: 'fd00:1::1', dst: CN }, ...TIME_EXCEEDED, came));

    expect(egress).toBe(OUTSIDE);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:f1::2'), dst: full(CN) });
    expect(quoteOf(packet)).toEqual(came);
    expect([ofInside.egress, addressesOf(ofInside.packet).src]).toEqual([OUTSIDE, full('2001:db8:11::1')]);
    expect(hasRightChecksum(packet) && hasRightChecksum(ofInside.packet)).toBe(true);
  });

  // shows: S1
  test('an inside source address of the home border does not leave', () => {
    const fib = at(1);
    const inside = pass(fib, OUTSIDE, udp6({ src: CN, dst: GLOBAL })).packet;
    const { egress, packet } = pass(fib, SITE, error6({ src: 'fd00:1::1', dst: CN }, 1, 3, 0, inside));

    expect([egress, addressesOf(packet).src]).toEqual([OUTSIDE, full('2001:db8:1::1')]);
  });
});

describe('between guests', () => {
  test('of two sites: both Locators of the quote are those the receiver has configured', () => {
    const bindings = [bound('a1', 'fd00:9::/64', 1, 1), bound('b1', 'fd00:8::/64', 2, 2)];
    const got = pass(
      at(2, bindings),
      SITE,
      pass(at(1, bindings), INSIDE, udp6({ src: GUEST, dst: 'fd00:8::b1' })).packet,
    );
    const error = error6({ src: 'fd00:8::b1', dst: GUEST }, ...PORT_UNREACHABLE, got.packet);
    const first = pass(at(2, bindings), INSIDE, error);
    expect(first.egress).toBe(SITE);
    const { egress, packet } = pass(at(1, bindings), SITE, first.packet);

    expect(egress).toBe(INSIDE);
    expect(addressesOf(packet)).toEqual({ src: full('fd00:8::b1'), dst: full(GUEST) });
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(GUEST), dst: full('fd00:8::b1') });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });

  test('by hairpin: the quote names the global Locator that was addressed', () => {
    const fib = at(1);
    const got = pass(fib, INSIDE, udp6({ src: 'fd00:9::a2', dst: GLOBAL })).packet;
    const { egress, packet } = pass(
      fib,
      INSIDE,
      error6({ src: GUEST, dst: '2001:db8:1::a2' }, ...PORT_UNREACHABLE, got),
    );

    expect(egress).toBe(INSIDE);
    expect(addressesOf(packet)).toEqual({ src: full(GLOBAL), dst: full('fd00:9::a2') });
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full('fd00:9::a2'), dst: full(GLOBAL) });
    expect(hasRightChecksum(packet) && hasRightChecksum(quoteOf(packet))).toBe(true);
  });
});

describe('what must not pass', () => {
  const quote = udp6({ src: GLOBAL, dst: CN });

  // shows: S23, E7
  test.each([
    ['an own source from outside', OUTSIDE, 'fd00:9::a2', GLOBAL, quote, v.DROP_SPOOFED_SOURCE],
    ['an inside destination from outside', OUTSIDE, ROUTER, GUEST, quote, v.DROP_INSIDE_DESTINATION],
    ['an unknown destination from outside', OUTSIDE, ROUTER, '2001:db8:1::dead', quote, v.DROP_UNKNOWN_DESTINATION],
    ['a foreign source from inside', INSIDE, ROUTER, CN, udp6({ src: CN, dst: GUEST }), v.DROP_UNKNOWN_SOURCE],
    ['about a packet no guest received', INSIDE, GUEST, CN, udp6({ src: CN, dst: ROUTER }), v.DROP_UNKNOWN_SOURCE],
    ['without a quote', OUTSIDE, ROUTER, GLOBAL, quote.slice(0, 30), v.DROP_QUOTE_UNKNOWN],
    ['that quotes IPv4', OUTSIDE, ROUTER, GLOBAL, Uint8Array.from([0x45, ...quote.slice(1)]), v.DROP_QUOTE_UNKNOWN],
  ])('an error %s', (_, port, src, dst, quoted, verdict) => {
    const outcome = pass(at(1), port, error6({ src, dst }, ...TOO_BIG, quoted));

    expect(v.VERDICTS[outcome.verdict]!.name).toBe(v.VERDICTS[verdict]!.name);
  });

  test('an error that quotes a stranger is delivered with the quote as it is: the guest decides', () => {
    const { verdict, packet } = pass(
      at(1),
      OUTSIDE,
      error6({ src: ROUTER, dst: GLOBAL }, ...TOO_BIG, udp6({ src: CN, dst: ROUTER })),
    );

    expect(verdict).toBe(v.FORWARD);
    expect(addressesOf(quoteOf(packet))).toEqual({ src: full(CN), dst: full(ROUTER) });
    expect(hasRightChecksum(packet)).toBe(true);
  });
});
