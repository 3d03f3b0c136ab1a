/** What operators read: a correspondent, a dropped packet. */
import { describe, expect, test } from 'vitest';
import { sessionReply, updateReply } from '../../src/host/replies.ts';
import { shownPacket } from '../../src/host/shown-packet.ts';
import { locatorOf } from '../../src/ilnp/correspondent.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { parseL64 } from '../../src/wire/text.ts';
import { answer, endSystem, know, STABLE_A } from '../shim/support.ts';
import { echo6, ipv6, tcp6, udp6 } from '../support/packets.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const H = { src: B, dst: A };
const NONCE = Uint8Array.of(1, 2, 3, 4);

describe('a correspondent', () => {
  test('that was never spoken to', () => {
    const c = know(endSystem(STABLE_A, ['2001:db8:1::']), B);
    expect(sessionReply(c, 5e6)).toEqual({
      nid: '0:0:0:b1',
      views: [],
      configured: true,
      proved: false,
      plain: false,
      locators: [{ locator: '2001:db8:b::/64', preference: 10, state: 'active' }],
      sentMs: null,
      heardMs: null,
    });
  });

  test('that answers from a Locator it has not announced; nonces are not told', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    a.pass(udp6({ src: STABLE_A, dst: B }), 1e6);
    a.pass(insertNonce(udp6(H), NONCE)!, 2e6);
    answer(a, NONCE, 2e6);
    c.provisional(locatorOf(parseL64('2001:db8:ee::')!), 3e6);
    const reply = sessionReply(c, 4e6);

    expect(reply).toMatchObject({ views: [B], proved: true, sentMs: 3000, heardMs: 2000 });
    expect(reply.locators.map((l) => `${l.locator} ${l.state}`)).toEqual([
      '2001:db8:b::/64 valid',
      '2001:db8:ee::/64 active',
    ]);
    expect(Object.keys(reply).filter((key) => /nonce/i.test(key))).toEqual([]);
  });
});

test('a Locator Update that waits', () => {
  const reply = updateReply(
    {
      way: 'sent',
      nid: { hi: 0, lo: 0xb1 },
      locators: [{ locator: parseL64('2001:db8:ee::')!, preference: 10, lifetime: 1800 }],
      beganAt: 1e6,
      tries: 2,
      state: 'waiting',
      changedAt: 2e6,
    },
    5e6,
  );
  expect(reply).toEqual({
    nid: '0:0:0:b1',
    way: 'sent',
    locators: [{ locator: '2001:db8:ee::/64', preference: 10, lifetime: 1800 }],
    tries: 2,
    state: 'waiting',
    beganMs: 4000,
    changedMs: 3000,
  });
});

describe('a dropped packet', () => {
  test.each([
    ['TCP', tcp6(H), { protocol: 6, sourcePort: 443, destinationPort: 50000 }],
    ['UDP with a nonce', insertNonce(udp6(H), NONCE)!, { protocol: 17, sourcePort: 40000, destinationPort: 53 }],
    ['ICMPv6', echo6(H), { protocol: 58, type: 128 }],
    ['another protocol', ipv6(H, 132, new Uint8Array(12)), { protocol: 132 }],
    ['cut before its ports', ipv6(H, 6, new Uint8Array(2)), { protocol: 6 }],
  ])('%s', (_what, packet, shown) => {
    expect(shownPacket(packet)).toEqual({ source: B, destination: A, ...shown });
  });

  test('too short for addresses', () => {
    expect(shownPacket(new Uint8Array(7))).toEqual({ octets: 7 });
  });
});
