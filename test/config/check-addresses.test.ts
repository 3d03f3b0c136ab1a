import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../support/config-files.ts';

const uplinks = (...l64s: string[]) =>
  `[${l64s.map((l64, i) => `{ name: isp${i + 1}, interface: up${i}, l64: "${l64}" }`).join(', ')}]`;
const inside = (l64: string, ...guests: string[]) =>
  `[{ interface: lan0, l64: "${l64}", guests: ${JSON.stringify(guests)} }]`;
const peers = (l64: string, via = 'fd00:12::2') => `[{ site: site2, l64: "${l64}", interface: link0, via: "${via}" }]`;
const subnets = (...maps: [string, string, string][]) =>
  `[${maps.map(([from, to, uplink]) => `{ inside: "${from}", outside: "${to}", uplink: ${uplink} }`).join(', ')}]`;

describe('a Locator', () => {
  test.each([
    ['ff02::', 'multicast'],
    ['fe80::', 'link-local'],
    ['fec0::', 'site-local'],
    ['::', 'unspecified, loopback and IPv4-mapped'],
    ['64:ff9b::', 'reserved'],
  ])('%s is refused: %s', (l64) => {
    const expected = 'expected a global unicast or unique local Locator (in 2000::/3 or fc00::/7)';

    expect(mistakesIn({ uplinks: uplinks(l64) })).toEqual([`uplinks[0].l64: ${expected}, got "${l64}"`]);
  });

  test.each(['2000::', '3fff:ffff:ffff:ffff::', 'fc00::', 'fdff:ffff:ffff:ffff::/64'])('%s is taken', (l64) => {
    expect(mistakesIn({ uplinks: uplinks(l64) })).toEqual([]);
  });

  test.each(['2001:db8:1::/48', '2001:db8:1::1', '2001:db8:1::/128'])('%s is none: a Locator has 64 bits', (l64) => {
    expect(mistakesIn({ uplinks: uplinks(l64) })).toEqual([
      expect.stringMatching(/^uplinks\[0\]\.l64: expected a Locator/),
    ]);
  });

  test('of an uplink is that of no other uplink, no inside link and no peer', () => {
    const same = '2001:db8:1::/64';

    expect(
      mistakesIn({ uplinks: uplinks(same, same), inside: inside(same), peers: peers(same), bindings: '' }),
    ).toEqual([
      `uplinks[1].l64: expected a Locator that does not overlap uplinks[0].l64 (${same}), got "${same}"`,
      `inside[0].l64: expected a Locator that does not overlap uplinks[0].l64 (${same}), got "${same}"`,
      `peers[0].l64: expected a Locator that does not overlap uplinks[0].l64 (${same}), got "${same}"`,
    ]);
  });

  test('of guests may be that of their link or of a peer, but not that of an uplink', () => {
    expect(mistakesIn({ inside: inside('fd00:1::/64', 'fd00:1::', 'fd00:2::', 'fd00:9::') })).toEqual([]);
    expect(mistakesIn({ inside: inside('fd00:1::/64', '2001:db8:1::') })).toEqual([
      'inside[0].guests[0]: expected a Locator that does not overlap uplinks[0].l64 (2001:db8:1::/64), got "2001:db8:1::"',
    ]);
  });
});

test('guests of one Locator are on one link', () => {
  const link = (n: number, ...guests: string[]) =>
    `{ interface: lan${n}, l64: "fd00:${n}::/64", guests: ${JSON.stringify(guests)} }`;

  expect(mistakesIn({ inside: `[${link(1, 'fd00:9::')}, ${link(3, 'fd00:9::', 'fd00:1::')}]` })).toEqual([
    'inside[1].guests[0]: expected a Locator that does not overlap inside[0].guests[0] (fd00:9::/64), got "fd00:9::"',
    'inside[1].guests[1]: expected a Locator that does not overlap inside[0].l64 (fd00:1::/64), got "fd00:1::"',
  ]);
});

