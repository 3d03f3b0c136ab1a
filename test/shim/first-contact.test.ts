/** The first words to a node that has not answered yet, and what a session that begins so must live through. */
import { describe, expect, test } from 'vitest';
import { locatorOf } from '../../src/ilnp/correspondent.ts';
import { teach } from '../../src/shim/teach.ts';
import { insertNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import { addressesOf, echo6, error6, full, ipv6, sealed, tcp6, udp6 } from '../support/packets.ts';
import { answer, type End, endSystem, know, l64, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const B2 = '2001:db8:c::b1';
const ELSEWHERE = '2001:db8:ee::b1';
const N = Uint8Array.of(1, 2, 3, 4);
const OTHER = Uint8Array.of(4, 3, 2, 1);
const SECOND = 1e6;
const TCP = 6;

/** A SYN, or the SYN that answers `syn`, with a sequence number of its own. */
function syn(src: string, dst: string, answers?: Uint8Array): Uint8Array {
  const segment = tcp6({ src, dst }, new Uint8Array(0)).slice(40);
  segment[13] = answers === undefined ? 0x02 : 0x12;
  if (answers !== undefined) {
    segment.set(answers.slice(42, 44), 0);
    segment.set(answers.slice(40, 42), 2);
    segment.set(answers.slice(44, 48), 8);
    segment[11]! += 1;
  }
  return ipv6({ src, dst }, TCP, sealed({ src, dst }, TCP, segment));
}

const sent = (a: End, dst: string, now: number): Uint8Array => a.pass(udp6({ src: STABLE_A, dst }), now) as Uint8Array;
const whereAndHow = (packet: Uint8Array): string =>
  `${addressesOf(packet).dst} ${nonceOf(packet, 0, packet.length) === null ? 'plain' : 'nonce'}`;

describe('no way leads there, says a router', () => {
  function twoPlaces() {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    const locators = ['2001:db8:b::', '2001:db8:c::'].map((text, k) => ({
      ...locatorOf(l64(text)),
      preference: 10 + k,
      expires: Number.POSITIVE_INFINITY,
    }));
    c.replace(locators, 0);
    return { a, c };
  }
  const refused = (a: End, packet: Uint8Array, now: number) =>
    a.pass(error6({ src: '2001:db8:f::1', dst: A }, 1, 0, 0, packet), now);

  // shows: H23
  test('the other Locator has its turn, then the first again, and it never counts as silent', () => {
    const { a } = twoPlaces();
    const tried = [1, 2, 3, 4, 5, 6].map((second) => {
      const packet = sent(a, B, second * SECOND);
      refused(a, packet, second * SECOND);
      return whereAndHow(packet);
    });
    const [first, second] = [`${full(B)} nonce`, `${full(B2)} nonce`];
    expect(tried).toEqual([first, second, first, second, first, second]);
  });

  test('names are asked, at most every ten seconds', () => {
    const { a, c } = twoPlaces();
    for (let second = 1; second <= 12; second++) refused(a, sent(a, B, second * SECOND), second * SECOND);
    expect(a.lost).toEqual([c, c]);
  });

  test('errors about an earlier pair change nothing, nor do those that do not quote our nonce', () => {
    const { a, c } = twoPlaces();
    const early = sent(a, B, SECOND);
    refused(a, early, SECOND);
    for (let k = 0; k < 3; k++) refused(a, early.slice(), SECOND);
    expect(whereAndHow(sent(a, B, 1.1 * SECOND))).toBe(`${full(B2)} nonce`);
    const forged = sent(a, B, 1.2 * SECOND);
    forged[44]! ^= 1;
    refused(a, forged, 1.2 * SECOND);
    expect(whereAndHow(sent(a, B, 1.3 * SECOND))).toBe(`${full(B2)} nonce`);
    expect(a.lost).toEqual([c]);
  });

  test('who has answered stays where it was, but names are asked until it is proved: then it tells us itself', () => {
    const { a, c } = twoPlaces();
    const packet = sent(a, B, SECOND);
    a.pass(insertNonce(udp6({ src: B, dst: A }), N)!, SECOND);
    refused(a, packet.slice(), SECOND);
    expect(whereAndHow(sent(a, B, 2 * SECOND))).toBe(`${full(B)} nonce`);
    expect(a.lost).toEqual([c]);
    expect(answer(a, N, 2 * SECOND)).toBe('taken');
    refused(a, packet, 20 * SECOND);
    expect(a.lost).toEqual([c]);
  });

  test('a SYN to who has answered, and is not proved, goes to the other Locator, and back', () => {
    const { a } = twoPlaces();
    sent(a, B, SECOND);
    a.pass(insertNonce(udp6({ src: B, dst: A }), N)!, SECOND);
    const tried = [10, 20, 30].map((second) => {
      const packet = a.pass(syn(STABLE_A, B), second * SECOND) as Uint8Array;
      refused(a, packet, second * SECOND);
      return addressesOf(packet).dst;
    });
    expect(tried).toEqual([full(B), full(B2), full(B)]);
  });
});

// shows: H15
test('a SYN is answered from elsewhere without a nonce: our kernel, which knows no such address, would reset the connection', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  know(a, B);
  const first = syn(STABLE_A, B);
  a.pass(first.slice());
  expect(a.pass(syn(ELSEWHERE, A, first))).toBe('drop_unknown_locator');
  expect(addressesOf(a.pass(syn(B, A, first)) as Uint8Array).src).toBe(full(B));
});

// shows: H23
test('a SYN that goes without a nonce, after a silence, may be answered with one: that is believed', () => {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  const c = know(a, B);
  sent(a, B, SECOND);
  expect(whereAndHow(sent(a, B, 4 * SECOND))).toBe(`${full(B)} plain`);
  const first = syn(STABLE_A, B);
  expect(whereAndHow(a.pass(first, 5 * SECOND) as Uint8Array)).toBe(`${full(B)} plain`);

  const reply = a.pass(insertNonce(syn(B, A, first), N)!, 5 * SECOND) as Uint8Array;
  expect(addressesOf(reply)).toEqual({ src: full(B), dst: full(STABLE_A) });
  expect(c.proved).toBe(true);
  expect(whereAndHow(sent(a, B, 5 * SECOND))).toBe(`${full(B)} nonce`);
});

describe('somebody begins a connection with a nonce, moves, and tries without', () => {
  function begun() {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const first = syn(B, A);
    expect(a.pass(insertNonce(first, N)!)).toBeInstanceOf(Uint8Array);
    expect(whereAndHow(a.pass(syn(STABLE_A, B, first)) as Uint8Array)).toBe(`${full(B)} nonce`);
    return a;
  }

  // shows: H15
  test('the same SYN from elsewhere begins no second connection', () => {
    expect(begun().pass(syn(ELSEWHERE, A))).toBe('drop_unknown_locator');
  });

  // shows: H15
  test('its data from elsewhere without a nonce are not for a program: the kernel would reset the connection', () => {
    const a = begun();
    expect(a.pass(tcp6({ src: ELSEWHERE, dst: A }))).toBe('drop_unknown_locator');
    expect(addressesOf(a.pass(insertNonce(tcp6({ src: ELSEWHERE, dst: A }), N)!) as Uint8Array).src).toBe(full(B));
  });

  test('who does not acknowledge our SYN is another node with the same identifier, as in IPv6, on the same ports too', () => {
    const another = tcp6({ src: ELSEWHERE, dst: A });
    another[51]! ^= 1;
    expect(addressesOf(begun().pass(another) as Uint8Array).src).toBe(full(ELSEWHERE));
  });

  test('what our kernel answers to somebody who knows its ports does not change how programs know it', () => {
    const a = begun();
    a.pass(insertNonce(udp6({ src: ELSEWHERE, dst: A }), N)!);
    const forged = tcp6({ src: ELSEWHERE, dst: A });
    forged[51]! ^= 1;
    expect(addressesOf(a.pass(forged) as Uint8Array).src).toBe(full(ELSEWHERE));
    const reset = syn(STABLE_A, ELSEWHERE, forged);
    reset[53] = 0x04;
    expect(whereAndHow(a.pass(reset) as Uint8Array)).toBe(`${full(ELSEWHERE)} nonce`);
    expect(addressesOf(a.pass(insertNonce(syn(ELSEWHERE, A), N)!) as Uint8Array).src).toBe(full(B));
  });

  test('with the nonce it is taken, and from where it was, as the one connection', () => {
    const a = begun();
    for (const again of [insertNonce(syn(ELSEWHERE, A), N)!, syn(B, A)])
      expect(addressesOf(a.pass(again) as Uint8Array).src).toBe(full(B));
  });

  test('another SYN from elsewhere is that of another node with the same identifier, as in IPv6', () => {
    const another = syn(ELSEWHERE, A);
    another[47]! ^= 1;
    expect(addressesOf(begun().pass(another) as Uint8Array).src).toBe(full(ELSEWHERE));
  });
});

describe('somebody begins a connection without a nonce where names do not have it', () => {
  function begun(nonce: Uint8Array | null) {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    expect(a.pass(insertNonce(udp6({ src: B, dst: A }), N)!)).toBeInstanceOf(Uint8Array);
    a.pass(tcp6({ src: ELSEWHERE, dst: A })); // whoever has sent this
    if (nonce !== null) c.replace([{ ...c.current, ...locatorOf(l64('2001:db8:ee::')) }], 1);
    const first = syn(ELSEWHERE, A);
    expect(a.pass(nonce === null ? first : insertNonce(first, nonce)!)).toBeInstanceOf(Uint8Array);
    c.replace([{ ...c.current, ...locatorOf(l64('2001:db8:ee::')) }], 1);
    return whereAndHow(a.pass(syn(STABLE_A, ELSEWHERE, first)) as Uint8Array);
  }

  test('it is answered so, also when names have it there since: its sender may be elsewhere by then, and begin once more', () => {
    expect(begun(null)).toBe(`${full(ELSEWHERE)} plain`);
  });

  test('from where it is known to be, and has sent a nonce, it is answered with one, whatever somebody has sent before', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    know(a, B);
    a.pass(tcp6({ src: B, dst: A }));
    expect(a.pass(insertNonce(udp6({ src: B, dst: A }), N)!)).toBeInstanceOf(Uint8Array);
    const first = syn(B, A);
    expect(a.pass(first)).toBeInstanceOf(Uint8Array);
    expect(whereAndHow(a.pass(syn(STABLE_A, B, first)) as Uint8Array)).toBe(`${full(B)} nonce`);
  });

  test('from where names have it, it is answered with one: one end that finds the other is enough', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    know(a, B);
    const first = syn(B, A);
    a.pass(first);
    expect(whereAndHow(a.pass(syn(STABLE_A, B, first)) as Uint8Array)).toBe(`${full(B)} nonce`);
  });

  // shows: H23
  test('the answer to one with a nonce has one, whatever somebody has sent without on its ports', () => {
    expect(begun(N)).toBe(`${full(ELSEWHERE)} nonce`);
  });
});

