import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { octetsOf, udp6 } from '../support/packets.ts';

const at = (address: string): [Uint8Array, number] => {
  const placed = new Uint8Array(32).fill(0xff);
  placed.set(octetsOf(address), 8);
  return [placed, 8];
};

describe('an address no packet is forwarded for (RFC 4291 section 2)', () => {
  test.each([
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fe80::', 'link-local'],
    ['febf:ffff::9', 'link-local, the last'],
    ['ff00::', 'multicast'],
    ['ff02::1', 'multicast of the link'],
    ['ff0e::1', 'multicast of the world'],
  ])('is %s: %s', (address) => {
    expect(ipv6.isUnforwardable(...at(address))).toBe(true);
  });

  test.each([
    ['::2', 'the first behind loopback'],
    ['1::', 'not zero in the first group'],
    ['0:0:0:1::', 'not zero in the last group of the Locator'],
    ['::100:0:0:1', 'loopback but for one bit'],
    ['2001:db8::1', 'global'],
    ['fd00:1::a1', 'unique local'],
    ['fe7f:ffff::1', 'before link-local'],
    ['fec0::1', 'behind link-local'],
    ['feff::1', 'before multicast'],
  ])('is not %s: %s', (address) => {
    expect(ipv6.isUnforwardable(...at(address))).toBe(false);
  });

  test('is found by its own sixteen octets alone', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.constantFrom(0, 0xff),
        fc.constantFrom(0, 0xff),
        (address, before, behind) => {
          const alone = Uint8Array.from([...new Uint8Array(8), ...address, ...new Uint8Array(8)]);
          const placed = Uint8Array.from([
            ...new Uint8Array(8).fill(before),
            ...address,
            ...new Uint8Array(8).fill(behind),
          ]);

          expect(ipv6.isUnforwardable(placed, 8)).toBe(ipv6.isUnforwardable(alone, 8));
        },
      ),
    );
  });
});

test('offsets in octets and in words name the same fields of the header', () => {
  const packet = udp6({ src: '2001:db8::11:22:33:44', dst: 'fd00::55:66:77:88', hopLimit: 77 }, new Uint8Array(300));

  expect(ipv6.payloadLength(packet, 0)).toBe(308);
  expect([packet[ipv6.NEXT_HEADER], packet[ipv6.HOP_LIMIT]]).toEqual([ipv6.UDP, 77]);
  expect(packet.slice(ipv6.SRC, ipv6.SRC + 16)).toEqual(octetsOf('2001:db8::11:22:33:44'));
  expect(packet.slice(ipv6.DST, ipv6.DST + 16)).toEqual(octetsOf('fd00::55:66:77:88'));
  expect([ipv6.SRC, ipv6.SRC_NID, ipv6.DST, ipv6.DST_NID]).toEqual(
    [ipv6.W_SRC_L64, ipv6.W_SRC_NID, ipv6.W_DST_L64, ipv6.W_DST_NID].map((w) => 4 * w),
  );
});
