/** The option that authenticates a Locator Update, against an HMAC written down here once more. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACKNOWLEDGEMENT,
  ADVERTISEMENT,
  acknowledgementOf,
  locatorUpdatePacket,
} from '../../src/wire/locator-update.ts';
import { nonceOf } from '../../src/wire/nonce-option.ts';
import { authenticated, authenticationOption } from '../../src/wire/update-authentication.ts';
import { hasRightChecksum, joined, octetsOf } from '../support/packets.ts';

const KEY = new Uint8Array(32).fill(7);
const A = octetsOf('2001:db8:1::a1');
const B = octetsOf('2001:db8:b::b1');
const SEQUENCE = 0x1_2345_6789_abcd;
const LOCATORS = [
  { locator: { hi: 0x20010db8, lo: 0x20000 }, preference: 10, lifetime: 1800 },
  { locator: { hi: 0x20010db8, lo: 0x30000 }, preference: 20, lifetime: 60 },
];

const made = (nonce: Uint8Array, option = 0x1e, source = A): Uint8Array =>
  locatorUpdatePacket({ operation: ADVERTISEMENT, locators: LOCATORS }, { source, destination: B, nonce }, (m, e) =>
    authenticationOption(m, e, { key: KEY, option, sequence: SEQUENCE }),
  )!;

const read = (packet: Uint8Array, key = KEY, option = 0x1e): number | null | false =>
  authenticated(packet, 0, 40 + 8 * (packet[41]! + 1), packet.length, { key, option });

describe('the option', () => {
  test.each([
    [4, 40],
    [12, 48],
  ])('behind a nonce of %i octets, in a header of %i, byte for byte', (octets, header) => {
    const nonce = new Uint8Array(octets).fill(1);
    const packet = made(nonce);
    const message = packet.slice(40 + header);
    const mac = createHmac('sha256', KEY)
      .update('ILNPv6 Locator Update 1')
      .update(A.slice(8))
      .update(B.slice(8))
      .update(Uint8Array.of(0, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd))
      .update(Uint8Array.of(2, 1))
      .update(message.slice(8))
      .digest()
      .subarray(0, 16);
    const expected = [0x1e, 24, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, ...mac, 1, 4, 0, 0, 0, 0];

    expect(packet.length).toBe(40 + header + 8 + 24);
    expect([...packet.slice(40, 44 + octets)]).toEqual([58, header / 8 - 1, 0x8b, octets, ...nonce]);
    expect([...packet.slice(44 + octets, 40 + header)]).toEqual(expected);
    expect(nonceOf(packet, 0, packet.length)).toEqual(nonce);
    expect(hasRightChecksum(joined(packet.slice(0, 6), Uint8Array.of(58), packet.slice(7, 40), message))).toBe(true);
    expect(read(packet)).toBe(SEQUENCE);
  });

  test('says nothing to who looks for another type, and does not hold with another key, node or Locator', () => {
    const nonce = new Uint8Array(4);
    expect(read(made(nonce, 0x3e))).toBeNull();
    expect(read(made(nonce), new Uint8Array(32))).toBe(false);
    const from = made(nonce);
    from[23]! ^= 1; // NID of the source
    expect(read(from)).toBe(false);
    const elsewhere = made(nonce, 0x1e, octetsOf('2001:db8:99::a1')); // where it is sent from does not matter
    expect(read(elsewhere)).toBe(SEQUENCE);
  });

  test('an acknowledgement has one of its own, the other way', () => {
    const packet = made(new Uint8Array(4));
    const answer = acknowledgementOf(packet, new Uint8Array(4), (m, e) =>
      authenticationOption(m, e, { key: KEY, option: 0x1e, sequence: SEQUENCE }),
    )!;
    expect(answer[85]).toBe(ACKNOWLEDGEMENT);
    expect(read(answer)).toBe(SEQUENCE);
    expect(answer.slice(48, 74)).not.toEqual(packet.slice(48, 74));
    const turned = packet.slice();
    turned.set(packet.slice(24, 40), 8);
    turned.set(packet.slice(8, 24), 24);
    expect(read(turned)).toBe(false); // sent back, it is not one
  });

  test('any octet of sequence, HMAC, operation or Locators changed, and it does not hold', () => {
    const right = made(new Uint8Array(4));
    const covered = fc.oneof(fc.integer({ min: 50, max: 73 }), fc.constant(85), fc.integer({ min: 88, max: 111 }));
    fc.assert(
      fc.property(covered, fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const packet = right.slice();
        packet[at]! ^= flip;
        expect(read(packet)).toBe(false);
      }),
    );
  });
});
