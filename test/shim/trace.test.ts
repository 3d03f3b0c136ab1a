/** What a trace says of packets, and that it leaves them as they are. */
import { describe, expect, test } from 'vitest';
import { Trace } from '../../src/shim/trace.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { batchOf, error6, fragmentHeader, ipv6, joined, tcp6, udp6 } from '../support/packets.ts';
import { answer, type End, endSystem, know, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const ELSEWHERE = '2001:db8:ee::b1';
const STRANGER = '2001:db8:c::c0';
const RIGHT = Uint8Array.of(1, 2, 3, 4);
const WRONG = Uint8Array.of(1, 2, 3, 5);

/** An end system in session with B, which has shown that it hears us. */
function talking(): End {
  const a = endSystem(STABLE_A, ['2001:db8:1::']);
  know(a, B);
  a.pass(udp6({ src: STABLE_A, dst: B }));
  a.pass(insertNonce(udp6({ src: B, dst: A }), RIGHT)!);
  answer(a, RIGHT);
  return a;
}

const udp = (src: string, dst: string, nonce: Uint8Array | null): Uint8Array =>
  nonce === null ? udp6({ src, dst }) : insertNonce(udp6({ src, dst }), nonce)!;

function decisionOf(a: End, packet: Uint8Array) {
  const trace = new Trace(1);
  a.shim.trace = trace;
  a.pass(packet, 2);
  const [decision] = trace.take();
  return decision!;
}

describe('why', () => {
  test.each([
    ['nonce right, Locator known, proved: accepted', 'ilnp', udp(B, A, RIGHT)],
    ['nonce absent, Locator known, proved: accepted', 'ilnp', udp(B, A, null)],
    ['nonce right, Locator unknown, proved: accepted, answers go there for a while', 'ilnp', udp(ELSEWHERE, A, RIGHT)],
    [
      'nonce wrong, Locator known, proved: not accepted, but for the answer to our SYN; from a correspondent, with a nonce that is not its',
      'drop_wrong_nonce',
      udp(B, A, WRONG),
    ],
    [
      'nonce absent, Locator unknown, proved: not accepted; from the NID of a correspondent under another Locator, without its nonce',
      'drop_unknown_locator',
      udp(ELSEWHERE, A, null),
    ],
    ["its NID is no correspondent's, no nonce", 'plain', udp(STRANGER, A, null)],
    ["its NID is no correspondent's, with a nonce: the first of one", 'ilnp', udp(STRANGER, A, RIGHT)],
    ['correspondent 0:0:0:b1, in session, at 2001:db8:b::/64', 'ilnp', udp(STABLE_A, B, null)],
    ["its NID is no correspondent's: plain IPv6", 'plain', udp(STABLE_A, STRANGER, null)],
    ['another node than correspondent 0:0:0:b1: plain IPv6', 'plain', udp(STABLE_A, ELSEWHERE, null)],
    [
      'correspondent 0:0:0:b1, in session, at 2001:db8:b::/64; no nonce: a fragment, or no room',
      'ilnp',
      ipv6({ src: STABLE_A, dst: B }, 44, joined(fragmentHeader(17, 0, true), new Uint8Array(16))),
    ],
    ['shorter than its IPv6 header says', 'drop_truncated', new Uint8Array(7)],
  ])('%s: %s', (why, verdict, packet) => {
    expect(decisionOf(talking(), packet)).toMatchObject({ why, verdict });
  });

  test('a node that has said it has no ILNP', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    know(a, B);
    const wire = a.pass(tcp6({ src: STABLE_A, dst: B })) as Uint8Array;
    a.pass(error6({ src: B, dst: A }, 4, 2, 42, wire));
    expect(decisionOf(a, tcp6({ src: STABLE_A, dst: B }))).toMatchObject({
      verdict: 'plain',
      why: 'correspondent 0:0:0:b1 has no ILNP: plain IPv6',
    });
  });
});

test('a packet before and after, in words and as fields', () => {
  const { way, before, after } = decisionOf(talking(), udp(B, A, RIGHT));
  expect(way).toBe('in');
  expect(before).toEqual({
    source: B,
    destination: A,
    nonce: '01020304',
    octets: 64,
    text: 'UDP [2001:db8:b::b1]:40000 > [2001:db8:1::a1]:53, nonce 01020304, 64 octets',
  });
  expect(after).toMatchObject({ source: B, destination: STABLE_A, nonce: null, octets: 56 });
});

test('it ends by itself, in the middle of a batch, and changes nothing of what packets become', () => {
  const packets = Array.from({ length: 5 }, () => udp(B, A, RIGHT));
  const [traced, other] = [talking(), talking()];
  const trace = new Trace(3);
  traced.shim.trace = trace;
  const batches = [traced, other].map((end) => {
    const batch = batchOf(0, packets);
    end.passBatch(batch, 2);
    return batch;
  });

  expect(trace.take()).toHaveLength(3);
  expect(trace.take()).toEqual([]);
  expect(traced.shim.trace).toBeNull();
  expect(batches[0]!.bytes).toEqual(batches[1]!.bytes);
  expect([...batches[0]!.verdict]).toEqual([...batches[1]!.verdict]);
});
