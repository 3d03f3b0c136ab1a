/**
 * Thousands of packets of every type, decoded by tshark and by us and compared field by field; what we write is read by
 * tshark. The same packets every time; others by a seed, which a failure names:
 *
 *   DIFFERENTIAL_SEED=7 npm run unit -- test/differential
 *
 * What tshark (4.0) cannot say is in view.ts and line.ts, where the two are made comparable.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { explainPacket } from '../../src/wire/explain.ts';
import { DESTINATION_OPTIONS } from '../../src/wire/ipv6.ts';
import {
  ACKNOWLEDGEMENT,
  ADVERTISEMENT,
  acknowledgementOf,
  locatorUpdatePacket,
} from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { octetsOf } from '../support/packets.ts';
import { KINDS } from './generate.ts';
import { comparable, lineOf } from './line.ts';
import { against, Differences, isSame, LIMIT, NONE, PACKETS, type Seen, seenPackets, tshark } from './seen.ts';
import { dissect } from './tshark.ts';
import { disagreement, fromOctets, fromTshark, withNonce } from './view.ts';

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

describe.skipIf(tshark === null)(against, { timeout: LIMIT }, () => {
  let seen: Seen[] = [];

  beforeAll(() => {
    seen = seenPackets();
  }, LIMIT);

  test('packets are of every kind, whole, cut, padded and with wrong checksums', () => {
    const number = (what: (one: Seen) => boolean): number => seen.filter(what).length;
    const rare = KINDS.filter((kind) => number(({ packet }) => packet.kind === kind) < 100);

    expect(rare).toEqual([]);
    for (const wrong of ['checksum', 'cut', 'padded'])
      expect(number(({ packet }) => packet.wrong === wrong)).toBeGreaterThan(100);
    expect(number(({ view }) => view.checksum === 'right')).toBeGreaterThan(PACKETS / 3);
    expect(number(({ view }) => view.quote?.checksum === 'right')).toBeGreaterThan(100);
    expect(number(({ view }) => view.update?.fault === null)).toBeGreaterThan(100);
    expect(number(({ view }) => view.headers.length > 2)).toBeGreaterThan(100);
  });

  test('every field is the same: addresses, chain, nonces, fragments, ports, checksums, messages, Locators, quotes', () => {
    const differences = new Differences();
    for (const { number, packet, view } of seen) {
      const ours = fromOctets(packet.octets);
      if (!isSame(ours, view)) differences.add(number, packet, { ours, tshark: view });
    }

    expect(differences).toEqual(NONE);
  });

  test('the line of explain says what tshark sees', () => {
    const differences = new Differences();
    for (const { number, packet, view } of seen) {
      const ours = comparable(explainPacket(packet.octets, 0, packet.octets.length), view);
      const theirs = lineOf(view, packet.octets.length);
      if (ours !== theirs) differences.add(number, packet, { ours, tshark: theirs });
    }

    expect(differences).toEqual(NONE);
  });

  test('the walk of the path, the list of headers and the search for nonces end at the same place', () => {
    const differences = new Differences();
    for (const { number, packet } of seen) {
      const about = disagreement(packet.octets);
      if (about !== null) differences.add(number, packet, { about });
    }

    expect(differences).toEqual(NONE);
  });

  test('a nonce that we put into a packet is there, and nothing else is different', () => {
    const differences = new Differences();
    const written = seen.flatMap(({ number, packet, view }) => {
      const nonce = packet.octets.slice(24, number % 2 === 0 ? 28 : 36); // any octets will do
      const octets = insertNonce(packet.octets, nonce);
      return octets === null ? [] : [{ number, packet, nonce, octets, should: withNonce(view, nonce) }];
    });
    const fields = dissect(written.map(({ octets }) => octets));
    written.forEach(({ number, packet, should }, k) => {
      const now = fromTshark(fields[k]!);
      if (!isSame(now, should)) differences.add(number, packet, { tshark: now, should });
    });

    expect(differences).toEqual(NONE);
    expect(written.length).toBeGreaterThan(PACKETS / 4);
  });

  test('Locator Updates that we write, and what acknowledges them, are right', () => {
    const differences = new Differences();
    const ends = ['2001:db8:1::a1', '2001:db8:c::c0'] as const;
    const [source, destination] = ends.map(octetsOf) as [Uint8Array, Uint8Array];
    const written = seen.flatMap(({ number, packet, view }) => {
      const locators = view.update?.locators ?? [];
      if (locators.length === 0) return [];
      const nonce = packet.octets.slice(24, number % 2 === 0 ? 28 : 36);
      const octets = locatorUpdatePacket({ operation: ADVERTISEMENT, locators }, { source, destination, nonce })!;
      return [{ number, packet, locators, nonce, pair: [octets, acknowledgementOf(octets, nonce)!] }];
    });
    const fields = dissect(written.flatMap(({ pair }) => pair));
    written.forEach(({ number, packet, locators, nonce }, k) => {
      const right = {
        payloadLength: 12 + nonce.length + 12 * locators.length,
        headers: [{ protocol: DESTINATION_OPTIONS, length: 4 + nonce.length, nonces: [hex(nonce)] }],
        checksum: 'right',
      };
      const [sent, answer] = [fromTshark(fields[2 * k]!), fromTshark(fields[2 * k + 1]!)];
      const update = (operation: number) => ({ operation, fault: null, locators });
      try {
        expect(sent).toMatchObject({ ...right, source: ends[0], destination: ends[1], update: update(ADVERTISEMENT) });
        expect(answer).toMatchObject({
          ...{ ...right, source: ends[1], destination: ends[0], update: update(ACKNOWLEDGEMENT) },
        });
      } catch {
        differences.add(number, packet, { sent, answer });
      }
    });

    expect(differences).toEqual(NONE);
    expect(written.length).toBeGreaterThan(100);
  });
});
