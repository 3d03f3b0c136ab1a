/** Locator Updates between nodes that share a key: replays, forgeries by who has the nonce, and peers that lack the key. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Correspondent } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';
import { ADVERTISEMENT, acknowledgementOf, locatorUpdatePacket } from '../../src/wire/locator-update.ts';
import { authenticationOption } from '../../src/wire/update-authentication.ts';
import { addressesOf, full, octetsOf, udp6 } from '../support/packets.ts';
import { type End, endSystem, know, l64, move, STABLE_A, STABLE_B } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const KEY = new Uint8Array(32).fill(7);
const LIMITS = { strangers: 64, known: 64 };
type Key = 'key' | 'required' | 'none';

function end(stable: string, locator: string, has: Key, wallClock = () => 0): End {
  const ilcc = new Ilcc(LIMITS, [1, 2], (c) => {
    c.key = has === 'none' ? null : KEY;
    c.isKeyRequired = has === 'required';
  });
  return endSystem(stable, [locator], LIMITS, { ilcc, wallClock });
}

/** Two ends in session; those they know. */
function session(ofA: Key, ofB: Key): { a: End; b: End; b_: Correspondent; a_: Correspondent } {
  const a = end(STABLE_A, '2001:db8:1::', ofA);
  const b = end(STABLE_B, '2001:db8:b::', ofB);
  const b_ = know(a, B);
  b.pass(a.pass(udp6({ src: STABLE_A, dst: B })) as Uint8Array);
  a.pass(b.pass(udp6({ src: STABLE_B, dst: A })) as Uint8Array);
  const [a_] = [...b.shim.node.ilcc.all()];
  return { a, b, b_, a_: a_! };
}

/** A moves and tells B; what it has sent. */
function told(a: End, locator: string): Uint8Array {
  move(a, [locator]);
  return a.sent.splice(0)[0]!;
}

const destination = (b: End): string => addressesOf(b.pass(udp6({ src: STABLE_B, dst: A })) as Uint8Array).dst;

describe('both have the key', () => {
  let both: ReturnType<typeof session>;
  beforeEach(() => {
    both = session('key', 'key');
  });

  test('updates and acknowledgements hold, set after set', () => {
    const { a, b } = both;
    for (const site of [2, 3]) {
      expect(b.pass(told(a, `2001:db8:${site}::`))).toBe('taken');
      expect(a.pass(b.sent.splice(0)[0]!)).toBe('taken');
      expect(a.shim.updates.outstanding).toBe(0);
      expect(destination(b)).toBe(full(`2001:db8:${site}::a1`));
    }
  });

  test('a replay of an older set is refused; a copy of the newest is acknowledged and changes nothing', () => {
    const { a, b } = both;
    const [first, second] = [told(a, '2001:db8:2::'), told(a, '2001:db8:3::')];
    expect([second, first, second].map((packet) => b.pass(packet))).toEqual(['taken', 'drop_replayed_update', 'taken']);
    expect(b.sent).toHaveLength(2);
    expect(destination(b)).toBe(full('2001:db8:3::a1'));
  });

  test('who has the nonce and not the key is not believed, with an option of its own, or, once the key was used, without', () => {
    const { a, b, b_: peer } = both;
    const forged = (key: Uint8Array | null): Uint8Array =>
      locatorUpdatePacket(
        { operation: ADVERTISEMENT, locators: [{ locator: l64('2001:db8:66::'), preference: 1, lifetime: 600 }] },
        { source: octetsOf(A), destination: octetsOf(B), nonce: peer.localNonce },
        key === null ? undefined : (m, e) => authenticationOption(m, e, { key, option: 0x1e, sequence: 1e9 }),
      )!;
    expect(b.pass(forged(new Uint8Array(32)))).toBe('drop_unauthenticated_update');
    expect(b.pass(told(a, '2001:db8:2::'))).toBe('taken');
    expect(b.pass(forged(null))).toBe('drop_unauthenticated_update');
    expect(destination(b)).toBe(full('2001:db8:2::a1'));
  });

  test('an acknowledgement counts for the set it was made for only, and not without the key', () => {
    const { a, b, a_: peer } = both;
    const first = told(a, '2001:db8:2::');
    b.pass(first);
    const [early] = b.sent.splice(0);
    told(a, '2001:db8:1::');
    const again = told(a, '2001:db8:2::'); // the same Locators, another time
    expect(a.pass(early!)).toBe('taken');
    expect(a.shim.updates.outstanding).toBe(1);
    expect(a.pass(acknowledgementOf(again, peer.localNonce)!)).toBe('drop_unauthenticated_update');
    expect(a.shim.updates.outstanding).toBe(1);
    b.pass(again);
    a.pass(b.sent[0]!);
    expect(a.shim.updates.outstanding).toBe(0);
  });

  test('numbers go on above those of an earlier run, by the clock', () => {
    const { b } = both;
    const a = end(STABLE_A, '2001:db8:1::', 'key', () => 1e15);
    const peer = know(a, B);
    b.pass(a.pass(udp6({ src: STABLE_A, dst: B })) as Uint8Array);
    a.pass(b.pass(udp6({ src: STABLE_B, dst: A })) as Uint8Array);
    told(a, '2001:db8:2::');
    expect(peer.localSequence).toBe(1e15);
    told(a, '2001:db8:3::');
    expect(peer.localSequence).toBe(1e15 + 1);
  });
});

describe('one lacks the key', () => {
  test.each([
    ['key', 'none'],
    ['none', 'key'],
  ] as const)('%s, %s: they go on as RFC 6743 says', (ofA, ofB) => {
    const { a, b } = session(ofA, ofB);
    expect(b.pass(told(a, '2001:db8:2::'))).toBe('taken');
    expect(a.pass(b.sent[0]!)).toBe('taken');
    expect(a.shim.updates.outstanding).toBe(0);
    expect(destination(b)).toBe(full('2001:db8:2::a1'));
  });

  test('where it is required nothing is believed without, neither updates nor acknowledgements', () => {
    const { a, b } = session('none', 'required');
    expect(b.pass(told(a, '2001:db8:2::'))).toBe('drop_unauthenticated_update');
    expect(b.sent).toEqual([]);
    expect(destination(b)).toBe(full(A));

    const other = session('required', 'none');
    expect(other.b.pass(told(other.a, '2001:db8:2::'))).toBe('taken');
    expect(other.a.pass(other.b.sent[0]!)).toBe('drop_unauthenticated_update');
    expect(other.a.shim.updates.outstanding).toBe(1);
  });
});
