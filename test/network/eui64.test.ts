import { expect, test } from 'vitest';
import { eui64, nidOfInterfaces } from '../../src/network/eui64.ts';
import { formatNid } from '../../src/wire/text.ts';
import { vector } from '../support/vectors.ts';

// shows: H1
test.each([
  ['34:56:78:9a:bc:de', '3656:78ff:fe9a:bcde'], // the example of RFC 2464 section 4
  ['02:00:5E:10:20:30', '0:5eff:fe10:2030'],
])('%s makes %s', (address, nid) => {
  expect(formatNid(eui64(address)!)).toBe(nid);
});

// shows: H1
test('00:11:22:33:44:55 makes nid-eui64', () => {
  const { hi, lo } = eui64('00:11:22:33:44:55')!;
  const octets = Buffer.alloc(8);
  octets.writeUInt32BE(hi, 0);
  octets.writeUInt32BE(lo, 4);

  expect(octets.toString('hex')).toBe(Buffer.from(vector('nid-eui64')).toString('hex'));
});

test.each(['', '00:00:00:00:00:00', '34:56:78:9a:bc', '34:56:78:9a:bc:de:f0:12'])('"%s" makes none', (address) => {
  expect(eui64(address)).toBeNull();
});

test('an interface without such an address, or none at all, gives none', () => {
  expect(nidOfInterfaces(['lo', 'no-such-link'])).toBeNull();
});
