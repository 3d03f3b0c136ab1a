/** Transport checksums without Locators, and peers of either kind: the program always has the sum of IPv6, right or wrong. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Correspondent } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import {
  batchOf,
  echo6,
  error6,
  fragmentHeader,
  hasRightChecksum,
  ipv6,
  joined,
  packetOf,
  sealed,
  tcp6,
  tcpSegment,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { type End, endSystem, know, move, STABLE_A, STABLE_B } from './support.ts';

type Convention = Correspondent['checksum'];

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const LIMITS = { strangers: 64, known: 64 };
const NONCE = Uint8Array.of(1, 2, 3, 4);

function end(stable: string, locator: string, checksum: Convention): End {
  const ilcc = new Ilcc(LIMITS, [1, 2], (c) => {
    c.checksum = checksum;
    c.zeroed = checksum === 'zeroed';
  });
  return endSystem(stable, [locator], LIMITS, { ilcc });
}

/** A knows B by name; B learns A. */
function pair(ofA: Convention, ofB: Convention): { a: End; b: End } {
  const a = end(STABLE_A, '2001:db8:1::', ofA);
  const b = end(STABLE_B, '2001:db8:b::', ofB);
  know(a, B);
  return { a, b };
}

const sent = (by: End, packet: Uint8Array): Uint8Array => {
  const out = by.pass(packet);
  if (typeof out === 'string') throw new Error(`not sent: ${out}`);
  return out;
};

/** The packet without its Destination Options header of 8 octets. */
function bare(wire: Uint8Array): Uint8Array {
  const header = wire.slice(0, 40);
  header[6] = wire[40]!;
  return joined(header, wire.slice(48));
}

/** By which convention the sum of what is on the wire is right. */
const shown = (wire: Uint8Array): string =>
  `${hasRightChecksum(bare(wire)) ? 'full' : ''}${hasRightChecksum(bare(wire), true) ? 'zeroed' : ''}`;

const MAKE = [
  ['TCP', tcp6],
  ['UDP', udp6],
] as const;

describe.each(MAKE)('%s', (_name, make) => {
  // shows: W15, W16
  test.each([
    ['full', 'full', 'full', 'full'],
    ['zeroed', 'zeroed', 'zeroed', 'zeroed'],
    ['auto', 'auto', 'full', 'full'],
    ['zeroed', 'auto', 'zeroed', 'zeroed'],
    ['full', 'auto', 'full', 'full'],
    ['auto', 'full', 'full', 'full'],
  ] as const)('from %s to %s: sums on the wire are %s, those of the answer %s', (ofA, ofB, forth, back) => {
    const { a, b } = pair(ofA, ofB);
    const wire = sent(a, make({ src: STABLE_A, dst: B }));
    sent(b, wire);
    const answer = sent(b, make({ src: STABLE_B, dst: A }));

    expect([shown(wire), shown(answer)]).toEqual([forth, back]);
    expect(hasRightChecksum(sent(b, wire))).toBe(true);
    expect(hasRightChecksum(sent(a, answer))).toBe(true);
    move(a, ['2001:db8:2::']);
    b.pass(a.sent[0]!);
    expect(hasRightChecksum(sent(b, sent(a, make({ src: STABLE_A, dst: B }))))).toBe(true);
  });

  test.each(['full', 'zeroed', 'auto'] as const)('a sum that is wrong stays wrong: %s', (checksum) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0xfffe }), (error) => {
        const { a, b } = pair(checksum, checksum);
        const wire = sent(a, make({ src: STABLE_A, dst: B }));
        const at = 48 + (make === tcp6 ? 16 : 6);
        const field = ((wire[at]! << 8) | wire[at + 1]!) ^ error;
        fc.pre(field !== 0 && field !== 0xffff);
        wire.set([field >> 8, field & 0xff], at);
        fc.pre(shown(wire) === '');
        expect(hasRightChecksum(sent(b, wire))).toBe(false);
      }),
    );
  });

  test('one side without Locators, the other with, by configuration: the program gets a wrong sum', () => {
    const { a, b } = pair('zeroed', 'full');
    expect(hasRightChecksum(sent(b, sent(a, make({ src: STABLE_A, dst: B }))))).toBe(false);
  });
});

