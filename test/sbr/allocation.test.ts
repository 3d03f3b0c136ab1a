/** The path allocates nothing: 100,000 packets of every kind leave the heap as it was, without a collection. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { forward } from '../../src/sbr/forward.ts';
import { batchOf, destinationOptions, error6, ipv6, joined, tcp6, tcpSegment, udp6 } from '../support/packets.ts';
import { bound, fibOf, mapped, siteConfig } from '../support/sites.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const BATCH = 100;
const PACKETS = 100_000;
/** Half of the smallest object for every packet; what V8 and the runner allocate meanwhile is less. */
const NOISE_OCTETS = 8 * PACKETS;

const CN = '2001:db8:c::c0';
const BINDINGS = [bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2)];
const SUBNETS = [mapped('fd01:203:405::/48', '2001:db8:100::/48')];
const h = { src: CN, dst: '2001:db8:1::a1' };
const sent = tcp6({ src: '2001:db8:1::a1', dst: CN });
const nonce = ipv6(h, 60, joined(destinationOptions(6, [0x8b, Uint8Array.of(1, 2, 3, 4)]), tcpSegment(h, sent)));

/** Octets the heap grew by while 100,000 packets passed. */
function growth(extra: Parameters<typeof siteConfig>[3], uplinks: number, port: number, packet: Uint8Array): number {
  const config = siteConfig(1, 3, BINDINGS, extra);
  const fib = fibOf({ ...config, uplinks: config.uplinks.slice(0, uplinks) });
  const batch = batchOf(port, new Array<Uint8Array>(BATCH).fill(packet), true);
  const octets = batch.bytes.slice();
  const lengths = batch.length.slice();
  const run = (): void => {
    for (let n = 0; n < PACKETS; n += BATCH) {
      batch.bytes.set(octets);
      batch.length.set(lengths);
      forward(batch, fib, n * 1000);
    }
  };
  for (let warm = 0; warm < 3; warm++) run();
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 3; attempt++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    run();
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  return least;
}

describe.each([
  ['one uplink', {}, 1],
  ['two uplinks', {}, 2],
  ['subnet maps', { subnets: SUBNETS }, 1],
  ['convention auto', { checksum: 'auto' as const }, 1],
])('%s', (_, extra, uplinks) => {
  test.each([
    ['inbound', OUTSIDE, tcp6(h)],
    ['inbound to a guest that is away', OUTSIDE, udp6({ ...h, dst: '2001:db8:1::a2' })],
    ['outbound', INSIDE, udp6({ src: 'fd00:1::a1', dst: CN })],
    ['of a guest that is away', SITE, udp6({ src: 'fd00:1::a2', dst: CN })],
    ['hairpin', INSIDE, udp6({ src: 'fd00:1::a1', dst: '2001:db8:1::a2' })],
    ['of a mapped subnet', INSIDE, udp6({ src: 'fd01:203:405:7::77', dst: CN })],
    ['with a nonce', OUTSIDE, nonce],
    ['to nobody', OUTSIDE, udp6({ ...h, dst: '2001:db8:1::dead' })],
    ['spoofed', OUTSIDE, udp6({ ...h, src: 'fd00:1::a1' })],
    ['errors', OUTSIDE, error6(h, 2, 0, 1280, sent)],
  ])('packets %s leave nothing on the heap', (_, port, packet) => {
    expect(growth(extra, uplinks, port, packet)).toBeLessThan(NOISE_OCTETS);
  });
});
