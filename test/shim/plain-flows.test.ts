/** What runs as plain IPv6 to a node that was silent, when it is time to try ILNP with it again. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { teach } from '../../src/shim/teach.ts';
import { insertNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import { addressesOf, full, tcp6, udp6 } from '../support/packets.ts';
import { answer, type End, endSystem, know, l64, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const SECOND = 1e6;
const MINUTE = 60 * SECOND;
type Make = typeof udp6;

let a: End;
let c: Correspondent;
beforeEach(() => {
  a = endSystem(STABLE_A, ['2001:db8:1::']);
  c = know(a, B);
});

/** A packet of a program to B; `port`: added to the port of ours. */
function out(make: Make, now: number, port = 0): string {
  const packet = make({ src: STABLE_A, dst: B });
  packet[41]! += port;
  const sent = a.pass(packet, now) as Uint8Array;
  return nonceOf(sent, 0, sent.length) === null ? 'plain' : 'nonce';
}

/** B answers that as plain IPv6. */
function answered(make: Make, now: number): void {
  const packet = make({ src: B, dst: A });
  const ports = packet.slice(40, 44);
  packet.set(ports.slice(2), 40);
  packet.set(ports.slice(0, 2), 42);
  expect(a.pass(packet, now)).toBeInstanceOf(Uint8Array);
}

/** Words with a nonce that nobody answers, then without. */
function silent(make: Make): void {
  expect(out(make, SECOND)).toBe('nonce');
  expect(out(make, 4 * SECOND)).toBe('plain');
}

describe.each([
  ['TCP', tcp6 as Make],
  ['UDP', udp6],
])('%s', (name, make) => {
  beforeEach(() => silent(make));

  // shows: H23
  test('goes on without a nonce while it lives, and what begins then has one', () => {
    for (let now = 4 * SECOND; now < 5 * MINUTE; now += 20 * SECOND) {
      answered(make, now);
      expect(out(make, now)).toBe('plain');
    }
    expect(out(make, 5 * MINUTE, 1)).toBe('nonce');
    expect(out(make, 5 * MINUTE)).toBe('plain');
  });

  test('that nobody has answered either way is tried with a nonce again', () => {
    expect(out(make, 2 * MINUTE)).toBe('nonce');
  });

  test('goes on so without an answer, when the node has answered something else', () => {
    out(udp6, 4 * SECOND, 7);
    answered(make, 5 * SECOND);
    expect(out(udp6, 50 * SECOND, 7)).toBe('plain');
    expect(out(udp6, 65 * SECOND, 7)).toBe('plain');
  });

  test('goes on so when names have another Locator for the node', () => {
    answered(make, 5 * SECOND);
    const locator = { ...locatorOf(l64('2001:db8:c::')), preference: 20, expires: Number.POSITIVE_INFINITY };
    c.replace([...c.locators, locator], 6 * SECOND);
    expect(out(make, 7 * SECOND)).toBe('plain');
    expect(out(make, 7 * SECOND, 1)).toBe('nonce');
  });

  test('has a nonce as soon as the node has proved that it speaks ILNP, not when anybody sends one', () => {
    answered(make, 5 * SECOND);
    out(make, 50 * SECOND);
    const nonce = Uint8Array.of(1, 2, 3, 4);
    for (const now of [70 * SECOND, 71 * SECOND]) {
      a.pass(insertNonce(udp6({ src: B, dst: A }), nonce)!, now);
      expect(out(make, now)).toBe('plain');
    }
    expect(answer(a, nonce, 71 * SECOND)).toBe('taken');
    expect(out(make, 71 * SECOND)).toBe('nonce');
  });

  test(`after an hour without a word ${name === 'TCP' ? 'it is the same connection' : 'another one begins'}`, () => {
    answered(make, 5 * SECOND);
    expect(out(make, 60 * MINUTE)).toBe(name === 'TCP' ? 'plain' : 'nonce');
  });
});

test('a SYN from the same port begins another connection', () => {
  silent(tcp6 as Make);
  answered(tcp6 as Make, 5 * SECOND);
  const syn = tcp6({ src: STABLE_A, dst: B });
  syn[53] = 0x02;
  const sent = a.pass(syn, 2 * MINUTE) as Uint8Array;
  expect(nonceOf(sent, 0, sent.length)).not.toBeNull();
});

