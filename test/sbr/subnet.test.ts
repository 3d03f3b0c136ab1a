import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { addressesOf, echo6, error6, full, hasRightChecksum, tcp6, udp6 } from '../support/packets.ts';
import { bound, fibOf, l64, mapped, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const ROUTER = '2001:db8:cc::1';
const HOST = 'fd01:203:405:7::77';
const HOST_GLOBAL = '2001:db8:100:7::77';
const OTHER = 'fd05:0:0:5::55';
const OTHER_GLOBAL = '2001:db8:200:2::55';
const GUEST = 'fd00:1::a1';
const GUEST_GLOBAL = '2001:db8:1::a1';
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2), bound('b1', 'fd00:2::/64', 2, 2)];
const SUBNETS = [
  mapped('fd01:203:405::/48', '2001:db8:100::/48'),
  mapped('fd05:0:0:4::/64', '2001:db8:200:1::/64'),
  mapped('fd05:0:0:5::/64', '2001:db8:200:2::/64'),
];

/** Site 1, with one uplink unless told otherwise. */
function site(subnets = SUBNETS, uplinks = 1, bindings = BINDINGS) {
  const config = siteConfig(1, 3, bindings, { subnets });
  return fibOf({ ...config, uplinks: config.uplinks.slice(0, uplinks) });
}

/** Name of the verdict, egress and addresses of what became of a packet. */
function fate(fib: ReturnType<typeof site>, port: number, packet: Uint8Array) {
  const outcome = pass(fib, port, packet);
  return {
    verdict: v.VERDICTS[outcome.verdict]!.name,
    ...(v.isSent(outcome.verdict) ? { egress: outcome.egress } : {}),
    ...addressesOf(outcome.packet),
  };
}
const forwarded = (egress: number, src: string, dst: string) => ({
  verdict: 'forwarded',
  egress,
  src: full(src),
  dst: full(dst),
});
const dropped = (verdict: number, src: string, dst: string) => ({
  verdict: v.VERDICTS[verdict]!.name,
  src: full(src),
  dst: full(dst),
});

describe('the identity map of two /48', () => {
  // shows: S11a
  test.each([
    ['TCP', tcp6],
    ['UDP', udp6],
    ['echo', echo6],
  ])('%s leaves with its external Locator and comes in to its internal one', (_, make) => {
    const out = pass(site(), INSIDE, make({ src: HOST, dst: CN }));
    expect([out.verdict, out.egress, addressesOf(out.packet)]).toEqual([
      v.FORWARD,
      OUTSIDE,
      { src: full(HOST_GLOBAL), dst: full(CN) },
    ]);
    expect(hasRightChecksum(out.packet)).toBe(true);

    const back = pass(site(), OUTSIDE, make({ src: CN, dst: HOST_GLOBAL }));
    expect([back.verdict, back.egress, addressesOf(back.packet)]).toEqual([
      v.FORWARD,
      INSIDE,
      { src: full(CN), dst: full(HOST) },
    ]);
    expect(hasRightChecksum(back.packet)).toBe(true);
  });

  // shows: S11a
  test('keeps every subnet selector L_ss and every NID', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 1, max: 0xffff }), (subnet, host) => {
        const rest = `${subnet.toString(16)}:8000:0:ffff:${host.toString(16)}`;
        const packet = udp6({ src: `fd01:203:405:${rest}`, dst: CN });

        expect(fate(site(), INSIDE, packet)).toEqual(forwarded(OUTSIDE, `2001:db8:100:${rest}`, CN));
        expect(fate(site(), OUTSIDE, udp6({ src: CN, dst: `2001:db8:100:${rest}` }))).toEqual(
          forwarded(INSIDE, CN, `fd01:203:405:${rest}`),
        );
      }),
    );
  });

  test.each([16, 31, 32, 33, 47, 56, 63, 64])('works with prefixes of %i bits', (length) => {
    const map = mapped(`8000::/${length}`, `0::/${length}`);

    expect(fate(site([map]), INSIDE, udp6({ src: '8000::9', dst: CN }))).toMatchObject({ src: full('::9') });
  });
});

