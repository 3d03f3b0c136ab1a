/** The Node Identifier of a node that nobody has given one, RFC 6741 section 2.2: modified EUI-64 (RFC 4291 appendix A). */
import { macOf } from '../device/link-layer.ts';
import type { Nid } from '../wire/text.ts';

/** From a link-layer address of 48 bits as Linux writes it, `02:00:5e:10:20:30`; null for any other. */
export function eui64(address: string): Nid | null {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(address)) return null;
  const [a, b, c, d, e, f] = address.split(':').map((octet) => Number.parseInt(octet, 16));
  const isNone = [a, b, c, d, e, f].every((octet) => octet === 0);
  if (isNone) return null;
  const word = (w: number, x: number, y: number, z: number): number => ((w << 24) | (x << 16) | (y << 8) | z) >>> 0;
  return { hi: word(a! ^ 0x02, b!, c!, 0xff), lo: word(0xfe, d!, e!, f!) };
}

/** That of the first interface that has such an address, or null. */
export function nidOfInterfaces(names: readonly string[]): Nid | null {
  for (const name of names) {
    const nid = eui64(macOf(name));
    if (nid !== null) return nid;
  }
  return null;
}
