/** Locator Updates of hosts inside through a border, and what it learns of nonces (RFC 6743, RFC 6748 section 3.2). */
import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import type { Fib } from '../../src/sbr/fib.ts';
import { acknowledgementOf, locatorUpdatePacket, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { formatL64 } from '../../src/wire/text.ts';
import {
  addressesOf,
  destinationOptions,
  full,
  type Header,
  ipv6,
  joined,
  octetsOf,
  tcpSegment,
  udpSegment,
} from '../support/packets.ts';
import { bound, fibOf, l64, mapped, nid, pass, siteConfig } from '../support/sites.ts';
import { vector } from '../support/vectors.ts';

const CN = '2001:db8:c::c0';
const GUEST = 'fd00:1::a1';
const BY_ISP1 = '2001:db8:1::a1';
const BY_ISP2 = '2001:db8:11::a1';
const OUT = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);
const IN = Uint8Array.of(0x5e, 0x6f, 0x70, 0x81);
const WRONG = Uint8Array.of(1, 2, 3, 4);
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2)];

const nameOf = (verdict: number): string => v.VERDICTS[verdict]!.name;
const withNonce = (h: Header, nonce: Uint8Array): Uint8Array =>
  ipv6(h, 60, joined(destinationOptions(6, [0x8b, nonce]), tcpSegment(h, new Uint8Array(4))));
type Listed = readonly [locator: string, preference: number];
const update = (h: Header, nonce: Uint8Array, list: readonly Listed[], operation: 1 | 2 = 1): Uint8Array =>
  locatorUpdatePacket(
    { operation, locators: list.map(([text, preference]) => ({ locator: l64(text), preference, lifetime: 300 })) },
    { source: octetsOf(h.src), destination: octetsOf(h.dst), nonce },
  )!;
/** What a Locator Update lists; a reason when it is none, a wrong checksum included. */
function listOf(packet: Uint8Array): Listed[] | string {
  const at = 40 + 8 * (1 + packet[41]!);
  const read = readLocatorUpdate(packet, 0, at, packet.length - at);
  return typeof read === 'string' ? read : read.locators.map((l) => [formatL64(l.locator), l.preference]);
}
const nonceOf = (packet: Uint8Array): Uint8Array => packet.slice(44, 44 + packet[43]!);

/** Both directions of a session have passed. */
function spoken(fib: Fib, guest = GUEST, known = BY_ISP1): Fib {
  expect(pass(fib, INSIDE, withNonce({ src: guest, dst: CN }, OUT)).verdict).toBe(v.FORWARD);
  expect(pass(fib, OUTSIDE, withNonce({ src: CN, dst: known }, IN)).verdict).toBe(v.FORWARD);
  return fib;
}
const at = (n = 1, extra: Parameters<typeof siteConfig>[3] = {}) => fibOf(siteConfig(n, 3, BINDINGS, extra));

test("what a guest's kernel answers by itself begins no pair; what the guest says then does", () => {
  const fib = at();
  const stranger = '2001:db8:bad::1';
  const reset = tcpSegment({ src: GUEST, dst: stranger }, new Uint8Array(4));
  reset[13] = 0x14;
  const pairs = () => [...fib.pairs!.all()].length;
  const automatic = ipv6({ src: GUEST, dst: stranger }, 60, joined(destinationOptions(6, [0x8b, OUT]), reset));
  expect(pass(fib, INSIDE, automatic).verdict).toBe(v.FORWARD);
  pass(fib, OUTSIDE, withNonce({ src: stranger, dst: BY_ISP1 }, WRONG));
  expect(pairs()).toBe(0);

  spoken(fib);
  expect(pairs()).toBe(1);
  pass(fib, INSIDE, ipv6({ src: GUEST, dst: CN }, 60, joined(destinationOptions(6, [0x8b, WRONG]), reset)));
  expect(pairs()).toBe(1);
  expect([...fib.pairs!.nonceOut([...fib.pairs!.all()][0]!)]).toEqual([...WRONG]); // of a known pair it is heeded
});