// shows: S11a
test('a table of /64 maps each subnet to its own, in any order', () => {
  expect(fate(site(), INSIDE, udp6({ src: 'fd05:0:0:4::9', dst: CN }))).toEqual(
    forwarded(OUTSIDE, '2001:db8:200:1::9', CN),
  );
  expect(fate(site(), INSIDE, udp6({ src: OTHER, dst: CN }))).toEqual(forwarded(OUTSIDE, OTHER_GLOBAL, CN));
  expect(fate(site(), OUTSIDE, udp6({ src: CN, dst: OTHER_GLOBAL }))).toEqual(forwarded(INSIDE, CN, OTHER));
});

// shows: S11a
test('the flat table of a single external /64 finds the inside Locator by NID alone', () => {
  const bindings = [bound('a1', 'fd01:203:405:7::/64', 1, 1), bound('a2', 'fd01:203:405:9::/64', 1, 1)];
  const fib = site([], 1, bindings);

  for (const [nid, subnet] of [
    ['a1', 7],
    ['a2', 9],
  ] as const) {
    const inside = `fd01:203:405:${subnet}::${nid}`;
    expect(fate(fib, OUTSIDE, udp6({ src: CN, dst: `2001:db8:1::${nid}` }))).toEqual(forwarded(INSIDE, CN, inside));
    expect(fate(fib, INSIDE, udp6({ src: inside, dst: CN }))).toEqual(forwarded(OUTSIDE, `2001:db8:1::${nid}`, CN));
  }
});

