/** What is in a Router Advertisement. */
import { expect, test } from 'vitest';
import { readAdvertisement } from '../../src/network/router-advertisement.ts';
import { parseIpv6 } from '../../src/wire/text.ts';

const HEADER = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
const prefix = (text: string, valid: number, length = 64): number[] => [
  ...[3, 4, length, 0xc0, 0, 0, valid >>> 8, valid & 0xff],
  ...[0, 0, 0, 9, 0, 0, 0, 0],
  ...parseIpv6(text)!,
];
const LINK_LAYER = [1, 1, 2, 0, 0, 0, 0, 1];
const read = (octets: number[]) => readAdvertisement(Uint8Array.from(octets));

test('all prefixes of 64 bits, with their lifetimes, between other options', () => {
  const message = [...HEADER, ...prefix('2001:db8:1::', 1800), ...LINK_LAYER, ...prefix('2001:db8:3::', 0)];
  expect(read([...message, ...prefix('2001:db8:4::', 9, 60)])).toEqual({
    prefixes: [
      { l64: { hi: 0x20010db8, lo: 0x00010000 }, valid: 1800 },
      { l64: { hi: 0x20010db8, lo: 0x00030000 }, valid: 0 },
    ],
    mac: '02:00:00:00:00:01',
  });
});

test('what cannot be read says nothing: an option of no length, one that is cut, another message', () => {
  const good = [...HEADER, ...prefix('2001:db8:1::', 1800)];
  expect(read(good)).toMatchObject({ prefixes: [{}], mac: '' });
  expect(read([...good, 1, 0, 0, 0, 0, 0, 0, 0])).toBeNull();
  expect(read([...good, 3, 4, 64, 0, 0, 0, 0, 0])).toBeNull();
  expect(read([135, ...good.slice(1)])).toBeNull();
  expect(read(good.slice(0, 12))).toBeNull();
});
