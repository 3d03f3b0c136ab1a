import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasNonce, offsetOf, protocolOf, upperLayer } from '../../src/wire/extension-headers.ts';
import { headerChain } from '../../src/wire/header-chain.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { findNonce } from '../../src/wire/nonce-option.ts';
import { destinationOptions, fragmentHeader, joined, ipv6 as packetOf } from '../support/packets.ts';
import { vector } from '../support/vectors.ts';
import { arrivals } from '../support/worlds.ts';

const h = { src: '2001:db8:c::c0', dst: '2001:db8:1::a1' };

describe('the list of headers', () => {
  test('names every header with place and length', () => {
    const authentication = Uint8Array.from([44, 4, ...new Array<number>(22).fill(9)]);
    const packet = packetOf(
      h,
      0,
      joined(
        Uint8Array.of(43, 0, 1, 4, 0, 0, 0, 0),
        Uint8Array.of(51, 1, ...new Array<number>(14).fill(0)),
        authentication,
        fragmentHeader(60, 0, true),
        destinationOptions(17, [0x8b, new Uint8Array(4)]),
        new Uint8Array(8),
      ),
    );

    expect(headerChain(packet, 0, packet.length)).toEqual({
      headers: [
        { protocol: ipv6.HOP_BY_HOP, at: 40, length: 8 },
        { protocol: ipv6.ROUTING, at: 48, length: 16 },
        { protocol: ipv6.AUTHENTICATION, at: 64, length: 24 },
        { protocol: ipv6.FRAGMENT, at: 88, length: 8 },
        { protocol: ipv6.DESTINATION_OPTIONS, at: 96, length: 8 },
      ],
      upper: ipv6.UDP,
      at: 104,
      isWhole: true,
    });
  });

  test('ends with a fragment that is not the first', () => {
    const packet = vector('frag-second');

    expect(headerChain(packet, 0, packet.length)).toEqual({
      headers: [{ protocol: ipv6.FRAGMENT, at: 40, length: 8 }],
      upper: ipv6.NO_NEXT_HEADER,
      at: 48,
      isWhole: true,
    });
  });

  test('leaves out a header that is cut, and says so', () => {
    const packet = packetOf(h, 60, joined(destinationOptions(43, [0x1e, new Uint8Array(4)]), new Uint8Array(7)));

    expect(headerChain(packet, 0, packet.length)).toEqual({
      headers: [{ protocol: ipv6.DESTINATION_OPTIONS, at: 40, length: 8 }],
      upper: ipv6.NO_NEXT_HEADER,
      at: 48,
      isWhole: false,
    });
  });

  // shows: W22
  test('ends where the walk of the path ends, for any octets', () => {
    let broken = 0;
    fc.assert(
      fc.property(
        arrivals.filter((a) => a.packet.length >= 40),
        ({ packet }) => {
          const chain = headerChain(packet, 0, packet.length);
          const upper = upperLayer(packet, 0, packet.length);

          expect(chain.upper).toBe(protocolOf(upper));
          expect(chain.headers.every(({ at, length }) => at + length <= packet.length)).toBe(true);
          if (!chain.isWhole) broken++;
          else expect(chain.at).toBe(offsetOf(upper));
          const nonce = findNonce(packet, 0, packet.length);
          if (nonce >= 0) expect(nonce > 0).toBe(hasNonce(upper));
        },
      ),
      { numRuns: 3000 },
    );

    expect(broken).toBeGreaterThan(0);
  });
});
