/** rtnetlink against ip(8), in a network of this process's own. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { changeOf } from '../../src/network/ip-words.ts';
import { lookAtKernel } from '../../src/network/kernel-view.ts';
import { RouteSocket } from '../../src/network/netlink.ts';
import { resolveNeighbours } from '../../src/network/resolve.ts';
import { enterOwnNetwork, ip, isRoot } from '../support/own-network.ts';

const shown = (words: string): string =>
  execFileSync('ip', ['-6', ...words.split(' ')])
    .toString()
    .replaceAll(/ +/g, ' ')
    .replaceAll(' \n', '\n')
    .trim();

describe.runIf(isRoot)('rtnetlink', () => {
  let socket: RouteSocket;
  beforeAll(() => {
    enterOwnNetwork();
    for (const words of ['link add v0 type veth peer name v1', 'link set v0 up', 'link set v1 up']) ip(words);
    for (const words of [
      'addr add 2001:db8:1::7/64 dev v0 nodad',
      'route add default via fe80::1 dev v0 metric 512 pref high',
    ])
      ip(words);
    socket = new RouteSocket();
  });
  afterAll(() => socket.close());

  test.each([
    [
      'route replace default via fe80::2 dev v0 table 6764 protocol 174',
      'route show table 6764',
      'default via fe80::2 dev v0 proto 174 metric 1024 pref medium',
    ],
    [
      'route replace 2001:db8:1::/64 dev v0 table 6765 protocol 174',
      'route show table 6765',
      '2001:db8:1::/64 dev v0 proto 174 metric 1024 pref medium',
    ],
    [
      'route replace 2001:db8:1::a1/128 dev v1 table 6766 protocol 174',
      'route show table 6766',
      '2001:db8:1::a1 dev v1 proto 174 metric 1024 pref medium',
    ],
    [
      'route replace throw fd99::/64 table 6767 protocol 174',
      'route show table 6767',
      'throw fd99::/64 dev lo proto 174 metric 1024 pref medium',
    ],
    [
      'rule add iif v1 from 2001:db8:1::/64 lookup 6764 priority 6764 protocol 174',
      'rule show priority 6764',
      '6764:\tfrom 2001:db8:1::/64 iif v1 lookup 6764 proto 174',
    ],
    [
      'rule add iif lo from 2001:db8:1::/64 lookup main priority 6761 protocol 174',
      'rule show priority 6761',
      '6761:\tfrom 2001:db8:1::/64 iif lo lookup main proto 174',
    ],
    ['neigh add proxy 2001:db8:1::a1 dev v0', 'neigh show proxy dev v0', '2001:db8:1::a1 proxy'],
    [
      'neigh add proxy 2001:db8:1::a2 dev v1 protocol 174',
      'neigh show proxy dev v1 protocol 174',
      '2001:db8:1::a2 proxy proto 174',
    ],
  ])('"%s" does what ip(8) does, and its undoing too', (command, show, expected) => {
    const words = command.split(' ');
    expect(socket.change(changeOf(words)!)).toBe(0);
    const ours = shown(show);
    expect(socket.change(changeOf([words[0]!, 'del', ...words.slice(2)])!)).toBe(0);
    const after = shown(show);
    ip(command);

    expect(ours).toBe(shown(show));
    expect(ours).toBe(expected);
    expect(after).toBe('');
  });

  test('a neighbour is asked for, and a command with a word that is not known is left to ip(8)', () => {
    expect(socket.change(changeOf('neigh add fe80::9 dev v0 use'.split(' '))!)).toBe(0);
    expect(shown('neigh show fe80::9 dev v0 nud all')).toMatch(/^fe80::9 +INCOMPLETE|^fe80::9 .*FAILED/);

    expect(changeOf('route replace default dev v0 mtu 1400 table 5'.split(' '))).toBeNull();
    expect(changeOf('link set dev v0 up'.split(' '))).toBeNull();
    expect(changeOf('route replace default dev nowhere table 5'.split(' '))).toBeNull();
  });

  test('who is asked for in advance is waited for until the kernel knows it, and no longer than said', async () => {
    const asked = { interface: 'v0', address: '2001:db8:1::99' };
    const answered = resolveNeighbours(socket, [asked, { ...asked, interface: 'nowhere' }], 10_000);
    const before = shown('neigh show 2001:db8:1::99 dev v0 nud all');
    ip('neigh replace 2001:db8:1::99 lladdr 02:00:00:00:00:99 dev v0');

    expect(before).toMatch(/INCOMPLETE$/);
    expect(await answered).toBe(true);
    expect(await resolveNeighbours(socket, [asked], 0)).toBe(true); // nobody is asked again
    expect(await resolveNeighbours(socket, [asked, { ...asked, address: '2001:db8:1::98' }], 5)).toBe(false);
  });

  test('what the kernel refuses is answered with its errno', () => {
    expect(socket.change(changeOf('route del fd77::/64 dev v0 table 5'.split(' '))!)).toBe(3); // ESRCH
  });

  test('addresses, routes and links are what ip(8) shows', () => {
    const view = lookAtKernel(socket, ['v0', 'v1', 'nowhere']);

    expect(view.up).toEqual(['v0', 'v1']);
    expect(view.addresses).toEqual([
      {
        interface: 'v0',
        l64: { hi: 0x20010db8, lo: 0x00010000 },
        nid: { hi: 0, lo: 7 },
        prefixLength: 64,
        isUsable: true,
        isDeprecated: false,
        valid: Number.POSITIVE_INFINITY,
      },
    ]);
    expect(view.routes).toContainEqual({
      destination: 'default',
      interface: 'v0',
      gateway: 'fe80::1',
      metric: 512,
      preference: 1,
    });
    expect(view.routes.filter((r) => r.destination === '2001:db8:1::/64')).toHaveLength(1); // of the main table only
    ip('link set v1 down');
    ip('addr change 2001:db8:1::7/64 dev v0 valid_lft 100 preferred_lft 0');
    const later = lookAtKernel(socket, ['v0', 'v1']);
    expect(later.up).toEqual([]);
    expect(later.addresses[0]).toMatchObject({ isDeprecated: true, isUsable: true });
    expect(later.addresses[0]!.valid).toBeLessThanOrEqual(100);
  });
});
