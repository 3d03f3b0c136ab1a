/** Locator Updates under way: repeated with back-off, given up, superseded, matched by their list, paced. */
import { describe, expect, test } from 'vitest';
import {
  ADVERTISEMENT,
  acknowledgementOf,
  locatorUpdatePacket,
  readLocatorUpdate,
} from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { addressesOf, error6, full, octetsOf, tcp6, udp6 } from '../support/packets.ts';
import { type End, endSystem, know, l64, move, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const NONCE = Uint8Array.of(1, 2, 3, 4);
const OTHER = Uint8Array.of(4, 3, 2, 1);
const SECOND = 1e6;

/** An end system with one active correspondent. */
function talking(peer = B): End {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  know(a, peer);
  a.pass(insertNonce(udp6({ src: peer, dst: A }), NONCE)!);
  return a;
}

/** Calls `run` whenever it asks for it, until `until`; when something was sent. */
function timesOf(a: End, until: number): number[] {
  const times: number[] = [];
  for (let now = a.shim.updates.next(0); now !== null && now < until; now = a.shim.updates.next(now)) {
    const before = a.sent.length;
    a.shim.updates.run(now);
    for (let k = before; k < a.sent.length; k++) times.push(now / SECOND);
  }
  return times;
}

const listOf = (packet: Uint8Array): number[] => {
  const update = readLocatorUpdate(packet, 0, 48, packet.length - 48);
  if (typeof update === 'string') throw new Error(update);
  return update.locators.map((l) => l.locator.hi * 2 ** 16 + (l.locator.lo >>> 16));
};

// shows: H30
test('it is repeated after 1, 2, 4 ... seconds, seven times in all, then given up', () => {
  const a = talking();
  move(a, ['2001:db8:2::'], 0);
  expect(a.sent).toHaveLength(1);

  expect(timesOf(a, 1000 * SECOND)).toEqual([1, 3, 7, 15, 31, 63]);
  expect(a.shim.updates.outstanding).toBe(0);
  expect(a.shim.updates.next(1000 * SECOND)).toBeNull();
  expect(a.lost.map((c) => c.nid)).toEqual([{ hi: 0, lo: 0xb1 }]);
});

// shows: H16, H17, H30, H33
test('it names the whole set, comes from the preferred Locator, and a newer one takes its place', () => {
  const a = talking();
  move(a, ['2001:db8:2::', '2001:db8:1::'], 0);
  move(a, ['2001:db8:3::'], 0);

  expect(a.sent.map((packet) => addressesOf(packet).src)).toEqual([full('2001:db8:2::a1'), full('2001:db8:3::a1')]);
  expect(a.sent.map((packet) => listOf(packet).length)).toEqual([2, 1]);
  timesOf(a, 10 * SECOND);
  expect(new Set(a.sent.slice(1).map((packet) => `${listOf(packet)}`)).size).toBe(1); // the newest, and only that
});

// shows: H30
test('an acknowledgement of an older set is passed over, of the newest one ends it', () => {
  const a = talking();
  move(a, ['2001:db8:2::'], 0);
  move(a, ['2001:db8:3::'], 0);
  const [older, newest] = a.sent.map((packet) => acknowledgementOf(packet, NONCE)!);

  expect(a.pass(older!)).toBe('taken');
  expect(a.shim.updates.outstanding).toBe(1);
  expect(a.pass(newest!)).toBe('taken');
  expect(a.shim.updates.outstanding).toBe(0);
});

test('the same set by another router: what is not acknowledged is sent again at once, the rest is not', () => {
  const a = talking();
  move(a, ['2001:db8:2::'], 0);
  timesOf(a, 20 * SECOND);
  a.sent.length = 0;
  move(a, ['2001:db8:2::'], 20 * SECOND);
  expect(a.sent).toHaveLength(1);
  expect(timesOf(a, 30 * SECOND)).toEqual([21, 23, 27]);

  a.pass(acknowledgementOf(a.sent[0]!, NONCE)!);
  a.sent.length = 0;
  move(a, ['2001:db8:2::'], 40 * SECOND);
  expect(a.sent).toEqual([]);
});

test('the same set again is nothing to tell', () => {
  const a = talking();
  move(a, ['2001:db8:1::'], 0);
  expect(a.sent).toEqual([]);
});

test('without any Locator nobody can be told; with the next one everybody is', () => {
  const a = talking();
  move(a, [], 0);
  expect(a.sent).toEqual([]);
  move(a, ['2001:db8:2::'], 0);
  expect(a.sent).toHaveLength(1);
});

describe('a session that was idle, or without a way, while this node moved', () => {
  const ACKNOWLEDGES_SYN = 0x12;
  /** Speaks and answers: B has acknowledged a SYN of ours. */
  const session = (): End => {
    const a = talking();
    const syn = tcp6({ src: STABLE_A, dst: B });
    syn[53] = 0x02;
    a.pass(syn);
    const answer = tcp6({ src: B, dst: A });
    answer[53] = ACKNOWLEDGES_SYN;
    answer.set([0, 0, 0, 2], 48);
    a.pass(insertNonce(answer, NONCE)!);
    expect([...a.shim.node.ilcc.all()][0]!.proved).toBe(true);
    a.shim.run(0.5 * SECOND);
    a.shim.run(5 * SECOND); // nobody is looked at any more
    a.sent.length = 0;
    return a;
  };
  const speaks = (a: End, now: number): number => {
    a.sent.length = 0;
    a.pass(tcp6({ src: STABLE_A, dst: B }), now);
    a.shim.run(a.shim.next(now)!);
    return a.sent.length;
  };

  // shows: H16
  test('an hour idle: it is told three times, in case its other end speaks first', () => {
    const a = session();
    move(a, ['2001:db8:2::'], 3600 * SECOND);
    expect(a.sent).toHaveLength(1);
    expect(timesOf(a, 4000 * SECOND)).toEqual([3601, 3603]);
    expect(a.lost).toEqual([]);
  });

  test.each([
    ['given up', 10],
    ['idle for a day', 86_400],
  ])('%s: it is told when a program speaks again, and no more once it knows', (_, seconds) => {
    const a = session();
    move(a, ['2001:db8:2::'], seconds * SECOND);
    timesOf(a, (seconds + 1000) * SECOND);
    expect(a.shim.updates.outstanding).toBe(0);

    expect(speaks(a, (seconds + 2000) * SECOND)).toBe(1);
    a.pass(acknowledgementOf(a.sent[0]!, NONCE)!, (seconds + 2001) * SECOND);
    expect(speaks(a, (seconds + 2002) * SECOND)).toBe(0);
  });
});

describe('who is told', () => {
  // shows: H22
  test('nobody who has not sent a nonce, or was silent for ten minutes', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    know(a, B);
    move(a, ['2001:db8:2::'], 0);
    expect(a.sent).toEqual([]);

    const late = talking();
    move(late, ['2001:db8:2::'], 601 * SECOND);
    expect(late.sent).toEqual([]);
  });

  const stranger = '2001:db8:e::e1';
  const segment = (flags: number): Uint8Array => {
    const packet = tcp6({ src: STABLE_A, dst: stranger });
    packet[53] = flags;
    return packet;
  };
  test.each([
    ['an echo reply', error6({ src: STABLE_A, dst: stranger }, 129, 0, 0x10001, new Uint8Array(8)), 0],
    ['Destination Unreachable', error6({ src: STABLE_A, dst: stranger }, 1, 4, 0, udp6({ src: stranger, dst: A })), 0],
    ['a reset', segment(0x14), 0],
    ['the answer to a SYN', segment(0x12), 0],
    ['data', segment(0x18), 1],
    ['a SYN', segment(0x02), 1],
    ['a datagram', udp6({ src: STABLE_A, dst: stranger }), 1],
  ] as const)('a stranger who was sent nothing but %s: %#', (_, packet, told) => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    a.pass(insertNonce(udp6({ src: stranger, dst: A }), NONCE)!);
    expect(a.pass(packet)).not.toBeTypeOf('string');
    move(a, ['2001:db8:2::'], 0);

    expect(a.sent).toHaveLength(told);
    // it is another one with the same identifier, whom nobody here has spoken to
    a.pass(insertNonce(udp6({ src: '2001:db8:ee::e1', dst: '2001:db8:2::a1' }), OTHER)!);
    move(a, ['2001:db8:3::'], 0);
    expect(a.sent).toHaveLength(told);
  });

  // shows: H16
  test('many, a burst at a time', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::'], { strangers: 200, known: 4 });
    for (let n = 1; n <= 150; n++) {
      a.pass(insertNonce(udp6({ src: `2001:db8:b::${n}:1`, dst: A }), NONCE)!);
      a.pass(udp6({ src: STABLE_A, dst: `2001:db8:b::${n}:1` }));
    }
    move(a, ['2001:db8:2::'], 0);
    expect(a.sent).toHaveLength(64);

    const times = timesOf(a, SECOND / 2);
    expect(times).toHaveLength(86);
    expect(new Set(times).size).toBe(2);
    expect(new Set(a.sent.map((packet) => addressesOf(packet).dst)).size).toBe(150);
  });
});

