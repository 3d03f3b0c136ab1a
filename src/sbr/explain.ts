/**
 * Why a packet became what it became, in words. Looks at the packet before and after, and at the same configuration and
 * bindings the path decided by; decides nothing itself. Cold.
 */
import type { SiteConfig } from '../config/site-config.ts';
import type { Bindings } from '../ilnp/bindings.ts';
import { PORT_NAMES } from '../packet/batch.ts';
import { ANSWERED, FORWARD, isSent, VERDICTS } from '../packet/verdict.ts';
import { explainPacket, halfAt } from '../wire/explain.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { formatL64, formatNid, type L64, type Prefix, prefixesOverlap } from '../wire/text.ts';

/** What happened to one packet. */
export interface Decision {
  readonly port: number;
  readonly verdict: number;
  readonly egress: number;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** A decision in words; `egress` only when something was sent. */
export interface Explanation {
  readonly side: string;
  readonly egress: string | null;
  readonly decision: string;
  readonly packet: string;
  readonly why: string;
}

export class Explainer {
  readonly #config: SiteConfig;
  readonly #bindings: Bindings;

  constructor(config: SiteConfig, bindings: Bindings) {
    this.#config = config;
    this.#bindings = bindings;
  }

  explain({ port, verdict, egress, before, after }: Decision): Explanation {
    return {
      side: PORT_NAMES[port] ?? `port ${port}`,
      egress: isSent(verdict) ? (PORT_NAMES[egress] ?? `port ${egress}`) : null,
      decision: VERDICTS[verdict]?.name ?? `verdict ${verdict}`,
      packet: explainPacket(before, 0, before.length),
      why: this.#why(verdict, before, after),
    };
  }

  #why(verdict: number, before: Uint8Array, after: Uint8Array): string {
    if (before.length < ipv6.HEADER_LENGTH) return VERDICTS[verdict]!.meaning;
    if (verdict === ANSWERED)
      return `${VERDICTS[verdict]!.meaning}: ${this.#node(before, ipv6.DST)}; ${explainPacket(after, 0, after.length)}`;
    if (verdict !== FORWARD)
      return `${VERDICTS[verdict]!.meaning}; source ${this.#end(before, ipv6.SRC)}, destination ${this.#end(before, ipv6.DST)}`;

    const reasons = [
      this.#change('source', before, after, ipv6.SRC),
      this.#change('destination', before, after, ipv6.DST),
      this.#quoteChange(before, after),
    ].filter((reason) => reason !== null);
    return reasons.length === 0 ? 'no Locator to replace' : reasons.join('; ');
  }

  #change(what: string, before: Uint8Array, after: Uint8Array, o: number): string | null {
    const [from, to] = [halfAt(before, o), halfAt(after, o)];
    if (from.hi === to.hi && from.lo === to.lo) return null;
    return `${what} ${this.#locator(from)} becomes ${this.#locator(to)}, ${this.#bindings.get(halfAt(before, o + 8)) === undefined ? 'by the map of its subnet' : `because ${this.#node(before, o)}`}`;
  }

  /** Of an ICMPv6 error: the packet it quotes is given the Locators its sender knows. */
  #quoteChange(before: Uint8Array, after: Uint8Array): string | null {
    const quote = ipv6.HEADER_LENGTH + 8;
    if (before[ipv6.NEXT_HEADER] !== ipv6.ICMPV6 || before[ipv6.HEADER_LENGTH]! >= 128) return null;
    if (after.length < quote + ipv6.HEADER_LENGTH) return null;
    const changes = [ipv6.SRC, ipv6.DST].flatMap((o) => {
      const [from, to] = [halfAt(before, quote + o), halfAt(after, quote + o)];
      if (from.hi === to.hi && from.lo === to.lo) return [];
      return [`${o === ipv6.SRC ? 'source' : 'destination'} ${formatL64(from)} becomes ${formatL64(to)}`];
    });
    return changes.length === 0 ? null : `in the quote ${changes.join(' and ')}`;
  }

  #end(b: Uint8Array, o: number): string {
    return `${this.#locator(halfAt(b, o))}, ${this.#node(b, o)}`;
  }

  /** What is known of the node whose address is at `o`. */
  #node(b: Uint8Array, o: number): string {
    const nid = halfAt(b, o + 8);
    const text = formatNid(nid);
    const binding = this.#bindings.get(nid);
    if (binding === undefined) return `${text} has no binding`;
    const { home, at } = binding;
    return home === at ? `${text} is at home, ${home}` : `${text} of ${home} is at ${at}`;
  }

  /** A Locator with what it is to this site. */
  #locator(l64: L64): string {
    const { uplinks, inside, peers, subnets, site } = this.#config;
    const same = (other: L64): boolean => other.hi === l64.hi && other.lo === l64.lo;
    const within = (prefix: Prefix): boolean => prefixesOverlap(prefix, { ...l64, length: 64 });
    const names = [
      ...uplinks.filter((u) => same(u.l64)).map((u) => `uplink ${u.name}`),
      ...inside.filter((link) => same(link.l64)).map(() => site),
      ...peers.filter((p) => same(p.l64)).map((p) => p.site),
      ...(inside.some((link) => link.guests.some(same)) || this.#bindings.classes.some((c) => same(c.guest))
        ? ['guests']
        : []),
      ...subnets.filter((s) => within(s.inside)).map(() => 'mapped subnet'),
      ...subnets.filter((s) => within(s.outside)).map((s) => `mapped subnet, seen through ${s.uplink}`),
    ];
    return `${formatL64(l64)}${names.length === 0 ? '' : ` (${[...new Set(names)].join(', ')})`}`;
  }
}