describe('a Locator Update of a guest', () => {
  // shows: S15, S17a, S17b
  test('leaves with all global Locators it has now in the place of its inside one, the one in use first', () => {
    const fib = spoken(at());
    const came = update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 10]]);
    const { verdict, egress, packet } = pass(fib, INSIDE, came);

    expect([nameOf(verdict), egress]).toEqual(['forwarded', OUTSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full(BY_ISP1), dst: full(CN) });
    expect(nonceOf(packet)).toEqual(OUT);
    expect(listOf(packet)).toEqual([
      ['2001:db8:1::/64', 10],
      ['2001:db8:11::/64', 20],
    ]);
  });

  // shows: S17b
  test.each([
    ['one uplink', [['fd00:1::/64', 10]]],
    [
      'a list of its own',
      [
        ['fd00:9::/64', 5],
        ['2001:db8:77::/64', 7],
        ['fd00:1::/64', 10],
      ],
    ],
  ] as [string, Listed[]][])('with %s gets its acknowledgement with the list it has sent', (_, list) => {
    const fib = spoken(at());
    const came = update({ src: GUEST, dst: CN }, OUT, list);
    const there = pass(fib, INSIDE, came).packet;
    const back = acknowledgementOf(there, IN)!;
    const { verdict, egress, packet } = pass(fib, OUTSIDE, back);

    expect([nameOf(verdict), egress]).toEqual(['forwarded', INSIDE]);
    expect(addressesOf(packet)).toEqual({ src: full(CN), dst: full(GUEST) });
    expect(listOf(packet)).toEqual(list.map(([l, p]) => [formatL64(l64(l)), p]));
    expect(packet).toEqual(Uint8Array.from(acknowledgementOf(came, IN)!.with(7, packet[7]!)));
  });

  // shows: S17b
  test('with one uplink becomes, octet for octet, what is published', () => {
    const { uplinks, inside, ...rest } = siteConfig(1, 1, []);
    const host = { ...BINDINGS[0]!, nid: nid('0211:22ff:fe33:4455'), guest: l64('fd01:203:405:1::/64') };
    const fib = fibOf({
      ...rest,
      uplinks: [{ ...uplinks[0]!, l64: l64('2001:db8:2:1::/64') }],
      inside: [{ ...inside[0]!, l64: l64('fd01:203:405:1::/64') }],
      bindings: [host],
    });

    const { packet } = pass(fib, INSIDE, vector('lu-inside-local-locator'));
    expect(packet.with(7, 64)).toEqual(vector('lu-translated-by-sbr')); // the kernel takes the hop
  });

  // shows: S15
  test('lists no uplink that is down', () => {
    const fib = fibOf(siteConfig(1, 3, BINDINGS), [false, true]);
    const { packet } = pass(fib, INSIDE, update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 10]]));

    expect(addressesOf(packet).src).toBe(full(BY_ISP2));
    expect(listOf(packet)).toEqual([['2001:db8:11::/64', 10]]);
  });

  // shows: S17a, S17b
  test.each([
    ['the Locator of another site', 'fd00:3::/64'],
    ['a unique local one that nobody here knows', 'fdff::/64'],
  ])('leaves without %s, and not at all when nothing else is listed', (_, inside) => {
    const fib = at();
    const global: Listed = ['2001:db8:77::/64', 7];
    const mixed = pass(fib, INSIDE, update({ src: GUEST, dst: CN }, OUT, [[inside, 5], global]));
    const alone = pass(fib, INSIDE, update({ src: GUEST, dst: CN }, OUT, [[inside, 5]]));

    expect(listOf(mixed.packet)).toEqual([[formatL64(l64(global[0])), 7]]);
    expect(nameOf(alone.verdict)).toBe('drop_inside_locator');
  });

  // shows: S17a
  test.each([
    [
      'without a nonce',
      ipv6({ src: GUEST, dst: CN }, 58, update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 1]]).slice(48)),
    ],
    ['with a wrong checksum', update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 1]]).with(50, 0xee)],
    [
      'that goes on behind its list',
      joined(update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 1]]), new Uint8Array(4)).with(5, 32),
    ],
    [
      'of more Locators than can be kept',
      update({ src: GUEST, dst: CN }, OUT, new Array<Listed>(21).fill(['fd00:1::/64', 1])),
    ],
    ['that is an acknowledgement', update({ src: GUEST, dst: CN }, OUT, [['fd00:1::/64', 1]], 2)],
  ])('%s does not leave with an inside Locator', (_, packet) => {
    const passed = pass(at(), INSIDE, packet);

    expect(nameOf(passed.verdict)).toBe('drop_inside_locator');
    expect(passed.packet).toEqual(packet);
  });

  test('that is away is translated by its home', () => {
    const tagged = update({ src: 'fd00:1::a2', dst: CN }, OUT, [['fd00:1::/64', 10]]);
    const { verdict, packet } = pass(at(), SITE, tagged);

    expect(nameOf(verdict)).toBe('forwarded');
    expect(listOf(packet)).toEqual([
      ['2001:db8:1::/64', 10],
      ['2001:db8:11::/64', 20],
    ]);
  });

  // shows: S17b
  test('without a binding lists what the maps of its subnet make of its Locator', () => {
    const subnets = [
      mapped('fd05:0:0:4::/64', '2001:db8:200:1::/64'),
      mapped('fd05:0:0:4::/64', '2001:db8:300:1::/64', 'isp2'),
    ];
    const fib = at(1, { subnets });
    const h = { src: 'fd05:0:0:4::77', dst: CN };
    const { verdict, packet } = pass(fib, INSIDE, update(h, OUT, [['fd05:0:0:4::/64', 10]]));

    expect(nameOf(verdict)).toBe('forwarded');
    expect(addressesOf(packet).src).toBe(full('2001:db8:200:1::77'));
    expect(listOf(packet)).toEqual([
      ['2001:db8:200:1::/64', 10],
      ['2001:db8:300:1::/64', 20],
    ]);
  });
});

