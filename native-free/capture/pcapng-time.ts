/**
 * Time of pcapng: a 64-bit number of units, a power of ten or of two of them per second (option if_tsresol), beside an offset
 * in seconds (if_tsoffset). BigInt, because the product does not fit 53 bits.
 */
import type { CaptureTime } from './capture.ts';

export interface Resolution {
  /** Units. */
  readonly perSecond: bigint;
  /** Seconds to add. */
  readonly offset: number;
}

const MICROSECONDS = 6;

/** The resolution of an interface from its options, as they are in the file. */
export function resolutionOf(
  exponent: Uint8Array | undefined,
  offset: Uint8Array | undefined,
  little: boolean,
): Resolution {
  const e = exponent?.[0] ?? MICROSECONDS;
  const perSecond = (e & 0x80) !== 0 ? 2n ** BigInt(e & 0x7f) : 10n ** BigInt(e);
  if (offset === undefined || offset.length < 8) return { perSecond, offset: 0 };
  const view = new DataView(offset.buffer, offset.byteOffset, offset.byteLength);
  return { perSecond, offset: Number(view.getBigInt64(0, little)) };
}

export function fromUnits(high: number, low: number, { perSecond, offset }: Resolution): CaptureTime {
  const units = (BigInt(high) << 32n) | BigInt(low);
  const rest = units % perSecond;
  return { seconds: Number(units / perSecond) + offset, nanoseconds: Number((rest * 1_000_000_000n) / perSecond) };
}
