/** What sessions anchor a guest, added up. */
import { expect, test } from 'vitest';
import { anchorsOf } from '../../src/border/anchors.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { IDLE_SECONDS, type SessionView } from '../../src/ilnp/sessions.ts';
import { native32 } from '../../src/wire/bytes.ts';

const guest = (lo: number): Binding =>
  ({ nid: { hi: 0, lo }, guest: { hi: 1, lo: 0 }, home: 'site1', uplink: undefined, at: 'site2', epoch: 1 }) as Binding;
const UPLINKS = { uplinks: [{ name: 'isp1' }, { name: 'isp2' }] } as unknown as Parameters<typeof anchorsOf>[2];
const IDS = Uint8Array.of(7, 3);

const session = (lo: number, flow: number, more: Partial<SessionView> = {}): SessionView => ({
  nid: [0, native32(lo) | 0],
  correspondent: [native32(0x20010db8) | 0, 0, 0, native32(0xc0) | 0],
  ...{ flow, uplink: 3, isIlnp: false, idle: 8 },
  ...more,
});

test('by correspondent and uplink, with the last that was heard; the newest first', () => {
  const other = { correspondent: [native32(0x20010db8) | 0, 0, 0, native32(0xc1) | 0] as const, uplink: 7, idle: 0 };
  const noted = [
    ...[session(0xa1, 5), session(0xa1, 6, { idle: 4 }), session(0xa1, 0), session(0xa1, 9, { uplink: 200 })],
    ...[session(0xa1, 0, other), session(0xa3, 7)],
  ];
  expect(anchorsOf([guest(0xa1)], noted, UPLINKS, IDS)).toEqual([
    { nid: '0:0:0:a1', at: 'site2', correspondent: '2001:db8::c1', uplink: 'isp1', sessions: 1, idle: 0 },
    { nid: '0:0:0:a1', at: 'site2', correspondent: '2001:db8::c0', uplink: 'isp2', sessions: 2, idle: 4 },
    { nid: '0:0:0:a1', at: 'site2', correspondent: '2001:db8::c0', uplink: null, sessions: 1, idle: 8 },
  ]);
});

test('neither those that speak ILNP nor those that are idle for hours', () => {
  const noted = [session(0xa1, 5, { isIlnp: true }), session(0xa1, 6, { idle: IDLE_SECONDS })];
  expect(anchorsOf([guest(0xa1), guest(0xa2)], noted, UPLINKS, IDS)).toEqual(
    ['0:0:0:a1', '0:0:0:a2'].map((nid) => ({
      ...{ nid, at: 'site2', correspondent: null, uplink: null, sessions: 0, idle: null },
    })),
  );
});
