/** 16 octets of an address from a Locator and a NID in the machine's order. */
import { native32, put32 } from '../wire/bytes.ts';

export function address(
  { l0, l1 }: { readonly l0: number; readonly l1: number },
  { nid0, nid1 }: { readonly nid0: number; readonly nid1: number },
): Uint8Array {
  const octets = new Uint8Array(16);
  for (const [k, x] of [l0, l1, nid0, nid1].entries()) put32(octets, 4 * k, native32(x));
  return octets;
}
