/**
 * An end system as others see it, and what else is on its machine: a kernel that goes on when the shim was killed, an Identifier that this
 * kernel uses itself, a border router in the same namespace.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { Capture } from './support/capture.ts';
import type { Output } from './support/command.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { at, CN, shimLabForThisFile, stable } from './support/shim-lab.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { traceroute } from './support/traceroute.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const KNOWS_B = '0+0+0+b1  bob  2001-db8-2-0\n';

const ilnp = (...words: string[]): Promise<Output> => lab.run('a', process.execPath, 'dist/cli/main.js', ...words);

afterEach(async () => {
  await lab.stop('a');
  await lab.stop('b');
});

describe('after the shim was killed', () => {
  test('nothing leaves from the stable address, plain IPv6 goes on, and the next run takes the sessions up', async () => {
    const before = await snapshot(lab, 'a');
    await lab.ip('a', 'link add other type veth peer name far', 'link set dev other up', 'link set dev far up');
    await lab.ip('a', 'addr add fd99::1/64 dev other nodad');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await until('a record of the session', async () => (await lab.run('a', 'test', '-s', lab.state('a'))).code === 0);
    await lab.kill('a');
    await until('the TUN to vanish', async () => (await lab.run('a', 'ip', 'link', 'show', 'dev', 'ilnp0')).code !== 0);
    const capture = await Capture.start(lab, 'a', 'any', 'ip6');
    const way = (...words: string[]): Promise<Output> => lab.run('a', 'ip', '-6', 'route', 'get', ...words);
    const refused = await way(at('b', 2), 'from', stable('a'), 'iif', 'lo');
    const aside = await way('fd99::2', 'from', stable('a'), 'iif', 'lo');
    const plain = await openSession(lab, 'records', { listener: 'cn', connector: 'a', to: CN });
    await plain.connector.receives(500); // and so long, while the other session tries again
    expectIntact(await plain.end());
    await capture.stop();
    const seen = new Set((await capture.fields('ipv6', ['ipv6.src'])).flat());
    await capture.remove();

    expect(refused.stderr).toMatch(/No route to host/);
    expect(aside.stdout).toMatch(/dev other/);
    expect(seen).toContain('2001:db8:1::a00');
    expect(seen).not.toContain(stable('a'));

    await lab.start('a', { hosts: KNOWS_B, again: true });
    await session.connector.receives(50);
    expectIntact(await session.end());
    await lab.stop('a');
    await lab.ip('a', 'link del dev other');
    await expectAsBefore(lab, 'a', before);
  });
});

describe('an Identifier that the kernel uses itself', () => {
  test.each([
    ['the default one, where it makes such addresses', (text: string) => text.replace(/^nid: .*\n/m, '')],
    ['one that it has an address with', (text: string) => text.replace(/^nid: .*$/m, 'nid: 0:0:0:a00')],
  ])('%s is refused by --check and at the start, with another that would do', async (_, edit) => {
    await lab.start('a');
    await lab.stop('a');
    const file = `${lab.directory}/kernels.yaml`;
    writeFileSync(file, edit(readFileSync(`${lab.directory}/a.yaml`, 'utf8')));
    const before = await snapshot(lab, 'a');
    for (const more of [['--check'], []]) {
      const { code, stderr } = await ilnp('shim', '--config', file, ...more);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^ilnp: E_NID: expected .* that of eth0; write another into `nid`, such as the random "/m);
    }
    expect(await snapshot(lab, 'a')).toBe(before);
  });

  test('an address that it gets later takes the Locator away until it is gone', async () => {
    await lab.start('a', { hosts: KNOWS_B });
    expect(await lab.show('a', 'locators')).toHaveLength(1);
    await lab.ip('a', `addr add ${at('a', 1)}/64 dev eth0 nodad`);
    await until('no Locator', async () => (await lab.show<unknown[]>('a', 'locators')).length === 0);
    expect(lab.log('a')).toContain('the kernel has this address itself');
    await lab.ip('a', `addr del ${at('a', 1)}/64 dev eth0`);
    await until('the Locator', async () => (await lab.show<unknown[]>('a', 'locators')).length === 1);
  });
});

test('an end system is one hop, for everybody and for another end system: traceroute with UDP, ICMPv6 and TCP', async () => {
  await lab.start('a', { hosts: KNOWS_B });
  await lab.start('b');
  const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
  await session.connector.receives(20);
  for (const options of [[], ['-I'], ['-T']]) {
    const [far, near] = await Promise.all(['cn', 'b'].map((from) => traceroute(lab, from, at('a', 1), ...options)));
    expect(far).toEqual(['2001:db8:c::1', '2001:db8:f1::2', at('a', 1)]);
    expect(near).toEqual(['2001:db8:2::1', '2001:db8:f2::1', '2001:db8:f1::2', at('a', 1)]);
  }
  expectIntact(await session.end());
});

test('a border router in the same namespace is refused, and the end system goes on', async () => {
  const file = `${lab.directory}/border.yaml`;
  const words = [
    'site: site1',
    'uplinks: [{ name: isp1, interface: eth0, l64: "2001:db8:1::/64", via: "fe80::1" }]',
    'inside: [{ interface: lo, l64: "fd00:1::/64" }]',
    `control: { socket: ${lab.directory}/border.sock }`,
    `state: ${lab.directory}`,
  ];
  writeFileSync(file, words.join('\n'));
  await lab.start('a', { hosts: KNOWS_B });
  await lab.start('b');
  const running = await snapshot(lab, 'a');
  const { code, stderr } = await ilnp('sbr', '--config', file);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ilnp: E_RUNNING: expected a network namespace of its own/m);
  expect(await snapshot(lab, 'a')).toBe(running);
  const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
  await session.connector.receives(20);
  expectIntact(await session.end());
});
