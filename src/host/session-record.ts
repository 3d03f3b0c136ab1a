/**
 * What a restart must know of a correspondent, as 512 octets: the nonces of both directions above all, because a peer
 * takes a new one for a forgery until it has answered a SYN, or for two minutes.
 *
 *   | CRC-32 | NID (8) | flags | lengths of nonces (2) | numbers of Locators, of views | heard, plain until (2 x 8)
 *   | our nonce (12) | its nonce (64) | 16 Locators of 16 octets: L64, expires in seconds, preference | 8 views of 8 octets |
 *   | sequence numbers of authenticated updates, its and ours (2 x 8) |
 *
 * Big-endian. Times are of the wall clock, because they outlive the clock of the path.
 */
import { crc32 } from 'node:zlib';
import { Correspondent, type Locator, locatorOf, type RemoteLocator } from '../ilnp/correspondent.ts';
import { native32, put32, u16, u32 } from '../wire/bytes.ts';

export const RECORD_OCTETS = 512;

const [NID, FLAGS, OUR_LENGTH, ITS_LENGTH, LOCATORS, VIEWS] = [4, 12, 13, 14, 15, 16];
const [HEARD, PLAIN, OURS, ITS, LOCATORS_AT, VIEWS_AT] = [24, 32, 40, 52, 116, 372];
const [REMOTE_SEQUENCE, LOCAL_SEQUENCE] = [436, 444];
const LONGEST_NONCE = ITS - OURS;
const LONGEST_OF_OTHERS = LOCATORS_AT - ITS;
const LOCATOR_OCTETS = 16;
const MOST_LOCATORS = (VIEWS_AT - LOCATORS_AT) / LOCATOR_OCTETS;
const VIEW_OCTETS = 8;
const MOST_VIEWS = 8;
const [CONFIGURED, PROVED, ZEROED, USES_KEY, SPOKEN_TO] = [1, 2, 4, 8, 16];
/** When it was heard is written as the end of that minute, so that a session that only goes on is written once a minute. */
const HEARD_STEP_MS = 60_000;
/** Who was silent for so long may have forgotten us as well. */
const STALE_MS = 24 * 3600e3;

/** A clock that was set back makes nobody plain for longer. */
const LONGEST_PLAIN_US = 600e6;

/** The clock of the path in terms of the wall: `now` microseconds are `wallMs`. */
export interface Clocks {
  readonly now: number;
  readonly wallMs: number;
}

/**
 * True when a restart would break something without it: a session is there, or it is known to have no ILNP. Who has only
 * been answered by the kernel is nobody's correspondent, and perhaps forged.
 */
export const isWorthKeeping = (c: Correspondent, now: number): boolean =>
  (c.remoteNonce !== null && c.remoteNonce.length <= LONGEST_OF_OTHERS && (c.isSpokenTo || c.proved)) ||
  now < c.plainUntil;

export function recordOf(c: Correspondent, clocks: Clocks): Uint8Array {
  const b = new Uint8Array(RECORD_OCTETS);
  const view = new DataView(b.buffer);
  const wall = (time: number): number => clocks.wallMs + (time - clocks.now) / 1000;
  const its = c.remoteNonce ?? new Uint8Array(0);
  const locators = c.locators.slice(0, MOST_LOCATORS);
  const views = c.views.slice(0, MOST_VIEWS);
  put32(b, NID, c.nid.hi);
  put32(b, NID + 4, c.nid.lo);
  b[FLAGS] =
    (c.isConfigured ? CONFIGURED : 0) |
    (c.proved ? PROVED : 0) |
    (c.zeroed ? ZEROED : 0) |
    (c.usesKey ? USES_KEY : 0) |
    (c.isSpokenTo ? SPOKEN_TO : 0);
  b[OUR_LENGTH] = c.localNonce.length;
  b[ITS_LENGTH] = its.length;
  b[LOCATORS] = locators.length;
  b[VIEWS] = views.length;
  view.setFloat64(HEARD, Math.ceil(wall(c.heardAt) / HEARD_STEP_MS) * HEARD_STEP_MS);
  view.setFloat64(PLAIN, clocks.now < c.plainUntil ? Math.round(wall(c.plainUntil) / 1000) * 1000 : 0);
  b.set(c.localNonce, OURS);
  b.set(its, ITS);
  for (const [k, { preference, expires, ...locator }] of locators.entries()) {
    const at = LOCATORS_AT + k * LOCATOR_OCTETS;
    putL64(b, at, locator);
    put32(b, at + 8, Number.isFinite(expires) ? Math.max(1, Math.round(wall(expires) / 1000)) : 0);
    view.setUint16(at + 12, preference);
  }
  for (const [k, locator] of views.entries()) putL64(b, VIEWS_AT + k * VIEW_OCTETS, locator);
  view.setFloat64(REMOTE_SEQUENCE, c.remoteSequence);
  view.setFloat64(LOCAL_SEQUENCE, c.localSequence);
  put32(b, 0, crc32(b.subarray(4)));
  return b;
}

