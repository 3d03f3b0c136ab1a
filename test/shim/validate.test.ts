/** The whole table of who is believed: nonce absent, right, wrong, twice; Locator known or not; data, update, other ICMPv6. */
import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../src/shim/verdict.ts';
import { ADVERTISEMENT, acknowledgementOf, locatorUpdatePacket } from '../../src/wire/locator-update.ts';
import { insertNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import {
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  ipv6,
  joined,
  octetsOf,
  tcp6,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { answer, type End, endSystem, know, l64, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const ELSEWHERE = '2001:db8:ee::b1';
const ROUTER = '2001:db8:f::1';
const RIGHT = Uint8Array.of(1, 2, 3, 4);
const WRONG = Uint8Array.of(1, 2, 3, 5);

/** A knows B, has heard its nonce from its Locator, and B has shown that it hears us. */
function talking(): End {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const c = know(a, B);
  a.pass(udp6({ src: STABLE_A, dst: B }));
  a.pass(withNonce(udp6({ src: B, dst: A }), RIGHT));
  expect(answer(a, RIGHT)).toBe('taken');
  expect(c.proved).toBe(true);
  return a;
}

const withNonce = (packet: Uint8Array, nonce: Uint8Array | null): Uint8Array =>
  nonce === null ? packet : insertNonce(packet, nonce)!;

const update = (src: string, nonce: Uint8Array): Uint8Array =>
  locatorUpdatePacket(
    { operation: ADVERTISEMENT, locators: [{ locator: l64('2001:db8:ee::'), preference: 1, lifetime: 60 }] },
    { source: octetsOf(src), destination: octetsOf(A), nonce },
  )!;

/** The same without its Destination Options header: the checksum does not cover that. */
function updateWithoutNonce(src: string): Uint8Array {
  const packet = update(src, RIGHT);
  return ipv6({ src, dst: A }, 58, packet.slice(48));
}

const verdict = (a: End, packet: Uint8Array): string => {
  const out = a.pass(packet, 2);
  return typeof out === 'string' ? out : 'accepted';
};

describe('from a correspondent', () => {
  // shows: H6, H13, H15
  test.each([
    ['data', B, null, 'accepted'],
    ['data', B, RIGHT, 'accepted'],
    ['data', B, WRONG, 'drop_wrong_nonce'],
    ['data', ELSEWHERE, null, 'drop_unknown_locator'],
    ['data', ELSEWHERE, RIGHT, 'accepted'],
    ['data', ELSEWHERE, WRONG, 'drop_wrong_nonce'],
    ['echo', B, null, 'drop_forged_icmp'],
    ['echo', B, RIGHT, 'accepted'],
    ['echo', B, WRONG, 'drop_forged_icmp'],
    ['echo', ELSEWHERE, RIGHT, 'accepted'],
    ['echo', ELSEWHERE, WRONG, 'drop_forged_icmp'],
  ] as const)('%s from %s with nonce %j: %s', (what, src, nonce, expected) => {
    const packet = what === 'data' ? udp6({ src, dst: A }) : echo6({ src, dst: A });
    expect(verdict(talking(), withNonce(packet, nonce))).toBe(expected);
  });

  test('an echo cut into fragments has no nonce: what is believed of data is believed of it, errors are not', () => {
    const [data, echo] = [echo6({ src: B, dst: A }), echo6({ src: ELSEWHERE, dst: A })];
    const cut = (src: string, packet: Uint8Array, type: number): Uint8Array => {
      const payload = packet.slice(40);
      payload[0] = type;
      return ipv6({ src, dst: A }, 44, joined(fragmentHeader(58, 0, true), payload));
    };
    expect(verdict(talking(), cut(B, data, 128))).toBe('accepted');
    expect(verdict(talking(), cut(B, data, 129))).toBe('accepted');
    expect(verdict(talking(), cut(ELSEWHERE, echo, 128))).toBe('drop_unknown_locator');
    expect(verdict(talking(), cut(B, data, 1))).toBe('drop_forged_icmp');
    expect(verdict(talking(), cut(B, data, 156))).toBe('drop_forged_update');
  });

  // shows: H12
  test.each([
    [B, RIGHT, 'taken'],
    [B, WRONG, 'drop_forged_update'],
    [ELSEWHERE, RIGHT, 'taken'],
    [ELSEWHERE, WRONG, 'drop_forged_update'],
  ] as const)('a Locator Update from %s with nonce %j: %s', (src, nonce, expected) => {
    const a = talking();
    expect(verdict(a, update(src, nonce))).toBe(expected);
    expect(a.sent).toHaveLength(expected === 'taken' ? 1 : 0);
  });

  // shows: H12
  test.each([B, ELSEWHERE])('a Locator Update from %s without a nonce is a forgery', (src) => {
    const a = talking();
    expect(verdict(a, updateWithoutNonce(src))).toBe('drop_forged_update');
    expect(a.sent).toEqual([]);
  });

  test('an acknowledgement is a forgery without the right nonce', () => {
    const packet = acknowledgementOf(update(A, RIGHT), WRONG)!; // from A to A; the source is put right here
    packet.set(octetsOf(B), 8);
    expect(verdict(talking(), packet)).toBe('drop_forged_update');
  });

  // shows: H11, H18, H19
  test('every copy of a Locator Update is acknowledged, to where it came from, with our nonce', () => {
    const a = talking();
    a.pass(update(ELSEWHERE, RIGHT));
    a.pass(update(ELSEWHERE, RIGHT));

    expect(a.sent).toHaveLength(2);
    for (const answer of a.sent) {
      expect(answer.slice(24, 40)).toEqual(octetsOf(ELSEWHERE));
      expect(nonceOf(answer, 0, answer.length)).toEqual([...a.shim.node.ilcc.all()][0]!.localNonce);
    }
  });

  test('two nonces, right ones even, are one too many', () => {
    const options = destinationOptions(17, [0x8b, RIGHT], [0x8b, RIGHT]);
    const h = { src: B, dst: A };
    expect(verdict(talking(), ipv6(h, 60, joined(options, udpSegment(h, new Uint8Array(4)))))).toBe('drop_two_nonces');
  });

  // shows: H13, H14
  test('an error needs its nonce; that of a router on the way does not', () => {
    const a = talking();
    const sent = a.pass(udp6({ src: STABLE_A, dst: B })) as Uint8Array;
    const error = (src: string) => error6({ src, dst: A }, 1, 4, 0, sent);

    expect(verdict(a, error(B))).toBe('drop_forged_icmp');
    expect(verdict(a, withNonce(error(B), WRONG))).toBe('drop_forged_icmp');
    expect(verdict(a, withNonce(error(B), RIGHT))).toBe('accepted');
    expect(verdict(a, error(ROUTER))).toBe('accepted');
  });

  test('a wrong nonce is not forgiven after a long silence either: who beside the path waits for it could take the session', () => {
    const a = talking();
    const [c] = [...a.shim.node.ilcc.all()];
    expect(a.pass(withNonce(udp6({ src: B, dst: A }), WRONG), 3600e6)).toBe('drop_wrong_nonce');
    expect(a.pass(update(B, WRONG), 3600e6)).toBe('drop_forged_update');
    expect(c!.remoteNonce).toEqual(RIGHT);
    expect(answer(a, WRONG, 3600e6)).toBe('taken'); // it has started anew: it was asked, and only who is there can answer
    expect(c!.remoteNonce).toEqual(WRONG);
  });
});

const flags = (packet: Uint8Array, value: number, acknowledged: number): Uint8Array => {
  const changed = packet.slice();
  changed[53] = value;
  changed.set([0, 0, 0, acknowledged], 48);
  return changed;
};

test('a correspondent that has started anew, with another nonce, is believed when it answers the SYN of a new session', () => {
  const a = talking();
  a.pass(flags(tcp6({ src: STABLE_A, dst: B }), 0x02, 0)); // sequence number 1
  const answer = (acknowledged: number) => flags(tcp6({ src: B, dst: A }), 0x12, acknowledged);
  expect(verdict(a, withNonce(answer(9), WRONG))).toBe('drop_wrong_nonce');
  expect(verdict(a, withNonce(answer(2), WRONG))).toBe('accepted');
  expect(verdict(a, withNonce(udp6({ src: B, dst: A }), WRONG))).toBe('accepted');
});

describe('a stranger', () => {
  test('cannot shut the true owner of its NID out', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    a.pass(withNonce(tcp6({ src: ELSEWHERE, dst: A }), WRONG));

    expect(verdict(a, udp6({ src: B, dst: A }))).toBe('accepted');
    expect(verdict(a, tcp6({ src: B, dst: A }))).toBe('accepted');
  });

  test('is no stranger any more once it has acknowledged our SYN', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    a.pass(withNonce(flags(tcp6({ src: B, dst: A }), 0x02, 0), RIGHT));
    const [c] = [...a.shim.node.ilcc.all()];
    a.pass(flags(tcp6({ src: STABLE_A, dst: B }), 0x12, 2)); // sequence number 1
    a.pass(withNonce(flags(tcp6({ src: B, dst: A }), 0x10, 9), RIGHT));
    expect(c!.proved).toBe(false);

    a.pass(withNonce(flags(tcp6({ src: B, dst: A }), 0x10, 2), RIGHT));
    expect(c!.proved).toBe(true);
  });

  test('ten thousand of them leave a session as it was, and take no more room than they have', () => {
    const a = talking();
    for (let n = 0; n < 10_000; n++) {
      const src = `2001:db8:${(n >> 12).toString(16)}::${n.toString(16)}:1`;
      a.pass(withNonce(udp6({ src, dst: A }, new Uint8Array(0)), WRONG));
    }

    expect(a.shim.node.ilcc.size).toBe(64 + 1);
    expect(verdict(a, withNonce(udp6({ src: B, dst: A }), RIGHT))).toBe('accepted');
    expect(verdict(a, withNonce(udp6({ src: B, dst: A }), WRONG))).toBe('drop_wrong_nonce');
  });
});

// shows: H35
test('of what is dropped the first packet of each kind is kept for the log, until somebody takes them', () => {
  const a = talking();
  const forged = withNonce(udp6({ src: B, dst: A }), WRONG);
  for (let n = 0; n < 100; n++) a.pass(forged);
  a.pass(new Uint8Array(7));
  expect(a.shim.drops.map(({ verdict }) => VERDICTS[verdict]!.name)).toEqual(['drop_wrong_nonce', 'drop_truncated']);
  expect(a.shim.drops[0]!.packet).toEqual(forged.slice(0, 80));

  a.shim.drops.length = 0;
  a.pass(forged);
  expect(a.shim.drops).toHaveLength(1);
});
