/** Who says to have an address: Neighbor Advertisements read. */
import { expect, test } from 'vitest';
import { claimIn } from '../../src/network/duplicate.ts';
import { parseIpv6 } from '../../src/wire/text.ts';

const ADVERTISEMENT = [136, 0, 0, 0, 0x20, 0, 0, 0, ...parseIpv6('2001:db8:1::a1')!];
const LINK_LAYER = [2, 1, 0x02, 0, 0, 0, 0, 0x0b];
const read = (...octets: number[]) => claimIn(Uint8Array.from(octets));

test('the address and the link-layer address, behind other options too', () => {
  const claim = { address: '2001:db8:1::a1', mac: '02:00:00:00:00:0b' };
  expect(read(...ADVERTISEMENT, ...LINK_LAYER)).toEqual(claim);
  expect(read(...ADVERTISEMENT, 14, 1, 0, 0, 0, 0, 0, 0, ...LINK_LAYER)).toEqual(claim);
});

test('without a link-layer address, cut, or with an option of no length it is none', () => {
  expect(read(...ADVERTISEMENT)).toBeNull();
  expect(read(...ADVERTISEMENT.slice(0, 20))).toBeNull();
  expect(read(...ADVERTISEMENT, 14, 0, 0, 0, 0, 0, 0, 0, ...LINK_LAYER)).toBeNull();
  expect(read(135, ...ADVERTISEMENT.slice(1), ...LINK_LAYER)).toBeNull();
});
