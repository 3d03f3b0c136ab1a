/** Random sites and random packets for the properties of the path (test/sbr/properties.test.ts). */
import fc from 'fast-check';
import type { BindingConfig, SiteConfig } from '../../src/config/site-config.ts';
import {
  destinationOptions,
  echo6,
  error6,
  fragmentHeader,
  type Header,
  ipv6,
  joined,
  sealed,
  tcpSegment,
  udpSegment,
} from './packets.ts';
import { bound, mapped, siteConfig } from './sites.ts';

const NIDS = ['a1', 'a2', 'b1', 'c0', 'dead', '1'];
const GUEST_L64S = ['fd00:1::/64', 'fd00:2::/64', 'fd00:9::/64', 'fd01:203:405:7::/64'];
const SUBNETS = [
  mapped('fd01:203:405::/48', '2001:db8:100::/48'),
  mapped('fd05:0:0:4::/64', '2001:db8:200:1::/64'),
  mapped('fd00:1::/48', '2001:db8:1::/48'),
];
const L64S = [
  ...['2001:db8:1::', '2001:db8:11::', '2001:db8:2::', '2001:db8:c::', '2001:db8:cc::', '2001:db8:100:7::'],
  ...['2001:db8:200:1::', '2001:db8:1:7::', 'fd00:1::', 'fd00:2::', 'fd00:3::', 'fd00:9::', 'fd01:203:405:7::'],
  ...['fd01:203:405:8::', 'fd05:0:0:4::', 'fd00:1:0:7::', 'fd77::', 'fe80::', 'ff0e::', '::'],
];

const site = fc.integer({ min: 1, max: 3 });
export const bindings: fc.Arbitrary<BindingConfig[]> = fc
  .record({
    nids: fc.subarray(['a1', 'a2', 'b1', '1']),
    rows: fc.array(fc.tuple(fc.constantFrom(...GUEST_L64S), site, site), { minLength: 4, maxLength: 4 }),
  })
  .map(({ nids, rows }) => nids.map((id, k) => bound(id, ...rows[k]!)));

/** Site 1 of three. */
export const worlds: fc.Arbitrary<SiteConfig> = fc
  .record({
    bindings,
    uplinks: fc.integer({ min: 1, max: 2 }),
    subnets: fc.oneof(fc.constant([]), fc.subarray(SUBNETS)),
    checksum: fc.oneof(
      { weight: 4, arbitrary: fc.constant('full' as const) },
      { weight: 1, arbitrary: fc.constantFrom('zeroed' as const, 'auto' as const) },
    ),
  })
  .map(({ bindings, uplinks, subnets, checksum }) => {
    const config = siteConfig(1, 3, bindings, { subnets, checksum });
    return { ...config, uplinks: config.uplinks.slice(0, uplinks) };
  });

/** An IPv6 address; most are of somebody. */
const address = fc.tuple(fc.constantFrom(...L64S), fc.constantFrom(...NIDS)).map(([l64, id]) => `${l64}${id}`);
const header: fc.Arbitrary<Header> = fc.record({
  src: address,
  dst: address,
  hopLimit: fc.constantFrom(64, 1, 255, 254, 0),
});
/** Short, or as long as a link carries; made from two numbers, so that failures shrink at once. */
const payload = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.integer({ min: 1200, max: 1420 }) }),
    fc.nat(255),
  )
  .map(([length, first]) => Uint8Array.from({ length }, (_, k) => (first * (k + 1)) & 0xff));

