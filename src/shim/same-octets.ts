/** Compares nonces in a time that does not depend on where they differ. */
export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let k = 0; k < a.length; k++) difference |= a[k]! ^ (b[k] ?? 0);
  return difference === 0;
}
