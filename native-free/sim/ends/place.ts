/** Names of a scenario as numbers on the wire: network n has 2001:db8:100+n::/64, end n a stable address fd00:e:n::/64. */
import { type L64, type Nid, parseIpv6, parseL64 } from '../../../src/wire/text.ts';

const hex = (n: number): string => n.toString(16);

export const networkL64 = (network: number): L64 => parseL64(`2001:db8:${hex(0x100 + network)}::/64`)!;
export const stableL64 = (end: number): L64 => parseL64(`fd00:e:${hex(end)}::/64`)!;
export const endNid = (end: number): Nid => ({ hi: 0x0200_5eff, lo: 0xfe00_00e0 + end });
/** Where an attacker wants packets to go, and who it is. */
export const attackerL64 = (): L64 => parseL64('2001:db8:bad::/64')!;
export const strangerNid = (k: number): Nid => ({ hi: 0x0666_0000, lo: k >>> 0 });
export const routerAddress = (): Uint8Array => parseIpv6('2001:db8:f0f0::1')!;
