/** Who is believed before anything shows that it hears us, and what shows it. */
import { describe, expect, test } from 'vitest';
import { insertNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import { addressesOf, full, tcp6, udp6 } from '../support/packets.ts';
import { answer, type End, endSystem, know, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const ELSEWHERE = '2001:db8:ee::b1';
const N = Uint8Array.of(1, 2, 3, 4);
const OTHER = Uint8Array.of(4, 3, 2, 1);

const heard = (a: End, src: string, nonce: Uint8Array, now = 1): Uint8Array | string =>
  a.pass(insertNonce(udp6({ src, dst: A }), nonce)!, now);
const sentTo = (a: End, dst: string, now = 1): string => {
  const packet = a.pass(udp6({ src: STABLE_A, dst }), now) as Uint8Array;
  return `${addressesOf(packet).dst} ${packet[6] === 60 ? 'nonce' : 'plain'}`;
};

describe('a node that names know', () => {
  test('and that calls from elsewhere is not answered before names have been asked, but by plain IPv6 without a nonce', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);

    expect(heard(a, ELSEWHERE, N)).toBe('drop_unknown_locator');
    expect(a.lost).toEqual([c]);
    expect(c.remoteNonce).toBeNull();
    expect(sentTo(a, ELSEWHERE)).toBe(`${full(ELSEWHERE)} plain`);
    expect(sentTo(a, B)).toBe(`${full(B)} nonce`);
  });

  test('and that calls from elsewhere is not answered either when anybody has sent a nonce from where names have it', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    a.pass(udp6({ src: STABLE_A, dst: B }));
    expect(heard(a, B, OTHER)).toBeInstanceOf(Uint8Array);

    expect(heard(a, ELSEWHERE, N)).toBe('drop_unknown_locator');
    expect(a.lost).toEqual([c]);
    expect(addressesOf(a.pass(tcp6({ src: ELSEWHERE, dst: A })) as Uint8Array).src).toBe(full(ELSEWHERE));
  });

  test('is proved by sending back what it is asked, not by a nonce: another one may still follow', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    a.pass(udp6({ src: STABLE_A, dst: B }));
    heard(a, B, OTHER); // anybody's
    expect(c.proved).toBe(false);
    expect(a.asked).toHaveLength(1);
    expect(nonceOf(a.asked[0]!, 0, a.asked[0]!.length)).toEqual(c.localNonce);
    heard(a, B, OTHER);
    expect(a.asked).toHaveLength(1); // not twice in a second

    expect(answer(a, N)).toBe('taken');
    expect(c.proved).toBe(true);
    expect(heard(a, B, OTHER)).toBe('drop_wrong_nonce');
    expect(heard(a, B, N)).toBeInstanceOf(Uint8Array);
  });
});

test('who gives the proof while programs wait for its answer is watched from their next word on', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const c = know(a, B);
  sentTo(a, B);
  heard(a, B, N, 2);
  sentTo(a, B, 3);
  expect(answer(a, N, 4)).toBe('taken');
  expect(c.isWatched).toBe(false);
  sentTo(a, B, 5);
  expect(c.isWatched).toBe(true);
  expect(a.shim.node.spokenTo).toEqual([c]);
});

describe('a node without ILNP, in whose name somebody sends a nonce', () => {
  const SECOND = 1e6;
  const segment = (src: string, dst: string, flags: number): Uint8Array => {
    const packet = tcp6({ src, dst });
    packet[53] = flags;
    return packet;
  };
  const how = (packet: Uint8Array | string): string => ((packet as Uint8Array)[6] === 60 ? 'nonce' : 'plain');

  // shows: H28
  test('proves nothing when it acknowledges our SYN: its connection lives, and others begin after a silence', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    heard(a, B, OTHER, SECOND);
    const syn = segment(STABLE_A, B, 0x02);
    expect(how(a.pass(syn.slice(), SECOND))).toBe('nonce'); // which B does not take
    expect(how(a.pass(syn.slice(), 4 * SECOND))).toBe('plain');
    // B sends, and all it ever has to acknowledge is the SYN
    const data = segment(B, A, 0x10);
    data.set(syn.slice(42, 44), 40);
    data.set(syn.slice(40, 42), 42);
    data.set(syn.slice(44, 48), 48);
    data[51]! += 1;
    for (let second = 4; second < 100; second += 5) {
      if (second > 64) heard(a, B, OTHER, second * SECOND);
      expect(a.pass(data.slice(), second * SECOND)).toBeInstanceOf(Uint8Array);
      expect(how(a.pass(segment(STABLE_A, B, 0x10), second * SECOND))).toBe('plain');
    }
    expect(a.shim.node.ilcc.all().next().value!.proved).toBe(false);
    syn[41]! += 1;
    expect(how(a.pass(syn.slice(), 100 * SECOND))).toBe('nonce');
    expect(how(a.pass(syn.slice(), 103 * SECOND))).toBe('plain');
  });
});

// shows: H28
test('a stranger without proof is asked and gives way to another one with its NID; with proof it does not', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  heard(a, ELSEWHERE, OTHER);
  for (let k = 1; k < 4; k++) expect(heard(a, B, N, k)).toBeInstanceOf(Uint8Array);
  const [question] = a.asked; // before any program here has said a word
  expect(nonceOf(question!, 0, question!.length)).not.toBeNull();
  expect(sentTo(a, B)).toBe(`${full(B)} nonce`);
  expect(answer(a, N)).toBe('taken');
  expect(heard(a, ELSEWHERE, OTHER)).toBe('drop_wrong_nonce');
});

test('a correspondent with another nonce is asked: who has started anew says so', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  know(a, B);
  heard(a, B, N);
  a.pass(udp6({ src: STABLE_A, dst: B }));
  heard(a, B, N, 2);
  answer(a, N, 3);
  expect(heard(a, B, OTHER, 5e6)).toBe('drop_wrong_nonce');
  expect(answer(a, OTHER, 5e6)).toBe('taken');
  expect(heard(a, B, OTHER, 5e6)).toBeInstanceOf(Uint8Array);
});

test('a straggler from a Locator that was just withdrawn is not followed; a packet from where it is ends a guess', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const c = know(a, B);
  heard(a, B, N);
  const l = c.locators[0]!;
  c.replace([{ ...l, l0: l.l0 + 1 }], 10e6);
  heard(a, B, N, 10.5e6);
  expect(c.current.l0).toBe(l.l0 + 1);
  heard(a, B, N, 12e6);
  expect(c.isProvisional).toBe(true);
  c.settle(l.l0 + 1, l.l1);
  expect(c.current.l0).toBe(l.l0 + 1);
});

test('the SYN of a new session is answered from another Locator: believed, for only who got the SYN knows its number', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const c = know(a, B);
  const syn = tcp6({ src: STABLE_A, dst: B });
  syn[53] = 0x02;
  a.pass(syn);
  const reply = tcp6({ src: ELSEWHERE, dst: A });
  reply.set(syn.slice(44, 48), 48);
  reply[51]! += 1;
  reply[53] = 0x12;
  expect(addressesOf(a.pass(insertNonce(reply, N)!) as Uint8Array).src).toBe(full(B));
  expect(c.proved).toBe(true);
});