describe('names teach a new Locator between a SYN without a nonce and its answer', () => {
  const SYN = 0x02;
  const ACK = 0x10;

  function segment(src: string, dst: string, flags: number): Uint8Array {
    const packet = tcp6({ src, dst });
    packet[53] = flags;
    return packet;
  }

  /** What B says to `sent` of ours, without a nonce; `isHeard`: with the number that only who has got it knows. */
  function reply(flags: number, sent: Uint8Array, isHeard: boolean): Uint8Array {
    const packet = segment(B, A, flags);
    packet.set(sent.slice(42, 44), 40);
    packet.set(sent.slice(40, 42), 42);
    packet.set(sent.slice(44, 48), 48);
    packet[51]! += isHeard ? 1 : 2;
    return packet;
  }

  /** How and where to the program's next segment goes. */
  function next(now: number): string {
    const packet = a.pass(segment(STABLE_A, B, ACK), now) as Uint8Array;
    return `${addressesOf(packet).dst} ${nonceOf(packet, 0, packet.length) === null ? 'plain' : 'nonce'}`;
  }

  function taught(now: number, ...texts: string[]): void {
    const { nid0, nid1 } = c;
    const locators = texts.map((text, k) => ({ ...locatorOf(l64(text)), preference: 10 + k, lifetime: 3600 }));
    teach(a.shim.node, a.shim, { nid0, nid1, isKnownName: true, locators }, now);
  }

  // shows: H23
  test.each([
    ['before the old one', ['2001:db8:c::', '2001:db8:b::'], false],
    ['before the old one, and somebody sends a nonce in its name', ['2001:db8:c::', '2001:db8:b::'], true],
    ['instead of the old one', ['2001:db8:c::'], false],
  ])('%s: the connection stays where it has begun, and what begins then has a nonce', (_, locators, isForged) => {
    silent(tcp6 as Make);
    const syn = segment(STABLE_A, B, SYN);
    expect(a.pass(syn.slice(), 5 * SECOND)).toBeInstanceOf(Uint8Array);
    taught(5 * SECOND, ...locators);
    if (isForged) a.pass(insertNonce(udp6({ src: B, dst: A }), Uint8Array.of(1, 2, 3, 4))!, 5 * SECOND);
    const answer = a.pass(reply(SYN | ACK, syn, true), 5 * SECOND) as Uint8Array;
    expect(addressesOf(answer)).toEqual({ src: full(B), dst: full(STABLE_A) });
    expect(next(5 * SECOND)).toBe(`${full(B)} plain`);
    expect(out(udp6, 5 * SECOND)).toBe('nonce');
  });

  // shows: H23
  test('what anybody can send in the name of the node changes nothing', () => {
    silent(tcp6 as Make);
    const syn = segment(STABLE_A, B, SYN);
    a.pass(syn.slice(), 5 * SECOND);
    taught(5 * SECOND, '2001:db8:c::', '2001:db8:b::');
    a.pass(reply(SYN | ACK, syn, false), 5 * SECOND);
    answered(udp6, 5 * SECOND);
    expect(next(5 * SECOND)).toBe(`${full('2001:db8:c::b1')} nonce`);
  });

  test('a connection that the node has begun with a nonce keeps it, though an acknowledgement comes without', () => {
    const theirs = segment(B, A, SYN);
    expect(a.pass(insertNonce(theirs, Uint8Array.of(1, 2, 3, 4))!, SECOND)).toBeInstanceOf(Uint8Array);
    const ours = segment(STABLE_A, B, SYN | ACK);
    ours.set(theirs.slice(42, 44), 40);
    ours.set(theirs.slice(40, 42), 42);
    expect(a.pass(ours.slice(), SECOND)).toBeInstanceOf(Uint8Array);
    taught(SECOND, '2001:db8:c::');
    expect(a.pass(reply(ACK, ours, true), SECOND)).toBeInstanceOf(Uint8Array);
    ours[53] = ACK;
    const packet = a.pass(ours, SECOND) as Uint8Array;
    expect(nonceOf(packet, 0, packet.length)).not.toBeNull();
  });
});

// shows: H23
test('what begins goes without a nonce after a silence, however often somebody sends one in the name of the node', () => {
  const syn = (now: number): string => {
    const packet = tcp6({ src: STABLE_A, dst: B });
    packet[53] = 0x02;
    const sent = a.pass(packet, now) as Uint8Array;
    return nonceOf(sent, 0, sent.length) === null ? 'plain' : 'nonce';
  };
  const forge = (now: number) => a.pass(insertNonce(udp6({ src: B, dst: A }), Uint8Array.of(1, 2, 3, now & 7))!, now);
  forge(SECOND);
  expect(syn(SECOND)).toBe('nonce');
  forge(2 * SECOND);
  expect(syn(2 * SECOND)).toBe('nonce');
  forge(3.9 * SECOND);
  expect(syn(4 * SECOND)).toBe('plain');
});
