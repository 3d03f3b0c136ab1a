/** When the DNS has the word about a correspondent, and when the correspondent itself. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Correspondent, l64Of, locatorOf } from '../../src/ilnp/correspondent.ts';
import { teach } from '../../src/shim/teach.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { ADVERTISEMENT, locatorUpdatePacket, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { formatL64 } from '../../src/wire/text.ts';
import { addressesOf, full, octetsOf, udp6 } from '../support/packets.ts';
import { answer, type End, endSystem, l64, move, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const NONCE = Uint8Array.of(1, 2, 3, 4);
const SECOND = 1e6;
const NID_B = { nid0: 0, nid1: native32(0xb1) | 0 };

/** A name says that B is there; index = preference. `isKnownName`: the one it had before. */
function named(a: End, locators: readonly string[], { lifetime = 30, now = SECOND, isKnownName = true } = {}): boolean {
  const all = locators.map((text, k) => {
    const { l0, l1 } = locatorOf(l64(text));
    return { l0, l1, preference: k, lifetime };
  });
  return teach(a.shim.node, a.shim, { ...NID_B, isKnownName, locators: all }, now);
}

const b = (a: End): Correspondent => a.shim.node.ilcc.find(NID_B.nid0, NID_B.nid1)!;
const where = (a: End): string[] => b(a).locators.map((l) => formatL64(l64Of(l)));
const out = (a: End, to: string, now: number) => a.pass(udp6({ src: STABLE_A, dst: to }), now) as Uint8Array;
/** B is heard, and sends back what it is asked for. */
function heard(a: End, from: string, now: number): Uint8Array | string {
  const got = a.pass(insertNonce(udp6({ src: from, dst: A }), NONCE)!, now);
  if (a.asked.length > 0 && !b(a).proved) answer(a, NONCE, now);
  return got;
}

let a: End;
beforeEach(() => {
  a = endSystem(STABLE_A, ['2001:db8:1::']);
});

test('a name makes a correspondent that is spoken to with a nonce, where the name says', () => {
  named(a, ['2001:db8:2::', '2001:db8:3::']);
  const packet = out(a, '2001:db8:2::b1', 2 * SECOND);

  expect(addressesOf(packet)).toEqual({ src: full(A), dst: full('2001:db8:2::b1') });
  expect(packet[6]).toBe(60);
  expect(where(a)).toEqual(['2001:db8:2::/64', '2001:db8:3::/64']);
});

// shows: D9, H27
test('with a TTL of 0 it can be used, and is stale', () => {
  named(a, ['2001:db8:2::'], { lifetime: 0 });
  expect(addressesOf(out(a, '2001:db8:2::b1', 2 * SECOND)).dst).toBe(full('2001:db8:2::b1'));
  expect(b(a).stateOf(b(a).current, 2 * SECOND)).toBe('expired');
});

test('our own name is nobody', () => {
  const { l0, l1 } = locatorOf(l64('2001:db8:2::'));
  const { nid0, nid1 } = a.shim.node;
  const locators = [{ l0, l1, preference: 1, lifetime: 1 }];
  teach(a.shim.node, a.shim, { nid0, nid1, isKnownName: false, locators }, 1);
  expect(a.shim.node.ilcc.size).toBe(0);
});

test('what names say replaces what they said before', () => {
  named(a, ['2001:db8:2::']);
  named(a, ['2001:db8:3::']);
  expect(where(a)).toEqual(['2001:db8:3::/64']);
});

test('a stranger who only claims to be B does not keep packets for B', () => {
  heard(a, '2001:db8:bad::b1', SECOND);
  expect(where(a)).toEqual(['2001:db8:bad::/64']);
  named(a, ['2001:db8:2::'], { now: 2 * SECOND });
  expect(where(a)).toEqual(['2001:db8:2::/64']);
  expect(addressesOf(out(a, '2001:db8:2::b1', 3 * SECOND)).dst).toBe(full('2001:db8:2::b1'));
  expect(b(a).isConfigured).toBe(true);
});

test('a flood of strangers does not push out who was named', () => {
  named(a, ['2001:db8:2::']);
  for (let k = 0; k < 300; k++) heard(a, `2001:db8:bad::${(0x1000 + k).toString(16)}`, 2 * SECOND);
  expect(where(a)).toEqual(['2001:db8:2::/64']);
});

