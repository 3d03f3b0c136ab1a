/** Right packets of every kind, changed and cut anywhere: nothing throws, nothing outside of the packet is written. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ADVERTISEMENT, locatorUpdatePacket } from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import {
  batchOf,
  destinationOptions,
  error6,
  fragmentHeader,
  ipv6,
  joined,
  octetsOf,
  packetOf,
  tcp6,
  udp6,
  udpSegment,
} from '../support/packets.ts';
import { endSystem, know, l64, STABLE_A } from './support.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
/** What goes in front of a packet: the nonce of 16 octets, the virtio-net header, and what keeps both aligned. */
const FRONT = 32;
test.each([4, 12] as const)(
  'a changed packet never throws, never writes outside of itself and its headroom, never grows the cache: nonces of %i octets',
  (nonceOctets) => {
    const limits = { strangers: 64, known: 64 };
    const a = endSystem(STABLE_A, ['2001:db8:1::', '2001:db8:2::'], limits, { nonceOctets });
    know(a, B);
    const N = Uint8Array.of(1, 2, 3, 4);
    const out = a.pass(udp6({ src: STABLE_A, dst: B }, new Uint8Array(300))) as Uint8Array;
    const h = { src: B, dst: A };
    const seeds = [
      out,
      tcp6({ src: STABLE_A, dst: B }),
      insertNonce(udp6(h), N)!,
      insertNonce(udp6(h), new Uint8Array(12))!,
      error6({ src: '2001:db8:f::1', dst: A }, 2, 0, 1300, out),
      insertNonce(error6(h, 4, 2, 42, out), N)!,
      locatorUpdatePacket(
        {
          operation: ADVERTISEMENT,
          locators: Array.from({ length: 255 }, (_, k) => ({
            locator: l64(`2001:db8:${k + 1}::`),
            preference: k,
            lifetime: k,
          })),
        },
        { source: octetsOf(B), destination: octetsOf(A), nonce: N },
      )!,
      ipv6(
        h,
        60,
        joined(
          destinationOptions(17, [0x1e, Uint8Array.of(1, 2, 3)], [0x8b, N], [0x1e, Uint8Array.of(4)]),
          udpSegment(h, new Uint8Array(9)),
        ),
      ),
      ipv6(
        h,
        0,
        joined(
          destinationOptions(60, [0x1e, Uint8Array.of(1)]),
          destinationOptions(43, [0x8b, N]),
          destinationOptions(17, [0x1e, Uint8Array.of(1)]),
          udpSegment(h, new Uint8Array(9)),
        ),
      ),
      ipv6(
        h,
        60,
        joined(destinationOptions(44, [0x8b, N]), fragmentHeader(17, 0, true), udpSegment(h, new Uint8Array(9))),
      ),
      error6({ src: STABLE_A, dst: B }, 1, 4, 0, udp6({ src: B, dst: STABLE_A })),
    ];
    let now = 1;
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 }),
        fc.option(fc.nat(400)),
        fc.boolean(),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (seed, edits, cut, v, head) => {
          const p = seed.slice(0, cut === null ? seed.length : Math.max(40, seed.length - cut));
          for (const [at, x] of edits) if (at < p.length && !(at >= 24 && at < 40)) p[at] = x;
          p.set([(p.length - 40) >>> 8, (p.length - 40) & 0xff], 4);
          const batch = batchOf(0, [p], v);
          const before = batch.bytes.slice();
          if (v) {
            batch.bytes.set(head, batch.offset[0]! - 10);
            before.set(head, batch.offset[0]! - 10);
          }
          const o = batch.offset[0]!;
          a.passBatch(batch, now++);
          expect(Buffer.compare(batch.bytes.subarray(0, o - FRONT), before.subarray(0, o - FRONT))).toBe(0);
          expect(Buffer.compare(batch.bytes.subarray(o + p.length), before.subarray(o + p.length))).toBe(0);
          if (batch.verdict[0]! <= 1) {
            const q = packetOf(batch);
            expect(q.length).toBe(40 + ((q[4]! << 8) | q[5]!));
          }
          expect([...a.shim.node.ilcc.all()].length).toBeLessThan(130);
          a.sent.length = 0;
          a.shim.drops.length = 0;
        },
      ),
      { numRuns: 4000 },
    );
  },
);
