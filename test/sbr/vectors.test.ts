/**
 * The border against published packets, octet for octet. In them the Hop Limit is that of outbound packets unchanged, of
 * inbound ones one less; ours is one more than what came, because the kernel takes two.
 */
import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE } from '../../src/packet/batch.ts';
import { FORWARD } from '../../src/packet/verdict.ts';
import { hasRightChecksum, udp6 } from '../support/packets.ts';
import { fibOf, l64, nid, pass, siteConfig } from '../support/sites.ts';
import { vector } from '../support/vectors.ts';

const HOP_LIMIT = 7;
const CHECKSUM_OF_ERROR = 42;
const CHECKSUM_OF_QUOTE = 48 + 40 + 8 + 6;

const guest = (id: string) =>
  ({ nid: nid(id), guest: l64('fd01:203:405:1::/64'), home: 'site1', uplink: undefined, at: 'site1' }) as const;

/** Site 1 with the Locators of the vectors: L_L inside, L_1 its only uplink. */
function border(checksum: 'full' | 'zeroed' | 'auto') {
  const config = siteConfig(1, 1, [guest('211:22ff:fe33:4455'), guest('211:22ff:fe33:4456')], { checksum });
  return fibOf({
    ...config,
    uplinks: [{ ...config.uplinks[0]!, l64: l64('2001:db8:1:1::/64') }],
    inside: [{ ...config.inside[0]!, l64: l64('fd01:203:405:1::/64') }],
  });
}

/** The octets with a Hop Limit one above that of `came`. */
function oneHopMore(octets: Uint8Array, came: Uint8Array): Uint8Array {
  const copy = octets.slice();
  copy[HOP_LIMIT] = came[HOP_LIMIT]! + 1;
  return copy;
}

function expectRewritten(checksum: 'full' | 'zeroed' | 'auto', port: number, came: Uint8Array, leaves: Uint8Array) {
  const { verdict, egress, packet } = pass(border(checksum), port, came);

  expect([verdict, egress]).toEqual([FORWARD, port === OUTSIDE ? INSIDE : OUTSIDE]);
  expect(Buffer.from(packet).toString('hex')).toBe(Buffer.from(oneHopMore(leaves, came)).toString('hex'));
}

/** The packet with another Locator as its source. */
function withSource(packet: Uint8Array, locator: readonly number[]): Uint8Array {
  const copy = packet.slice();
  copy.set(locator, 8);
  return copy;
}
const L_L = [0xfd, 0x01, 0x02, 0x03, 0x04, 0x05, 0, 1];

describe('outbound', () => {
  // shows: W14, S2, S3, S4, S5
  test.each([
    ['full', 'tcp-syn-full'],
    ['auto', 'tcp-syn-full'],
    ['zeroed', 'tcp-syn-zeroloc'],
    ['auto', 'tcp-syn-zeroloc'],
    ['full', 'udp-full'],
    ['auto', 'udp-full'],
    ['zeroed', 'udp-zeroloc'],
    ['auto', 'udp-zeroloc'],
    ['full', 'icmp6-echo'],
    ['zeroed', 'icmp6-echo'],
  ] as const)('convention %s: %s-inside becomes -outside', (checksum, name) => {
    expectRewritten(checksum, INSIDE, vector(`${name}-inside`), vector(`${name}-outside`));
  });

  // shows: S3, S9, S10
  test('convention zeroed: the first fragment has its nonce, the second is rewritten by address alone', () => {
    for (const name of ['frag-first', 'frag-second'])
      expectRewritten('zeroed', INSIDE, withSource(vector(name), L_L), vector(name));
  });

  test('a neutral mapping changes no checksum (RFC 6296 section 3)', () => {
    const config = siteConfig(1, 1, [guest('211:22ff:fe33:4455'), guest('0:0:0:1234')]);
    const fib = fibOf({
      ...config,
      uplinks: [{ ...config.uplinks[0]!, l64: l64('2001:db8:1:d550::/64') }],
      inside: [{ ...config.inside[0]!, l64: l64('fd01:203:405:1::/64') }],
    });
    const came = vector('tcp-syn-full-inside');
    const { packet } = pass(fib, INSIDE, came);

    expect(packet).toEqual(oneHopMore(vector('tcp-syn-full-nptv6'), came));

    const example = udp6({ src: 'fd01:203:405:1::1234', dst: '2001:db8:c0:1:200:5eff:fe00:5301' });
    const mapped = example.slice();
    mapped.set(vector('nptv6-rfc6296-example'), 8);
    expect(pass(fib, INSIDE, example).packet).toEqual(oneHopMore(mapped, example));
  });
});

describe('inbound', () => {
  // shows: S2, S3, S4, S6
  test.each([
    ['full', 'tcp-synack-full'],
    ['auto', 'tcp-synack-full'],
    ['zeroed', 'tcp-synack-zeroloc'],
    ['auto', 'tcp-synack-zeroloc'],
    ['zeroed', 'icmp6-ptb'],
  ] as const)('convention %s: %s-outside becomes -inside', (checksum, name) => {
    expectRewritten(checksum, OUTSIDE, vector(`${name}-outside`), vector(`${name}-inside`));
  });

  // shows: S6
  test('convention full: of an error the checksum of the quote follows too, so that the outer one changes less', () => {
    const { packet } = pass(border('full'), OUTSIDE, vector('icmp6-ptb-outside'));
    const published = vector('icmp6-ptb-inside');
    const differs = [...packet.keys()].filter((k) => packet[k] !== published[k]);

    expect(hasRightChecksum(packet)).toBe(true);
    expect(differs).toEqual([
      HOP_LIMIT,
      CHECKSUM_OF_ERROR,
      CHECKSUM_OF_ERROR + 1,
      CHECKSUM_OF_QUOTE,
      CHECKSUM_OF_QUOTE + 1,
    ]);
  });
});

// shows: S7
test('convention zeroed: hairpin-in becomes hairpin-out', () => {
  const came = vector('hairpin-in');
  const { verdict, egress, packet } = pass(border('zeroed'), INSIDE, came);

  expect([verdict, egress]).toEqual([FORWARD, INSIDE]);
  expect(packet).toEqual(oneHopMore(vector('hairpin-out'), came));
});

// shows: S36
test('an ILNP error about a nonce passes like every other error', () => {
  const { verdict, packet } = pass(border('zeroed'), OUTSIDE, vector('icmp6-paramprob-nonce'));

  expect(verdict).toBe(FORWARD);
  expect(hasRightChecksum(packet)).toBe(true);
  expect([...packet.slice(24, 32)]).toEqual(L_L);
  expect([...packet.slice(48 + 8, 48 + 16)]).toEqual(L_L);
});
