/**
 * A minute of 10,000 packets a second that nobody has sent: every one with a NID or a nonce of its own, in simulated time.
 * Whoever talks to us meanwhile notices nothing, and no memory grows.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { HEADROOM, PacketBatch } from '../../src/packet/batch.ts';
import { VERDICTS } from '../../src/shim/verdict.ts';
import { put32 } from '../../src/wire/bytes.ts';
import { ADVERTISEMENT, locatorUpdatePacket } from '../../src/wire/locator-update.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { addressesOf, full, octetsOf, tcp6, udp6 } from '../support/packets.ts';
import { type End, endSystem, know, l64, move, STABLE_A, STABLE_B } from './support.ts';

const A = '2001:db8:a::a1';
const SLOT = 512;
const BATCH = 10;
const MILLISECONDS = 60_000;
const STRANGERS = 4096;
const HEAP_GROWTH = 8 * 2 ** 20; // reason: what is compiled meanwhile; a leak of 100 octets a packet is 60 MB

/** A TCP segment by hand: flags, sequence, acknowledgement; the checksum is nobody's business here. */
function segment(src: string, dst: string, flags: number, acknowledgement = 0): Uint8Array {
  const packet = tcp6({ src, dst });
  packet[53] = flags;
  put32(packet, 44, 0);
  put32(packet, 48, acknowledgement);
  return packet;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const given = (packet: Uint8Array | string): Uint8Array => {
  if (typeof packet === 'string') throw new Error(`not passed: ${packet}`);
  return packet;
};

/** A correspondent of A that knows it by name. */
function peer(stable: string, locator: string): End {
  const end = endSystem(stable, [locator]);
  know(end, A);
  return end;
}

test('live sessions, configured correspondents and memory stay as they were', () => {
  const a = endSystem(STABLE_A, ['2001:db8:a::'], { strangers: STRANGERS, known: 64 });
  const configured = '2001:db8:b::b1';
  const b = peer(STABLE_B, '2001:db8:b::');
  const c = peer('fd00:c::c1', '2001:db8:c::');
  const d = peer('fd00:d::d1', '2001:db8:d::');
  const entry = know(a, configured);
  const heard = (from: End, packet: Uint8Array, now: number): Uint8Array =>
    given(a.pass(given(from.pass(packet, now)), now));
  const said = (to: End, packet: Uint8Array, now: number): Uint8Array =>
    given(to.pass(given(a.pass(packet, now)), now));

  // A has opened a connection to B; C has opened one to A; D sends datagrams and is answered; P has no ILNP
  said(b, segment(STABLE_A, configured, 0x02), 1);
  heard(b, segment(STABLE_B, A, 0x12, 1), 2);
  heard(c, segment('fd00:c::c1', A, 0x02), 3);
  said(c, segment(STABLE_A, '2001:db8:c::c1', 0x12), 4);
  heard(c, segment('fd00:c::c1', A, 0x10, 1), 5);
  heard(d, udp6({ src: 'fd00:d::d1', dst: A }), 6);
  for (let k = 0; k < 20; k++) heard(d, udp6({ src: 'fd00:d::d1', dst: A }), 6);
  said(d, udp6({ src: STABLE_A, dst: '2001:db8:d::d1' }), 7);
  const P = '2001:db8:e::e1';
  given(a.pass(udp6({ src: STABLE_A, dst: P }), 8));
  // since then D and A have moved: only who remembers knows where they were
  move(d, ['2001:db8:dd::'], 9);
  expect(a.pass(d.sent.shift()!, 9)).toBe('taken');
  d.pass(a.sent.shift()!, 9);
  const first = a.shim.node.locators[0]!;
  const all = [...a.shim.node.ilcc.all()];
  expect(all.map(({ proved }) => proved)).toEqual([true, true, false]);
  const nonces = all.map(({ localNonce, remoteNonce }) => [[...localNonce], [...remoteNonce!]]);
  const locators = all.map((one) => one.locators);

  // what comes: packets with room for a NID and a nonce, in one store for the whole minute
  const to = { dst: A };
  const forged = [
    insertNonce(udp6({ ...to, src: '2001:db8:ff::1' }), new Uint8Array(4))!,
    insertNonce(segment('2001:db8:ff::1', A, 0x02), new Uint8Array(4))!,
    insertNonce(segment('2001:db8:ff::1', A, 0x10, 7), new Uint8Array(12))!,
    udp6({ ...to, src: '2001:db8:ff::1' }),
    insertNonce(udp6({ ...to, src: configured }), new Uint8Array(4))!, // of B, with other nonces
    insertNonce(udp6({ ...to, src: '2001:db8:bad::b1' }), new Uint8Array(4))!,
    locatorUpdatePacket(
      { operation: ADVERTISEMENT, locators: [{ locator: l64('2001:db8:bad::'), preference: 1, lifetime: 600 }] },
      { source: octetsOf('2001:db8:c::c1'), destination: octetsOf(A), nonce: new Uint8Array(4) },
    )!,
    segment('2001:db8:bad::c1', A, 0x04), // of C, from elsewhere, without a nonce
    insertNonce(udp6({ ...to, src: '2001:db8:ff::1' }), new Uint8Array(4))!,
    insertNonce(udp6({ ...to, src: '2001:db8:ff::1' }), new Uint8Array(4))!,
  ];
  const batch = new PacketBatch(new ArrayBuffer(BATCH * SLOT), BATCH, false);
  const verdicts = new Map<number, number>();
  let drawn = 1;
  const flood = (now: number): void => {
    forged.forEach((packet, i) => {
      const o = i * SLOT + HEADROOM;
      batch.bytes.set(packet, o);
      batch.offset[i] = o;
      batch.length[i] = packet.length;
      drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0;
      const isAStranger = packet[13] === 0xff;
      if (isAStranger) put32(batch.bytes, o + 20, drawn);
      if (packet[6] === 60) put32(batch.bytes, o + 44, drawn ^ 0x5a5a5a5a);
    });
    batch.count = BATCH;
    a.passBatch(batch, now);
    for (const verdict of batch.verdict) verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    a.shim.drops.length = 0;
  };

  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  for (let ms = 0; ms < 2000; ms++) flood(10 + ms * 1000); // until everything is full that fills
  const before = heap();
  for (let ms = 2000; ms < MILLISECONDS; ms++) {
    const now = 10 + ms * 1000;
    flood(now);
    if (ms % 100 !== 0) continue;
    expect(addressesOf(heard(b, segment(STABLE_B, A, 0x10), now))).toEqual({
      src: full(configured),
      dst: full(STABLE_A),
    });
    expect(addressesOf(heard(c, segment('fd00:c::c1', A, 0x10), now)).src).toBe(full('2001:db8:c::c1'));
    expect(addressesOf(heard(d, udp6({ src: 'fd00:d::d1', dst: A }), now)).src).toBe(full('2001:db8:d::d1'));
    expect(addressesOf(said(d, udp6({ src: STABLE_A, dst: '2001:db8:d::d1' }), now)).src).toBe(full(A));
    given(a.pass(udp6({ src: STABLE_A, dst: P }), now));
  }
  const grown = heap() - before;

  const { ilcc } = a.shim.node;
  const live = all.map(({ nid0, nid1 }) => ilcc.find(nid0, nid1));
  expect(live).toEqual(all);
  expect(live[0]).toBe(entry);
  expect(all.map(({ localNonce, remoteNonce }) => [[...localNonce], [...remoteNonce!]])).toEqual(nonces);
  expect(all.map((one) => one.locators)).toEqual(locators);
  expect(ilcc.size).toBe(STRANGERS + 2);
  expect(a.sent).toEqual([]);
  expect([...verdicts.values()].reduce((x, y) => x + y)).toBe(BATCH * MILLISECONDS);
  const drops = ['drop_wrong_nonce', 'drop_forged_update', 'drop_unknown_locator'];
  for (const name of drops) expect(verdicts.get(VERDICTS.findIndex((v) => v.name === name))).toBeGreaterThan(59_000);
  expect(grown).toBeLessThan(HEAP_GROWTH);
  // the flow with P keeps the Locator it began with
  move(a, ['2001:db8:aa::', '2001:db8:a::'], 61e6);
  expect(addressesOf(given(a.pass(udp6({ src: STABLE_A, dst: P }), 61e6))).src).toBe(full(A));
  expect(a.shim.node.locators[1]!.l0).toBe(first.l0);
});
