/**
 * Whether the transport checksum of a packet covers Locators (RFC 8200) or not (RFC 6741 section 4.2). Nothing on the
 * wire says so; only ILNP packets, recognised by their nonce (RFC 6744), can be zeroed; the pair is
 * remembered for packets without one; `auto` sums the first such packet both ways.
 *
 * Off the path in the default convention `full`.
 */
import { SESSION_FULL, SESSION_ILNP, SESSION_ZEROED } from '../ilnp/sessions.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { segmentSum } from '../wire/checksum.ts';
import * as chain from '../wire/extension-headers.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as vnet from '../wire/virtio-net.ts';
import { CONVENTION_ZEROED, type Fib } from './fib.ts';

/** True when the checksum of packet `i`, still as received, must be left alone. */
export function isZeroed(
  batch: PacketBatch,
  i: number,
  fib: Fib,
  protocol: number,
  transport: number,
  nonce: boolean,
  now: number,
): boolean {
  const sessions = fib.sessions;
  if (sessions === null || (protocol !== ipv6.TCP && protocol !== ipv6.UDP)) return false;
  const o = batch.offset[i]!;
  // a sum the kernel left to be completed covers the addresses it saw
  if (batch.vnet && (batch.bytes[o + vnet.FLAGS]! & vnet.NEEDS_CSUM) !== 0) return false;
  const word = batch.word;
  const w = o >>> 2;
  const seconds = (now / 1e6) | 0;
  const find = pairOf(word, w);
  const known = sessions.find(...find);
  if (!nonce) return known >= 0 && sessions.has(known, SESSION_ZEROED);
  const entry = known >= 0 ? known : sessions.open(...find, seconds, batch.port[i] !== 0);
  if (entry >= 0) sessions.set(entry, SESSION_ILNP, seconds);
  if (fib.image.convention === CONVENTION_ZEROED) {
    if (entry >= 0) sessions.set(entry, SESSION_ZEROED, seconds);
    return true;
  }
  if (entry >= 0 && sessions.has(entry, SESSION_ZEROED)) return true;
  if (entry >= 0 && sessions.has(entry, SESSION_FULL)) return false;
  const length = o + batch.length[i]! - transport;
  const full = segmentSum(batch.bytes, o, transport, length, { protocol, convention: 'full' }) === 0xffff;
  const zeroed = !full && segmentSum(batch.bytes, o, transport, length, { protocol, convention: 'zeroed' }) === 0xffff;
  if (entry >= 0 && full) sessions.set(entry, SESSION_FULL, seconds);
  if (entry >= 0 && zeroed) sessions.set(entry, SESSION_ZEROED, seconds);
  return zeroed;
}

/**
 * The same of a packet that an error quotes, as far as the pair is known; its header is at word `w`, `upper` what the walk
 * over its chain gave.
 */
export function isQuoteZeroed(fib: Fib, word: Int32Array, w: number, upper: number): boolean {
  const protocol = chain.protocolOf(upper);
  if (fib.sessions === null || (protocol !== ipv6.TCP && protocol !== ipv6.UDP)) return false;
  const known = fib.sessions.find(...pairOf(word, w));
  if (known >= 0) return fib.sessions.has(known, SESSION_ZEROED);
  return chain.hasNonce(upper) && fib.image.convention === CONVENTION_ZEROED;
}

/** Key of a pair by both NIDs, whichever way the packet at word `w` travels; its Locator part is not a Locator. */
function pairOf(word: Int32Array, w: number): readonly [number, number, number, number, number, number, number] {
  const forwards = word[w + 4]! < word[w + 8]! || (word[w + 4] === word[w + 8] && word[w + 5]! <= word[w + 9]!);
  const a = forwards ? w + 4 : w + 8;
  const z = forwards ? w + 8 : w + 4;
  return [word[a]!, word[a + 1]!, -1, -1, word[z]!, word[z + 1]!, 0];
}