describe('a next hop', () => {
  test.each(['fe80::1', '2001:db8::1', 'fd00:12::2'])('%s is taken', (via) => {
    expect(mistakesIn({ peers: peers('fd00:2::/64', via) })).toEqual([]);
  });

  test.each(['', '::', '::1', 'ff02::1', '::ffff:192.0.2.1', '192.0.2.1', 'fe80::1%eth0', 'fd00::/64'])(
    '%j is refused',
    (via) => {
      expect(mistakesIn({ peers: peers('fd00:2::/64', via) })).toEqual([
        `peers[0].via: expected a unicast or link-local IPv6 address, got "${via}"`,
      ]);
    },
  );
});

describe('a subnet map', () => {
  const A = 'fd01:203:405::/48';
  const ONE = '2001:db8:1::/48';

  test('of a /48 or of /64s is taken, once for each uplink', () => {
    const both = { uplinks: uplinks('2001:db8:1::', '2001:db8:2::') };

    expect(mistakesIn({ subnets: subnets([A, ONE, 'isp1']) })).toEqual([]);
    expect(mistakesIn({ ...both, subnets: subnets([A, ONE, 'isp1'], [A, '2001:db8:2::/48', 'isp2']) })).toEqual([]);
    expect(
      mistakesIn({
        subnets: subnets(
          ['fd01:0:0:1::/64', '2001:db8:1:1::/64', 'isp1'],
          ['fd01:0:0:2::/64', '2001:db8:1:2::/64', 'isp1'],
        ),
      }),
    ).toEqual([]);
  });

  test('has two prefixes of one length, at most 64', () => {
    expect(mistakesIn({ subnets: subnets([A, '2001:db8:1:100::/56', 'isp1']) })).toEqual([
      'subnets[0].outside: expected a prefix as long as inside (/48), got "2001:db8:1:100::/56"',
    ]);
    expect(mistakesIn({ subnets: subnets(['fd01::/65', ONE, 'isp1']) })).toEqual([
      expect.stringMatching(/^subnets\[0\]\.inside: expected a prefix of at most 64 bits/),
    ]);
    expect(mistakesIn({ subnets: subnets(['::/0', ONE, 'isp1']) })).toEqual([
      expect.stringMatching(/^subnets\[0\]\.inside: expected a global unicast or unique local prefix/),
    ]);
  });

  test('belongs to a known uplink', () => {
    expect(mistakesIn({ subnets: subnets([A, '2001:db8:5::/48', 'isp9']) })).toEqual([
      'subnets[0].uplink: expected the name of an uplink, got isp9',
    ]);
  });

  test('is the only one that covers an address', () => {
    const two = { uplinks: uplinks('2001:db8:1::', '2001:db8:2::') };
    const twice = subnets([A, ONE, 'isp1'], ['fd01:203:405:7::/64', '2001:db8:1:7::/64', 'isp1']);

    expect(mistakesIn({ subnets: twice })).toEqual([
      `subnets[1].inside: expected a prefix that does not overlap subnets[0].inside (${A}), got "fd01:203:405:7::/64"`,
      `subnets[1].outside: expected a prefix that does not overlap subnets[0].outside (${ONE}), got "2001:db8:1:7::/64"`,
    ]);
    expect(mistakesIn({ ...two, subnets: subnets([A, ONE, 'isp1'], ['fd02::/48', ONE, 'isp2']) })).toContainEqual(
      expect.stringMatching(/^subnets\[1\]\.outside: expected a prefix that does not overlap/),
    );
  });

  test('does not map inside to inside', () => {
    expect(mistakesIn({ subnets: subnets([A, 'fd01:203:405::/48', 'isp1']) })).toEqual([
      `subnets[0].outside: expected a prefix that does not overlap subnets[0].inside (${A}), got "${A}"`,
    ]);
    expect(mistakesIn({ subnets: subnets([A, 'fd00:1::/48', 'isp1']) })).toContainEqual(
      expect.stringMatching(/^subnets\[0\]\.outside: .* does not overlap inside\[0\]\.l64 \(fd00:1::\/64\)/),
    );
  });

  test('does not take the Locator of another uplink', () => {
    const two = uplinks('2001:db8:1::', '2001:db8:2::');

    expect(mistakesIn({ uplinks: two, subnets: subnets([A, '2001:db8:2::/48', 'isp1']) })).toEqual([
      'subnets[0].outside: expected a prefix that does not overlap uplinks[1].l64 (2001:db8:2::/64), got "2001:db8:2::/48"',
    ]);
  });
});
