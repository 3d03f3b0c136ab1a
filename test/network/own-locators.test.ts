/** From what the kernel has to the Locators of a node. */
import { expect, test } from 'vitest';
import type { KernelAddress, KernelRoute } from '../../src/network/kernel-view.ts';
import { destinationsOf, locatorsIn, sameLocators } from '../../src/network/own-locators.ts';
import { Routers } from '../../src/network/routers.ts';
import { formatL64, parseIlv, parseL64 } from '../../src/wire/text.ts';

const BOTH = [
  { interface: 'eth0', preference: 10 },
  { interface: 'eth1', preference: 20 },
];
const address = (name: string, text: string, more: Partial<KernelAddress> = {}): KernelAddress => ({
  interface: name,
  ...parseIlv(text)!,
  prefixLength: 64,
  isUsable: true,
  isDeprecated: false,
  valid: Number.POSITIVE_INFINITY,
  ...more,
});
const route = (name: string, gateway: string | null, more: Partial<KernelRoute> = {}): KernelRoute => ({
  destination: 'default',
  interface: name,
  gateway,
  metric: 1024,
  preference: 0,
  ...more,
});
const ROUTES = [
  route('eth0', 'fe80::1'),
  route('eth1', 'fe80::9', { metric: 2048 }),
  route('eth1', 'fe80::2', { metric: 100 }),
];
const locators = (addresses: KernelAddress[], routes = ROUTES, up = ['eth0', 'eth1'], routers = new Routers()) =>
  locatorsIn({ up, addresses }, (name, prefix) => routers.wayOut(name, prefix, routes, 0), BOTH);
const read = (...args: Parameters<typeof locators>) =>
  locators(...args).map((l) => `${formatL64(l.l64)} ${l.interface} ${l.gateway} ${l.preference} ${l.lifetime}`);

test('the /64 prefixes of global addresses, each once, with the preference of the interface and its best router', () => {
  const addresses = [
    address('eth1', '2001:db8:2::7', { valid: 1800 }),
    address('eth0', '2001:db8:1::7'),
    address('eth0', '2001:db8:1::8'),
    address('eth2', '2001:db8:3::7'),
  ];
  expect(read(addresses)).toEqual(['2001:db8:1::/64 eth0 fe80::1 10 65535', '2001:db8:2::/64 eth1 fe80::2 20 1800']);
});

test('what cannot be used is none: other lengths, tentative or duplicate, no carrier', () => {
  const addresses = [
    address('eth0', '2001:db8:1::7', { prefixLength: 128 }),
    address('eth0', '2001:db8:4::7', { isUsable: false }),
    address('eth1', '2001:db8:2::7'),
  ];
  expect(read(addresses, ROUTES, ['eth0'])).toEqual([]);
});

test('deprecated ones, and those without a router, stand behind the others', () => {
  const addresses = [
    address('eth0', '2001:db8:1::7', { isDeprecated: true }),
    address('eth0', '2001:db8:6::7'),
    address('eth1', '2001:db8:2::7'),
  ];
  expect(read(addresses, [ROUTES[0]!]).map((line) => line.split(' ')[0])).toEqual([
    '2001:db8:6::/64',
    '2001:db8:1::/64',
    '2001:db8:2::/64',
  ]);
});

test('a prefix leaves by a router that has advertised it; one whose routers are all gone stands behind the others', () => {
  const routers = new Routers();
  const said = (router: string, l64: string, valid: number, now = 0) =>
    routers.heard('eth0', router, { prefixes: [{ l64: parseL64(l64)!, valid }], mac: '' }, now);
  expect(said('fe80::1', '2001:db8:1::', 1800)).toBe('new');
  expect(said('fe80::3', '2001:db8:3::', 1800)).toBe('new');
  expect(said('fe80::3', '2001:db8:3::', 1800)).toBe('none');
  const addresses = [address('eth0', '2001:db8:1::7'), address('eth0', '2001:db8:3::7')];
  const two = [route('eth0', 'fe80::1'), route('eth0', 'fe80::3')];
  const short = (routes: KernelRoute[]) => read(addresses, routes, ['eth0'], routers).map((l) => l.slice(0, -6));

  expect(short(two)).toEqual(['2001:db8:1::/64 eth0 fe80::1 10', '2001:db8:3::/64 eth0 fe80::3 10']);
  expect(short([two[1]!])).toEqual(['2001:db8:3::/64 eth0 fe80::3 10', '2001:db8:1::/64 eth0 null 20010']);
  expect(said('fe80::1', '2001:db8:1::', 0)).toBe('less'); // taken back: any router of the link will do
  expect(short([two[1]!])).toEqual(['2001:db8:1::/64 eth0 fe80::3 10', '2001:db8:3::/64 eth0 fe80::3 10']);
});

test('of equal Locators that of the router with the higher preference is first, RFC 4191; the metric comes before it', () => {
  const routers = new Routers();
  for (const [router, l64] of [
    ['fe80::1', '2001:db8:1::'],
    ['fe80::3', '2001:db8:3::'],
  ] as const)
    routers.heard('eth0', router, { prefixes: [{ l64: parseL64(l64)!, valid: 1800 }], mac: '' }, 0);
  const addresses = [address('eth0', '2001:db8:1::7'), address('eth0', '2001:db8:3::7')];
  const high = [route('eth0', 'fe80::1'), route('eth0', 'fe80::3', { preference: 1 })];

  expect(locators(addresses, high, ['eth0'], routers).map((l) => l.gateway)).toEqual(['fe80::3', 'fe80::1']);
  const unknown = [route('eth0', 'fe80::3', { preference: 1, metric: 2048 }), route('eth0', 'fe80::1')];
  expect(locators([address('eth0', '2001:db8:5::7')], unknown)[0]?.gateway).toBe('fe80::1');
});

test('a lifetime that counts down is no change, another router is', () => {
  const at = (valid: number, gateway: string) =>
    locators([address('eth0', '2001:db8:1::7', { valid })], [route('eth0', gateway)]);
  expect(sameLocators(at(100, 'fe80::1'), at(99, 'fe80::1'))).toBe(true);
  expect(sameLocators(at(100, 'fe80::1'), at(100, 'fe80::2'))).toBe(false);
});

test('destinations of other interfaces are those of their routes, but for defaults, link-local and multicast', () => {
  const to = (destination: string, name: string, gateway: string | null = null) =>
    route(name, gateway, { destination });
  const routes = [
    to('fd99::/64', 'eth2'),
    to('fd99::/64', 'eth3'),
    to('fd98::5', 'eth2'),
    to('default', 'eth2', 'fe80::1'),
    to('fe80::/64', 'eth2'),
    to('ff00::/8', 'eth2'),
    to('2001:db8:1::/64', 'eth0'),
    to('fd00:a::a1', 'ilnp0'),
  ];
  expect(destinationsOf(routes, ['eth0', 'ilnp0'])).toEqual(['fd98::5', 'fd99::/64']);
});