/** A segment whose checksum is right in one of the conventions, or zero where UDP may. */
const segment = (h: Header): fc.Arbitrary<readonly [number, Uint8Array]> =>
  fc
    .tuple(fc.constantFrom('tcp', 'udp', 'udp0', 'echo', 'lite', 'esp', 'none', 'tcpZeroed', 'stub'), payload)
    .map(([kind, data]) => {
      if (kind === 'tcp') return [6, tcpSegment(h, data)];
      if (kind === 'tcpZeroed') return [6, sealed(h, 6, tcpSegment(h, data), true)];
      if (kind === 'udp') return [17, udpSegment(h, data)];
      if (kind === 'udp0') {
        const open = udpSegment(h, data);
        open.set([0, 0], 6);
        return [17, open];
      }
      if (kind === 'stub') return [data.length % 2 === 0 ? 6 : 17, data.slice(0, 20)]; // most end before their checksum
      if (kind === 'echo') return [58, echo6(h).slice(40)];
      if (kind === 'lite') return [136, udpSegment(h, data)];
      return [kind === 'esp' ? 50 : 59, data];
    });

const NONCE = destinationOptions(0, [0x8b, Uint8Array.of(1, 2, 3, 4)]);
const PADS = Uint8Array.of(0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
const ROUTE = Uint8Array.of(0, 0, 253, 0, 0, 0, 0, 0);
const AUTH = Uint8Array.from([0, 4, 0, 0, ...new Array<number>(20).fill(9)]);
const extension = fc.constantFrom<readonly [number, Uint8Array]>(
  [60, NONCE],
  [60, PADS],
  [0, PADS],
  [43, ROUTE],
  [51, AUTH],
  [44, fragmentHeader(0, 0, true)],
  [44, fragmentHeader(0, 64, true)],
);

/** A well-formed packet that is no error. */
const plain: fc.Arbitrary<Uint8Array> = header.chain((h) =>
  fc
    .tuple(
      segment(h),
      fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(extension, { maxLength: 3 }) },
      ),
    )
    .map(([[protocol, octets], chain]) => {
      const headers = chain.map(([, template], k) => {
        const copy = template.slice();
        copy[0] = chain[k + 1]?.[0] ?? protocol;
        return copy;
      });
      return ipv6(h, chain[0]?.[0] ?? protocol, joined(...headers, octets));
    }),
);

/** An ICMPv6 error, most about a packet in the other direction. */
const error: fc.Arbitrary<Uint8Array> = fc
  .tuple(header, plain, fc.boolean(), fc.constantFrom(1232, 1232, 48, 44, 40, 30), fc.constantFrom(1, 2, 3, 4, 100))
  .map(([h, quote, answers, cut, type]) => {
    const copy = quote.slice();
    const towards = ipv6(h, 59, new Uint8Array(0));
    if (answers) copy.set(towards.slice(24, 40), 8); // the quoted source is where the error goes
    return error6(h, type, 0, 1280, copy, cut);
  });

export interface Arrival {
  readonly port: number;
  readonly packet: Uint8Array;
  /** Octets behind the packet that belong to the slot, e.g. padding of the link. */
  readonly padding: number;
  /** Flags of the virtio-net header, where there is one. */
  readonly flags: number;
}

const mutation = fc.record({ at: fc.nat(120), value: fc.nat(255), cut: fc.constantFrom(0, 0, 0, 1, 20, 60) });

/** Packets as they may arrive: well-formed, and with octets changed or missing. */
export const arrivals: fc.Arbitrary<Arrival> = fc
  .record({
    port: fc.nat(2),
    packet: fc.oneof({ weight: 3, arbitrary: plain }, { weight: 2, arbitrary: error }),
    wrong: fc.boolean(),
    changes: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(mutation, { maxLength: 4 }) },
    ),
    padding: fc.constantFrom(0, 0, 0, 5),
    flags: fc.constantFrom(0, 0, 1, 2),
  })
  .map(({ port, packet, wrong, changes, padding, flags }) => {
    let octets = packet.slice();
    if (wrong && octets.length > 60) octets[octets.length - 1]! ^= 0x10; // its checksum is wrong from now on
    for (const { at, value, cut } of changes) {
      octets[at % octets.length] = value;
      octets = octets.slice(0, Math.max(1, octets.length - cut));
    }
    return { port, packet: octets, padding, flags };
  });
