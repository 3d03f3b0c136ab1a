import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forward } from '../../src/sbr/forward.ts';
import { batchOf, packetOf, tcp6, udp6 } from '../support/packets.ts';
import { bound, fibOf, l64, siteConfig } from '../support/sites.ts';

const LOCATORS = ['2001:db8:1::', '2001:db8:c::', 'fd00:1::', 'fd00:2::', 'fd00:9::', 'fe80::', 'ff0e::', '::'];
const NIDS = ['a1', 'a2', 'b1', 'c0', 'dead', '0'];
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:9::/64', 1, 2), bound('b1', 'fd00:2::/64', 2, 1)];
const ONE_UPLINK = {
  uplinks: [
    {
      name: 'isp1',
      interface: 'up0',
      l64: l64('2001:db8:1::/64'),
      preference: 10,
      via: undefined,
      onLink: false,
      probe: undefined,
    },
  ],
};

const address = fc.tuple(fc.constantFrom(...LOCATORS), fc.constantFrom(...NIDS)).map(([l, n]) => `${l}${n}`);
const packet = fc
  .record({
    src: address,
    dst: address,
    hopLimit: fc.constantFrom(1, 64, 254, 255),
    tcp: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 20 }),
    spoil: fc.option(fc.record({ at: fc.nat(70), to: fc.nat(255) })),
    cut: fc.option(fc.nat(80)),
    port: fc.constantFrom(0, 1, 2),
    vnet: fc.option(fc.record({ flags: fc.constantFrom(0, 1, 2, 3), at: fc.constantFrom(46, 56, 47, 42, 9000) })),
  })
  .map(({ src, dst, hopLimit, tcp, payload, spoil, cut, ...rest }) => {
    const made = (tcp ? tcp6 : udp6)({ src, dst, hopLimit }, payload);
    if (spoil !== null && spoil.at < made.length) made[spoil.at] = spoil.to;
    return { ...rest, octets: cut === null ? made : made.slice(0, cut) };
  });

test('the short cut does with every packet exactly what the whole rule does', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 8 }), (packets) => {
      const outcomes = [true, false].map((straight) => {
        const fib = fibOf(siteConfig(1, 3, BINDINGS, ONE_UPLINK));
        expect(fib.straight).toBe(true);
        fib.straight = straight;
        const batch = batchOf(
          0,
          packets.map((p) => p.octets),
          true,
        );
        packets.forEach((p, i) => {
          const o = batch.offset[i]!;
          batch.port[i] = p.port;
          batch.bytes[o - 10] = p.vnet?.flags ?? 0;
          batch.half[(o >>> 1) - 2] = 40;
          batch.half[(o >>> 1) - 1] = (p.vnet?.at ?? 40) - 40;
        });
        forward(batch, fib, 1e6);
        if (straight) taken += batch.verdict.filter((v) => v === 0).length;
        return {
          packets: packets.map((_, i) => [...packetOf(batch, i)]),
          verdicts: [...batch.verdict],
          egresses: packets.map((_, i) => (batch.verdict[i]! <= 1 ? batch.egress[i] : null)),
          counters: [...fib.counters],
        };
      });

      expect(outcomes[0]).toEqual(outcomes[1]);
    }),
    { numRuns: 3000 },
  );
  expect(taken).toBeGreaterThan(500); // the short cut was taken often enough to say something
});

test.each([
  { field: 0xffff, flags: 0 },
  { field: 0, flags: 1 },
])('between Locators of the same sum a checksum of $field with flags $flags stays as it is', ({ field, flags }) => {
  const [src, dst] = ['2001:db8:c::c0', 'fd00:1::a1']; // from its home the guest's packet has its own Locator already
  const packet = tcp6({ src, dst });
  packet.set([field >>> 8, field & 0xff], 56);
  const outcomes = [true, false].map((straight) => {
    const fib = fibOf(siteConfig(1, 3, BINDINGS, ONE_UPLINK));
    fib.straight = straight;
    const batch = batchOf(2, [packet], true);
    batch.bytes.set([flags, 0, 0, 0, 0, 0, 40, 0, 16, 0], batch.offset[0]! - 10);
    forward(batch, fib, 1e6);
    const after = packetOf(batch);
    return { verdict: batch.verdict[0], field: (after[56]! << 8) | after[57]! };
  });

  expect(outcomes).toEqual([
    { verdict: 0, field },
    { verdict: 0, field },
  ]);
});