describe('auto', () => {
  const zeroed = (h: { src: string; dst: string }): Uint8Array =>
    ipv6(h, 17, sealed(h, 17, udpSegment(h, new Uint8Array(5)), true));

  test('goes over to what the peer sends, and back', () => {
    const a = end(STABLE_A, '2001:db8:1::', 'auto');
    const h = { src: B, dst: A };
    const seen = [insertNonce(zeroed(h), NONCE)!, insertNonce(udp6(h), NONCE)!].map((packet) => {
      expect(hasRightChecksum(sent(a, packet))).toBe(true);
      return shown(sent(a, udp6({ src: STABLE_A, dst: B })));
    });
    expect(seen).toEqual(['zeroed', 'full']);
  });

  test('a packet without the nonce is read as it is, and changes nothing of how the peer is spoken to', () => {
    const a = end(STABLE_A, '2001:db8:1::', 'auto');
    const h = { src: B, dst: A };
    sent(a, insertNonce(udp6(h), NONCE)!);
    expect(hasRightChecksum(sent(a, zeroed(h)))).toBe(true);
    expect(shown(sent(a, udp6({ src: STABLE_A, dst: B })))).toBe('full');
  });

  test('a node without ILNP always has the sum of IPv6', () => {
    const a = end(STABLE_A, '2001:db8:1::', 'zeroed');
    expect(hasRightChecksum(sent(a, udp6({ src: STABLE_A, dst: B })))).toBe(true);
    expect(hasRightChecksum(sent(a, udp6({ src: B, dst: A })))).toBe(true);
  });
});

describe('zeroed', () => {
  // shows: W14
  test('ICMPv6 covers whole addresses', () => {
    const { a, b } = pair('zeroed', 'zeroed');
    const wire = sent(a, echo6({ src: STABLE_A, dst: B }));
    expect(shown(wire)).toBe('full');
    expect(hasRightChecksum(sent(b, wire))).toBe(true);
  });

  // shows: W17
  test('a UDP sum of 0 is sent as 0xffff, and 0, which says there is none, is left alone', () => {
    const { a } = pair('zeroed', 'zeroed');
    const checksumOf = (payload: Uint8Array): string => {
      const wire = sent(a, udp6({ src: STABLE_A, dst: B }, payload));
      expect(shown(wire)).toBe('zeroed');
      return Buffer.from(wire.slice(54, 56)).toString('hex');
    };
    const [hi, lo] = Buffer.from(checksumOf(new Uint8Array(2)), 'hex');
    expect(checksumOf(Uint8Array.of(hi!, lo!))).toBe('ffff');

    const none = udp6({ src: STABLE_A, dst: B });
    none.set([0, 0], 46);
    expect([...sent(a, none).slice(54, 56)]).toEqual([0, 0]);
  });

  test('the sum in the first fragment is that of the whole datagram', () => {
    const { a, b } = pair('zeroed', 'zeroed');
    sent(b, sent(a, udp6({ src: STABLE_A, dst: B })));
    const make = (h: { src: string; dst: string }, z: boolean) =>
      ipv6(
        h,
        44,
        joined(fragmentHeader(6, 0, true), z ? sealed(h, 6, tcpSegment(h, NONCE), true) : tcpSegment(h, NONCE)),
      );
    const wire = sent(a, make({ src: STABLE_A, dst: B }, false));
    const expected = make({ src: A, dst: B }, true);
    expected[7] = wire[7]!;
    expect(wire).toEqual(expected);

    const got = sent(b, wire);
    const original = make({ src: A, dst: STABLE_B }, false);
    original[7] = got[7]!;
    expect(got).toEqual(original);
  });

  test('an error quotes to each what it has sent, sum and all', () => {
    const { a, b } = pair('zeroed', 'zeroed');
    const asked = udp6({ src: STABLE_A, dst: B }, new Uint8Array(30));
    const wire = sent(a, asked);
    const got = sent(b, wire);
    const error = sent(b, error6({ src: STABLE_B, dst: A }, 1, 4, 0, got));
    expect(error.slice(56 + 40)).toEqual(wire.slice(48)); // its own packet, but for the nonce

    for (const packet of [error, error6({ src: '2001:db8:f::1', dst: A }, 3, 0, 0, wire)]) {
      const told = sent(a, packet);
      const expected = asked.slice();
      expected[7] = told[55]!;
      expect(told.slice(48)).toEqual(expected);
      expect(hasRightChecksum(told)).toBe(true);
    }
  });

  test('a partial sum covers the addresses that the kernel saw, on the way in', () => {
    const a = end(STABLE_A, '2001:db8:1::', 'auto');
    const batch = batchOf(0, [insertNonce(tcp6({ src: B, dst: A }), NONCE)!], true);
    const o = batch.offset[0]!;
    batch.bytes.set([1, 0], o - 10);
    batch.half.set([0, 0, 48, 16], (o >>> 1) - 4);
    a.passBatch(batch);
    expect(batch.verdict[0]).toBe(0);
    expect(packetOf(batch).length).toBe(68);
    expect([...a.shim.node.ilcc.all()][0]!.zeroed).toBe(false);
  });
});
