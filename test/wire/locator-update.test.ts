import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACKNOWLEDGEMENT,
  ADVERTISEMENT,
  acknowledgementOf,
  type Envelope,
  type LocatorUpdate,
  locatorUpdatePacket,
  readLocatorUpdate,
} from '../../src/wire/locator-update.ts';
import { findNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import { ipv6, octetsOf, sealed, slowSum } from '../support/packets.ts';
import { l64 } from '../support/sites.ts';
import { vector } from '../support/vectors.ts';

const H_1 = octetsOf('2001:db8:1:1:211:22ff:fe33:4455');
const H_2 = octetsOf('2001:db8:2:1:211:22ff:fe33:4455');
const CN = octetsOf('2001:db8:c0:1:200:5eff:fe00:5301');
const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (o: Uint8Array | null): string | null => o && Buffer.from(o).toString('hex');

const ONE: LocatorUpdate = {
  operation: ADVERTISEMENT,
  locators: [{ locator: l64('2001:db8:2:1::'), preference: 10, lifetime: 300 }],
};
const THREE: LocatorUpdate = {
  operation: ADVERTISEMENT,
  locators: [
    { locator: l64('2001:db8:1:1::'), preference: 20, lifetime: 30 },
    { locator: l64('2001:db8:2:1::'), preference: 10, lifetime: 300 },
    { locator: l64('2001:db8:3:1::'), preference: 20, lifetime: 300 },
  ],
};
const to = (source: Uint8Array, destination: Uint8Array, nonce: string): Envelope => ({
  source,
  destination,
  nonce: octets(nonce),
});

/** Reads the message of a packet that has a nonce of `nonce` octets before it. */
const read = (packet: Uint8Array, nonce: number) =>
  readLocatorUpdate(packet, 0, 44 + nonce, packet.length - 44 - nonce);

describe('published Locator Updates', () => {
  // shows: W7, W14
  test.each([
    ['lu-adv-1', ONE, to(H_2, CN, 'a1b2c3d4')],
    ['lu-adv-3', THREE, to(H_1, CN, 'a1b2c3d4e5f60718293a4b5c')],
    ['lu-ack-1', { ...ONE, operation: ACKNOWLEDGEMENT }, to(CN, H_2, '5e6f7081')],
    ['lu-ack-1-samenonce', { ...ONE, operation: ACKNOWLEDGEMENT }, to(CN, H_2, 'a1b2c3d4')],
    ['lu-ack-3', { ...THREE, operation: ACKNOWLEDGEMENT }, to(CN, H_1, '5e6f708192a3b4c5d6e7f809')],
  ] as const)('%s is written and read', (name, update, envelope) => {
    const published = vector(name);

    expect(hex(locatorUpdatePacket(update, envelope))).toBe(hex(published));
    expect(read(published, envelope.nonce.length)).toEqual(update);
    expect(hex(nonceOf(published, 0, published.length))).toBe(hex(envelope.nonce));
  });

  // shows: W13
  test.each([
    ['lu-adv-1', 'lu-ack-1', '5e6f7081'],
    ['lu-adv-1', 'lu-ack-1-samenonce', 'a1b2c3d4'],
    ['lu-adv-3', 'lu-ack-3', '5e6f708192a3b4c5d6e7f809'],
  ])('%s is acknowledged by %s', (advertisement, acknowledgement, nonce) => {
    expect(hex(acknowledgementOf(vector(advertisement), octets(nonce)))).toBe(hex(vector(acknowledgement)));
  });

  // shows: W9, W10, W11
  test.each([
    ['lu-adv-0-bad', 'no Locator'],
    ['lu-adv-short-bad', 'cut'],
    ['lu-op3-bad', 'unknown operation'],
    ['lu-linux49-variant', 'wrong checksum'],
  ])('%s is refused: %s', (name, fault) => {
    expect(read(vector(name), 4)).toBe(fault);
    expect(acknowledgementOf(vector(name), octets('5e6f7081'))).toBeNull();
  });

  test('lu-nononce-bad is a right message, but there is no nonce', () => {
    const packet = vector('lu-nononce-bad');

    expect(readLocatorUpdate(packet, 0, 40, packet.length - 40)).toEqual(ONE);
    expect(findNonce(packet, 0, packet.length)).toBe(0);
  });
});

const h = { src: '2001:db8:1:1:211:22ff:fe33:4455', dst: '2001:db8:c0:1:200:5eff:fe00:5301' };
const TUPLE = [0x20, 1, 0x0d, 0xb8, 0, 2, 0, 1, 0, 10, 1, 0x2c];
/** A message with a right checksum, alone in its packet. */
const message = (...body: number[]) => {
  const packet = ipv6(h, 58, sealed(h, 58, Uint8Array.from(body)));
  return { packet, said: readLocatorUpdate(packet, 0, 40, packet.length - 40) };
};

describe('a Locator Update', () => {
  // shows: W8, W13
  test('with something in the reserved field and zeros behind is read, and acknowledged as it came', () => {
    const { packet, said } = message(156, 0, 0, 0, 1, 1, 0xbe, 0xef, ...TUPLE, 0, 0, 0, 0);
    const answer = acknowledgementOf(packet, octets('5e6f7081'))!;

    expect(said).toEqual(ONE);
    expect([...answer.slice(48, 50), ...answer.slice(52)]).toEqual([156, 0, 1, 2, 0xbe, 0xef, ...TUPLE, 0, 0, 0, 0]);
    expect(read(answer, 4)).toEqual({ ...ONE, operation: ACKNOWLEDGEMENT });
  });

  // shows: W10, W11
  test.each([
    ['octets behind the Locators', [156, 0, 0, 0, 1, 1, 0, 0, ...TUPLE, 0, 0, 1, 0]],
    ['another type', [155, 0, 0, 0, 1, 1, 0, 0, ...TUPLE]],
    ['unknown code', [156, 1, 0, 0, 1, 1, 0, 0, ...TUPLE]],
    ['unknown operation', [156, 0, 0, 0, 1, 0, 0, 0, ...TUPLE]],
    ['cut', [156, 0, 0, 0, 1, 1, 0, 0, ...TUPLE.slice(1)]],
    ['cut', [156, 0, 0, 0, 255, 1, 0, 0, ...Array.from({ length: 254 }, () => TUPLE).flat()]],
  ])('is refused: %s', (fault, body) => {
    expect(message(...body).said).toBe(fault);
  });

  // shows: W10
  test('of less than its own header is refused without looking behind it', () => {
    expect(readLocatorUpdate(Uint8Array.of(156, 0, 0), 0, 0, 3)).toBe('cut');
  });

  // shows: W14
  test('whose checksum covers no Locators is refused (RFC 6741 section 4.3)', () => {
    const packet = ipv6(h, 58, sealed(h, 58, Uint8Array.from([156, 0, 0, 0, 1, 1, 0, 0, ...TUPLE]), true));

    expect(readLocatorUpdate(packet, 0, 40, packet.length - 40)).toBe('wrong checksum');
  });

  const entry = fc.record({
    locator: fc.record({ hi: fc.nat(0xffffffff), lo: fc.nat(0xffffffff) }),
    preference: fc.nat(0xffff),
    lifetime: fc.nat(0xffff),
  });
  const updates = fc.record({
    operation: fc.constantFrom(ADVERTISEMENT, ACKNOWLEDGEMENT),
    locators: fc.array(entry, { minLength: 1, maxLength: 255, size: 'max' }),
  });
  const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const nonces = fc.constantFrom(4, 12).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));

  // shows: W12, W14
  test('of 1 to 255 Locators that was written is read as it was, its checksum right by the book', () => {
    fc.assert(
      fc.property(updates, address, address, nonces, (update, source, destination, nonce) => {
        const packet = locatorUpdatePacket(update, { source, destination, nonce })!;
        const body = packet.slice(44 + nonce.length);

        expect(read(packet, nonce.length)).toEqual(update);
        const pseudo = Uint8Array.from([...source, ...destination, 0, 0, body.length >>> 8, body.length, 0, 0, 0, 58]);
        expect(slowSum(pseudo, body)).toBe(0xffff);
        expect(hex(nonceOf(packet, 0, packet.length))).toBe(hex(nonce));
      }),
    );
  });

  // shows: W9
  test.each([
    ['no Locator', { ...ONE, locators: [] }, CN, 4],
    ['256 Locators', { ...ONE, locators: new Array(256).fill(ONE.locators[0]) }, CN, 4],
    ['a preference of 17 bits', { ...ONE, locators: [{ ...ONE.locators[0]!, preference: 0x10000 }] }, CN, 4],
    ['a negative lifetime', { ...ONE, locators: [{ ...ONE.locators[0]!, lifetime: -1 }] }, CN, 4],
    ['half a second', { ...ONE, locators: [{ ...ONE.locators[0]!, lifetime: 0.5 }] }, CN, 4],
    ['operation 3', { ...ONE, operation: 3 as 1 }, CN, 4],
    ['no nonce', ONE, CN, 0],
    ['a nonce of 8 octets', ONE, CN, 8],
    ['an address of 15 octets', ONE, CN.slice(1), 4],
  ])('with %s is not written', (_, update, destination, nonce) => {
    expect(locatorUpdatePacket(update, { source: H_1, destination, nonce: new Uint8Array(nonce) })).toBeNull();
  });

  test('that is itself an acknowledgement is not acknowledged, nor is anything else', () => {
    for (const name of ['lu-ack-1', 'udp-full-outside', 'icmp6-echo-outside', 'frag-second'])
      expect(acknowledgementOf(vector(name), octets('5e6f7081'))).toBeNull();
    expect(acknowledgementOf(vector('lu-adv-1'), new Uint8Array(5))).toBeNull();
    expect(acknowledgementOf(new Uint8Array(39), new Uint8Array(4))).toBeNull();
  });

  // shows: W10, W22
  test('with any octets changed or missing is read or refused, never an exception; 1 bit changed is refused', () => {
    const change = fc.tuple(fc.nat(60), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom('lu-adv-1', 'lu-adv-3'),
        fc.array(change, { maxLength: 5 }),
        fc.nat(100),
        (name, changes, end) => {
          const packet = vector(name);
          for (const [at, value] of changes) packet[at % packet.length] = value;
          const nonce = name === 'lu-adv-1' ? 4 : 12;
          const said = readLocatorUpdate(packet, 0, 44 + nonce, Math.max(0, Math.min(end, packet.length) - 44 - nonce));
          if (typeof said !== 'string') expect(said.locators.length * 12 + 8).toBeLessThanOrEqual(end);

          expect(acknowledgementOf(packet.slice(0, end), octets('5e6f7081'))?.length ?? 0).toBeLessThanOrEqual(108);
        },
      ),
      { numRuns: 3000 },
    );
    for (let bit = 0; bit < 20 * 8; bit++) {
      const packet = vector('lu-adv-1');
      packet[48 + (bit >>> 3)]! ^= 1 << (bit & 7);
      expect(typeof read(packet, 4)).toBe('string');
    }
  });
});
