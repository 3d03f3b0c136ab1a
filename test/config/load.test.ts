import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadSiteConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { folderOf, loadFiles, mistakesIn, mistakesOf, siteYaml } from '../support/config-files.ts';

const HOLD = { holdOctets: 67_108_864, holdPackets: 65_536, holdMs: 5000 };
const LOCATOR = { hi: 0x2001_0db8, lo: 0x0001_0000 };

describe('a right configuration', () => {
  test('needs no more than a site, an uplink and an inside link', () => {
    const config = loadFiles({ 'site.yaml': siteYaml({ peers: '', bindings: '' }) });

    expect(config).toEqual({
      site: 'site1',
      tun: { name: 'ilnp0', queues: 1, io: 'auto', offload: true },
      network: 'auto',
      checksum: 'full',
      uplinks: [
        {
          name: 'isp1',
          interface: 'up0',
          l64: LOCATOR,
          preference: 10,
          via: undefined,
          onLink: false,
          probe: undefined,
        },
      ],
      inside: [{ interface: 'lan0', l64: { hi: 0xfd00_0001, lo: 0 }, gateway: undefined, guests: [], arrivals: false }],
      peers: [],
      bindings: [],
      subnets: [],
      policy: [],
      pair: undefined,
      control: { socket: '/run/ilnp/site1.sock', listen: undefined, keyFile: undefined },
      registries: [],
      state: '/var/lib/ilnp',
      icmp: { rate: 10, burst: 10 },
      limits: { bindings: 1_000_000, sessions: 262_144, ...HOLD },
      log: { level: 'info' },
    });
  });

  test('keeps what each key says', () => {
    const config = loadFiles({
      'site.yaml': `
site: site1
tun: { name: sbr, queues: 2, io: poll, offload: false }
network: manual
checksum: auto
uplinks: [{ name: isp1, interface: up0, l64: "2001:db8:1::/64", preference: 0, via: "FE80::1", onLink: true }]
inside: [{ interface: lan0, l64: fd00-1-0-0, gateway: "fe80::1", guests: ["fd00:9::/64"] }]
peers: [{ site: site2, l64: "fd00:2:0:0", interface: link0, via: "fd00:12:0::2", control: "[fd00:12::2]:6740" }]
bindings: [{ nid: 0+0+0+a1, guest: "fd00:2::", home: site2, uplink: theirs, at: site1 }]
subnets: [{ inside: "fd01:203:405::/48", outside: "2001:db8:1::/48", uplink: isp1 }]
control: { socket: s.sock, listen: "[fe80::1%link0]:6740", keyFile: site.key }
state: state
icmp: { rate: 5, burst: 6 }
limits: { bindings: 7, sessions: 8 }
log: { level: debug }
`,
    });

    expect(config).toMatchObject({
      tun: { name: 'sbr', queues: 2, io: 'poll', offload: false },
      network: 'manual',
      checksum: 'auto',
      uplinks: [{ preference: 0, via: 'fe80::1', onLink: true }],
      inside: [{ l64: { hi: 0xfd00_0001, lo: 0 }, gateway: 'fe80::1', guests: [{ hi: 0xfd00_0009, lo: 0 }] }],
      peers: [{ l64: { hi: 0xfd00_0002, lo: 0 }, via: 'fd00:12::2', control: { host: 'fd00:12::2', port: 6740 } }],
      bindings: [{ nid: { hi: 0, lo: 0xa1 }, home: 'site2', uplink: 'theirs', at: 'site1' }],
      subnets: [{ inside: { length: 48 }, outside: { hi: 0x2001_0db8, lo: 0x0001_0000, length: 48 }, uplink: 'isp1' }],
      control: { listen: { host: 'fe80::1%link0', port: 6740 } },
      icmp: { rate: 5, burst: 6 },
      limits: { bindings: 7, sessions: 8, ...HOLD },
      log: { level: 'debug' },
    });
  });

  test('has paths that start at its folder', () => {
    const control = '{ socket: run/s.sock, keyFile: ../site.key }';
    const folder = folderOf({ 'site.yaml': siteYaml({ control, state: 'moves' }) });

    const config = loadSiteConfig(join(folder, 'site.yaml'));

    expect(config.control.socket).toBe(join(folder, 'run/s.sock'));
    expect(config.control.keyFile).toBe(join(folder, '../site.key'));
    expect(config.state).toBe(join(folder, 'moves'));
  });
});

