/** Locator Updates of the border for its guests: when, to whom, with what, until when (RFC 6748 section 3.2, RFC 6743). */
import { describe, expect, test } from 'vitest';
import { reachOf } from '../../src/border/reach.ts';
import type { BindingConfig, SiteConfig } from '../../src/config/site-config.ts';
import { Bindings } from '../../src/ilnp/bindings.ts';
import { INSIDE, OUTSIDE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import { compile } from '../../src/sbr/compile.ts';
import { GuestUpdates } from '../../src/sbr/updates.ts';
import { acknowledgementOf, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { formatL64, formatNid } from '../../src/wire/text.ts';
import {
  addressesOf,
  destinationOptions,
  full,
  type Header,
  ipv6,
  joined,
  tcp6,
  tcpSegment,
} from '../support/packets.ts';
import { bound, fibOf, l64, mapped, nid, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const GUEST = 'fd00:1::a1';
const BY_ISP1 = '2001:db8:1::a1';
const BY_ISP2 = '2001:db8:11::a1';
const OUT = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);
const IN = Uint8Array.of(0x5e, 0x6f, 0x70, 0x81);
const S = 1e6;

const nameOf = (verdict: number): string => v.VERDICTS[verdict]!.name;
const speaks = (h: Header, nonce: Uint8Array): Uint8Array =>
  ipv6(h, 60, joined(destinationOptions(6, [0x8b, nonce]), tcpSegment(h, new Uint8Array(4))));
const listOf = (packet: Uint8Array): string[] | string => {
  const read = readLocatorUpdate(packet, 0, 48, packet.length - 48);
  return typeof read === 'string' ? read : read.locators.map((l) => `${formatL64(l.locator)},${l.preference}`);
};

/** A border with its tables, and what it says by itself. */
class Site {
  readonly fib;
  readonly updates;
  readonly said: Uint8Array[] = [];
  readonly #config: SiteConfig;
  readonly #bindings: readonly BindingConfig[];
  up = [true, true];
  /** Wall clock, seconds. */
  clock = 1;

  constructor(bindings: readonly BindingConfig[] = [bound('a1', 'fd00:1::/64', 1, 1)], n = 1, extra = {}) {
    this.#bindings = bindings;
    this.#config = siteConfig(n, 3, bindings, extra);
    this.fib = fibOf(this.#config);
    this.updates = new GuestUpdates({
      pairs: this.fib.pairs!,
      reach: (id, inside) => {
        const binding = this.#bindings.find((b) => formatNid(b.nid) === formatNid(id));
        return reachOf(this.#config, binding, inside, { ids: this.fib.image.uplinkIds, usable: this.up });
      },
      emit: (packets) => this.said.push(...packets),
      seconds: () => this.clock,
    });
  }

  /** Both directions of a session pass. */
  speak(known = BY_ISP1, cn = CN, guest = GUEST): this {
    expect(nameOf(this.out(speaks({ src: guest, dst: cn }, OUT)).verdict)).toBe('forwarded');
    expect(nameOf(this.in(speaks({ src: cn, dst: known }, IN)).verdict)).toBe('forwarded');
    return this;
  }

  out = (packet: Uint8Array) => pass(this.fib, INSIDE, packet);
  in = (packet: Uint8Array) => pass(this.fib, OUTSIDE, packet);

  /** As the border does it: first it tells, then its path changes over. */
  links(up: boolean[], now: number): void {
    this.up = up;
    this.updates.begin(now);
    const bindings = new Bindings(1000, [1, 2]);
    for (const b of this.#bindings) bindings.put({ ...b, epoch: 0 });
    this.fib.load(compile(this.#config, bindings, { uplinkUp: up, outsideAddress: null, insideAddress: null }));
  }

  /** Under which address the world sees the next packet of the session. */
  seenAs = (): string => addressesOf(this.out(speaks({ src: GUEST, dst: CN }, OUT)).packet).src;
}

describe('when an uplink fails', () => {
  // shows: S13, S14, S15
  test('the correspondent is told what is left, with the nonce of the guest, before data takes another way', () => {
    const site = new Site().speak();
    expect(site.seenAs()).toBe(full(BY_ISP1));
    site.links([false, true], 2 * S);

    expect(site.said).toHaveLength(1);
    const [update] = site.said;
    expect(addressesOf(update!)).toEqual({ src: full(BY_ISP2), dst: full(CN) });
    expect(update!.slice(42, 48)).toEqual(Uint8Array.of(0x8b, 4, ...OUT));
    expect(listOf(update!)).toEqual(['2001:db8:11::/64,10']);
    expect(update).toHaveLength(68);
    expect(site.seenAs()).toBe(full(BY_ISP2));
  });

  // shows: S16
  test('the acknowledgement is checked, ends the retransmissions, and is not for the guest', () => {
    const site = new Site().speak();
    site.links([false, true], 2 * S);
    const forged = acknowledgementOf(site.said[0]!, Uint8Array.of(9, 9, 9, 9))!;
    const right = acknowledgementOf(site.said[0]!, IN)!;

    expect(nameOf(site.in(forged).verdict)).toBe('drop_forged_update');
    site.updates.run(3 * S);
    expect(site.said).toHaveLength(2);
    expect(nameOf(site.in(right).verdict)).toBe('taken');
    expect(nameOf(site.in(right).verdict)).toBe('taken');
    for (let t = 4; t < 200; t++) site.updates.run(t * S);
    expect(site.said).toHaveLength(2);
    expect(site.updates.next(200 * S)).toBeNull();
  });

  test('who does not acknowledge is told seven times, further and further apart', () => {
    const site = new Site().speak();
    site.links([false, true], 0);
    const at: number[] = [];
    for (let t = 0; t < 300; t += 0.5) {
      const before = site.said.length;
      site.updates.run(t * S);
      if (site.said.length > before) at.push(t);
    }

    expect(at).toEqual([1, 3, 7, 15, 31, 63]); // and at 0
    expect(site.updates.givenUp).toBe(1);
  });

  test('many correspondents are told in bursts', () => {
    const site = new Site();
    for (let k = 1; k <= 100; k++) site.speak(BY_ISP1, `2001:db8:c::${k.toString(16)}`);
    site.links([false, true], 0);
    expect(site.said).toHaveLength(64);
    site.updates.run(site.updates.next(0)!);
    expect(new Set(site.said.map((p) => addressesOf(p).dst))).toHaveLength(100);
  });

  // shows: S18, S21a
  test('a plain IPv6 session stays where it began, and nobody is told for it', () => {
    const site = new Site();
    expect(addressesOf(site.out(tcp6({ src: GUEST, dst: CN })).packet).src).toBe(full(BY_ISP1));
    site.links([false, true], 0);

    expect(site.said).toEqual([]);
    expect(addressesOf(site.out(tcp6({ src: GUEST, dst: CN })).packet).src).toBe(full(BY_ISP1));
  });

  test('a guest whose nonce no correspondent has answered is spoken for to nobody', () => {
    const site = new Site();
    site.out(speaks({ src: GUEST, dst: CN }, OUT));
    site.links([false, true], 0);

    expect(site.said).toEqual([]);
  });

  test('a session that was idle then, and goes on now, has to be told of', () => {
    const site = new Site().speak();
    site.clock = 700;
    site.links([false, true], 0);
    expect(site.said).toEqual([]);
    site.clock = 1;
    expect(site.seenAs()).toBe(full(BY_ISP2));
    expect([...site.fib.pairs!.all()].map((pair) => site.fib.pairs!.isUntold(pair))).toEqual([true]);
    site.updates.begin(2 * S);
    expect(site.said.map(listOf)).toEqual([['2001:db8:11::/64,10']]);
  });

  // shows: S28a
  test('the border where the guest is speaks for it, its home does not', () => {
    const away = [bound('a1', 'fd00:1::/64', 1, 2)];
    const home = new Site(away);
    pass(home.fib, 2, speaks({ src: GUEST, dst: CN }, OUT));
    home.in(speaks({ src: CN, dst: BY_ISP1 }, IN));
    home.links([false, true], 0);

    expect([...home.fib.pairs!.all()]).toHaveLength(1);
    expect(home.said).toEqual([]);
  });

  test('a host without a binding is spoken for with what the maps of its subnet make of its Locator', () => {
    const subnets = [
      mapped('fd05:0:0::/48', '2001:db8:200::/48'),
      mapped('fd05:0:0::/48', '2001:db8:300::/48', 'isp2'),
    ];
    const site = new Site([], 1, { subnets }).speak('2001:db8:200:4::77', CN, 'fd05:0:0:4::77');
    site.links([false, true], 0);

    expect(site.said.map(listOf)).toEqual([['2001:db8:300:4::/64,10']]);
    expect(addressesOf(site.said[0]!).src).toBe(full('2001:db8:300:4::77'));
  });
});

describe('when a better uplink comes back', () => {
  // shows: S14, S18, S20
  test('data stays where it is until the correspondent has acknowledged, and both Locators go on to be accepted', () => {
    const site = new Site().speak();
    site.links([false, true], 0);
    site.in(acknowledgementOf(site.said[0]!, IN)!);
    expect(site.seenAs()).toBe(full(BY_ISP2));
    site.links([true, true], 10 * S);

    expect(listOf(site.said[1]!)).toEqual(['2001:db8:1::/64,10', '2001:db8:11::/64,20']);
    expect(site.seenAs()).toBe(full(BY_ISP2));
    expect(nameOf(site.in(acknowledgementOf(site.said[1]!, IN)!).verdict)).toBe('taken');
    expect(site.seenAs()).toBe(full(BY_ISP1));
    for (const known of [BY_ISP1, BY_ISP2]) {
      expect(nameOf(site.in(speaks({ src: CN, dst: known }, IN)).verdict)).toBe('forwarded');
    }
  });

  test('a session that was never moved stays where it began, unless the operator chooses', () => {
    const site = new Site().speak(BY_ISP1);
    const second = '2001:db8:c::2';
    const opened = speaks({ src: second, dst: BY_ISP2 }, IN);
    opened.set([...opened.slice(50, 52), ...opened.slice(48, 50)], 48); // the ports of the answer, the other way round
    site.in(opened);
    site.out(speaks({ src: GUEST, dst: second }, OUT));
    site.in(speaks({ src: second, dst: BY_ISP2 }, IN));
    site.updates.begin(0);
    expect(site.said).toEqual([]);
    site.updates.begin(0, { choose: true });
    expect(site.said.map((p) => addressesOf(p).dst)).toEqual([full(second)]);
  });

  test('an older list that was still being told is not told any more', () => {
    const site = new Site().speak();
    site.links([false, true], 0);
    site.links([true, true], 0.2 * S);
    site.updates.run(5 * S);
    const late = site.in(acknowledgementOf(site.said[0]!, IN)!);

    expect(site.said.map(listOf).slice(1)).toEqual(new Array(2).fill(['2001:db8:1::/64,10', '2001:db8:11::/64,20']));
    expect(nameOf(late.verdict)).toBe('taken');
    expect(site.updates.outstanding).toBe(1);
  });
});

test('a fragment without a nonce goes the way of its pair', () => {
  const site = new Site().speak();
  site.links([false, true], 0);
  site.seenAs();
  const later = ipv6({ src: GUEST, dst: CN }, 44, joined(Uint8Array.of(17, 0, 0, 8, 0, 0, 0, 7), new Uint8Array(16)));

  expect(addressesOf(site.out(later).packet).src).toBe(full(BY_ISP2));
});

describe('reach', () => {
  const config = siteConfig(1, 3, []);
  const uplinks = { ids: Uint8Array.of(4, 7), usable: [true, true] };
  const listed = (...args: Parameters<typeof reachOf>) =>
    reachOf(...args)?.map((r) => `${r.id} ${formatL64(r.locator)}`);
  const guest = bound('a1', 'fd00:1::/64', 1, 1, 'isp2');

  test('begins with the uplink of the binding, then goes by preference', () => {
    expect(listed(config, guest, guest.guest, uplinks)).toEqual(['7 2001:db8:11::/64', '4 2001:db8:1::/64']);
    expect(listed(config, { ...guest, uplink: undefined }, guest.guest, uplinks)?.[0]).toBe('4 2001:db8:1::/64');
  });

  test('is that of this site for a visitor, and nobody elses', () => {
    expect(listed(config, { ...guest, home: 'site2' }, guest.guest, uplinks)?.[0]).toBe('4 2001:db8:1::/64');
    expect(listed(config, { ...guest, at: 'site2' }, guest.guest, uplinks)).toBeUndefined();
    expect(listed(config, undefined, l64('fd77::/64'), uplinks)).toBeUndefined();
    expect(nid('0:0:0:a1')).toEqual(guest.nid);
  });
});
