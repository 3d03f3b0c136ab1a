/** Link-layer addresses of interfaces, as the kernel says them. */
import { readFileSync } from 'node:fs';

/** Of an interface of this network namespace, `02:00:5e:10:20:30`; empty when there is none, or no such interface. */
export function macOf(name: string): string {
  try {
    return readFileSync(`/sys/class/net/${name}/address`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The same as six octets; null when there is none, or it is all zero. */
export function macOctetsOf(name: string): Uint8Array | null {
  const octets = macOf(name)
    .split(':')
    .map((octet) => Number.parseInt(octet, 16));
  return octets.length === 6 && octets.some((octet) => octet > 0) ? Uint8Array.from(octets) : null;
}
