/** The packets through borders of site 1, as the production path forwards them. */
import { SITE } from '../../src/packet/batch.ts';
import { ANSWERED, FORWARD } from '../../src/packet/verdict.ts';
import type { Fib } from '../../src/sbr/fib.ts';
import { bound, fibOf, l64, mapped, nid, pass, siteConfig } from '../support/sites.ts';
import type { Generated } from './generate.ts';

/** A packet that left a border. */
export interface Passed {
  readonly packet: Generated;
  /** Its place among all. */
  readonly number: number;
  readonly after: Uint8Array;
  readonly egress: number;
  /** Replaced by an error of the border's own. */
  readonly isAnswer: boolean;
  /** Hops it may have lost: of a straggler between sites. */
  readonly isStraggler: boolean;
}

const BINDINGS = [
  ...[bound('a1', 'fd00:1::/64', 1, 1), bound('a2', 'fd00:1::/64', 1, 2), bound('a3', 'fd00:1::/64', 1, 1)],
  ...[bound('b1', 'fd00:2::/64', 2, 2), bound('b2', 'fd00:2::/64', 2, 1), bound('c3', 'fd00:9::/64', 3, 1)],
  { nid: nid('211:22ff:fe33:4455'), guest: l64('fd00:1::/64'), home: 'site1', uplink: undefined, at: 'site1' },
];

/** With one uplink (the short cut of the path), with two and a subnet map (the whole rule), with zeroed checksums. */
function worlds(): { one: Fib; two: Fib; zeroed: Fib } {
  const icmp = { rate: 1e6, burst: 1e6 };
  const two = siteConfig(1, 3, BINDINGS, { icmp, subnets: [mapped('fd01:203:405::/48', '2001:db8:100::/48')] });
  const one = { ...two, uplinks: two.uplinks.slice(0, 1), subnets: [] };
  return { one: fibOf(one), two: fibOf(two), zeroed: fibOf({ ...one, checksum: 'zeroed' }) };
}

/** What leaves the borders: every other packet through the one with two uplinks, zeroed ones through that for them. */
export function through(packets: readonly Generated[]): Passed[] {
  const { one, two, zeroed } = worlds();
  return packets.flatMap((packet, number) => {
    const fib = packet.zeroed ? zeroed : number % 2 === 0 ? one : two;
    const { verdict, egress, packet: after } = pass(fib, packet.port, packet.octets, 1e6 * number);
    if (verdict !== FORWARD && verdict !== ANSWERED) return [];
    const isStraggler = packet.port === SITE && egress === SITE;
    return [{ packet, number, after, egress, isAnswer: verdict === ANSWERED, isStraggler }];
  });
}
