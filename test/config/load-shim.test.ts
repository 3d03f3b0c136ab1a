import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadShimConfig } from '../../src/config/load-shim.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ilnp-shim-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const RIGHT = 'node: a\nnid: 0:0:0:a1\nstable: "fd00:a::/64"\ninterfaces: [{ interface: eth0 }]\n';

function said(path: string): string {
  try {
    loadShimConfig(path);
  } catch (error) {
    return (error as Error).message;
  }
  return 'right';
}

test('what is not said has a default', () => {
  expect(loadShimConfig(write('a.yaml', RIGHT))).toEqual({
    node: 'a',
    nid: { hi: 0, lo: 0xa1 },
    stable: { hi: 0xfd00000a, lo: 0 },
    tun: { name: 'ilnp0', io: 'auto', offload: true },
    interfaces: [{ interface: 'eth0', preference: 10 }],
    hosts: [],
    nonce: 4,
    checksum: 'full',
    peers: [],
    authenticationOption: 0x1e,
    state: '/var/lib/ilnp',
    spread: false,
    control: { socket: '/run/ilnp/a.sock' },
    limits: { correspondents: 65_536, strangers: 4096 },
    log: { level: 'info' },
  });
});

test('the hosts file and the socket are found from the folder of the file', () => {
  write('hosts', '0+0+0+b1 2001-db8-b-0\n');
  const config = loadShimConfig(write('a.yaml', `${RIGHT}hosts: hosts\ncontrol: { socket: a.sock }\n`));

  expect(config.hosts).toHaveLength(1);
  expect(config.control.socket).toBe(join(folder, 'a.sock'));
});

test('all mistakes come at once, each with its place, those of the hosts file too', () => {
  write('hosts', '\nnobody\n');
  const path = write(
    'a.yaml',
    'node: a\nnid: 0:0:0:0\nstable: "ff02::/64"\ninterfaces: []\nhosts: hosts\ncolour: red\n',
  );

  const text = said(path);
  for (const place of [`${path}:2`, `${path}:3`, `${path}:4`, `${path}:6`, `${join(folder, 'hosts')}:2`])
    expect(text).toContain(place);
});

test('files that cannot be read are named', () => {
  expect(said(join(folder, 'none.yaml'))).toContain('none.yaml');
  expect(said(write('a.yaml', `${RIGHT}hosts: none\n`))).toContain('a file that can be read');
});

test('what is agreed with single nodes; a node in the list twice is a mistake', () => {
  const peer = '{ nid: "0:0:0:b1", checksum: zeroed }';
  expect(loadShimConfig(write('a.yaml', `${RIGHT}peers: [${peer}]\nchecksum: auto\nnonce: 12\n`))).toMatchObject({
    nonce: 12,
    checksum: 'auto',
    peers: [{ nid: { hi: 0, lo: 0xb1 }, checksum: 'zeroed', authentication: 'optional' }],
  });
  const text = said(write('b.yaml', `${RIGHT}peers: [${peer}, { nid: "::b1", authentication: required }]\nnonce: 8\n`));
  expect(text).toContain('peers[1].nid: expected a Node Identifier that is not in the list already');
  expect(text).toContain('nonce: expected 4 or 12');
  expect(text).toContain('peers[1].authentication: expected `required` only with a `keyFile`');
  expect(loadShimConfig(write('c.yaml', `${RIGHT}peers: [{ nid: "::b1", keyFile: b.key }]\n`)).peers[0]?.keyFile).toBe(
    join(folder, 'b.key'),
  );
});

test('names: servers with and without a port, a key beside the file, a low TTL', () => {
  const update = 'server: 192.0.2.53, zone: example.com, name: a.example.com, keyFile: a.key';
  const names = `names: { upstream: ["2001:db8::53", "[fe80::53%eth0]:5353"], update: { ${update} } }\n`;

  expect(loadShimConfig(write('a.yaml', RIGHT + names)).names).toEqual({
    listen: { host: '::1', port: 53 },
    upstream: [
      { host: '2001:db8::53', port: 53 },
      { host: 'fe80::53%eth0', port: 5353 },
    ],
    update: {
      server: { host: '192.0.2.53', port: 53 },
      zone: 'example.com',
      name: 'a.example.com',
      keyFile: join(folder, 'a.key'),
      nid: true,
      aaaa: true,
      ttl: 30,
    },
  });
});

// shows: D1b
test.each([
  ['upstream: []', 'a list with at least one server'],
  ['upstream: ["here"]', 'the address of a DNS server'],
  ['upstream: ["::"]', 'the address of a DNS server'],
  ['upstream: ["2001:db8::53"], update: { server: "::2", zone: ., name: a, keyFile: k }', 'a domain name'],
  [
    'upstream: ["2001:db8::53"], update: { server: "2001:db8::53", zone: e, name: A.e, subnet: a.e., keyFile: k }',
    'another name than the node has',
  ],
])('names: { %s } is refused: %s', (names, expected) => {
  expect(said(write('a.yaml', `${RIGHT}names: { ${names} }\n`))).toContain(expected);
});

test.each([
  ['{ interface: eth0 }, { interface: eth0 }', '4:48 interfaces[1].interface'],
  ['{ interface: lo }', '4:27 interfaces[0].interface'],
  ['{ interface: ilnp0 }', '4:27 interfaces[0].interface'],
])('interfaces have a link, are not the TUN, and come once: %s', (list, place) => {
  const text = RIGHT.replace('{ interface: eth0 }', list);
  expect(said(write('a.yaml', text))).toContain(`${place}: expected an interface with a link, neither the TUN nor`);
});

test('a node is not its own peer', () => {
  expect(said(write('a.yaml', `${RIGHT}peers: [{ nid: "0:0:0:a1" }]\n`))).toContain(
    'peers[0].nid: expected the Node Identifier of another node, got "0:0:0:a1"',
  );
});

test('a resolver does not ask itself', () => {
  const update = '{ server: "::1", zone: example.com, name: a.example.com, keyFile: k }';
  const text = said(
    write('a.yaml', `${RIGHT}names: { upstream: ["2001:db8:53::53", "[::1]:53"], update: ${update} }\n`),
  );

  expect(text).toContain('names.upstream[1]: expected another server than the resolver of this node itself');
  expect(text).toContain('names.update.server: expected the server that has the zone');
  expect(said(write('a.yaml', `${RIGHT}names: { upstream: ["[::1]:5353"] }\n`))).toBe('right');
});