describe('another name with the same NID', () => {
  const EVIL = ['2001:db8:bad::'];
  const other = { isKnownName: false };

  test('is not believed while the first one holds, and may say the same', () => {
    named(a, ['2001:db8:2::', '2001:db8:3::']);
    expect(named(a, EVIL, other)).toBe(false);
    expect(named(a, ['2001:db8:2::', ...EVIL], other)).toBe(false);
    expect(where(a)).toEqual(['2001:db8:2::/64', '2001:db8:3::/64']);
    expect(named(a, ['2001:db8:3::'], other)).toBe(true);
  });

  test('takes over when nobody has spoken under the first one and it is out of date', () => {
    named(a, ['2001:db8:2::']);
    expect(named(a, ['2001:db8:4::'], { ...other, now: 32 * SECOND })).toBe(true);
    expect(where(a)).toEqual(['2001:db8:4::/64']);
  });

  test('never takes over what the operator has written', () => {
    named(a, ['2001:db8:2::'], { lifetime: Number.POSITIVE_INFINITY });
    expect(named(a, EVIL, { ...other, now: 1e6 * SECOND })).toBe(false);
  });

  test('never takes over a session: while it lives it is not believed, later it is another node, with another nonce', () => {
    named(a, ['2001:db8:2::']);
    const before = out(a, '2001:db8:2::b1', 2 * SECOND);
    heard(a, '2001:db8:2::b1', 3 * SECOND);
    heard(a, '2001:db8:2::b1', 4 * SECOND);
    expect(named(a, EVIL, { ...other, now: 600 * SECOND })).toBe(false);
    const old = b(a);
    expect(named(a, EVIL, { ...other, now: 700 * SECOND })).toBe(true);
    expect(b(a)).not.toBe(old);
    expect(b(a).localNonce).not.toEqual(old.localNonce);
    // the program of that session speaks to the address it has, without ILNP; nothing goes to the other node
    const after = out(a, '2001:db8:2::b1', 701 * SECOND);
    expect([before[6], after[6]]).toEqual([60, 17]);
    expect(addressesOf(after).dst).toBe(full('2001:db8:2::b1'));
    expect(addressesOf(out(a, '2001:db8:bad::b1', 702 * SECOND)).dst).toBe(full('2001:db8:bad::b1'));
  });

  test('nor a lost one', () => {
    named(a, ['2001:db8:2::']);
    out(a, '2001:db8:2::b1', 2 * SECOND);
    heard(a, '2001:db8:2::b1', 3 * SECOND);
    heard(a, '2001:db8:2::b1', 4 * SECOND);
    move(a, ['2001:db8:9::'], 40 * SECOND);
    expect(a.shim.updates.outstanding).toBe(1);
    b(a).lose();
    const old = b(a);
    named(a, EVIL, { ...other, now: 41 * SECOND });
    expect(b(a)).not.toBe(old);
    expect(a.shim.updates.outstanding).toBe(0); // nobody is told with the nonce of that session
  });
});

