import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { explainPacket } from '../../src/wire/explain.ts';
import {
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  ipv6,
  joined,
  sealed,
  tcp6,
  tcpSegment,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { vector } from '../support/vectors.ts';
import { arrivals } from '../support/worlds.ts';

const H = { src: '2001:db8:c::c0', dst: '2001:db8:1::a1' };
const ENDS = '2001:db8:c::c0 > 2001:db8:1::a1';
const PORTS = '[2001:db8:c::c0]:40000 > [2001:db8:1::a1]:53';
const said = (packet: Uint8Array): string => explainPacket(packet, 0, packet.length);
const icmp = (...octets: number[]): Uint8Array => ipv6(H, 58, sealed(H, 58, Uint8Array.from(octets)));
const NONCE = destinationOptions(17, [0x8b, Uint8Array.of(1, 2, 3, 4)]);

describe('a packet in words', () => {
  test.each([
    ['TCP', tcp6(H), '[2001:db8:c::c0]:443 > [2001:db8:1::a1]:50000, PSH ACK, 68 octets'],
    ['UDP', udp6(H), `UDP ${PORTS}, 56 octets`],
    ['echo', echo6(H), `ICMPv6 ${ENDS}, Echo Request id 7 seq 1, 52 octets`],
    ['nonce', ipv6(H, 60, joined(NONCE, udpSegment(H, new Uint8Array(0)))), `UDP ${PORTS}, nonce 01020304, 56 octets`],
    [
      'fragment',
      ipv6(H, 44, joined(fragmentHeader(17, 0, true), udpSegment(H, new Uint8Array(8)))),
      `UDP ${PORTS}, fragment 0x7 at octet 0, 64 octets`,
    ],
    [
      'later fragment',
      ipv6(H, 44, joined(fragmentHeader(17, 64, false), new Uint8Array(8))),
      `IPv6 ${ENDS}, fragment 0x7 at octet 64, the last, 56 octets`,
    ],
    [
      'a first fragment of nothing',
      ipv6(H, 44, fragmentHeader(59, 0, true)),
      `no next header ${ENDS}, fragment 0x7 at octet 0, 48 octets`,
    ],
    [
      'a first fragment whose next header is cut',
      ipv6(H, 44, joined(fragmentHeader(60, 0, true), Uint8Array.of(17, 0, 1))),
      `IPv6 ${ENDS}, fragment 0x7 at octet 0, broken extension headers, 51 octets`,
    ],
    [
      'Packet Too Big',
      error6(H, 2, 0, 1280, udp6({ src: H.dst, dst: H.src })),
      `ICMPv6 ${ENDS}, Packet Too Big, MTU 1280 about {UDP [2001:db8:1::a1]:40000 > [2001:db8:c::c0]:53}, 104 octets`,
    ],
    [
      'Destination Unreachable',
      error6(H, 1, 4, 0, new Uint8Array(20)),
      `Destination Unreachable (port unreachable) about a cut packet`,
    ],
    [
      'an error about an error',
      error6(H, 3, 0, 0, error6(H, 1, 0, 0, tcp6(H))),
      'Time Exceeded (hop limit exceeded in transit) about {ICMPv6 2001:db8:c::c0 > 2001:db8:1::a1, Destination Unreachable (no route)}',
    ],
    [
      'Locator Update',
      icmp(156, 0, 0, 0, 1, 1, 0, 0, 0x20, 1, 0x0d, 0xb8, 0, 2, 0, 0, 0, 10, 1, 0x2c),
      'Locator Update, advertisement: 2001:db8:2::/64 preference 10 lifetime 300 s, 60 octets',
    ],
    [
      'a Locator Update whose tuples are cut',
      icmp(156, 0, 0, 0, 9, 2, 0, 0, 1, 2),
      'Locator Update, acknowledgement: no Locator',
    ],
    [
      'a neighbour solicitation',
      icmp(135, 0, 0, 0, 0, 0, 0, 0, ...new Array<number>(15).fill(0), 1),
      'Neighbour Solicitation of ::1',
    ],
    [
      'octets behind the packet',
      joined(icmp(156, 0, 0, 0, 1, 1, 0, 0, 0x20, 1), new Uint8Array(40)),
      'Locator Update, advertisement: no Locator, 90 octets',
    ],
    [
      'two nonces',
      ipv6(H, 60, joined(vector('dstopts-two-nonces-bad'), udpSegment(H, new Uint8Array(0)))),
      `UDP ${PORTS}, nonce a1b2c3d4, more than one nonce, 64 octets`,
    ],
    [
      'a nonce that is too long',
      ipv6(H, 60, joined(vector('dstopts-nonce-overrun-bad'), new Uint8Array(8))),
      `ICMPv6 ${ENDS}, type 0 code 0 about a cut packet, destination options, broken extension headers, 56 octets`,
    ],
    [
      'an authentication header',
      ipv6(H, 51, joined(Uint8Array.of(17, 1, ...new Array<number>(10).fill(0)), udpSegment(H, new Uint8Array(0)))),
      `UDP ${PORTS}, authentication header, 60 octets`,
    ],
    [
      'a Mobility Header',
      vector('mipv6-bu-nemo'),
      `protocol 135 2001:db8:2:1:211:22ff:fe33:4455 > 2001:db8:feed::1, 72 octets`,
    ],
    ['an unknown protocol', ipv6(H, 200, new Uint8Array(3)), `protocol 200 ${ENDS}, 43 octets`],
    ['IPv4', Uint8Array.of(0x45, ...new Array<number>(50).fill(0)), 'IP version 4, 51 octets'],
    ['a scrap', Uint8Array.of(0x60), '1 octets, too few for an IPv6 header'],
    [
      'a cut TCP header',
      ipv6(H, 6, tcpSegment(H, new Uint8Array(0)).slice(0, 4)),
      'TCP [2001:db8:c::c0]:443 > [2001:db8:1::a1]:50000, 44 octets',
    ],
  ])('%s', (_, packet, words) => {
    expect(said(packet)).toContain(words);
  });

  test('for arbitrary octets something is said', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          arrivals.map((a) => a.packet),
        ),
        (packet) => {
          const words = said(packet);
          expect(words).not.toMatch(/undefined|NaN/);
          expect(words.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
