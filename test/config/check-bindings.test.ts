import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../support/config-files.ts';

const binding = (change: Readonly<Record<string, string>> = {}) => {
  const keys = { nid: '"0:0:0:a1"', guest: '"fd00:1::/64"', home: 'site1', at: 'site1', ...change };
  return `{ ${Object.entries(keys)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')} }`;
};
const mistakesOfBindings = (...bindings: string[]) => mistakesIn({ bindings: `[${bindings.join(', ')}]` });

describe('a binding', () => {
  test('belongs to and is at this site or a peer', () => {
    expect(mistakesOfBindings(binding({ home: 'site2', at: 'site2' }))).toEqual([]);
    expect(mistakesOfBindings(binding({ home: 'site3', at: 'site4' }))).toEqual([
      'bindings[0].home: expected this site or a peer (site1, site2), got site3',
      'bindings[0].at: expected this site or a peer (site1, site2), got site4',
    ]);
  });

  test('is where the policy allows it', () => {
    const policy = '[{ nids: "0:0:0:a0 - 0:0:0:a9", sites: [site2] }, { nids: "0:0:0:a1", sites: [site1] }]';
    const at = (change: Readonly<Record<string, string>>) => mistakesIn({ policy, bindings: `[${binding(change)}]` });
    expect(at({ at: 'site2' })).toEqual([]);
    expect(at({ nid: '"0:0:0:b1"' })).toEqual([]);
    expect(at({})).toEqual(['bindings[0].at: expected a site that policy allows (site2), got site1']);
  });

  test('names an uplink of its home, as far as that is known here', () => {
    expect(mistakesOfBindings(binding({ uplink: 'isp1' }))).toEqual([]);
    expect(mistakesOfBindings(binding({ home: 'site2', uplink: 'theirs' }))).toEqual([]);
    expect(mistakesOfBindings(binding({ uplink: 'isp9' }))).toEqual([
      'bindings[0].uplink: expected the name of an uplink (isp1), got isp9',
    ]);
  });

  test('at home here needs an uplink, which is said once', () => {
    const bindings = `[${binding()}, ${binding({ nid: '"0:0:0:a2"' })}]`;

    expect(mistakesIn({ uplinks: '[]', bindings })).toEqual([
      'bindings[0].home: expected at least one uplink at the home of a binding, got none',
    ]);
    expect(mistakesIn({ uplinks: '[]', bindings: `[${binding({ home: 'site2' })}]` })).toEqual([]);
  });

  test('has a guest Locator that is not the Locator of an uplink', () => {
    expect(mistakesOfBindings(binding({ guest: '"2001:db8:1::/64"' }))).toEqual([
      'bindings[0].guest: expected a guest Locator that is not the Locator of an uplink, got "2001:db8:1::/64"',
    ]);
  });
});

describe('a Node Identifier', () => {
  test('is bound once, however it is written', () => {
    expect(mistakesOfBindings(binding(), binding({ nid: '"::a2"' }), binding({ nid: '0+0+0+a1' }))).toEqual([
      'bindings[2].nid: expected every Node Identifier once, got 0:0:0:a1 again',
    ]);
  });

  test.each(['0:0:0:0', 'fdff:ffff:ffff:ff80', 'fdff:ffff:ffff:ffff'])('%s is reserved for anycast', (nid) => {
    expect(mistakesOfBindings(binding({ nid: `"${nid}"` }))).toEqual([
      expect.stringMatching(/^bindings\[0\]\.nid: expected a Node Identifier that is not reserved for anycast/),
    ]);
  });

  test.each(['0:0:0:1', 'fdff:ffff:ffff:ff7f', 'ffff:ffff:ffff:ffff', '200:5eff:fe00:5301'])('%s is taken', (nid) => {
    expect(mistakesOfBindings(binding({ nid: `"${nid}"` }))).toEqual([]);
  });
});

test('more bindings than the limit are refused at the first that is too many', () => {
  const bindings = `[${binding()}, ${binding({ nid: '"::a2"' })}, ${binding({ nid: '"::a3"' })}]`;

  expect(mistakesIn({ bindings, limits: '{ bindings: 3 }' })).toEqual([]);
  expect(mistakesIn({ bindings, limits: '{ bindings: 2 }' })).toEqual([
    'bindings[2].nid: expected at most 2 bindings (limits.bindings), got 3',
  ]);
});

test('a wrong name of a peer is reported there, and not again at each binding', () => {
  const peers = '[{ site: "site 2", l64: "fd00:2::/64", interface: link0, via: "fd00:12::2" }]';

  expect(mistakesIn({ peers })).toEqual([expect.stringMatching(/^peers\[0\]\.site: expected a name/)]);
});
