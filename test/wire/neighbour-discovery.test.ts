/** Frames as a guest and its hypervisor send them; built here octet by octet, read there. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { segmentChecksum } from '../../src/wire/checksum.ts';
import { neighbourSolicitation, readSighting, solicitedNode } from '../../src/wire/neighbour-discovery.ts';
import { parseIpv6 } from '../../src/wire/text.ts';

const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const GUEST = parseIpv6('fd00:1::a1')!;

interface Message {
  readonly type?: number;
  readonly source?: string;
  readonly target?: string;
  readonly flags?: number;
  readonly hops?: number;
  readonly code?: number;
}

/** An Ethernet frame with neighbour discovery in it, from MAC. */
function frame({
  type = 136,
  source = 'fd00:1::a1',
  target = 'fd00:1::a1',
  flags = 0x20,
  hops = 255,
  code = 0,
}: Message) {
  const packet = new Uint8Array(40 + 32);
  packet.set([0x60, 0, 0, 0, 0, 32, 58, hops]);
  packet.set(parseIpv6(source)!, 8);
  packet.set(parseIpv6('ff02::1')!, 24);
  packet.set([type, code, 0, 0, flags], 40);
  packet.set(parseIpv6(target)!, 48);
  packet.set([2, 1, ...MAC], 64);
  const sum = segmentChecksum(packet, 0, 40, 32, { protocol: 58, convention: 'full' });
  packet.set([sum >>> 8, sum & 255], 42);
  return Uint8Array.from([0x33, 0x33, 0, 0, 0, 1, ...MAC, 0x86, 0xdd, ...packet]);
}

const RARP = Uint8Array.from([
  ...[255, 255, 255, 255, 255, 255, ...MAC, 0x80, 0x35],
  ...[0, 1, 8, 0, 6, 4, 0, 3, ...MAC, 0, 0, 0, 0, ...MAC, 0, 0, 0, 0],
  ...new Array(18).fill(0),
]);
const mac = '52:54:00:12:34:56';

test('an unsolicited advertisement says whose the target is', () => {
  expect(readSighting(frame({}))).toEqual({ mac, address: GUEST, isAnswer: false });
  expect(readSighting(frame({ flags: 0x60 }))).toEqual({ mac, address: GUEST, isAnswer: true });
});

test('a solicitation says who asks, or, tentatively, what address it wants', () => {
  expect(readSighting(frame({ type: 135, target: 'fe80::1' }))?.address).toEqual(GUEST);
  expect(readSighting(frame({ type: 135, source: '::' }))?.address).toEqual(GUEST);
});

test('a reverse ARP says a link-layer address only', () => {
  expect(readSighting(RARP)).toEqual({ mac, address: null, isAnswer: false });
});

test.each([
  ['came through a router', frame({ hops: 254 })],
  ['another code', frame({ code: 1 })],
  ['another message', frame({ type: 134 })],
  ['a multicast target', frame({ target: 'ff02::1' })],
  ['a reverse ARP about another machine', Uint8Array.from(RARP, (octet, k) => (k === 22 ? 0x02 : octet))],
  ['a reverse ARP that answers', Uint8Array.from(RARP, (octet, k) => (k === 21 ? 4 : octet))],
  ['an ARP', Uint8Array.from(RARP, (octet, k) => (k === 13 ? 0x06 : octet))],
])('%s says nothing', (_, octets) => {
  expect(readSighting(octets)).toBeNull();
});

test('one wrong octet behind the Ethernet header, and nothing is believed that was not there before', () => {
  fc.assert(
    fc.property(fc.nat(71), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const spoilt = frame({});
      spoilt[14 + at]! ^= change;
      // the checksum covers addresses and message; version and hop limit are looked at; the rest says nothing
      const isSeen = at === 1 || at === 2 || at === 3 || (at === 0 && change < 16);
      return (readSighting(spoilt) !== null) === isSeen;
    }),
  );
});

test('frames that are cut anywhere never throw and say nothing', () => {
  for (const whole of [frame({}), RARP.subarray(0, 42)])
    for (let length = 0; length < whole.length; length++) expect(readSighting(whole.subarray(0, length))).toBeNull();
});

test('arbitrary octets never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
      readSighting(octets);
    }),
  );
});

test('a solicitation goes to the group of its target', () => {
  expect(solicitedNode(parseIpv6('fd00:1::2:34ab:cdef')!)).toEqual(parseIpv6('ff02::1:ffab:cdef'));
  const message = neighbourSolicitation(GUEST, Uint8Array.from(MAC));
  expect([...message.subarray(0, 4)]).toEqual([135, 0, 0, 0]);
  expect(message.slice(8, 24)).toEqual(GUEST);
  expect([...message.subarray(24)]).toEqual([1, 1, ...MAC]);
});
