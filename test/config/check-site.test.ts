import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../support/config-files.ts';

const PEER = 'l64: "fd00:2::/64", interface: link0, via: "fd00:12::2"';
const up = (name: string, device: string, n: number) =>
  `{ name: ${name}, interface: ${device}, l64: "2001:db8:${n}::" }`;

test('a site is not its own peer', () => {
  expect(mistakesIn({ bindings: '', peers: `[{ site: site1, ${PEER} }]` })).toEqual([
    'peers[0].site: expected another site than this one, got site1',
  ]);
});

test('names of uplinks and of peers come once', () => {
  const uplinks = `[${up('isp1', 'up0', 1)}, ${up('isp1', 'up1', 2)}]`;
  const peers = `[{ site: site2, ${PEER} }, { site: site2, l64: "fd00:3::/64", interface: link0, via: "fd00:12::3" }]`;

  expect(mistakesIn({ uplinks, peers })).toEqual([
    'uplinks[1].name: expected another name than that of uplinks[0].name, got isp1',
    'peers[1].site: expected another name than that of peers[0].site, got site2',
  ]);
});

test('the other border of a pair listens somewhere else', () => {
  const pair = (peer: string) => `{ address: "fd00:12::1", listen: "[fd00:12::a]:6742", peer: "${peer}" }`;
  const control = '{ keyFile: k }';
  expect(mistakesIn({ control, pair: pair('[fd00:12::b]:6742') })).toEqual([]);
  expect(mistakesIn({ control, pair: pair('[fd00:12::A]:6742') })).toEqual([
    expect.stringContaining('pair.peer: expected the address of the other border'),
  ]);
});

describe('the control channel', () => {
  test('needs a key, to listen and to call', () => {
    const peers = `[{ site: site2, ${PEER}, control: "[fd00:12::2]:6740" }]`;

    expect(mistakesIn({ peers, control: '{ listen: "[fd00:12::1]:6740" }' })).toEqual([
      'peers[0].control: expected control.keyFile beside it, because borders authenticate each other, got none',
      'control.listen: expected control.keyFile beside it, because borders authenticate each other, got none',
    ]);
    expect(mistakesIn({ peers, control: '{ listen: "[fd00:12::1]:6740", keyFile: k }' })).toEqual([]);
  });

  test.each(['[::]:6740', '[::1]:1', '[fd00:12::1]:65535', '[fe80::1%link0]:6740', '127.0.0.1:6740', '0.0.0.0:6740'])(
    'listens at %s',
    (listen) => {
      expect(mistakesIn({ control: `{ listen: "${listen}", keyFile: k }` })).toEqual([]);
    },
  );

  test.each([
    '6740',
    ':6740',
    '[fd00::1]',
    '[fd00::1]:0',
    '[fd00::1]:65536',
    '[fd00::1]:06740',
    'fd00::1:6740',
    '[fe80::1]:6740',
    '[fd00::1%link0]:6740',
    '[ff02::1]:6740',
    '[::ffff:192.0.2.1]:6740',
    '256.0.0.1:6740',
    'host:6740',
    '[]:6740',
  ])('does not listen at %s', (listen) => {
    expect(mistakesIn({ control: `{ listen: "${listen}", keyFile: k }` })).toEqual([
      `control.listen: expected an address and a port such as "[fd00:12::1]:6740", got "${listen}"`,
    ]);
  });

  test.each(['[::]:6740', '0.0.0.0:6740', '[fd00::1]:99999'])('does not call %s', (control) => {
    expect(
      mistakesIn({ peers: `[{ site: site2, ${PEER}, control: "${control}" }]`, control: '{ keyFile: k }' }),
    ).toEqual([expect.stringMatching(/^peers\[0\]\.control: expected the address and the port of a peer/)]);
  });
});

describe('interfaces', () => {
  test('belong to one side', () => {
    const inside = '[{ interface: up0, l64: "fd00:1::/64" }]';

    expect(mistakesIn({ inside })).toEqual([
      'inside[0].interface: expected an interface that uplinks does not use already, got up0',
    ]);
  });

  test('may serve several links of the same side', () => {
    expect(mistakesIn({ uplinks: `[${up('isp1', 'up0', 1)}, ${up('isp2', 'up0', 2)}]` })).toEqual([]);
  });

  test.each(['sbr', 'sbr-in', 'sbr-site'])('are not the device %s of the border router itself', (device) => {
    expect(mistakesIn({ tun: '{ name: sbr }', uplinks: `[${up('isp1', device, 1)}]` })).toEqual([
      `uplinks[0].interface: expected an interface that tun does not use already, got ${device}`,
    ]);
  });

  test.each(['sixteencharslong', '"a b"', 'a/b', '"a:b"', '"a%d"', '".."', '"-x"', 'all', 'default', '""'])(
    'are not called %s',
    (device) => {
      expect(mistakesIn({ uplinks: `[${up('isp1', device, 1)}]` })).toEqual([
        expect.stringMatching(/^uplinks\[0\]\.interface: expected the name of a network interface/),
      ]);
    },
  );

  test.each(['fifteencharlong', 'eth0.100', 'br-lan', 'veth0@x'])('may be called %s', (device) => {
    expect(mistakesIn({ uplinks: `[${up('isp1', `"${device}"`, 1)}]` })).toEqual([]);
  });

  test('of our own have room for a suffix', () => {
    expect(mistakesIn({ tun: '{ name: tencharsxx }' })).toEqual([]);
    expect(mistakesIn({ tun: '{ name: elevenchars }' })).toEqual([
      'tun.name: expected the name of a device (at most 10 characters), got elevenchars',
    ]);
  });
});