describe('a wrong configuration', () => {
  test('says every mistake with file, line, column and path, in the order of the file', () => {
    const mistakes = mistakesOf({
      'site.yaml': `site: site1
uplinks:
  - { nmae: isp1, interface: up0, l64: 1:2 }
  - { name: isp2, interface: "up 0", l64: "2001:db8:2::/48", preference: "10" }
inside: [{ interface: lan0, l64: "fd00:1::/64" }]
bindings:
  - { nid: 12, guest: "fd00:1::", home: nowhere, at: site1 }
site: again
`,
    });

    expect(mistakes).toEqual([
      expect.stringMatching(/^site\.yaml:3:5 uplinks\[0\]\.name: expected a name .*, got nothing$/),
      'site.yaml:3:7 uplinks[0].nmae: expected one of the keys name, interface, l64, preference, via, onLink, probe (did you mean "name"?), got nmae',
      'site.yaml:3:40 uplinks[0].l64: expected a Locator such as "2001:db8:1::/64", got 1:2',
      'site.yaml:4:30 uplinks[1].interface: expected the name of a network interface (at most 15 characters), got "up 0"',
      'site.yaml:4:43 uplinks[1].l64: expected a Locator such as "2001:db8:1::/64", got "2001:db8:2::/48"',
      'site.yaml:4:74 uplinks[1].preference: expected a whole number from 0 to 65535, got "10"',
      'site.yaml:7:12 bindings[0].nid: expected a Node Identifier such as "0:0:0:a1", got the number 12',
      'site.yaml:7:41 bindings[0].home: expected this site or a peer (again), got nowhere',
      'site.yaml:7:54 bindings[0].at: expected this site or a peer (again), got site1',
      'site.yaml:8:1 (document): expected every key once, got site again',
    ]);
  });

  test('is an E_CONFIG that lists its problems', () => {
    const folder = folderOf({ 'site.yaml': siteYaml({ network: 'maybe' }) });

    const failure = (() => {
      try {
        return loadSiteConfig(join(folder, 'site.yaml'));
      } catch (error) {
        return error;
      }
    })();

    expect(failure).toBeInstanceOf(ConfigError);
    expect(failure).toMatchObject({
      code: 'E_CONFIG',
      problems: [{ file: join(folder, 'site.yaml'), line: 6, column: 10, path: 'network', got: 'maybe' }],
    });
  });

  test('with broken notation says only that, because its values mean nothing', () => {
    expect(mistakesOf({ 'site.yaml': 'site: [\nuplinks: 5\n' })).toEqual([
      expect.stringMatching(/^site\.yaml:2:1 \(document\): expected valid YAML, got /),
    ]);
  });

  test.each(['', '# nothing\n', '- 1\n', 'text\n', '~\n'])('is also what holds no mapping (%j)', (text) => {
    expect(mistakesOf({ 'site.yaml': text })).toEqual([
      expect.stringMatching(/^site\.yaml:\d+:1 \(document\): expected a mapping, got /),
    ]);
  });

  test('is also one that is not there', () => {
    expect(mistakesOf({})).toEqual([
      expect.stringMatching(/^site\.yaml:1:1 \(document\): expected a file that can be read, got ENOENT/),
    ]);
  });

  test('is also a folder', () => {
    const folder = folderOf({});
    mkdirSync(join(folder, 'site.yaml'));

    expect(() => loadSiteConfig(join(folder, 'site.yaml'))).toThrow(/expected a file that can be read, got EISDIR/);
  });

  test('does not let a key reach the prototype of objects', () => {
    expect(mistakesIn({ __proto__x: '1' })[0]).toMatch(/^__proto__x: expected one of the keys/);
    expect(mistakesOf({ 'site.yaml': `${siteYaml()}__proto__: { state: /tmp }\n` })).toHaveLength(1);
  });
});

describe('types are strict', () => {
  test.each([
    [{ site: '12' }, /^site: expected a name .*, got the number 12$/],
    [{ site: 'true' }, /^site: .*, got true$/],
    [{ state: '~' }, /^state: expected a path, got ~$/],
    [{ tun: '{ queues: "2" }' }, /^tun.queues: expected a whole number from 1 to 8, got "2"$/],
    [{ tun: '{ queues: 1.5 }' }, /^tun.queues: .*, got the number 1.5$/],
    [{ tun: '{ queues: .nan }' }, /^tun.queues: .*, got the number .nan$/],
    [{ tun: '{ offload: yes }' }, /^tun.offload: expected true or false, got yes$/],
    [{ tun: '[]' }, /^tun: expected a mapping, got a list$/],
    [{ uplinks: '{ name: isp1 }' }, /^uplinks: expected a list, got a mapping$/],
    [{ inside: '[]' }, /^inside: expected a list with at least one link, got a list$/],
    [{ inside: '' }, /^inside: .*, got nothing$/],
    [{ log: '{ level: loud }' }, /^log.level: expected one of trace, .*, got loud$/],
  ])('%j is refused', (change, message) => {
    expect(mistakesIn(change as unknown as Record<string, string>)).toContainEqual(expect.stringMatching(message));
  });

  test.each([
    ['tun', '{ queues: 0 }'],
    ['tun', '{ queues: 9 }'],
    ['icmp', '{ rate: 0 }'],
    ['icmp', '{ burst: -1 }'],
    ['limits', '{ bindings: 0 }'],
    ['limits', '{ sessions: 16777217 }'],
    ['uplinks', '[{ name: a, interface: up0, l64: "2001:db8:1::", preference: 65536 }]'],
  ])('%s: %s is out of range', (key, value) => {
    expect(mistakesIn({ [key]: value })).toEqual([
      expect.stringMatching(/expected a whole number from \d+ to \d+, got/),
    ]);
  });
});

test('a socket path longer than Linux can bind is refused', () => {
  expect(mistakesIn({ control: `{ socket: /tmp/${'x'.repeat(103)} }` })).toEqual([
    expect.stringMatching(/^control\.socket: expected a path of at most 107 octets, got /),
  ]);
  expect(mistakesIn({ control: `{ socket: /tmp/${'x'.repeat(102)} }` })).toEqual([]);
});

test('any value at any key is taken or refused, never an exception of another kind', () => {
  const keys = fc.constantFrom(
    'site',
    'tun',
    'uplinks',
    'inside',
    'peers',
    'bindings',
    'subnets',
    'control',
    'limits',
    'x',
  );
  const values = fc.json({ maxDepth: 3 });
  fc.assert(
    fc.property(keys, values, (key, value) => {
      const mistakes = mistakesIn({ [key]: value });
      expect(mistakes.every((line) => / expected .+, got ./.test(line))).toBe(true);
    }),
    { numRuns: 300 },
  );
});
