/** From what ip(8) says to the Locators of a node. */
import { expect, test } from 'vitest';
import { destinationsOf, locatorsIn, sameLocators } from '../../src/network/own-locators.ts';
import { formatL64 } from '../../src/wire/text.ts';

const BOTH = [
  { interface: 'eth0', preference: 10 },
  { interface: 'eth1', preference: 20 },
];
const UP = ['BROADCAST', 'UP', 'LOWER_UP'];
const address = (local: string, more = {}) => ({ local, prefixlen: 64, scope: 'global', ...more });
const link = (ifname: string, addr_info: object[], flags = UP) => ({ ifname, flags, addr_info });
const ROUTES = [
  { dev: 'eth0', gateway: 'fe80::1', metric: 1024 },
  { dev: 'eth1', gateway: 'fe80::9', metric: 2048 },
  { dev: 'eth1', gateway: 'fe80::2', metric: 100 },
];
const read = (links: object[], routes = ROUTES) =>
  locatorsIn(links as Parameters<typeof locatorsIn>[0], routes, BOTH).map(
    (l) => `${formatL64(l.l64)} ${l.interface} ${l.gateway} ${l.preference} ${l.lifetime}`,
  );

test('the /64 prefixes of global addresses, each once, with the preference of the interface and its best router', () => {
  const links = [
    link('eth1', [address('2001:db8:2::7', { valid_life_time: 1800 })]),
    link('eth0', [address('2001:db8:1::7'), address('2001:db8:1::8'), address('fe80::7', { scope: 'link' })]),
    link('eth2', [address('2001:db8:3::7')]),
  ];
  expect(read(links)).toEqual(['2001:db8:1::/64 eth0 fe80::1 10 65535', '2001:db8:2::/64 eth1 fe80::2 20 1800']);
});

test('what cannot be used is none: other lengths, tentative, duplicate, no carrier', () => {
  const links = [
    link('eth0', [
      address('2001:db8:1::7', { prefixlen: 128 }),
      address('2001:db8:4::7', { tentative: true }),
      address('2001:db8:5::7', { dadfailed: true }),
    ]),
    link('eth1', [address('2001:db8:2::7')], ['BROADCAST', 'UP', 'NO-CARRIER']),
    {},
  ];
  expect(read(links)).toEqual([]);
});

test('deprecated ones, and those without a router, stand behind the others', () => {
  const links = [
    link('eth0', [address('2001:db8:1::7', { deprecated: true }), address('2001:db8:6::7')]),
    link('eth1', [address('2001:db8:2::7')]),
  ];
  expect(read(links, [ROUTES[0]!]).map((line) => line.split(' ')[0])).toEqual([
    '2001:db8:6::/64',
    '2001:db8:1::/64',
    '2001:db8:2::/64',
  ]);
});

test('a lifetime that counts down is no change, another router is', () => {
  const at = (seconds: number, gateway: string) =>
    locatorsIn(
      [link('eth0', [address('2001:db8:1::7', { valid_life_time: seconds })])] as Parameters<typeof locatorsIn>[0],
      [{ dev: 'eth0', gateway }],
      BOTH,
    );
  expect(sameLocators(at(100, 'fe80::1'), at(99, 'fe80::1'))).toBe(true);
  expect(sameLocators(at(100, 'fe80::1'), at(100, 'fe80::2'))).toBe(false);
});

test('destinations of other interfaces are those of their routes, but for defaults, link-local and multicast', () => {
  const routes = [
    { dst: 'fd99::/64', dev: 'eth2' },
    { dst: 'fd99::/64', dev: 'eth3' },
    { dst: 'fd98::5', dev: 'eth2' },
    { dst: 'default', dev: 'eth2', gateway: 'fe80::1' },
    { dst: 'fe80::/64', dev: 'eth2' },
    { dst: 'ff00::/8', dev: 'eth2' },
    { dst: '2001:db8:1::/64', dev: 'eth0' },
    { dst: 'fd00:a::a1', dev: 'ilnp0' },
  ];
  expect(destinationsOf(routes, ['eth0', 'ilnp0'])).toEqual(['fd98::5', 'fd99::/64']);
});