describe('what operators are told', () => {
  const waiting = (a: End) => [...a.shim.updates.waiting()].map(({ state, tries }) => `${state} ${tries}`);
  const ended = (a: End) => a.shim.updates.log.ended.map(({ way, state, tries }) => `${way} ${state} ${tries}`);

  test('an update that waits, is sent again, and is given up', () => {
    const a = talking();
    move(a, ['2001:db8:2::'], 0);
    expect(waiting(a)).toEqual(['waiting 1']);
    timesOf(a, 4 * SECOND);
    expect(waiting(a)).toEqual(['waiting 3']);
    expect([...a.shim.updates.waiting()][0]).toMatchObject({ nid: { hi: 0, lo: 0xb1 }, beganAt: 0, changedAt: 3e6 });
    timesOf(a, 1000 * SECOND);
    expect([waiting(a), ended(a)]).toEqual([[], ['sent given up 7']]);
  });

  test('one that a newer set has replaced, and one that was acknowledged', () => {
    const a = talking();
    move(a, ['2001:db8:2::'], 0);
    move(a, ['2001:db8:3::'], 0);
    a.pass(acknowledgementOf(a.sent[1]!, NONCE)!, 5);

    expect([waiting(a), ended(a)]).toEqual([[], ['sent superseded 1', 'sent acknowledged 1']]);
    expect(a.shim.updates.log.ended[1]).toMatchObject({ changedAt: 5, locators: [{ lifetime: 1800 }] });
  });

  test('copies of a received set count as one, another set is another one', () => {
    const a = talking();
    const [first, second] = [1, 2].map((preference) => {
      const locators = [{ locator: l64('2001:db8:ee::'), preference, lifetime: 60 }];
      const envelope = { source: octetsOf(B), destination: octetsOf('2001:db8:1::a1'), nonce: NONCE };
      return locatorUpdatePacket({ operation: ADVERTISEMENT, locators }, envelope)!;
    });
    for (const packet of [first!, first!, second!]) a.pass(packet);

    expect(ended(a)).toEqual(['received taken 2', 'received taken 1']);
  });

  test('the last 256 are kept', () => {
    const a = talking();
    for (let n = 1; n <= 300; n++) move(a, [`2001:db8:${n}::`], 0);
    expect(ended(a)).toHaveLength(256);
  });
});

