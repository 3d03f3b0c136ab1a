/** An end system against published packets, octet for octet: H of the vectors, and its correspondent CN. */
import { describe, expect, test } from 'vitest';
import { type Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';
import { addressesOf, full, hasRightChecksum, joined } from '../support/packets.ts';
import { vector } from '../support/vectors.ts';
import { type End, endSystem, know, l64 } from './support.ts';

const H = '2001:db8:1:1:211:22ff:fe33:4455';
const CN = '2001:db8:c0:1:200:5eff:fe00:5301';
const H_STABLE = 'fd01:203:405:1:211:22ff:fe33:4455';
const CN_STABLE = 'fd01:203:405:1:200:5eff:fe00:5301';
const LIMITS = { strangers: 8, known: 8 };
const HOP_LIMIT = 7;

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const NONCES = { 4: ['a1b2c3d4', '5e6f7081'], 12: ['a1b2c3d4e5f60718293a4b5c', '5e6f708192a3b4c5d6e7f809'] } as const;

/** An end of the session of the vectors; `met`: the other one has shown that it hears us. */
function end(at: 'H' | 'CN', nonce: 4 | 12 = 4, checksum: Correspondent['checksum'] = 'full', met = true): End {
  const [ours, theirs] = at === 'H' ? NONCES[nonce] : NONCES[nonce].toReversed();
  const ilcc = new Ilcc(LIMITS, [1, 2], (c) => {
    c.checksum = checksum;
    c.zeroed = checksum === 'zeroed';
  });
  const [stable, locator] = at === 'H' ? [H_STABLE, '2001:db8:1:1::'] : [CN_STABLE, '2001:db8:c0:1::'];
  const one = endSystem(stable, [locator], LIMITS, { ilcc, nonceOctets: nonce, random: () => octets(ours!) });
  const other = know(one, at === 'H' ? CN : H);
  if (!met) return one;
  other.remoteNonce = octets(theirs!);
  other.proved = true;
  other.heard(1);
  return one;
}

/** What a program sees of a packet: no header with a nonce. */
function bare(packet: Uint8Array): Uint8Array {
  const header = packet.slice(0, 40);
  header[6] = packet[40]!;
  const rest = packet.slice(40 + 8 * (1 + packet[41]!));
  header.set([rest.length >>> 8, rest.length & 0xff], 4);
  return joined(header, rest);
}

/** Whatever the kernels on its way make of the Hop Limit. */
const hex = (packet: Uint8Array | string): string =>
  typeof packet === 'string' ? packet : Buffer.from(packet.with(HOP_LIMIT, 64)).toString('hex');

describe('what a program sends', () => {
  // shows: W1, W15
  test.each([
    ['full', 4, 'tcp-syn-full-inside', 'tcp-syn-full-outside'],
    ['full', 12, 'udp-full-inside', 'udp-full-outside'],
    ['full', 4, 'icmp6-echo-inside', 'icmp6-echo-outside'],
    ['zeroed', 4, 'tcp-syn-full-inside', 'tcp-syn-zeroloc-outside'],
    ['zeroed', 12, 'udp-full-inside', 'udp-zeroloc-outside'],
  ] as const)('convention %s, nonce of %i octets: %s without the option becomes %s', (checksum, nonce, from, to) => {
    expect(hex(end('H', nonce, checksum).pass(bare(vector(from))))).toBe(hex(vector(to)));
  });
});

describe('what a program is given', () => {
  // shows: W15, W16
  test.each([
    ['full', 'tcp-synack-full-outside'],
    ['zeroed', 'tcp-synack-zeroloc-outside'],
    ['auto', 'tcp-synack-zeroloc-outside'],
  ] as const)('convention %s: %s becomes tcp-synack-full-inside without the option', (checksum, from) => {
    expect(hex(end('H', 4, checksum).pass(vector(from)))).toBe(hex(bare(vector('tcp-synack-full-inside'))));
  });

  // shows: H31
  test('icmp6-ptb-outside becomes an error about what the program sent', () => {
    const given = end('H', 4, 'zeroed').pass(vector('icmp6-ptb-outside')) as Uint8Array;
    const quote = given.slice(48);

    expect(hasRightChecksum(given)).toBe(true);
    expect(addressesOf(given)).toEqual({ src: full('2001:db8:ffff::1'), dst: full(H_STABLE) });
    expect([...given.slice(40, 42), ...given.slice(44, 48)]).toEqual([2, 0, 0, 0, (1400 - 8) >>> 8, (1400 - 8) & 0xff]);
    expect(addressesOf(quote)).toEqual({ src: full(H_STABLE), dst: full(CN) });
    const published = bare(vector('icmp6-ptb-outside').slice(48));
    expect([quote[6], ...quote.slice(40, 44)]).toEqual([17, ...published.slice(40, 44)]);
    expect(quote.slice(48)).toEqual(published.slice(48, 40 + quote.length - 40));
  });

  // shows: H23
  test('icmp6-paramprob-nonce is believed: the same packet goes again as plain IPv6', () => {
    const one = end('H', 4, 'zeroed', false);
    const asked = bare(vector('tcp-syn-full-inside'));

    expect(hex(one.pass(asked))).toBe(hex(vector('tcp-syn-zeroloc-outside')));
    expect(one.pass(vector('icmp6-paramprob-nonce'))).toBe('taken');
    expect(hex(one.pass(asked))).toBe(hex(bare(vector('tcp-syn-full-outside'))));
  });
});

describe('a change of Locators', () => {
  // shows: W7, H11
  test('is told by lu-adv-1, and lu-ack-1 ends it', () => {
    const one = end('H');
    one.shim.setLocators([{ ...locatorOf(l64('2001:db8:2:1::')), preference: 10, lifetime: 300 }], 1);

    expect(one.sent.map(hex)).toEqual([hex(vector('lu-adv-1'))]);
    expect(one.shim.updates.outstanding).toBe(1);
    expect(one.pass(vector('lu-ack-1'))).toBe('taken');
    expect(one.shim.updates.outstanding).toBe(0);
  });

  // shows: W13, H11
  test.each([
    [4, 'lu-adv-1', 'lu-ack-1'],
    [12, 'lu-adv-3', 'lu-ack-3'],
  ] as const)(
    'told with a nonce of %i octets by %s is taken and answered by %s',
    (nonce, advertisement, acknowledgement) => {
      const other = end('CN', nonce);

      expect(other.pass(vector(advertisement))).toBe('taken');
      expect(other.sent.map(hex)).toEqual([hex(vector(acknowledgement))]);
    },
  );

  // shows: H12
  test.each(['lu-adv-0-bad', 'lu-adv-short-bad', 'lu-op3-bad', 'lu-nononce-bad', 'lu-linux49-variant'])(
    'told by %s is neither taken nor answered',
    (name) => {
      const other = end('CN');

      expect(other.pass(vector(name))).toMatch(/^drop_/);
      expect(other.sent).toEqual([]);
    },
  );

  // shows: H12
  test('lu-ack-1-samenonce, our nonce echoed, ends nothing', () => {
    const one = end('H');
    one.shim.setLocators([{ ...locatorOf(l64('2001:db8:2:1::')), preference: 10, lifetime: 300 }], 1);

    expect(one.pass(vector('lu-ack-1-samenonce'))).toMatch(/^drop_/);
    expect(one.shim.updates.outstanding).toBe(1);
  });
});
