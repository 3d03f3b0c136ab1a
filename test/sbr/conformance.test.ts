/** Items of the conformance ledger that no other test of the path is about. */
import { describe, expect, test } from 'vitest';
import { Bindings } from '../../src/ilnp/bindings.ts';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { compile } from '../../src/sbr/compile.ts';
import {
  addressesOf,
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  full,
  type Header,
  hasRightChecksum,
  ipv6,
  joined,
  sealed,
  tcp6,
  tcpSegment,
  udp6,
} from '../support/packets.ts';
import { bound, fibOf, l64, nid, pass, siteConfig } from '../support/sites.ts';
import { vector } from '../support/vectors.ts';

const CN = '2001:db8:c::c0';
const NOBODY = '2001:db8:1::dead';
const GLOBAL = '2001:db8:1::a1';
const GUEST = 'fd00:1::a1';
const SECOND = '2001:db8:11::';
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2)];
const at = (n = 1, extra: Parameters<typeof siteConfig>[3] = {}) => fibOf(siteConfig(n, 3, BINDINGS, extra));
const nameOf = (verdict: number): string => v.VERDICTS[verdict]!.name;
const NONCE = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);

/** An ICMPv6 message of `type` whose body is `body`. */
const icmp6 = (h: Header, type: number, body: Uint8Array): Uint8Array =>
  sealed(h, 58, joined(Uint8Array.of(type, 0, 0, 0), body));

/** A packet whose octets outside `[from, to)` and outside Locators and Hop Limit are those of `came`. */
function expectUntouched(packet: Uint8Array, came: Uint8Array, from = 0, to = 0): void {
  const changed = [...came.keys()].filter((k) => packet[k] !== came[k]);
  const mayChange = (k: number) => k === 7 || (k >= 8 && k < 16) || (k >= 24 && k < 32) || (k >= from && k < to);

  expect(packet.length).toBe(came.length);
  expect(changed.filter((k) => !mayChange(k))).toEqual([]);
}

describe('a Locator Update of a guest', () => {
  /** 12 octets for each Locator, with a preference and a lifetime. */
  const tuples = (...locators: string[]): number[] =>
    locators.flatMap((text) => {
      const { hi, lo } = l64(text);
      return [...[hi, lo].flatMap((x) => [x >>> 24, (x >>> 16) & 255, (x >>> 8) & 255, x & 255]), 0, 10, 1, 44];
    });
  const update = (h: Header, operation: number, ...locators: string[]): Uint8Array => {
    const body = Uint8Array.from([locators.length, operation, 0, 0, ...tuples(...locators)]);
    return ipv6(h, 60, joined(destinationOptions(58, [0x8b, NONCE]), icmp6(h, 156, body)));
  };
  const out = { src: GUEST, dst: CN };

  // shows: S17a
  test('that goes on in another fragment does not leave', () => {
    const whole = update(out, 1, '2001:db8:1::/64', 'fd00:1::/64').slice(40);
    const first = ipv6(out, 44, joined(fragmentHeader(60, 0, true), whole.slice(0, 32)));

    expect(nameOf(pass(at(), INSIDE, first).verdict)).toBe('drop_inside_locator');
  });

  // shows: S36
  test('that lists global Locators only leaves with its list and nonce as they were', () => {
    const came = update(out, 1, '2001:db8:1::/64', '2001:db8:11::/64');
    const { verdict, egress, packet } = pass(at(), INSIDE, came);

    expect([nameOf(verdict), egress]).toEqual(['forwarded', OUTSIDE]);
    expectUntouched(packet, came, 50, 52);
  });

  test('stays inside between guests, whatever it lists', () => {
    expect(nameOf(pass(at(), INSIDE, update({ src: GUEST, dst: 'fd00:1::a2' }, 1, 'fd00:1::/64')).verdict)).toBe(
      'forwarded',
    );
  });
});

