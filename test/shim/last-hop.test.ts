/** Packets that reach an end system with their last hop: the kernel calls them exceeded, the shim delivers them. */
import { describe, expect, test } from 'vitest';
import {
  addressesOf,
  batchOf,
  destinationOptions,
  echo6,
  error6,
  full,
  hasRightChecksum,
  ipv6,
  packetOf,
  slowSum,
  tcp6,
  udp6,
} from '../support/packets.ts';
import { type End, endSystem, know, STABLE_A, STABLE_B } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const CN = '2001:db8:c::c0';
const LAST = { src: CN, dst: A, hopLimit: 1 };

const host = (): End => endSystem(STABLE_A, ['2001:db8:1::']);
/** What the kernel says that would have had to forward it, from the stable address. */
const exceeded = (packet: Uint8Array, to = CN): Uint8Array => error6({ src: STABLE_A, dst: to }, 3, 0, 0, packet);

describe('what the kernel of an end system calls exceeded', () => {
  test.each([
    ['UDP', udp6(LAST)],
    ['TCP', tcp6(LAST)],
    ['an echo request', echo6(LAST)],
  ])('is delivered, %s', (_, packet) => {
    const got = host().pass(exceeded(packet)) as Uint8Array;

    expect(addressesOf(got)).toEqual({ src: full(CN), dst: full(STABLE_A) });
    expect(hasRightChecksum(got)).toBe(true);
    expect(got[7]).toBe(1);
    expect(got.length).toBe(packet.length);
  });

  test('is delivered with the sum that a link of this machine left out', () => {
    const packet = udp6(LAST, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
    const length = packet.length - 40;
    const sum = slowSum(packet.slice(8, 40), Uint8Array.of(0, length, 0, 17));
    packet.set([sum >>> 8, sum & 0xff], 46);
    const got = host().pass(exceeded(packet)) as Uint8Array;

    expect(hasRightChecksum(got)).toBe(true);
  });

  test('is delivered wrong if it came wrong', () => {
    const packet = udp6(LAST);
    packet[46]! ^= 0x55;

    expect(hasRightChecksum(host().pass(exceeded(packet)) as Uint8Array)).toBe(false);
  });

  test('is delivered from a correspondent, without its nonce', () => {
    const a = host();
    const b = endSystem(STABLE_B, ['2001:db8:b::']);
    know(b, A);
    const sent = b.pass(udp6({ src: STABLE_B, dst: A, hopLimit: 1 })) as Uint8Array;
    sent[7] = 1;
    const got = a.pass(exceeded(sent, B)) as Uint8Array;

    expect(addressesOf(got)).toEqual({ src: full(B), dst: full(STABLE_A) });
    expect(got[6]).toBe(17);
    expect(hasRightChecksum(got)).toBe(true);
    expect(a.count('ilnp')).toBe(1);
  });

  test('is delivered behind a virtio-net header that says nothing of the error', () => {
    const packet = udp6(LAST);
    const batch = batchOf(0, [exceeded(packet)], true);
    const o = batch.offset[0]!;
    batch.bytes.fill(0xff, o - 10, o - 8);
    batch.bytes[o - 10] = 0;
    host().passBatch(batch);
    const at = batch.offset[0]!;

    expect([...batch.bytes.slice(at - 10, at)]).toEqual(new Array(10).fill(0));
    expect(packetOf(batch)).toHaveLength(packet.length);
    expect(hasRightChecksum(packetOf(batch))).toBe(true);
  });
});

describe('stays an error', () => {
  const cases: [string, Uint8Array][] = [
    ['about a packet that had hops left', exceeded(udp6({ ...LAST, hopLimit: 2 }))],
    ['about one that is for somebody else', exceeded(udp6({ ...LAST, dst: '2001:db8:1::a2' }))],
    ['to another than its sender', exceeded(udp6(LAST), '2001:db8:c::c1')],
    ['that does not quote all of it', exceeded(udp6(LAST, new Uint8Array(1300)))],
    ['about reassembly', error6({ src: STABLE_A, dst: CN }, 3, 1, 0, udp6(LAST))],
    ['that says something else', error6({ src: STABLE_A, dst: CN }, 1, 4, 0, udp6(LAST))],
    ['behind another header', ipv6({ src: STABLE_A, dst: CN }, 60, destinationOptions(59))],
  ];
  test.each(cases)('%s', (_, packet) => {
    const got = host().pass(packet) as Uint8Array;

    expect(addressesOf(got).src).toBe(full(A));
    expect(got.length).toBe(packet.length);
  });

  test('cut anywhere: nothing is read beyond it', () => {
    const whole = exceeded(udp6(LAST));
    for (let octets = 40; octets < whole.length; octets++) {
      const packet = whole.slice(0, octets);
      packet.set([(octets - 40) >>> 8, (octets - 40) & 0xff], 4);
      const got = host().pass(packet);
      if (typeof got !== 'string') expect(addressesOf(got).src).toBe(full(A));
    }
  });
});
