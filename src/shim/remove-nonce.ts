/**
 * Takes the Nonce option out of a packet. Mostly it is all that is in its header, and the header goes with it; else the
 * header is written again without it. Its other options keep their order.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { headerChain } from '../wire/header-chain.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { removeFirstHeader, shift } from './rewrite.ts';

const PAD1 = 0;
const PADN = 1;

/** `option`: offset in the store of the only Nonce option of packet `i`, as found by wire/nonce-option.ts. */
export function removeNonce(batch: PacketBatch, i: number, option: number): void {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const first = o + ipv6.HEADER_LENGTH;
  const octets = 8 * (b[first + 1]! + 1);
  if (option === first + 2 && b[option + 1] === octets - 4) {
    removeFirstHeader(batch, i, octets);
    return;
  }

  const { headers } = headerChain(b, o, o + batch.length[i]!);
  const k = headers.findIndex(({ at, length }) => option >= at && option < at + length);
  const header = headers[k];
  if (header === undefined) return;
  const others = otherOptions(b, header.at + 2, header.at + header.length, option);
  const length = others.length === 0 ? 0 : (others.length + 2 + 7) & ~7;
  const gone = header.length - length;
  const end = header.at + header.length;
  if (length === 0) b[k === 0 ? o + ipv6.NEXT_HEADER : headers[k - 1]!.at] = b[header.at]!;
  else {
    const piece = new Uint8Array(length);
    piece.set([b[header.at]!, length / 8 - 1, ...others]);
    const pad = length - 2 - others.length;
    if (pad > 1) piece.set([PADN, pad - 2], length - pad);
    b.set(piece, end - length);
  }
  if (gone > 0) shift(batch, i, header.at - o, gone);
}

/** Options of a header that is known to be right, but for padding and the one at `option`. */
function otherOptions(b: Uint8Array, from: number, end: number, option: number): number[] {
  const others: number[] = [];
  for (let at = from; at < end; ) {
    if (b[at] === PAD1) {
      at++;
      continue;
    }
    const next = at + 2 + b[at + 1]!;
    if (at !== option && b[at] !== PADN) others.push(...b.subarray(at, next));
    at = next;
  }
  return others;
}