describe('a Locator Update from outside', () => {
  const told: Listed[] = [['2001:db8:d::/64', 10]];

  // shows: S24
  test.each([
    ['an update', 1],
    ['an acknowledgement', 2],
  ] as const)('%s reaches the guest with the nonce of its session only', (_, operation) => {
    const fib = spoken(at());
    const of = (nonce: Uint8Array) =>
      pass(fib, OUTSIDE, update({ src: CN, dst: BY_ISP1 }, nonce, told, operation)).verdict;
    const bare = ipv6({ src: CN, dst: BY_ISP1 }, 58, update({ src: CN, dst: BY_ISP1 }, IN, told).slice(48));

    expect(nameOf(of(IN))).toBe('forwarded');
    expect(nameOf(of(WRONG))).toBe('drop_forged_update');
    expect(nameOf(of(Uint8Array.from([...IN, ...IN, ...IN])))).toBe('drop_forged_update');
    expect(nameOf(pass(fib, OUTSIDE, bare).verdict)).toBe('drop_forged_update');
  });

  // shows: S24
  test('a stranger can set no nonce: not before the guest has spoken, not from elsewhere, not over a live one', () => {
    const fib = at();
    pass(fib, OUTSIDE, withNonce({ src: CN, dst: BY_ISP1 }, WRONG));
    expect([...fib.pairs!.all()]).toEqual([]);
    pass(fib, INSIDE, withNonce({ src: GUEST, dst: CN }, OUT));
    pass(fib, OUTSIDE, withNonce({ src: '2001:db8:bad::c0', dst: BY_ISP1 }, WRONG));
    pass(fib, OUTSIDE, withNonce({ src: CN, dst: BY_ISP1 }, IN));
    pass(fib, OUTSIDE, withNonce({ src: CN, dst: BY_ISP1 }, WRONG));

    const [pair] = fib.pairs!.all();
    expect([fib.pairs!.nonceOut(pair!), fib.pairs!.nonceIn(pair!)]).toEqual([OUT, IN]);
  });

  test('of a correspondent that was silent for long and comes back with another nonce is heard', () => {
    const fib = spoken(at());
    const again = pass(fib, OUTSIDE, withNonce({ src: CN, dst: BY_ISP1 }, WRONG), 200e6);
    const said = pass(fib, OUTSIDE, update({ src: CN, dst: BY_ISP1 }, WRONG, told), 201e6);

    expect([nameOf(again.verdict), nameOf(said.verdict)]).toEqual(['forwarded', 'forwarded']);
  });

  test('to somebody who speaks no ILNP passes as before', () => {
    expect(nameOf(pass(at(), OUTSIDE, update({ src: CN, dst: BY_ISP1 }, WRONG, told)).verdict)).toBe('forwarded');
  });
});

// shows: S9
test.each([
  [
    'of 12 octets',
    (h: Header) =>
      ipv6(
        h,
        60,
        joined(destinationOptions(17, [0x8b, Uint8Array.from([...OUT, ...OUT, ...OUT])]), udpSegment(h, OUT)),
      ),
  ],
  [
    'behind padding and another option',
    (h: Header) =>
      ipv6(h, 60, joined(destinationOptions(17, [1, new Uint8Array(3)], [0x1e, OUT], [0x8b, OUT]), udpSegment(h, OUT))),
  ],
  [
    'in the first fragment',
    (h: Header) =>
      ipv6(
        h,
        44,
        joined(Uint8Array.of(60, 0, 0, 1, 0, 0, 0, 7), destinationOptions(17, [0x8b, OUT]), udpSegment(h, OUT)),
      ),
  ],
])('a nonce %s is learned', (_, make) => {
  const fib = at();
  pass(fib, INSIDE, make({ src: GUEST, dst: CN }));

  const [pair] = fib.pairs!.all();
  expect([...fib.pairs!.nonceOut(pair!)].slice(0, 4)).toEqual([...OUT]);
});

test('plain TCP and UDP are not looked at', () => {
  const fib = at();
  pass(fib, INSIDE, ipv6({ src: GUEST, dst: CN }, 6, tcpSegment({ src: GUEST, dst: CN }, OUT)));
  expect([...fib.pairs!.all()]).toEqual([]);
});