describe('a packet to nobody', () => {
  const h = { src: CN, dst: NOBODY };

  // shows: E1
  test.each([
    ['an error', error6(h, 1, 4, 0, udp6({ src: NOBODY, dst: CN }))],
    ['an error without a quote', ipv6(h, 58, icmp6(h, 3, new Uint8Array(4)))],
    ['an error too short to be one', ipv6(h, 58, Uint8Array.of(1, 0, 0, 0))],
    ['an error of which only the type has come', ipv6(h, 58, Uint8Array.of(2))],
    ['an ICMPv6 message that does not even say its type', ipv6(h, 58, new Uint8Array(0))],
    ['an error of a type that nobody knows', ipv6(h, 58, Uint8Array.of(99, 0, 0, 0, 0, 0, 0))],
    ['a short error behind options', ipv6(h, 60, joined(destinationOptions(58, [0x8b, NONCE]), Uint8Array.of(1, 0)))],
    ['a redirect', ipv6(h, 58, icmp6(h, 137, new Uint8Array(36)))],
  ])('that is %s is not answered', (_, packet) => {
    const fib = at();
    const { verdict } = pass(fib, OUTSIDE, packet);

    expect(nameOf(verdict)).toMatch(/^drop_(unknown_destination|quote_unknown)$/);
    expect(fib.counters[v.ANSWERED]).toBe(0);
  });

  test('that is a question is answered, behind options too', () => {
    const behind = ipv6(h, 60, joined(destinationOptions(58, [0x8b, NONCE]), icmp6(h, 128, new Uint8Array(4))));

    expect(nameOf(pass(at(), OUTSIDE, echo6(h)).verdict)).toBe('answered');
    expect(nameOf(pass(at(), OUTSIDE, behind).verdict)).toBe('answered');
  });

  // shows: E2
  test.each([
    ['from the unspecified address', OUTSIDE, '::', NOBODY],
    ['from a multicast address', OUTSIDE, 'ff0e::1', NOBODY],
    ['from a link-local address', OUTSIDE, 'fe80::1', NOBODY],
    ['from loopback', OUTSIDE, '::1', NOBODY],
    ['to a multicast address', OUTSIDE, CN, 'ff0e::dead'],
    ['of a guest to a multicast address', INSIDE, GUEST, 'ff0e::dead'],
  ])('%s is not answered', (_, port, src, dst) => {
    const { verdict, packet } = pass(at(), port, udp6({ src, dst }));

    expect(nameOf(verdict)).toMatch(/^drop_/);
    expect(packet).toEqual(udp6({ src, dst }));
  });

  // shows: E4
  test('is answered as often as is configured', () => {
    const fib = at(1, { icmp: { rate: 1, burst: 3 } });
    const answered = (now: number) =>
      Array.from({ length: 9 }, () => pass(fib, OUTSIDE, udp6(h), now).verdict).filter((x) => x === v.ANSWERED).length;

    expect([answered(10e6), answered(11e6), answered(11.5e6), answered(60e6)]).toEqual([3, 1, 0, 3]);
  });

  // shows: E5
  test('of a guest is answered by the inside address', () => {
    const { verdict, egress, packet } = pass(at(), INSIDE, udp6({ src: GUEST, dst: NOBODY }));

    expect([nameOf(verdict), egress]).toEqual(['answered', INSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full('fd00:1::1'), dst: full(GUEST) });
    expect(hasRightChecksum(packet)).toBe(true);
  });
});

// shows: E6
test.each([
  ['an informational type', 200],
  ['a type of the last octet', 255],
])('ICMPv6 of %s that nobody knows passes in both directions with a right checksum', (_, type) => {
  const inward = { src: CN, dst: GLOBAL };
  const outward = { src: GUEST, dst: CN };
  for (const [port, h] of [
    [OUTSIDE, inward],
    [INSIDE, outward],
  ] as const) {
    const { verdict, packet } = pass(at(), port, ipv6(h, 58, icmp6(h, type, new Uint8Array(12).fill(7))));

    expect(nameOf(verdict)).toBe('forwarded');
    expect(hasRightChecksum(packet)).toBe(true);
  }
});

// shows: E6
test('an ICMPv6 error of a type that nobody knows is translated like the others', () => {
  const fib = at();
  const sent = pass(fib, INSIDE, udp6({ src: GUEST, dst: CN })).packet;
  const { verdict, packet } = pass(fib, OUTSIDE, error6({ src: '2001:db8:cc::1', dst: GLOBAL }, 100, 0, 0, sent));

  expect(nameOf(verdict)).toBe('forwarded');
  expect(addressesOf(packet.slice(48)).src).toBe(full(GUEST));
  expect(hasRightChecksum(packet) && hasRightChecksum(packet.slice(48))).toBe(true);
});