describe('unique local Locators (RFC 4193)', () => {
  const update = (...texts: string[]): Uint8Array => {
    const locators = texts.map((text, k) => ({ locator: l64(text), preference: k, lifetime: 60 }));
    const envelope = { source: octetsOf(B), destination: octetsOf(A), nonce: NONCE };
    return locatorUpdatePacket({ operation: ADVERTISEMENT, locators }, envelope)!;
  };
  const entries = (a: End) => [...a.shim.node.ilcc.all()][0]!.locators.length;

  test('are told to those who are at one, and to others only where there is nothing else', () => {
    const set = ['fd00:5::', '2001:db8:2::'];
    const outside = talking();
    move(outside, set, 0);
    expect(outside.sent.map((packet) => listOf(packet).length)).toEqual([1]);
    move(outside, ['fd00:5::'], 0);
    expect(listOf(outside.sent[1]!)).toHaveLength(1);

    const inside = talking('fd00:b::b1');
    move(inside, set, 0);
    expect(listOf(inside.sent[0]!)).toHaveLength(2);
  });

  test('are taken where this node has one too', () => {
    const outside = talking();
    expect(outside.pass(update('fd00:9::'))).toBe('drop_bad_update');
    expect(outside.pass(update('fd00:9::', '2001:db8:9::'))).toBe('taken');
    expect(entries(outside)).toBe(1);

    const inside = talking();
    move(inside, ['2001:db8:1::', 'fd00:5::']);
    expect(inside.pass(update('fd00:9::', '2001:db8:9::'))).toBe('taken');
    expect(entries(inside)).toBe(2);
  });

  test.each(['fe80::', 'ff02::', '::', '4000::', '0:0:0:1::'])('%s is never one', (text) => {
    expect(talking().pass(update(text))).toBe('drop_bad_update');
  });
});
