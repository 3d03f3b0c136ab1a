import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { forward } from '../../src/sbr/forward.ts';
import {
  addressesOf,
  batchOf,
  destinationOptions,
  echo6,
  fragmentHeader,
  full,
  hasRightChecksum,
  ipv6,
  joined,
  octetsOf,
  packetOf,
  sealed,
  tcp6,
  tcpSegment,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { bound, fibOf, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const HOME_1 = [
  bound('a1', 'fd00:1::/64', 1, 1, 'isp1'),
  bound('a2', 'fd00:1::/64', 1, 1),
  bound('b1', 'fd00:2::/64', 2, 2),
];
const AWAY = [
  bound('a1', 'fd00:1::/64', 1, 2, 'isp1'),
  bound('a2', 'fd00:1::/64', 1, 1),
  bound('b1', 'fd00:2::/64', 2, 2),
];
const at = (n: number, bindings = HOME_1, extra = {}) => fibOf(siteConfig(n, 3, bindings, extra));

describe('a guest at home', () => {
  // shows: S2, S4, S5
  test.each([
    ['TCP', tcp6],
    ['UDP', udp6],
    ['echo', echo6],
  ])(
    '%s from a correspondent: the global Locator becomes the guest Locator, checksum and hop count stay right',
    (_, make) => {
      const { verdict, egress, packet } = pass(at(1), OUTSIDE, make({ src: CN, dst: '2001:db8:1::a1' }));

      expect([verdict, egress]).toEqual([v.FORWARD, INSIDE]);
      expect(addressesOf(packet)).toEqual({ src: full(CN), dst: full('fd00:1::a1') });
      expect(hasRightChecksum(packet)).toBe(true);
      expect(packet[7]).toBe(65); // the kernel takes one on each side
    },
  );

  // shows: S2, S4
  test('its answer: the guest Locator becomes the global Locator of its uplink', () => {
    const { verdict, egress, packet } = pass(at(1), INSIDE, tcp6({ src: 'fd00:1::a1', dst: CN }));

    expect([verdict, egress]).toEqual([v.FORWARD, OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:1::a1'), dst: full(CN) });
    expect(hasRightChecksum(packet)).toBe(true);
  });

  // shows: S2
  test('a packet there and back is what it was, octet for octet', () => {
    const fib = at(1);
    const original = udp6({ src: 'fd00:1::a1', dst: CN, hopLimit: 255 });

    const out = pass(fib, INSIDE, original).packet;
    const back = pass(fib, OUTSIDE, swapped(out)).packet;

    expect(swapped(back)).toEqual(original);
  });

  test('a wrong checksum stays wrong by the same difference', () => {
    const packet = tcp6({ src: CN, dst: '2001:db8:1::a1' });
    packet[45]! ^= 0x40;

    expect(hasRightChecksum(pass(at(1), OUTSIDE, packet).packet)).toBe(false);
  });

  // shows: P3
  test('UDP with checksum zero keeps it', () => {
    const packet = udp6({ src: CN, dst: '2001:db8:1::a1' });
    packet.set([0, 0], 46);

    expect(pass(at(1), OUTSIDE, packet).packet.slice(46, 48)).toEqual(Uint8Array.of(0, 0));
  });

  test('a second guest reaches it by its guest address, unchanged but for the hop', () => {
    const original = udp6({ src: 'fd00:1::a2', dst: 'fd00:1::a1' });
    const { verdict, egress, packet } = pass(at(1), INSIDE, original);

    expect([verdict, egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(packet)).toEqual(addressesOf(original));
  });

  // shows: S7
  test('hairpin: a second guest reaches it by its global address and is seen under its own', () => {
    const { verdict, egress, packet } = pass(at(1), INSIDE, tcp6({ src: 'fd00:1::a2', dst: '2001:db8:1::a1' }));

    expect([verdict, egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:1::a2'), dst: full('fd00:1::a1') });
    expect(hasRightChecksum(packet)).toBe(true);
  });
});

describe('a guest at another site', () => {
  // shows: S29, S35
  test('inbound: global, site, guest Locator, one border after the other', () => {
    const first = pass(at(1, AWAY), OUTSIDE, tcp6({ src: CN, dst: '2001:db8:1::a1' }));
    expect([first.verdict, first.egress]).toEqual([v.FORWARD, SITE]);
    expect(addressesOf(first.packet).dst).toBe(full('fd00:2::a1'));
    expect(hasRightChecksum(first.packet)).toBe(true);

    const second = pass(at(2, AWAY), SITE, first.packet);
    expect([second.verdict, second.egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(second.packet)).toEqual({ src: full(CN), dst: full('fd00:1::a1') });
    expect(hasRightChecksum(second.packet)).toBe(true);
  });

  // shows: S29, S35
  test('outbound: tagged with the site Locator of its home, which gives it the global one', () => {
    const first = pass(at(2, AWAY), INSIDE, udp6({ src: 'fd00:1::a1', dst: CN }));
    expect([first.verdict, first.egress]).toEqual([v.FORWARD, SITE]);
    expect(addressesOf(first.packet)).toEqual({ src: full('fd00:1::a1'), dst: full(CN) });

    const second = pass(at(1, AWAY), SITE, first.packet);
    expect([second.verdict, second.egress]).toEqual([v.FORWARD, OUTSIDE]);
    expect(addressesOf(second.packet)).toEqual({ src: full('2001:db8:1::a1'), dst: full(CN) });
    expect(hasRightChecksum(second.packet)).toBe(true);
  });

  test('a third site is told apart by its home alone', () => {
    const bindings = [bound('a1', 'fd00:9::/64', 1, 3), bound('b1', 'fd00:9::/64', 2, 3)];
    const third = at(3, bindings);

    expect(addressesOf(pass(third, INSIDE, udp6({ src: 'fd00:9::a1', dst: CN })).packet).src).toBe(full('fd00:1::a1'));
    expect(addressesOf(pass(third, INSIDE, udp6({ src: 'fd00:9::b1', dst: CN })).packet).src).toBe(full('fd00:2::b1'));
  });

  test('guests of two sites talk by guest addresses and each sees what the other has configured', () => {
    const bindings = [bound('a1', 'fd00:9::/64', 1, 1), bound('b1', 'fd00:8::/64', 2, 2)];
    const first = pass(at(1, bindings), INSIDE, tcp6({ src: 'fd00:9::a1', dst: 'fd00:8::b1' }));
    expect(addressesOf(first.packet)).toEqual({ src: full('fd00:1::a1'), dst: full('fd00:2::b1') });
    expect(first.egress).toBe(SITE);

    const second = pass(at(2, bindings), SITE, first.packet);
    expect(addressesOf(second.packet)).toEqual({ src: full('fd00:9::a1'), dst: full('fd00:8::b1') });
    expect([second.verdict, second.egress]).toEqual([v.FORWARD, INSIDE]);
    expect(hasRightChecksum(second.packet)).toBe(true);
  });

  // shows: S7
  test('hairpin at home between a guest that is away and one that is not, both under global Locators', () => {
    const out = pass(at(2, AWAY), INSIDE, udp6({ src: 'fd00:1::a1', dst: '2001:db8:1::a2' }));
    expect([out.egress, addressesOf(out.packet).src]).toEqual([SITE, full('fd00:1::a1')]);

    const turned = pass(at(1, AWAY), SITE, out.packet);
    expect([turned.verdict, turned.egress]).toEqual([v.FORWARD, INSIDE]);
    expect(addressesOf(turned.packet)).toEqual({ src: full('2001:db8:1::a1'), dst: full('fd00:1::a2') });

    const answer = pass(at(1, AWAY), INSIDE, udp6({ src: 'fd00:1::a2', dst: '2001:db8:1::a1' }));
    expect([answer.egress, addressesOf(answer.packet)]).toEqual([
      SITE,
      { src: full('2001:db8:1::a2'), dst: full('fd00:2::a1') },
    ]);
  });

  test('a straggler at the site it has left is sent on and counted', () => {
    const bindings = [bound('a1', 'fd00:1::/64', 1, 3)];
    const fib = at(2, bindings);
    const { verdict, egress, packet } = pass(fib, SITE, udp6({ src: CN, dst: 'fd00:2::a1' }));

    expect([verdict, egress, addressesOf(packet).dst]).toEqual([v.FORWARD, SITE, full('fd00:3::a1')]);
    expect(fib.counters[44]).toBe(1);
  });

  test('a straggler for a site that is no longer configured is dropped as it came, and is none', () => {
    const fib = at(2, [bound('a1', 'fd00:1::/64', 1, 9)]);
    const original = udp6({ src: CN, dst: 'fd00:2::a1' });
    const { verdict, packet } = pass(fib, SITE, original);

    expect([verdict, packet, fib.counters[44]]).toEqual([v.DROP_UNKNOWN_SITE, original, 0]);
  });
});

describe('what must not pass', () => {
  // shows: S23, P6
  test.each([
    ['an inside source from outside', OUTSIDE, 'fd00:1::a2', '2001:db8:1::a1', v.DROP_SPOOFED_SOURCE],
    ['an own global source from outside', OUTSIDE, '2001:db8:1::a2', '2001:db8:1::a1', v.DROP_SPOOFED_SOURCE],
    ['a site Locator of a peer from outside', OUTSIDE, 'fd00:2::1', '2001:db8:1::a1', v.DROP_SPOOFED_SOURCE],
    ['an inside destination from outside', OUTSIDE, CN, 'fd00:1::a1', v.DROP_INSIDE_DESTINATION],
    ['a link-local source from outside', OUTSIDE, 'fe80::9', '2001:db8:1::a1', v.DROP_BAD_ADDRESS],
    ['a multicast source from outside', OUTSIDE, 'ff02::9', '2001:db8:1::a1', v.DROP_BAD_ADDRESS],
    ['a source nobody has bound, from inside', INSIDE, 'fd00:1::dead', CN, v.DROP_UNKNOWN_SOURCE],
    ['a bound NID under a foreign Locator, from inside', INSIDE, '2001:db8:9::a1', CN, v.DROP_UNKNOWN_SOURCE],
    ['a global source used inside', INSIDE, '2001:db8:1::a1', CN, v.DROP_UNKNOWN_SOURCE],
    ['a guest whose binding is elsewhere', INSIDE, 'fd00:2::b1', CN, v.DROP_NOT_HERE],
    ['a multicast destination from inside', INSIDE, 'fd00:1::a1', 'ff0e::1', v.DROP_BAD_ADDRESS],
    ['another border speaking for a guest homed elsewhere', SITE, 'fd00:1::b1', CN, v.DROP_FOREIGN_SOURCE],
    ['another border speaking for an unbound NID', SITE, 'fd00:1::dead', CN, v.DROP_FOREIGN_SOURCE],
  ])('%s', (_, port, src, dst, verdict) => {
    const fib = at(1);
    const original = udp6({ src, dst });
    const outcome = pass(fib, port, original);

    expect(v.VERDICTS[outcome.verdict]!.name).toBe(v.VERDICTS[verdict]!.name);
    expect(outcome.packet).toEqual(original);
    expect(fib.counters[verdict]).toBe(1);
  });

  // shows: P4
  test('truncated packets, other versions and padding behind the packet', () => {
    const packet = udp6({ src: CN, dst: '2001:db8:1::a1' });

    expect(pass(at(1), OUTSIDE, packet.slice(0, 39)).verdict).toBe(v.DROP_TRUNCATED);
    expect(pass(at(1), OUTSIDE, packet.slice(0, -1)).verdict).toBe(v.DROP_TRUNCATED);
    expect(pass(at(1), OUTSIDE, Uint8Array.from([0x45, ...packet.slice(1)])).verdict).toBe(v.DROP_VERSION);
    expect(pass(at(1), OUTSIDE, joined(packet, Uint8Array.of(0, 0))).packet.length).toBe(packet.length);
  });

  test('a transport header that ends before its checksum', () => {
    const h = { src: CN, dst: '2001:db8:1::a1' };
    const short = ipv6(h, 6, tcpSegment(h, new Uint8Array()).slice(0, 16));

    expect(pass(at(1), OUTSIDE, short).verdict).toBe(v.DROP_TRANSPORT_TRUNCATED);
  });
});

describe('an unknown NID', () => {
  // shows: S11c, S27, E5
  test('from outside it is answered with Destination Unreachable that quotes the packet as it came', () => {
    const original = udp6({ src: CN, dst: '2001:db8:1::dead' });
    const { verdict, egress, packet } = pass(at(1), OUTSIDE, original);

    expect([verdict, egress]).toEqual([v.ANSWERED, OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:f1::2'), dst: full(CN) });
    expect([...packet.slice(40, 42)]).toEqual([1, 3]);
    expect(hasRightChecksum(packet)).toBe(true);
    expect(packet.slice(48)).toEqual(original);
  });

  // shows: E3
  test('a long packet is quoted up to the minimum MTU', () => {
    const { packet } = pass(at(1), OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::dead' }, new Uint8Array(3000)));

    expect(packet.length).toBe(1280);
    expect(hasRightChecksum(packet)).toBe(true);
  });

  // shows: E4
  test('no more than the burst is answered at once, and again as time passes', () => {
    const fib = at(1);
    const verdicts = (now: number) =>
      Array.from({ length: 12 }, () => pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::dead' }), now).verdict);

    expect(verdicts(1e6).filter((x) => x === v.ANSWERED)).toHaveLength(10);
    expect(verdicts(1.2e6).filter((x) => x === v.ANSWERED)).toHaveLength(2);
    expect(verdicts(1.2e6).every((x) => x === v.DROP_ERROR_RATE)).toBe(true);
  });

  test('a clock that was set back does not silence the border', () => {
    const fib = at(1);
    pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::dead' }), 9e9);
    const verdict = pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::dead' }), 1e6).verdict;

    expect(verdict).toBe(v.ANSWERED);
  });
});

describe('a site that is not in the configuration any more', () => {
  const fib = () => fibOf(siteConfig(1, 2, [bound('a1', 'fd00:1::/64', 1, 9), bound('d1', 'fd00:9::/64', 9, 1)]));
  const segment = (src: string, dst: string) => udp6({ src, dst }, new Uint8Array(5));

  test('where a guest is: its packets are dropped by that name', () => {
    expect(pass(fib(), OUTSIDE, segment(CN, '2001:db8:1::a1')).verdict).toBe(v.DROP_UNKNOWN_SITE);
  });

  test('where a guest has its home: nothing leaves under its guest Locator', () => {
    expect(pass(fib(), INSIDE, segment('fd00:9::d1', CN)).verdict).toBe(v.DROP_UNKNOWN_SITE);
  });
});

describe('extension headers and fragments', () => {
  const h = { src: CN, dst: '2001:db8:1::a1' };

  // shows: P1
  test('the checksum is found behind any chain, an authentication header included', () => {
    const segment = udpSegment(h, new Uint8Array(5));
    const ah = Uint8Array.from([17, 4, 0, 0, ...new Array<number>(20).fill(9)]);
    const chain = joined(
      destinationOptions(43, [0x1e, new Uint8Array(3)]),
      Uint8Array.of(51, 0, 0, 0, 0, 0, 0, 0),
      ah,
      segment,
    );
    const { verdict, packet } = pass(at(1), OUTSIDE, ipv6(h, 60, chain));
    const expected = udpSegment({ src: CN, dst: 'fd00:1::a1' }, new Uint8Array(5));

    expect(verdict).toBe(v.FORWARD);
    expect(packet.slice(-segment.length)).toEqual(expected);
  });

  describe('a Routing header with a further stop', () => {
    const stop = octetsOf('2001:db8:9::9');
    const routing = (left: number) => joined(Uint8Array.of(17, 2, 2, left, 0, 0, 0, 0), stop);
    const last = { src: CN, dst: '2001:db8:9::9' };

    // shows: P7
    test('with a segment left: the checksum covers the last stop, not this one (RFC 8200 section 8.1)', () => {
      const segment = udpSegment(last, new Uint8Array(5));
      const { verdict, packet } = pass(at(1), OUTSIDE, ipv6(h, 43, joined(routing(1), segment)));

      expect(verdict).toBe(v.FORWARD);
      expect(addressesOf(packet).dst).toBe(full('fd00:1::a1'));
      expect(packet.slice(-segment.length)).toEqual(segment);
    });

    // shows: P7
    test('from a guest: its source is covered wherever the packet goes first', () => {
      const guest = { src: 'fd00:1::a1', dst: CN };
      const segment = udpSegment({ ...guest, dst: last.dst }, new Uint8Array(5));
      const { packet } = pass(at(1), INSIDE, ipv6(guest, 43, joined(routing(1), segment)));

      expect(packet.slice(-segment.length)).toEqual(
        udpSegment({ src: '2001:db8:1::a1', dst: last.dst }, new Uint8Array(5)),
      );
    });

    // shows: P7
    test('at its end: as without it', () => {
      const { packet } = pass(at(1), OUTSIDE, ipv6(h, 43, joined(routing(0), udpSegment(h, new Uint8Array(5)))));

      expect(packet.slice(-13)).toEqual(udpSegment({ src: CN, dst: 'fd00:1::a1' }, new Uint8Array(5)));
    });
  });

  // shows: S10, P5
  test('the first fragment has its checksum updated, the others only their Locators', () => {
    const segment = udpSegment(h, new Uint8Array(64).fill(3));
    const first = ipv6(h, 44, joined(fragmentHeader(17, 0, true), segment.slice(0, 32)));
    const second = ipv6(h, 44, joined(fragmentHeader(17, 32, false), segment.slice(32)));
    const fib = at(1);
    const a = pass(fib, OUTSIDE, first).packet;
    const b = pass(fib, OUTSIDE, second).packet;

    expect(joined(a.slice(48), b.slice(48))).toEqual(
      udpSegment({ src: CN, dst: 'fd00:1::a1' }, new Uint8Array(64).fill(3)),
    );
    expect(addressesOf(b).dst).toBe(full('fd00:1::a1'));
  });

  // shows: P8
  test.each([50, 59, 132, 253])('upper protocol %i passes with addresses changed and payload as it was', (protocol) => {
    const payload = Uint8Array.from({ length: 40 }, (_, k) => k);
    const { verdict, packet } = pass(at(1), OUTSIDE, ipv6(h, protocol, payload));

    expect(verdict).toBe(v.FORWARD);
    expect(packet.slice(40)).toEqual(payload);
    expect(addressesOf(packet).dst).toBe(full('fd00:1::a1'));
  });
});

describe('offloaded packets', () => {
  test('a partial checksum is a sum without complement and grows by the difference', () => {
    const h = { src: CN, dst: '2001:db8:1::a1' };
    const partial = (dst: string): number => {
      const sumOf = sealed({ src: CN, dst }, 17, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0));
      return ~((sumOf[6]! << 8) | sumOf[7]!) & 0xffff; // checksum of an empty segment = complement of the pseudo sum
    };
    const packet = ipv6(h, 17, Uint8Array.of(0, 0, 0, 0, 0, 0, partial(h.dst) >>> 8, partial(h.dst) & 0xff));
    const batch = batchOf(OUTSIDE, [packet], true);
    const o = batch.offset[0]!;
    batch.bytes[o - 10] = 1;
    batch.half[(o >>> 1) - 2] = 40;
    batch.half[(o >>> 1) - 1] = 6;

    forward(batch, at(1), 1e6);

    expect(packetOf(batch).slice(46)).toEqual(Uint8Array.of(partial('fd00:1::a1') >>> 8, partial('fd00:1::a1') & 0xff));
  });

  test('a virtio-net header that points outside the packet', () => {
    const batch = batchOf(OUTSIDE, [udp6({ src: CN, dst: '2001:db8:1::a1' })], true);
    const o = batch.offset[0]!;
    batch.bytes[o - 10] = 1;
    batch.half[(o >>> 1) - 2] = 4000;

    forward(batch, at(1), 1e6);

    expect(batch.verdict[0]).toBe(v.DROP_OFFLOAD_HEADER);
  });
});

describe('convention of ILNP checksums', () => {
  const h = { src: CN, dst: '2001:db8:1::a1' };
  const nonce = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);
  const zeroedSegment = sealed(h, 6, tcpSegment(h, new Uint8Array(4)), true);
  const withNonce = (segment: Uint8Array): Uint8Array =>
    ipv6(h, 60, joined(destinationOptions(6, [0x8b, nonce]), segment));

  // shows: S3, S8
  test('zeroed: the checksum of a packet with a nonce, and of its session without, is left alone', () => {
    const fib = at(1, HOME_1, { checksum: 'zeroed' });
    const first = pass(fib, OUTSIDE, withNonce(zeroedSegment)).packet;
    const second = pass(fib, OUTSIDE, ipv6(h, 6, zeroedSegment)).packet;

    expect(first.slice(-zeroedSegment.length)).toEqual(zeroedSegment);
    expect(second.slice(40)).toEqual(zeroedSegment);
    expect(hasRightChecksum(second, true)).toBe(true);
  });

  // shows: S8
  test('zeroed: a plain IPv6 session is updated all the same', () => {
    const fib = at(1, HOME_1, { checksum: 'zeroed' });

    expect(hasRightChecksum(pass(fib, OUTSIDE, tcp6(h)).packet)).toBe(true);
  });

  // shows: S8
  test('auto: told by the first packet with a nonce', () => {
    const zeroed = at(1, HOME_1, { checksum: 'auto' });
    const plain = at(1, HOME_1, { checksum: 'auto' });

    expect(pass(zeroed, OUTSIDE, withNonce(zeroedSegment)).packet.slice(-zeroedSegment.length)).toEqual(zeroedSegment);
    expect(
      pass(plain, OUTSIDE, withNonce(tcpSegment(h, new Uint8Array(4)))).packet.slice(-zeroedSegment.length),
    ).toEqual(tcpSegment({ src: CN, dst: 'fd00:1::a1' }, new Uint8Array(4)));
  });
});

describe('two uplinks', () => {
  // shows: S21a
  test('a session keeps the Locator it began with, a new one takes the preferred', () => {
    const fib = at(1);
    pass(fib, OUTSIDE, echo6({ src: CN, dst: '2001:db8:11::a2' }));

    expect(addressesOf(pass(fib, INSIDE, echo6({ src: 'fd00:1::a2', dst: CN })).packet).src).toBe(
      full('2001:db8:11::a2'),
    );
    expect(addressesOf(pass(fib, INSIDE, echo6({ src: 'fd00:1::a2', dst: '2001:db8:c::c1' })).packet).src).toBe(
      full('2001:db8:1::a2'),
    );
  });

  test('one correspondent may use both global Locators of a guest at once: each session is answered under its own', () => {
    const fib = at(1);
    const from = (dst: string, port: number) => {
      const h = { src: CN, dst };
      return ipv6(h, 17, udpSegment(h, new Uint8Array(4), [port, 53]));
    };
    const answer = (port: number) => {
      const h = { src: 'fd00:1::a2', dst: CN };
      return addressesOf(pass(fib, INSIDE, ipv6(h, 17, udpSegment(h, new Uint8Array(4), [53, port]))).packet).src;
    };
    pass(fib, OUTSIDE, from('2001:db8:1::a2', 1000));
    pass(fib, OUTSIDE, from('2001:db8:11::a2', 1001));

    expect([answer(1000), answer(1001), answer(1000)]).toEqual(
      ['2001:db8:1::a2', '2001:db8:11::a2', '2001:db8:1::a2'].map(full),
    );
  });

  test('fragments are answered under the Locator that the correspondent used last', () => {
    const fib = at(1);
    pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:11::a2' }));
    const h = { src: 'fd00:1::a2', dst: CN };
    const segment = udpSegment(h, new Uint8Array(64));
    const parts = [0, 32].map((offset) =>
      ipv6(h, 44, joined(fragmentHeader(17, offset, offset === 0), segment.slice(offset, offset + 32))),
    );

    for (const part of parts) expect(addressesOf(pass(fib, INSIDE, part).packet).src).toBe(full('2001:db8:11::a2'));
  });

  test('a TCP session from before there were two keeps the older one, a new one takes the preferred', () => {
    const fib = at(1);
    fib.load({ ...fib.image, preferredUplink: 1 });
    const h = { src: 'fd00:1::a2', dst: CN };
    const begun = tcp6(h); // ACK, PSH
    const sourceOf = (packet: Uint8Array) => addressesOf(pass(fib, INSIDE, packet).packet).src;
    expect(sourceOf(begun)).toBe(full('2001:db8:1::a2'));

    const syn = tcp6({ ...h, dst: '2001:db8:c::c1' });
    syn[40 + 13] = 2;
    expect(sourceOf(syn)).toBe(full('2001:db8:11::a2'));
    expect(sourceOf(tcp6({ ...h, dst: '2001:db8:c::c1' }))).toBe(full('2001:db8:11::a2'));
  });

  // shows: S21a
  test('a session that began outbound keeps its Locator when the preference turns', () => {
    const fib = at(1);
    pass(fib, INSIDE, udp6({ src: 'fd00:1::a2', dst: CN }));
    fib.load({ ...fib.image, preferredUplink: 1 });

    expect(addressesOf(pass(fib, INSIDE, udp6({ src: 'fd00:1::a2', dst: CN })).packet).src).toBe(
      full('2001:db8:1::a2'),
    );
    expect(addressesOf(pass(fib, INSIDE, udp6({ src: 'fd00:1::a2', dst: '2001:db8:c::c1' })).packet).src).toBe(
      full('2001:db8:11::a2'),
    );
  });

  // shows: S22a
  test('no usable uplink: counted, not sent', () => {
    const fib = at(1);
    fib.load({ ...fib.image, preferredUplink: -1, uplinkUsable: new Uint8Array(2) });

    expect(pass(fib, INSIDE, udp6({ src: 'fd00:1::a2', dst: CN })).verdict).toBe(v.DROP_NO_UPLINK);
  });
});

/** Source and destination exchanged; every sum stays right. */
function swapped(packet: Uint8Array): Uint8Array {
  return joined(packet.slice(0, 7), packet.slice(7, 8), packet.slice(24, 40), packet.slice(8, 24), packet.slice(40));
}
