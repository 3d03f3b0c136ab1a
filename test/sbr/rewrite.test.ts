import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE } from '../../src/packet/batch.ts';
import { DROP_TRANSPORT_TRUNCATED } from '../../src/packet/verdict.ts';
import { ipv6, octetsOf, sealed, tcpSegment, udp6, udpSegment } from '../support/packets.ts';
import { bound, fibOf, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const GLOBAL = '2001:db8:2::a1';
const GUEST = 'fd00:2::a1';
const CHECKSUM = 46;

/** Site 2, with one uplink, by the short cut or by the whole rule. */
function site(straight: boolean) {
  const fib = fibOf(siteConfig(2, 2, [bound('a1', 'fd00:2::/64', 2, 2)]));
  expect(fib.straight).toBe(true);
  fib.straight = straight;
  return fib;
}

/** The payload of two octets with which a datagram to `dst` has the checksum `wanted`. */
function payloadFor(dst: string, wanted: number): Uint8Array {
  for (let word = 0; word <= 0xffff; word++) {
    const payload = Uint8Array.of(word >>> 8, word & 0xff);
    const packet = udp6({ src: CN, dst }, payload);
    if (((packet[CHECKSUM]! << 8) | packet[CHECKSUM + 1]!) === wanted) return payload;
  }
  throw new RangeError(`no payload gives ${wanted}`);
}

describe.each([
  ['on the short cut', true],
  ['by the whole rule', false],
])('a checksum, %s', (_, straight) => {
  // shows: W17, S4
  test('of UDP that becomes zero is written as 0xffff: zero would read as none (RFC 8200 section 8.1)', () => {
    const payload = payloadFor(GUEST, 0xffff);
    const { packet } = pass(site(straight), OUTSIDE, udp6({ src: CN, dst: GLOBAL }, payload));

    expect([...packet.slice(CHECKSUM, CHECKSUM + 2)]).toEqual([0xff, 0xff]);
    expect(packet.slice(40)).toEqual(udp6({ src: CN, dst: GUEST }, payload).slice(40));
  });

  const h = { src: CN, dst: GLOBAL };
  test.each([
    [6, 17, tcpSegment(h, new Uint8Array(0))],
    [17, 7, udpSegment(h, new Uint8Array(0))],
  ] as const)('of protocol %i out of reach behind %i octets is not written', (protocol, octets, segment) => {
    const cut = ipv6(h, protocol, segment.slice(0, octets));

    expect(pass(site(straight), OUTSIDE, cut).verdict).toBe(DROP_TRANSPORT_TRUNCATED);
  });

  test('of UDP of 0xffff, the other name of zero, is updated like any other', () => {
    const payload = payloadFor(GLOBAL, 0xffff);
    const { packet } = pass(site(straight), OUTSIDE, udp6({ src: CN, dst: GLOBAL }, payload));

    expect(packet.slice(40)).toEqual(udp6({ src: CN, dst: GUEST }, payload).slice(40));
  });
});

describe('a checksum over addresses', () => {
  const octets = Uint8Array.from({ length: 24 }, (_, k) => 7 * k + 1);
  const from = { src: CN, dst: GLOBAL };
  const to = { src: CN, dst: GUEST, hopLimit: 65 }; // the hop of the kernel is given back

  // shows: P11
  test.each([
    ['DCCP', 33],
    ['Mobility Header', 135],
    ['UDP-Lite', 136],
  ])('of %s follows the rewriting', (_, protocol) => {
    const { packet } = pass(site(false), OUTSIDE, ipv6(from, protocol, sealed(from, protocol, octets)));

    expect(packet).toEqual(ipv6(to, protocol, sealed(to, protocol, octets)));
  });

  test('is not looked for where there is none that we know of', () => {
    const { packet } = pass(site(false), OUTSIDE, ipv6(from, 50, octets));

    expect(packet).toEqual(ipv6(to, 50, octets));
  });

  // shows: P12
  test('covers the home address of a mobile node, not its source (RFC 6275 section 11.3.1)', () => {
    const home = '2001:db8:e::77';
    const options = [17, 2, 0x01, 2, 0, 0, 0xc9, 16, ...octetsOf(home)]; // PadN, then the option
    const out = (src: string, hopLimit: number) => {
      const segment = sealed({ src: home, dst: CN }, 17, udpSegment({ src: home, dst: CN }, octets));
      return ipv6({ src, dst: CN, hopLimit }, 60, Uint8Array.from([...options, ...segment]));
    };
    const { packet } = pass(site(false), INSIDE, out(GUEST, 64));

    expect(packet).toEqual(out(GLOBAL, 65));
  });
});
