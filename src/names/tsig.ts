/**
 * TSIG, RFC 8945: a request signed with a key that the server shares, and the answer to it verified. Whoever has not the
 * key can neither change an update nor answer one. Pure: time comes in, in seconds since 1970.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Bytes, put16, put32, u16, u32 } from '../wire/bytes.ts';
import {
  CLASS_ANY,
  type DnsMessage,
  type DnsRecord,
  nameOctets,
  QR,
  readMessage,
  recordOctets,
} from '../wire/dns-message.ts';
import { absolute, readNameAt } from '../wire/dns-name.ts';

const RR_TSIG = 250;
const FUDGE_SECONDS = 300;
/** RFC 8945 section 6. */
const HASHES = { 'hmac-sha256': 'sha256', 'hmac-sha384': 'sha384', 'hmac-sha512': 'sha512' } as const;

/** What a server has against a signature; RFC 8945 section 3. */
const BADSIG = 16;
export const BADKEY = 17;
export const BADTIME = 18;
const ERRORS: Readonly<Record<number, string>> = {
  [BADSIG]: 'BADSIG: the secret is another one',
  [BADKEY]: 'BADKEY: the server has no key of this name and algorithm',
  [BADTIME]: 'BADTIME: the clocks differ',
  22: 'BADTRUNC: the signature is cut too short',
};

export type TsigAlgorithm = keyof typeof HASHES;

export const isTsigAlgorithm = (text: string): text is TsigAlgorithm => Object.hasOwn(HASHES, text);

/** A key that a server shares. */
export interface TsigKey {
  readonly name: string;
  readonly algorithm: TsigAlgorithm;
  readonly secret: Uint8Array;
}

/** A request on its way. */
export interface Signed {
  readonly octets: Uint8Array;
  readonly mac: Uint8Array;
}

/**
 * What a signed answer says. `error`: 0, or what the server has against the request; `serverTime`: with BADTIME, its
 * clock. `isVerified`: it comes from whoever has the key; without it nothing in the answer need be true.
 */
export interface Verdict {
  readonly isVerified: boolean;
  readonly error: number;
  readonly serverTime: number | null;
  /** Why it is not believed, or what `error` means; empty when all is well. */
  readonly reason: string;
}

interface Tsig {
  readonly record: DnsRecord;
  readonly algorithm: string;
  readonly time: number;
  readonly fudge: number;
  readonly mac: Uint8Array;
  readonly originalId: number;
  readonly error: number;
  readonly other: Uint8Array;
}

/** Signs a request that has no TSIG yet. */
export function sign(message: Uint8Array, key: TsigKey, now: number): Signed {
  const variables = { time: now, fudge: FUDGE_SECONDS, error: 0, other: new Uint8Array(0) };
  const mac = hmac(key, [message, variablesOctets(key, variables)]);
  const algorithm = nameOctets(`${key.algorithm}.`);
  const rdata = new Uint8Array(algorithm.length + 16 + mac.length);
  rdata.set(algorithm);
  const o = algorithm.length;
  putTime(rdata, o, now);
  put16(rdata, o + 6, FUDGE_SECONDS);
  put16(rdata, o + 8, mac.length);
  rdata.set(mac, o + 10);
  put16(rdata, o + 10 + mac.length, u16(message, 0)); // error and other length stay 0
  const record = recordOctets(key.name, { type: RR_TSIG, class: CLASS_ANY, ttl: 0 }, rdata);
  const octets = new Uint8Array(message.length + record.length);
  octets.set(message);
  octets.set(record, message.length);
  put16(octets, 10, u16(octets, 10) + 1);
  return { octets, mac };
}

/** Judges the answer to a signed request (RFC 8945 section 5.3); `request`: its MAC. */
export function verify(reply: Uint8Array, key: TsigKey, request: Uint8Array, now: number): Verdict {
  const message = readMessage(reply);
  const tsig = message === null || (message.flags & QR) === 0 ? null : tsigOf(reply, message);
  if (tsig === null) return unbelieved('the answer is not signed');
  if (tsig.record.name !== absolute(key.name) || tsig.algorithm !== `${key.algorithm}.`)
    return unbelieved('the answer is signed with another key');
  if (tsig.mac.length === 0) {
    const reason = ERRORS[tsig.error] ?? `TSIG error ${tsig.error}`; // cannot be signed (section 5.3.2)
    return { ...unbelieved(reason), error: tsig.error };
  }
  const stripped = reply.slice(0, tsig.record.start);
  put16(stripped, 0, tsig.originalId);
  put16(stripped, 10, u16(stripped, 10) - 1);
  const before = new Uint8Array(2 + request.length);
  put16(before, 0, request.length);
  before.set(request, 2);
  const mac = hmac(key, [before, stripped, variablesOctets(key, tsig)]);
  if (mac.length !== tsig.mac.length || !timingSafeEqual(mac, tsig.mac))
    return unbelieved('the signature of the answer is wrong');
  if (tsig.error === BADTIME) {
    const serverTime = tsig.other.length === 6 ? timeAt(tsig.other, 0) : null;
    return { isVerified: true, error: BADTIME, serverTime, reason: ERRORS[BADTIME]! };
  }
  if (Math.abs(now - tsig.time) > tsig.fudge) return unbelieved('the answer is of another time');
  const reason = tsig.error === 0 ? '' : (ERRORS[tsig.error] ?? `TSIG error ${tsig.error}`);
  return { isVerified: true, error: tsig.error, serverTime: null, reason };
}

const unbelieved = (reason: string): Verdict => ({ isVerified: false, error: 0, serverTime: null, reason });

/** The TSIG record is the last one of a message (section 5.1). */
function tsigOf(b: Bytes, message: DnsMessage): Tsig | null {
  const record = message.additionals.at(-1);
  if (record === undefined || record.type !== RR_TSIG || record.class !== CLASS_ANY) return null;
  const end = record.at + record.length;
  const algorithm = readNameAt(b, record.at);
  if (algorithm === null || algorithm.end + 16 > end) return null;
  const o = algorithm.end;
  const macLength = u16(b, o + 8);
  const p = o + 10 + macLength;
  if (p + 6 > end || p + 6 + u16(b, p + 4) !== end) return null;
  return {
    record,
    algorithm: algorithm.name.toLowerCase(),
    time: timeAt(b, o),
    fudge: u16(b, o + 6),
    mac: b.slice(o + 10, p),
    originalId: u16(b, p),
    error: u16(b, p + 2),
    other: b.slice(p + 6, end),
  };
}

/** Section 4.3.3: what is signed besides the message. */
function variablesOctets(
  key: TsigKey,
  { time, fudge, error, other }: { time: number; fudge: number; error: number; other: Uint8Array },
): Uint8Array {
  const name = nameOctets(absolute(key.name));
  const algorithm = nameOctets(`${key.algorithm}.`);
  const fixed = new Uint8Array(12);
  putTime(fixed, 0, time);
  put16(fixed, 6, fudge);
  put16(fixed, 8, error);
  put16(fixed, 10, other.length);
  const head = new Uint8Array(6);
  put16(head, 0, CLASS_ANY); // and a TTL of 0
  return Buffer.concat([name, head, algorithm, fixed, other]);
}

function hmac(key: TsigKey, parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHmac(HASHES[key.algorithm], key.secret);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** 48 bits of seconds. */
function putTime(b: Bytes, o: number, seconds: number): void {
  put16(b, o, Math.floor(seconds / 2 ** 32));
  put32(b, o + 2, seconds % 2 ** 32);
}

const timeAt = (b: Bytes, o: number): number => u16(b, o) * 2 ** 32 + u32(b, o + 2);
