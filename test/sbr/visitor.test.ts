/** A guest of another site whose ILNP sessions go by the uplinks of the site where it is (RFC 6748 sections 3.2 and 6.3). */
import { describe, expect, test } from 'vitest';
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import * as v from '../../src/packet/verdict.ts';
import type { Fib } from '../../src/sbr/fib.ts';
import { acknowledgementOf, locatorUpdatePacket, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { formatL64 } from '../../src/wire/text.ts';
import {
  addressesOf,
  destinationOptions,
  error6,
  full,
  type Header,
  hasRightChecksum,
  ipv6,
  joined,
  octetsOf,
  tcp6,
  tcpSegment,
} from '../support/packets.ts';
import { bound, fibOf, l64, pass, siteConfig } from '../support/sites.ts';

const CN = '2001:db8:c::c0';
const GUEST = 'fd00:1::a1';
const HERE = '2001:db8:2::a1';
const OUT = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4);
const IN = Uint8Array.of(0x5e, 0x6f, 0x70, 0x81);
const nameOf = (verdict: number): string => v.VERDICTS[verdict]!.name;
const speaks = (h: Header, nonce: Uint8Array): Uint8Array =>
  ipv6(h, 60, joined(destinationOptions(6, [0x8b, nonce]), tcpSegment(h, new Uint8Array(4))));
const outbound = speaks({ src: GUEST, dst: CN }, OUT);
/** As the home border sends it on. */
const fromHome = speaks({ src: CN, dst: 'fd00:2::a1' }, IN);

/** The border of site 2, where a1 of site 1 is, or was (`at`). */
const site2 = (at = 2): Fib => fibOf(siteConfig(2, 3, [bound('a1', 'fd00:1::/64', 1, at)]));

/** A session has begun by way of the home; `told`: its correspondent knows, and has acknowledged. */
function session(fib: Fib, told = true): Fib {
  expect(pass(fib, INSIDE, outbound)).toMatchObject({ verdict: v.FORWARD, egress: SITE });
  expect(pass(fib, SITE, fromHome)).toMatchObject({ verdict: v.FORWARD, egress: INSIDE });
  const [pair] = fib.pairs!.all();
  if (!told) return fib;
  fib.pairs!.tell(pair!, 1, fib.image.uplinkIds[0]!);
  fib.pairs!.acknowledge(pair!, 0);
  return fib;
}

describe('at the site where it is', () => {
  // shows: S31
  test('packets go by the home until the correspondent knows, then by the uplink here', () => {
    const before = pass(session(site2(), false), INSIDE, outbound);
    const after = pass(session(site2()), INSIDE, outbound);

    expect([before.egress, addressesOf(before.packet).src]).toEqual([SITE, full('fd00:1::a1')]);
    expect([after.egress, addressesOf(after.packet).src]).toEqual([OUTSIDE, full(HERE)]);
  });

  // shows: S31
  test('plain IPv6 of the same guest goes on by its home', () => {
    expect(pass(session(site2()), INSIDE, tcp6({ src: GUEST, dst: CN })).egress).toBe(SITE);
  });

  test('what its correspondent sends here is delivered, what others send is not', () => {
    const fib = session(site2());
    const told = pass(fib, OUTSIDE, speaks({ src: CN, dst: HERE }, IN));
    const stranger = pass(fib, OUTSIDE, speaks({ src: '2001:db8:c::66', dst: HERE }, IN));

    expect([nameOf(told.verdict), told.egress, addressesOf(told.packet).dst]).toEqual([
      'forwarded',
      INSIDE,
      full(GUEST),
    ]);
    expect(nameOf(stranger.verdict)).toBe('answered');
    expect(nameOf(pass(session(site2(), false), OUTSIDE, speaks({ src: CN, dst: HERE }, IN)).verdict)).toBe('answered');
  });

  test('its own Locator Update is translated here, and acknowledged here', () => {
    const fib = session(site2());
    const update = {
      operation: 1,
      locators: [{ locator: l64('fd00:1::/64'), preference: 10, lifetime: 300 }],
    } as const;
    const envelope = { source: octetsOf(GUEST), destination: octetsOf(CN), nonce: OUT };
    const there = pass(fib, INSIDE, locatorUpdatePacket(update, envelope)!).packet;
    const read = readLocatorUpdate(there, 0, 48, there.length - 48);
    const back = pass(fib, OUTSIDE, acknowledgementOf(there, IN)!);

    expect(read).toMatchObject({ locators: [{ locator: l64('2001:db8:2::/64') }] });
    expect([nameOf(back.verdict), back.egress]).toEqual(['forwarded', INSIDE]);
    expect(readLocatorUpdate(back.packet, 0, 48, back.packet.length - 48)).toEqual({ ...update, operation: 2 });
    expect(formatL64(l64('2001:db8:2::/64'))).toBe('2001:db8:2::/64');
  });

  // shows: S6
  test('an error of a router about its packets reaches it as it knows them, and one of its own goes out here', () => {
    const fib = session(site2());
    const sent = pass(fib, INSIDE, outbound).packet;
    const router = { src: '2001:db8:cc::1', dst: HERE };
    const { verdict, egress, packet } = pass(fib, OUTSIDE, error6(router, 2, 0, 1280, sent));
    expect([nameOf(verdict), egress, addressesOf(packet).dst]).toEqual(['forwarded', INSIDE, full(GUEST)]);
    expect(addressesOf(packet.slice(48)).src).toBe(full(GUEST));
    expect(hasRightChecksum(packet)).toBe(true);

    const delivered = pass(fib, OUTSIDE, speaks({ src: CN, dst: HERE }, IN)).packet;
    const own = pass(fib, INSIDE, error6({ src: GUEST, dst: CN }, 1, 4, 0, delivered));
    expect([nameOf(own.verdict), own.egress, addressesOf(own.packet).src]).toEqual(['forwarded', OUTSIDE, full(HERE)]);
    expect(addressesOf(own.packet.slice(48)).dst).toBe(full(HERE));
    expect(hasRightChecksum(own.packet)).toBe(true);
  });

  test('an error about somebody else is not delivered', () => {
    const stranger = error6(
      { src: '2001:db8:cc::1', dst: HERE },
      2,
      0,
      1280,
      speaks({ src: HERE, dst: '2001:db8:c::66' }, OUT),
    );

    expect(nameOf(pass(session(site2()), OUTSIDE, stranger).verdict)).toBe('drop_unknown_destination');
  });
});

// shows: S20
test('when it has gone on, what still comes here is sent on to where it is', () => {
  const fib = session(site2());
  const gone = site2(3);
  const [pair] = fib.pairs!.all();
  fib.table = gone.table;
  fib.load(gone.image);
  fib.pairs!.departed(pair!);
  const { verdict, egress, packet } = pass(fib, OUTSIDE, speaks({ src: CN, dst: HERE }, IN));

  expect([nameOf(verdict), egress]).toEqual(['forwarded', SITE]);
  expect(addressesOf(packet)).toEqual({ src: full(CN), dst: full('fd00:3::a1') });
});
