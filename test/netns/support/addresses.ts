/** The addresses of the drawing in `scripts/lab`. Documentation prefixes (RFC 3849) outside, unique local ones inside. */

export type Vm = 'a1' | 'a2' | 'b1' | 'b2' | 'c1';
export type Site = 1 | 2 | 3;

/** The correspondent's address, and one it uses only when asked to. */
export const CN = '2001:db8:c::c0';
export const CN_SECOND = '2001:db8:c::c1';

/** Global Locators: site 1 by its first and second provider, sites 2 and 3. */
export const L1 = '2001:db8:1::';
export const L11 = '2001:db8:11::';
export const L2 = '2001:db8:2::';
export const L3 = '2001:db8:3::';

const SITE_OF = { a1: 1, a2: 1, b1: 2, b2: 2, c1: 3 } as const satisfies Record<Vm, Site>;
const GLOBAL_OF = { 1: L1, 2: L2, 3: L3 } as const satisfies Record<Site, string>;

/** The address of a VM under a Locator. */
export const under = (l64: string, vm: Vm): string => `${l64}${vm}`;

/** The address that correspondents use: the preferred global Locator of the VM's home. */
export const global = (vm: Vm): string => under(GLOBAL_OF[SITE_OF[vm]], vm);

/** The address that the VM itself has configured. */
export const guest = (vm: Vm): string => under(`fd00:${SITE_OF[vm]}::`, vm);

/** Every address that a border shows to the outside. */
export const OUTSIDE_OF = {
  1: ['2001:db8:f1::2', '2001:db8:f3::2'],
  2: ['2001:db8:f2::2'],
  3: ['2001:db8:f4::2'],
} as const satisfies Record<Site, readonly string[]>;

/** A display filter for packets that show an inside Locator anywhere, quotes included. */
export const SHOWS_INSIDE = 'ipv6.addr == fc00::/7';