function echoReply(dst: string): Uint8Array {
  const message = echo6({ src: STABLE_A, dst }).slice(40);
  message[0] = 129;
  return ipv6({ src: STABLE_A, dst }, 58, sealed({ src: STABLE_A, dst }, 58, message));
}

describe('strangers with one identifier, nobody proved', () => {
  const from = (a: End, src: string, nonce: Uint8Array, now = 1): string =>
    addressesOf(a.pass(insertNonce(udp6({ src, dst: A }), nonce)!, now) as Uint8Array).src;

  /** A program has answered one, then another one came, from `src`. */
  function displaced(src: string): End {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    expect(from(a, B, N)).toBe(full(B));
    expect(whereAndHow(sent(a, B, 1))).toBe(`${full(B)} nonce`);
    expect(from(a, src, OTHER)).toBe(full(src));
    return a;
  }

  test.each([
    ['elsewhere, and moves', ELSEWHERE, B2],
    ['elsewhere, and moves to where the other one claims to be', ELSEWHERE, ELSEWHERE],
  ])('who was answered before programs know as before: another one claims to be %s', (_, claims, moves) => {
    const a = displaced(claims);
    sent(a, claims, 1);
    expect(from(a, moves, N)).toBe(full(B));
    expect(whereAndHow(sent(a, B, 1))).toBe(`${full(moves)} nonce`);
  });

  test('a word of a program counts for more than what the kernel has answered', () => {
    const a = displaced(ELSEWHERE); // whom a program has answered
    const kernel = endSystem(STABLE_A, ['2001:db8:1::']);
    from(kernel, ELSEWHERE, OTHER);
    kernel.pass(echoReply(ELSEWHERE));
    from(kernel, B, N);
    sent(kernel, B, 1);
    for (const end of [a, kernel]) {
      from(end, ELSEWHERE, Uint8Array.of(9, 9, 9, 9));
      expect(from(end, B2, N)).toBe(full(B));
    }
  });

  test('with another nonce from the same place nothing changes: programs may know it under a new address meanwhile', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const c = know(a, B);
    from(a, B, N);
    sent(a, B, 1);
    expect(from(a, B, OTHER)).toBe(full(B));
    c.named = [{ ...locatorOf(l64('2001:db8:c::')), preference: 10, expires: Number.POSITIVE_INFINITY }];
    const first = syn(STABLE_A, B2);
    a.pass(first);
    expect(addressesOf(a.pass(insertNonce(syn(B, A, first), N)!) as Uint8Array).src).toBe(full(B2));
  });

  test('before anybody has answered, the last one is known by where it is', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    from(a, B, N);
    from(a, ELSEWHERE, OTHER);
    expect(from(a, B2, N)).toBe(full(B2));
  });

  test('the proof is for who has given it, though another one has taken the place since', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    for (let k = 1; k < 4; k++) from(a, B, N, k);
    expect(a.asked).toHaveLength(1);
    expect(from(a, ELSEWHERE, OTHER)).toBe(full(ELSEWHERE));
    expect(answer(a, N)).toBe('taken');
    expect(from(a, B, N)).toBe(full(B));
    expect(whereAndHow(sent(a, B, 5))).toBe(`${full(B)} nonce`);
    expect(a.pass(insertNonce(udp6({ src: ELSEWHERE, dst: A }), OTHER)!)).toBe('drop_wrong_nonce');
  });

  /** Names say now that it is at these Locators. */
  function named(a: End, ...texts: string[]): void {
    const { nid0, nid1 } = a.shim.node.ilcc.all().next().value!;
    const locators = texts.map((text) => ({ ...locatorOf(l64(text)), preference: 10, lifetime: 3600 }));
    teach(a.shim.node, a.shim, { nid0, nid1, isKnownName: true, locators }, 1);
  }

  test('names place it elsewhere than the last one: programs know it as the one they have answered', () => {
    const a = displaced(ELSEWHERE);
    named(a, '2001:db8:c::');
    expect(addressesOf(a.pass(syn(B2, A)) as Uint8Array).src).toBe(full(B));
    expect(from(a, B2, N)).toBe(full(B));
    expect(whereAndHow(sent(a, B, 1))).toBe(`${full(B2)} nonce`);
  });

  test('names place it where the last one is: the last one keeps the place', () => {
    const a = displaced(ELSEWHERE);
    named(a, '2001:db8:c::', '2001:db8:ee::');
    expect(addressesOf(a.pass(syn(ELSEWHERE, A)) as Uint8Array).src).toBe(full(ELSEWHERE));
  });
});