describe('a map that holds the Locators of uplink and inside link themselves', () => {
  const nested = () => site([mapped('fd00:1::/48', '2001:db8:1::/48')]);

  test('lets hosts of that link out and in', () => {
    expect(fate(nested(), INSIDE, udp6({ src: 'fd00:1::77', dst: CN }))).toEqual(
      forwarded(OUTSIDE, '2001:db8:1::77', CN),
    );
    expect(fate(nested(), OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::77' }))).toEqual(
      forwarded(INSIDE, CN, 'fd00:1::77'),
    );
    expect(fate(nested(), INSIDE, udp6({ src: 'fd00:1:0:8::77', dst: CN }))).toEqual(
      forwarded(OUTSIDE, '2001:db8:1:8::77', CN),
    );
  });

  test('still leads guests by their binding', () => {
    expect(fate(nested(), OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::a2' }))).toEqual(
      forwarded(SITE, CN, 'fd00:2::a2'),
    );
    expect(fate(nested(), SITE, udp6({ src: 'fd00:1::a2', dst: CN }))).toEqual(
      forwarded(OUTSIDE, '2001:db8:1::a2', CN),
    );
  });
});

test('a host whose NID is that of a guest is told from it by its subnet, in every direction', () => {
  const [host, global] = ['fd01:203:405:7::a2', '2001:db8:100:7::a2'];

  expect(fate(site(), OUTSIDE, udp6({ src: CN, dst: global }))).toEqual(forwarded(INSIDE, CN, host));
  expect(fate(site(), INSIDE, udp6({ src: host, dst: CN }))).toEqual(forwarded(OUTSIDE, global, CN));
  expect(fate(site(), INSIDE, udp6({ src: HOST, dst: global }))).toEqual(forwarded(INSIDE, HOST_GLOBAL, host));
  expect(fate(site(), INSIDE, udp6({ src: GUEST, dst: host }))).toEqual(forwarded(INSIDE, GUEST, host));
  const got = pass(site(), OUTSIDE, udp6({ src: CN, dst: global })).packet;
  expect(fate(site(), INSIDE, error6({ src: host, dst: CN }, 1, 4, 0, got))).toEqual(forwarded(OUTSIDE, global, CN));
});

describe('inside the site', () => {
  test.each([
    ['hosts of one map', HOST, 'fd01:203:405:8::88'],
    ['hosts of two maps', HOST, OTHER],
    ['a host and one of the link', OTHER, 'fd00:1::99'],
    ['a host of the link and another', 'fd00:1::99', OTHER],
    ['a host and a guest', HOST, GUEST],
    ['a guest and a host', GUEST, HOST],
  ])('%s talk by inside addresses, unchanged', (_, src, dst) => {
    expect(fate(site(), INSIDE, udp6({ src, dst }))).toEqual(forwarded(INSIDE, src, dst));
  });

  test('a host and a guest that is away talk by inside addresses over both borders', () => {
    const far = fibOf(siteConfig(2, 3, BINDINGS));
    const there = pass(site(), INSIDE, tcp6({ src: HOST, dst: 'fd00:1::a2' }));
    expect(there.egress).toBe(SITE);
    expect(fate(far, SITE, there.packet)).toEqual(forwarded(INSIDE, HOST, 'fd00:1::a2'));

    const back = pass(far, INSIDE, tcp6({ src: 'fd00:1::a2', dst: HOST }));
    expect(back.egress).toBe(SITE);
    expect(fate(site(), SITE, back.packet)).toEqual(forwarded(INSIDE, 'fd00:1::a2', HOST));
  });

  test('the gateway answers a host', () => {
    expect(fate(site(), SITE, echo6({ src: 'fd00:1::1', dst: HOST }))).toEqual(forwarded(INSIDE, 'fd00:1::1', HOST));
  });
});

// shows: S7
describe('hairpin: by global address, each is seen under its own global one', () => {
  test.each([
    ['host to host of another map', INSIDE, HOST, OTHER_GLOBAL, HOST_GLOBAL, OTHER],
    ['host to host of its map', INSIDE, HOST, '2001:db8:100:8::88', HOST_GLOBAL, 'fd01:203:405:8::88'],
    ['host to guest', INSIDE, HOST, GUEST_GLOBAL, HOST_GLOBAL, GUEST],
    ['guest to host', INSIDE, GUEST, HOST_GLOBAL, GUEST_GLOBAL, HOST],
    ['guest that is away to host', SITE, 'fd00:1::a2', HOST_GLOBAL, '2001:db8:1::a2', HOST],
  ])('%s', (_, port, src, dst, seen, found) => {
    const { packet } = pass(site(), port, tcp6({ src, dst }));

    expect(fate(site(), port, tcp6({ src, dst }))).toEqual(forwarded(INSIDE, seen, found));
    expect(hasRightChecksum(packet)).toBe(true);
  });

  test('a host to a guest that is away', () => {
    expect(fate(site(), INSIDE, tcp6({ src: HOST, dst: '2001:db8:1::a2' }))).toEqual(
      forwarded(SITE, HOST_GLOBAL, 'fd00:2::a2'),
    );
  });
});

describe('what must not pass', () => {
  // shows: S23
  test.each([
    ['a source of no map', INSIDE, 'fd02::9', CN, v.DROP_UNKNOWN_SOURCE],
    ['a source of no map, towards a guest', INSIDE, 'fd02::9', GUEST, v.DROP_UNKNOWN_SOURCE],
    ['a source of no map, towards a host', INSIDE, 'fd02::9', HOST, v.DROP_UNKNOWN_SOURCE],
    ['a host of the link without a map, to the world', INSIDE, 'fd00:1::99', CN, v.DROP_UNKNOWN_SOURCE],
    ['an external Locator as a source inside', INSIDE, HOST_GLOBAL, CN, v.DROP_UNKNOWN_SOURCE],
    ['an internal source from outside', OUTSIDE, HOST, OTHER_GLOBAL, v.DROP_SPOOFED_SOURCE],
    ['an own external source from outside', OUTSIDE, HOST_GLOBAL, OTHER_GLOBAL, v.DROP_SPOOFED_SOURCE],
    ['an internal destination from outside', OUTSIDE, CN, HOST, v.DROP_INSIDE_DESTINATION],
    ['another border speaking for a host', SITE, HOST, CN, v.DROP_FOREIGN_SOURCE],
  ])('%s', (_, port, src, dst, verdict) => {
    expect(fate(site(), port, udp6({ src, dst }))).toEqual(dropped(verdict, src, dst));
  });
});

describe('two uplinks with a map each', () => {
  const both = () =>
    site(
      [
        mapped('fd01:203:405::/48', '2001:db8:100::/48', 'isp1'),
        mapped('fd01:203:405::/48', '2001:db8:1100::/48', 'isp2'),
      ],
      2,
    );

  // shows: S21a
  test('a session keeps the one it began with, a new one takes the preferred', () => {
    const fib = both();
    pass(fib, OUTSIDE, echo6({ src: CN, dst: '2001:db8:1100:7::77' }));

    expect(fate(fib, INSIDE, echo6({ src: HOST, dst: CN }))).toEqual(forwarded(OUTSIDE, '2001:db8:1100:7::77', CN));
    expect(fate(fib, INSIDE, echo6({ src: HOST, dst: ROUTER }))).toEqual(forwarded(OUTSIDE, HOST_GLOBAL, ROUTER));
  });

  test('an error speaks under the Locator of the session of its quote', () => {
    const fib = both();
    const got = pass(fib, OUTSIDE, udp6({ src: CN, dst: '2001:db8:1100:7::77' })).packet;
    const { packet } = pass(fib, INSIDE, error6({ src: HOST, dst: CN }, 1, 4, 0, got));

    expect(addressesOf(packet)).toEqual({ src: full('2001:db8:1100:7::77'), dst: full(CN) });
    expect(addressesOf(packet.slice(48))).toEqual({ src: full(CN), dst: full('2001:db8:1100:7::77') });
  });

  test('a host whose map has no uplink left is not sent on', () => {
    const fib = both();
    fib.load({ ...fib.image, preferredUplink: -1, uplinkUsable: new Uint8Array(2) });

    expect(fate(fib, INSIDE, udp6({ src: HOST, dst: CN }))).toEqual(dropped(v.DROP_NO_UPLINK, HOST, CN));
  });
});

describe('ICMPv6 errors', () => {
  /** Egress and addresses of the error and of its quote; both sums are checked. */
  function errorFate(fib: ReturnType<typeof site>, port: number, error: Uint8Array) {
    const { verdict, egress, packet } = pass(fib, port, error);
    expect(v.VERDICTS[verdict]!.name).toBe('forwarded');
    expect([hasRightChecksum(packet), hasRightChecksum(packet.slice(48))]).toEqual([true, true]);
    return { egress, error: addressesOf(packet), quote: addressesOf(packet.slice(48)) };
  }
  const told = (egress: number, error: readonly [string, string], quote: readonly [string, string]) => ({
    egress,
    error: { src: full(error[0]), dst: full(error[1]) },
    quote: { src: full(quote[0]), dst: full(quote[1]) },
  });

  test('of a router outside reach a host about the packet it sent', () => {
    const fib = site();
    const sent = pass(fib, INSIDE, tcp6({ src: HOST, dst: CN })).packet;

    expect(errorFate(fib, OUTSIDE, error6({ src: ROUTER, dst: HOST_GLOBAL }, 2, 0, 1280, sent))).toEqual(
      told(INSIDE, [ROUTER, HOST], [HOST, CN]),
    );
  });

  test('of a host reach the correspondent about the packet it sent', () => {
    const fib = site();
    const got = pass(fib, OUTSIDE, udp6({ src: CN, dst: HOST_GLOBAL })).packet;

    expect(errorFate(fib, INSIDE, error6({ src: HOST, dst: CN }, 1, 4, 0, got))).toEqual(
      told(OUTSIDE, [HOST_GLOBAL, CN], [CN, HOST_GLOBAL]),
    );
  });

  test('of a router inside leave with a global Locator', () => {
    const fib = site();
    const got = pass(fib, OUTSIDE, udp6({ src: CN, dst: HOST_GLOBAL })).packet;
    const { egress, error, quote } = errorFate(
      fib,
      INSIDE,
      error6({ src: 'fd01:203:405:7::1', dst: CN }, 3, 0, 0, got),
    );

    expect([egress, quote.dst, error.src]).toEqual([OUTSIDE, full(HOST_GLOBAL), full('2001:db8:100:7::1')]);
  });

  test('of this gateway reach a host: about the packet as it came, and as it was sent on', () => {
    const fib = site();
    const came = udp6({ src: HOST, dst: CN, hopLimit: 1 });
    const sent = pass(fib, INSIDE, udp6({ src: HOST, dst: CN })).packet;

    expect(errorFate(fib, SITE, error6({ src: 'fd00:1::1', dst: HOST }, 3, 0, 0, came))).toEqual(
      told(INSIDE, ['fd00:1::1', HOST], [HOST, CN]),
    );
    expect(errorFate(fib, SITE, error6({ src: '2001:db8:f1::2', dst: HOST_GLOBAL }, 2, 0, 1280, sent))).toEqual(
      told(INSIDE, ['2001:db8:f1::2', HOST], [HOST, CN]),
    );
  });

  test('of this gateway reach the correspondent about a host that does not answer', () => {
    const fib = site();
    const inside = pass(fib, OUTSIDE, udp6({ src: CN, dst: HOST_GLOBAL })).packet;

    expect(errorFate(fib, SITE, error6({ src: '2001:db8:f1::2', dst: CN }, 1, 3, 0, inside))).toEqual(
      told(OUTSIDE, ['2001:db8:f1::2', CN], [CN, HOST_GLOBAL]),
    );
  });

  test('of a host by hairpin name what the other had addressed', () => {
    const fib = site();
    const got = pass(fib, INSIDE, udp6({ src: HOST, dst: OTHER_GLOBAL })).packet;

    expect(errorFate(fib, INSIDE, error6({ src: OTHER, dst: HOST_GLOBAL }, 1, 4, 0, got))).toEqual(
      told(INSIDE, [OTHER_GLOBAL, HOST], [HOST, OTHER_GLOBAL]),
    );
  });

  test('between a host and a guest by hairpin, both ways', () => {
    const fib = site();
    const atGuest = pass(fib, INSIDE, udp6({ src: HOST, dst: GUEST_GLOBAL })).packet;
    const atHost = pass(fib, INSIDE, udp6({ src: GUEST, dst: HOST_GLOBAL })).packet;

    expect(errorFate(fib, INSIDE, error6({ src: GUEST, dst: HOST_GLOBAL }, 1, 4, 0, atGuest))).toEqual(
      told(INSIDE, [GUEST_GLOBAL, HOST], [HOST, GUEST_GLOBAL]),
    );
    expect(errorFate(fib, INSIDE, error6({ src: HOST, dst: GUEST_GLOBAL }, 1, 4, 0, atHost))).toEqual(
      told(INSIDE, [HOST_GLOBAL, GUEST], [GUEST, HOST_GLOBAL]),
    );
  });

  test.each([
    ['hosts', HOST, OTHER],
    ['a host and a guest', HOST, GUEST],
    ['a guest and a host', GUEST, HOST],
  ])('between %s that talk by inside addresses pass unchanged', (_, src, dst) => {
    const quote = udp6({ src: dst, dst: src });

    expect(errorFate(site(), INSIDE, error6({ src, dst }, 1, 4, 0, quote))).toEqual(
      told(INSIDE, [src, dst], [dst, src]),
    );
  });

  test('an unknown host of a map is the business of the routers inside, a guest unknown is answered here', () => {
    expect(fate(site(), OUTSIDE, udp6({ src: CN, dst: '2001:db8:100:ffff::dead' }))).toMatchObject({
      verdict: 'forwarded',
      egress: INSIDE,
    });
    expect(pass(site(), OUTSIDE, udp6({ src: CN, dst: '2001:db8:1::dead' })).verdict).toBe(v.ANSWERED);
  });
});

test('a Locator of a map that is nobody else is no spoofed source to other sites', () => {
  const far = fibOf(siteConfig(2, 3, BINDINGS));

  expect(fate(far, OUTSIDE, udp6({ src: HOST_GLOBAL, dst: '2001:db8:2::b1' }))).toEqual(
    forwarded(INSIDE, HOST_GLOBAL, 'fd00:2::b1'),
  );
  expect(l64('fd00:2::/64')).toEqual({ hi: 0xfd000002, lo: 0 });
});