describe('a session that lives', () => {
  beforeEach(() => {
    named(a, ['2001:db8:2::']);
    out(a, '2001:db8:2::b1', 2 * SECOND);
    heard(a, '2001:db8:2::b1', 3 * SECOND);
    heard(a, '2001:db8:2::b1', 4 * SECOND); // proved: it has heard us
    expect(b(a).proved).toBe(true);
    const update = {
      operation: ADVERTISEMENT,
      locators: [{ locator: l64('2001:db8:5::'), preference: 1, lifetime: 60 }],
    } as const;
    const envelope = { source: octetsOf('2001:db8:5::b1'), destination: octetsOf(A), nonce: NONCE };
    expect(a.pass(locatorUpdatePacket(update, envelope)!, 5 * SECOND)).toBe('taken');
  });

  test('goes where its Locator Update says, whatever the DNS still says; a program may use what the DNS says', () => {
    named(a, ['2001:db8:2::', '2001:db8:4::'], { now: 6 * SECOND });
    expect(where(a)).toEqual(['2001:db8:5::/64']);
    for (const address of ['2001:db8:2::b1', '2001:db8:4::b1'])
      expect(addressesOf(out(a, address, 7 * SECOND)).dst).toBe(full('2001:db8:5::b1'));
  });

  test('the DNS says the same: it is valid for as long as either says', () => {
    named(a, ['2001:db8:5::'], { now: 50 * SECOND, lifetime: 1000 });
    expect(b(a).locators[0]!.expires).toBe(1050 * SECOND);
    named(a, ['2001:db8:5::'], { now: 51 * SECOND, lifetime: 1 });
    expect(b(a).locators[0]!.expires).toBe(1050 * SECOND);
  });

  test('that was silent for ten minutes would not tell us any more: the DNS has the word', () => {
    named(a, ['2001:db8:4::'], { now: 604 * SECOND });
    expect(where(a)).toEqual(['2001:db8:5::/64']);
    named(a, ['2001:db8:4::'], { now: 606 * SECOND });
    expect(where(a)).toEqual(['2001:db8:4::/64']);
  });

  test('both have moved: after two updates that are not answered it is lost, names find it, and it is told there', () => {
    move(a, ['2001:db8:9::'], 10 * SECOND);
    a.shim.updates.run(11 * SECOND);
    expect(a.lost).toEqual([]);
    a.shim.updates.run(13 * SECOND);
    expect(a.lost).toEqual([b(a)]);
    a.sent.length = 0;

    named(a, ['2001:db8:7::'], { now: 13.1 * SECOND });
    expect(where(a)).toEqual(['2001:db8:7::/64', '2001:db8:5::/64']); // the last one is only tried
    expect(a.sent.map((packet) => addressesOf(packet))).toEqual([
      { src: full('2001:db8:9::a1'), dst: full('2001:db8:7::b1') },
    ]);
    expect(readLocatorUpdate(a.sent[0]!, 0, 48, a.sent[0]!.length - 48)).toMatchObject({
      operation: ADVERTISEMENT,
      locators: [{ locator: l64('2001:db8:9::') }],
    });
    // a program on this node still knows it under the address it began with
    expect(addressesOf(out(a, '2001:db8:2::b1', 14 * SECOND)).dst).toBe(full('2001:db8:7::b1'));
  });

  test('names know nothing new: the updates go on as they were', () => {
    move(a, ['2001:db8:9::'], 10 * SECOND);
    a.shim.updates.run(11 * SECOND);
    a.shim.updates.run(13 * SECOND);
    a.sent.length = 0;
    named(a, ['2001:db8:5::'], { now: 13.1 * SECOND });
    expect(a.sent).toEqual([]);
    expect(a.shim.updates.next(13.1 * SECOND)).toBe(17 * SECOND);
  });

  test('the DNS is late: every further round asks it again, and tries what it says and what was known', () => {
    b(a).lose();
    named(a, ['2001:db8:4::'], { now: 10 * SECOND, lifetime: 2 });
    expect(where(a)).toEqual(['2001:db8:4::/64', '2001:db8:5::/64']);
    b(a).lose();
    named(a, ['2001:db8:4::'], { now: 20 * SECOND, lifetime: 2 });
    expect(b(a).locators.map(({ expires }) => expires / SECOND)).toEqual([22, 22]);
    expect(b(a).target(30 * SECOND)).toMatchObject(locatorOf(l64('2001:db8:4::'))); // expired, and better than the other
    b(a).lose();
    named(a, ['2001:db8:7::'], { now: 31 * SECOND });
    expect(where(a)).toEqual(['2001:db8:7::/64', '2001:db8:4::/64', '2001:db8:5::/64']);
  });

  test('once it is heard again the DNS has not the word any more', () => {
    move(a, ['2001:db8:9::', '2001:db8:1::'], 10 * SECOND);
    a.shim.updates.run(11 * SECOND);
    a.shim.updates.run(13 * SECOND);
    expect(a.lost).toHaveLength(1);
    heard(a, '2001:db8:5::b1', 14 * SECOND);
    named(a, ['2001:db8:7::'], { now: 15 * SECOND });
    expect(where(a)).toEqual(['2001:db8:5::/64']);
  });
});