describe('what is not for a border passes as it came', () => {
  const h = { src: CN, dst: GLOBAL };

  // shows: P1
  test.each([0x1e, 0x5e, 0x9e, 0xde])(
    'an unknown option of type %i, whatever it asks of who does not know it',
    (type) => {
      for (const kind of [0, 60]) {
        const came = ipv6(h, kind, joined(destinationOptions(6, [type, NONCE]), tcpSegment(h, NONCE)));
        const { verdict, packet } = pass(at(), OUTSIDE, came);

        expect(nameOf(verdict)).toBe('forwarded');
        expectUntouched(packet, came, 64, 66);
      }
    },
  );

  // shows: P10
  test.each([tcp6, udp6, echo6])('traffic class and flow label', (make) => {
    for (const [port, came] of [
      [OUTSIDE, make(h)],
      [INSIDE, make({ src: GUEST, dst: CN })],
    ] as const) {
      came.set([0x6b, 0xef, 0x12, 0x34], 0);
      const { verdict, packet } = pass(at(), port, came);

      expect(nameOf(verdict)).toBe('forwarded');
      expect([...packet.slice(0, 4)]).toEqual([0x6b, 0xef, 0x12, 0x34]);
    }
  });

  // shows: T1
  test.each([
    ['4', 4, Uint8Array.from([0x45, ...new Array<number>(27).fill(5)])],
    ['6', 41, udp6({ src: GLOBAL, dst: GUEST })],
  ])('the packet of IPv%s in a tunnel, and its limit', (_, protocol, inner) => {
    const came = ipv6(h, 60, joined(destinationOptions(protocol, [4, Uint8Array.of(1)]), inner));
    const { verdict, packet } = pass(at(), OUTSIDE, came);

    expect(nameOf(verdict)).toBe('forwarded');
    expect(addressesOf(packet).dst).toBe(full(GUEST));
    expectUntouched(packet, came);
  });

  // shows: T1
  test('the published packet in a tunnel', () => {
    const came = vector('ip6ip6-tel');
    const fib = fibOf(
      siteConfig(1, 1, [{ ...BINDINGS[0]!, nid: nid('0:0:0:1') }], {
        uplinks: [{ ...siteConfig(1, 1, []).uplinks[0]!, l64: l64('2001:db8:b::/64') }],
      }),
    );
    const { verdict, packet } = pass(fib, OUTSIDE, came);

    expect(nameOf(verdict)).toBe('forwarded');
    expect(addressesOf(packet).dst).toBe(full('fd00:1::1'));
    expectUntouched(packet, came);
  });

  // shows: S38
  test('an Authentication Header of ILNP and what it covers but Locators, in convention zeroed', () => {
    const segment = sealed(h, 6, tcpSegment(h, NONCE), true);
    const authentication = Uint8Array.from([6, 4, 0, 0, ...new Array<number>(20).fill(9)]);
    const came = ipv6(h, 60, joined(destinationOptions(51, [0x8b, NONCE]), authentication, segment));
    const { verdict, packet } = pass(at(1, { checksum: 'zeroed' }), OUTSIDE, came);

    expect(nameOf(verdict)).toBe('forwarded');
    expect(addressesOf(packet).dst).toBe(full(GUEST));
    expectUntouched(packet, came);
  });
});

// shows: S37
test.each([
  ['0', '0', '0:0:0:a1'],
  ['0', '1', '100:0:0:a1'],
  ['1', '0', '200:0:0:a1'],
  ['1', '1', '300:0:0:a1'],
])('an identifier with u=%s, g=%s passes like any other, at both ends', (_u, _g, text) => {
  const fib = fibOf(siteConfig(1, 1, [{ ...BINDINGS[0]!, nid: nid(text) }]));
  const inward = pass(fib, OUTSIDE, tcp6({ src: `2001:db8:c:0:${text}`, dst: `2001:db8:1:0:${text}` }));
  const outward = pass(fib, INSIDE, tcp6({ src: `fd00:1:0:0:${text}`, dst: `2001:db8:c:0:${text}` }));

  expect([nameOf(inward.verdict), addressesOf(inward.packet).dst]).toEqual(['forwarded', full(`fd00:1:0:0:${text}`)]);
  expect([nameOf(outward.verdict), addressesOf(outward.packet).src]).toEqual([
    'forwarded',
    full(`2001:db8:1:0:${text}`),
  ]);
});