/** True for a record as it was written. */
export const isRecord = (b: Uint8Array): boolean => b.length === RECORD_OCTETS && u32(b, 0) === crc32(b.subarray(4));

/** Null: too old to be of use, or not a record. */
export function correspondentOf(b: Uint8Array, clocks: Clocks): Correspondent | null {
  if (!isRecord(b)) return null;
  const view = new DataView(b.buffer, b.byteOffset, RECORD_OCTETS);
  const path = (wallMs: number): number => clocks.now + Math.min(0, wallMs - clocks.wallMs) * 1000;
  const [ours, its, locators, views] = [b[OUR_LENGTH]!, b[ITS_LENGTH]!, b[LOCATORS]!, b[VIEWS]!];
  const [heard, plain] = [view.getFloat64(HEARD), view.getFloat64(PLAIN)];
  if ((ours !== 4 && ours !== LONGEST_NONCE) || its > LONGEST_OF_OTHERS) return null;
  if (locators < 1 || locators > MOST_LOCATORS || views > MOST_VIEWS) return null;
  if (![heard, plain, view.getFloat64(REMOTE_SEQUENCE), view.getFloat64(LOCAL_SEQUENCE)].every(Number.isFinite))
    return null;
  const plainUs = Math.min((plain - clocks.wallMs) * 1000, LONGEST_PLAIN_US);
  if (plainUs <= 0 && clocks.wallMs - heard > STALE_MS) return null;

  const remote = Array.from({ length: locators }, (_, k): RemoteLocator => {
    const o = LOCATORS_AT + k * LOCATOR_OCTETS;
    const expires = u32(b, o + 8);
    return {
      ...l64At(b, o),
      preference: u16(b, o + 12),
      expires: expires === 0 ? Number.POSITIVE_INFINITY : clocks.now + (expires * 1000 - clocks.wallMs) * 1000,
    };
  });
  const c = new Correspondent(native32(u32(b, NID)) | 0, native32(u32(b, NID + 4)) | 0, {
    localNonce: b.slice(OURS, OURS + ours),
    locators: remote,
    isConfigured: (b[FLAGS]! & CONFIGURED) !== 0,
  });
  for (let k = 0; k < views; k++) c.views.push(l64At(b, VIEWS_AT + k * VIEW_OCTETS));
  c.remoteNonce = its === 0 ? null : b.slice(ITS, ITS + its);
  c.proved = (b[FLAGS]! & PROVED) !== 0;
  c.zeroed = (b[FLAGS]! & ZEROED) !== 0;
  c.usesKey = (b[FLAGS]! & USES_KEY) !== 0;
  c.isSpokenTo = (b[FLAGS]! & SPOKEN_TO) !== 0;
  c.remoteSequence = view.getFloat64(REMOTE_SEQUENCE);
  c.localSequence = view.getFloat64(LOCAL_SEQUENCE);
  c.heardAt = its === 0 ? 0 : path(heard);
  c.sentAt = c.heardAt;
  c.plainUntil = plainUs > 0 ? clocks.now + plainUs : 0;
  return c;
}

function putL64(b: Uint8Array, at: number, locator: Pick<Locator, 'l0' | 'l1'>): void {
  put32(b, at, native32(locator.l0));
  put32(b, at + 4, native32(locator.l1));
}

const l64At = (b: Uint8Array, at: number): Locator => locatorOf({ hi: u32(b, at), lo: u32(b, at + 4) });
