/** Sessions of a guest that speaks ILNP, as its old site tells its new one (message `spoken`). */
import { z } from 'zod';
import type { KnownPair } from '../ilnp/pairs.ts';
import type { L64, Nid } from '../wire/text.ts';

/** Most sessions in one message. */
export const MAX_SPOKEN = 1024;
/** Longest nonce that borders keep, in octets. */
const NONCE_MAX = 12;

const half = z.int().min(0).max(0xffffffff);
const nonce = z.instanceof(Uint8Array).refine((b) => b.length >= 1 && b.length <= NONCE_MAX, 'no nonce');
/** Guest, correspondent, where that is: two halves each; the nonces of the guest and of the correspondent. */
export const spoken = z.tuple([half, half, half, half, half, half, nonce, nonce]);

type Spoken = z.infer<typeof spoken>;

export const toSpoken = ({ guest, correspondent, locator, nonceOut, nonceIn }: KnownPair): Spoken => [
  ...halves(guest),
  ...halves(correspondent),
  ...halves(locator),
  Uint8Array.from(nonceOut),
  Uint8Array.from(nonceIn),
];

export const fromSpoken = ([g0, g1, c0, c1, l0, l1, nonceOut, nonceIn]: Spoken): KnownPair => ({
  guest: { hi: g0, lo: g1 },
  correspondent: { hi: c0, lo: c1 },
  locator: { hi: l0, lo: l1 },
  nonceOut,
  nonceIn,
});

const halves = ({ hi, lo }: Nid | L64): [number, number] => [hi, lo];