describe('an uplink that is down', () => {
  /** Site 1 with its two uplinks up or down, the first preferred; a1 is pinned to it. */
  function border(...uplinkUp: boolean[]) {
    const config = siteConfig(1, 1, [bound('a1', 'fd00:1::/64', 1, 1, 'isp1'), bound('a2', 'fd00:1::/64', 1, 1)]);
    const fib = fibOf(config);
    const bindings = new Bindings(10, [1, 2]);
    for (const b of config.bindings) bindings.put({ ...b, epoch: 0 });
    fib.load(compile(config, bindings, { uplinkUp, outsideAddress: null, insideAddress: null }));
    return fib;
  }
  const seenAs = (fib: ReturnType<typeof border>, guest: string) => {
    const { verdict, packet } = pass(fib, INSIDE, udp6({ src: `fd00:1::${guest}`, dst: CN }));
    return verdict === v.FORWARD ? addressesOf(packet).src : nameOf(verdict);
  };

  // shows: S22a, S21a
  test('gets no new session, not even of a guest that is pinned to it', () => {
    expect([seenAs(border(true, true), 'a1'), seenAs(border(true, true), 'a2')]).toEqual([
      full('2001:db8:1::a1'),
      full('2001:db8:1::a2'),
    ]);
    expect([seenAs(border(false, true), 'a1'), seenAs(border(false, true), 'a2')]).toEqual([
      full(`${SECOND}a1`),
      full(`${SECOND}a2`),
    ]);
    expect(seenAs(border(true, false), 'a2')).toBe(full('2001:db8:1::a2'));
    expect(seenAs(border(false, false), 'a2')).toBe('drop_no_uplink');
  });
});

describe('a subnet selector that is hidden', () => {
  /** A host whose own Locator is of the provider, subnet 7, and known outside under subnet 0 alone. */
  const fib = () => {
    const config = siteConfig(1, 1, [
      { ...BINDINGS[0]!, nid: nid('0211:22ff:fe33:4455'), guest: l64('2001:db8:1:7::/64') },
      { ...BINDINGS[0]!, nid: nid('0211:22ff:fe33:4456'), guest: l64('2001:db8:1:9::/64') },
    ]);
    return fibOf({
      ...config,
      checksum: 'zeroed',
      uplinks: [{ ...config.uplinks[0]!, l64: l64('2001:db8:1:0::/64') }],
    });
  };

  // shows: S12
  test('is zero in the published packet that leaves', () => {
    const came = vector('obfuscation-inside');
    const expected = vector('obfuscation-outside');
    expected[7] = came[7]! + 1; // the kernel takes two
    const { verdict, egress, packet } = pass(fib(), INSIDE, came);

    expect([nameOf(verdict), egress]).toEqual(['forwarded', OUTSIDE]);
    expect(packet).toEqual(expected);
  });

  // shows: S12
  test.each([
    ['211:22ff:fe33:4455', '7'],
    ['211:22ff:fe33:4456', '9'],
  ])('comes back for %s by its identifier', (id, subnet) => {
    const { packet } = pass(fib(), OUTSIDE, tcp6({ src: CN, dst: `2001:db8:1:0:${id}` }));

    expect(addressesOf(packet).dst).toBe(full(`2001:db8:1:${subnet}:${id}`));
    expect(hasRightChecksum(packet)).toBe(true);
  });
});

// shows: P6
test.each(['ff0e::1', 'fe80::1', '::', '::1'])('what a far border sends on to %s does not leave', (dst) => {
  const { verdict } = pass(at(), SITE, udp6({ src: 'fd00:1::a2', dst }));

  expect(nameOf(verdict)).toBe('drop_bad_address');
});

