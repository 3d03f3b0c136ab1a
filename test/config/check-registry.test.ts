import { describe, expect, test } from 'vitest';
import { loadFiles, mistakesIn, siteYaml } from '../support/config-files.ts';

const KEY = { control: '{ keyFile: k }' };
const ETCD = 'kind: etcd, endpoints: ["https://[fd00:e::1]:2379"]';

test('etcd gets its defaults, and the range of everything', () => {
  const registry = `{ ${ETCD}, caFile: ca.pem, user: ilnp, passwordFile: secret }`;
  const { registries } = loadFiles({ 'site.yaml': siteYaml({ registry }) });

  expect(registries).toEqual([
    {
      kind: 'etcd',
      range: { from: { hi: 0, lo: 0 }, to: { hi: 0xffff_ffff, lo: 0xffff_ffff } },
      endpoints: ['https://[fd00:e::1]:2379'],
      caFile: expect.stringMatching(/^\/.*\/ca\.pem$/),
      user: 'ilnp',
      passwordFile: expect.stringMatching(/^\/.*\/secret$/),
      prefix: '/ilnp',
    },
  ]);
});

test('this site, a peer, or a controller with its address may keep it', () => {
  expect(mistakesIn({ registry: '{ kind: embedded, name: site1 }' })).toEqual([]);
  expect(mistakesIn({ ...KEY, registry: '{ kind: embedded, name: site2 }' })).toEqual([]);
  expect(mistakesIn({ ...KEY, registry: '{ kind: embedded, name: r1, control: "[fd00:12::9]:6740" }' })).toEqual([]);
});

describe('what does not fit together is said', () => {
  test.each([
    ['{ kind: embedded }', 'registry.name: expected the site or the controller that keeps it, got none'],
    [
      '{ kind: embedded, name: r1 }',
      'registry.control: expected where the controller r1 listens, or the name of a site, got none',
    ],
    [
      '{ kind: embedded, name: site2, control: "[fd00:12::9]:6740" }',
      'registry.control: expected no control: site2 is a site, got "[fd00:12::9]:6740"',
    ],
    ['{ kind: embedded, name: site1, user: x }', 'registry.user: expected no user: it belongs to kind etcd, got x'],
    ['{ kind: etcd }', 'registry.endpoints: expected at least one member of etcd, got nothing'],
    [`{ ${ETCD}, user: x }`, 'registry.passwordFile: expected the password of the user, got none'],
    [`{ ${ETCD}, passwordFile: x }`, 'registry.user: expected the user of the password, got none'],
    [`{ ${ETCD}, name: r1 }`, 'registry.name: expected no name: it belongs to kind embedded, got r1'],
  ])('%s', (registry, mistake) => {
    expect(mistakesIn({ ...KEY, registry })).toEqual([mistake]);
  });

  test('a border of a pair keeps no registry itself', () => {
    const pair = '{ address: "fd00:12::1", listen: "[fd00:12::a]:6742", peer: "[fd00:12::b]:6742" }';
    expect(mistakesIn({ ...KEY, pair, registry: '{ kind: embedded, name: site2 }' })).toEqual([]);
    expect(mistakesIn({ ...KEY, pair, registry: '{ kind: embedded, name: site1 }' })).toEqual([
      'registry.name: expected a controller (ilnp controller) or etcd: a border of a pair keeps no registry, got site1',
    ]);
  });

  test('who is asked over the channel needs a key', () => {
    expect(mistakesIn({ registry: '{ kind: embedded, name: site2 }' })).toEqual([
      'registry.name: expected control.keyFile beside it, because registries authenticate who asks, got none',
    ]);
  });

  test.each(['https://user:secret@host:2379', 'ftp://host:2379', 'host:2379', 'https://host:2379/v3', 'https://'])(
    'an endpoint is a host and a port, without secrets: %s',
    (endpoint) => {
      expect(mistakesIn({ registry: `{ kind: etcd, endpoints: ["${endpoint}"] }` })).toEqual([
        expect.stringContaining('registry.endpoints[0]: expected the address of a member of etcd'),
      ]);
    },
  );

  test('a password goes to nobody in the clear but this machine', () => {
    const to = (endpoint: string) =>
      mistakesIn({ registry: `{ kind: etcd, endpoints: ["${endpoint}"], user: u, passwordFile: p }` });
    for (const own of [
      'https://[fd00:e::1]:2379',
      'http://[::1]:2379',
      'http://127.0.0.1:2379',
      'http://localhost:2379',
    ])
      expect(to(own)).toEqual([]);
    for (const open of ['http://[fd00:e::1]:2379', 'http://etcd.example:2379', 'http://127.0.0.1.example:2379'])
      expect(to(open)).toEqual([
        `registry.endpoints[0]: expected https, because a password goes there, or this machine, got "${open}"`,
      ]);
    expect(mistakesIn({ registry: '{ kind: etcd, endpoints: ["http://[fd00:e::1]:2379"] }' })).toEqual([]);
  });

  test('whoever keeps one has one range', () => {
    const low = '{ range: "0:0:0:1 - 0:0:0:9", kind: embedded, name: r1, control: "[fd00:12::9]:6740" }';
    const high = '{ range: "0:0:1:1 - 0:0:1:9", kind: embedded, name: NAME, control: "[fd00:12::8]:6740" }';
    expect(mistakesIn({ ...KEY, registries: `[${low}, ${high.replace('NAME', 'r2')}]` })).toEqual([]);
    expect(mistakesIn({ ...KEY, registries: `[${low}, ${high.replace('NAME', 'r1')}]` })).toEqual([
      expect.stringContaining('registries[1].name: expected another one than in the ranges before'),
    ]);
  });

  test('no password of an endpoint is repeated', () => {
    for (const secret of ['s3cret', 's3cret@s3cret', `s3cret${'x'.repeat(80)}`])
      expect(
        mistakesIn({ registry: `{ kind: etcd, endpoints: ["https://u:${secret}@h:2379"] }` }).join(),
      ).not.toContain('s3cret');
  });

  test('ranges do not meet, and come without a registry of everything', () => {
    const low = `{ range: "0:0:0:0 - 0:0:ffff:ffff", ${ETCD} }`;
    const high = `{ range: "0:1:0:0 - ffff:ffff:ffff:ffff", ${ETCD} }`;
    expect(mistakesIn({ registries: `[${low}, ${high}]` })).toEqual([]);
    expect(mistakesIn({ registries: `[${low}, { range: "0:0:ffff:ffff", ${ETCD} }]` })).toEqual([
      expect.stringContaining('registries[1].range: expected a range that meets no other one'),
    ]);
    expect(mistakesIn({ registry: `{ ${ETCD} }`, registries: `[${low}]` })).toEqual([
      expect.stringContaining('registries: expected either registry or registries'),
    ]);
  });
});