describe('an ICMPv6 error', () => {
  const about = (src: string, dst: string): Uint8Array => udp6({ src, dst });

  // shows: P6
  test.each([
    ['of a guest to a link-local address', INSIDE, GUEST, 'fe80::1'],
    ['of a guest to a multicast address', INSIDE, GUEST, 'ff0e::1'],
    ['of a guest to the unspecified address', INSIDE, GUEST, '::'],
    ['from outside from a link-local address', OUTSIDE, 'fe80::1', GLOBAL],
    ['from outside from a multicast address', OUTSIDE, 'ff0e::1', GLOBAL],
    ['from outside from the unspecified address', OUTSIDE, '::', GLOBAL],
    ['of the gateway to a link-local address', SITE, '2001:db8:f1::2', 'fe80::1'],
  ])('%s is not forwarded', (_, port, src, dst) => {
    const quote = port === OUTSIDE ? about(GLOBAL, CN) : about(dst, GUEST);
    const came = error6({ src, dst }, 1, 4, 0, quote);
    const { verdict, packet } = pass(at(), port, came);

    expect(nameOf(verdict)).toBe('drop_bad_address');
    expect(packet).toEqual(came);
  });

  // shows: S1
  test('to a unique local address that nobody here has does not leave', () => {
    const came = error6({ src: GUEST, dst: 'fd99::1' }, 1, 4, 0, about('fd99::1', GUEST));
    const { verdict, packet } = pass(at(), INSIDE, came);

    expect(nameOf(verdict)).toBe('drop_no_uplink');
    expect(packet).toEqual(came);
  });

  // shows: S1
  test.each([
    ['as it came', GLOBAL],
    ['translated already', GUEST],
  ])(
    'of the gateway from the address of its link between sites leaves under a global Locator, the quote %s',
    (_, quoted) => {
      const { verdict, egress, packet } = pass(
        at(),
        SITE,
        error6({ src: 'fd00:12::1', dst: CN }, 3, 0, 0, about(CN, quoted)),
      );

      expect([nameOf(verdict), egress]).toEqual(['forwarded', OUTSIDE]);
      expect(addressesOf(packet)).toEqual({ src: full('2001:db8:1::1'), dst: full(CN) });
      expect(addressesOf(packet.slice(48)).dst).toBe(full(GLOBAL));
      expect(hasRightChecksum(packet) && hasRightChecksum(packet.slice(48))).toBe(true);
    },
  );
});

describe('the quote of an error where checksums may be zeroed', () => {
  const h = { src: GUEST, dst: CN };
  const withNonce = (segment: Uint8Array): Uint8Array =>
    ipv6(h, 60, joined(destinationOptions(6, [0x8b, NONCE]), segment));
  const zeroed = sealed(h, 6, tcpSegment(h, NONCE), true);
  /** The quote as the guest gets it, of a packet that it sent after `before`. */
  function quoted(checksum: 'zeroed' | 'auto', sent: Uint8Array, ...before: Uint8Array[]): Uint8Array {
    const fib = at(1, { checksum });
    for (const packet of before) pass(fib, INSIDE, packet);
    const left = pass(fib, INSIDE, sent).packet;
    const { packet } = pass(fib, OUTSIDE, error6({ src: '2001:db8:cc::1', dst: GLOBAL }, 2, 0, 1280, left));

    expect(hasRightChecksum(packet)).toBe(true);
    return packet.slice(48);
  }

  // shows: S6
  test.each([
    ['zeroed, with a nonce', 'zeroed', withNonce(zeroed), []],
    ['zeroed, without one, later in the session', 'zeroed', ipv6(h, 6, zeroed), [withNonce(zeroed)]],
    ['auto, of a session that is zeroed', 'auto', ipv6(h, 6, zeroed), [withNonce(zeroed)]],
    ['auto, of a session with a nonce that is not', 'auto', withNonce(tcpSegment(h, NONCE)), []],
    ['auto, of plain IPv6', 'auto', tcp6(h), []],
    ['zeroed, of plain IPv6', 'zeroed', tcp6(h), []],
    [
      'zeroed, an echo request with a nonce',
      'zeroed',
      ipv6(h, 60, joined(destinationOptions(58, [0x8b, NONCE]), echo6(h).slice(40))),
      [],
    ],
  ] as const)('convention %s: is what the guest sent', (_, checksum, sent, before) => {
    const quote = quoted(checksum, sent, ...before);
    quote[7]! -= 1; // one hop more, because the kernel takes two

    expect(quote).toEqual(sent);
  });
});
