/**
 * Unmodified programs on two end systems behind plain routers: sessions with nonces, judged by tshark, that live through
 * changes of site; plain IPv6 with everybody else; offload; Path MTU; and nothing left behind.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { TraceReply } from '../../src/host/messages.ts';
import { Capture } from './support/capture.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectNoLoss, expectSameOctets } from './support/sessions.ts';
import { at, CN, type HostName, shimLabForThisFile, stable } from './support/shim-lab.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const KNOWS_B = '0+0+0+b1  bob  2001-db8-2-0\n';
const SEND = 'test/netns/probes/send.py';
const NONCE = 'ipv6.opt.type == 0x8b';
const VERIFY = ['-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'];
const BAD =
  '(tcp.checksum.status == 0 && tcp.checksum != 0xffff) || udp.checksum.status == 0 || icmpv6.checksum.status == 0';

type Counters = Readonly<Record<string, number>>;
const counters = (host: HostName): Promise<Counters> => lab.show<Counters>(host, 'counters');
const drops = async (host: HostName): Promise<[string, number][]> =>
  Object.entries(await counters(host)).filter(([name, value]) => name.startsWith('drop_') && value > 0);

async function startBoth(): Promise<void> {
  await lab.start('a', { hosts: KNOWS_B });
  await lab.start('b');
}

afterEach(async () => {
  await lab.stop('a');
  await lab.stop('b');
  // the next case is another run, which has to wait before it tells routers that remember this one
  for (const router of ['r1', 'r2', 'r3']) await lab.ip(router, 'neigh flush dev lan0');
  // what came by advertisement would count down
  await lab.ip('a', 'route flush proto ra', 'addr flush dev eth0 scope global');
  for (const site of [1, 3]) await lab.ip('a', `route flush 2001:db8:${site}::/64 dev eth0`);
  await lab.move('a', 1);
  await lab.move('b', 2);
});

describe('two end systems', () => {
  test('answer each other an echo in many fragments', async () => {
    await startBoth();
    const ping = async (from: HostName, to: string): Promise<string> =>
      (await lab.run(from, 'ping', '-c', '2', '-i', '0.2', '-W', '2', '-s', '40000', to)).stdout;
    expect(await ping('a', at('b', 2))).toContain(' 2 received');
    expect(await ping('b', at('a', 1))).toContain(' 2 received');
    expect([...(await drops('a')), ...(await drops('b'))]).toEqual([]);
  });

  // shows: H7, H8, H20, H21
  test('every packet of a session has one nonce, one per direction, and a right checksum', async () => {
    await startBoth();
    for (const host of ['a', 'b']) await lab.exec(host, 'ethtool', '-K', 'eth0', 'tx', 'off');
    const capture = await Capture.start(lab, 'core', 's1', 'ip6 and not icmp6');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    const [here, there] = [await session.connector.said('established'), await session.listener.said('established')];
    await session.connector.receives(100);
    expectIntact(await session.end());
    await capture.stop();

    expect({ local: here.local, remote: here.remote }).toEqual({ local: stable('a'), remote: at('b', 2) });
    expect({ local: there.local, remote: there.remote }).toEqual({ local: stable('b'), remote: at('a', 1) });
    const seen = await capture.fields('tcp', ['ipv6.src', 'ipv6.dst', 'ipv6.opt.type', 'ipv6.opt.ilnp_nonce']);
    const bad = await capture.fields(BAD, ['frame.number'], VERIFY);
    await capture.remove();
    expect(seen.length).toBeGreaterThan(100);
    expect(new Set(seen.map(([, , option]) => option))).toEqual(new Set(['0x8b']));
    expect(new Set(seen.map(([src, dst]) => `${src} ${dst}`))).toEqual(
      new Set([`${at('a', 1)} ${at('b', 2)}`, `${at('b', 2)} ${at('a', 1)}`]),
    );
    const nonces = [...new Set(seen.map(([src, , , nonce]) => `${src} ${nonce}`))];
    expect(nonces).toHaveLength(2); // one per direction, the same all the time
    expect(bad).toEqual([]);
    expect([...(await drops('a')), ...(await drops('b'))]).toEqual([]);
  });

  // shows: H2, H4, H11, H16, H18
  test('a session lives through a change of site of one end, then of the other; each tells the other and is acknowledged', async () => {
    await startBoth();
    const capture = await Capture.start(lab, 'core', 'any', 'ip6');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await lab.move('a', 3);
    await session.connector.receives(100);
    await lab.move('b', 1);
    await session.connector.receives(100);
    await session.listener.receives(100);
    expectIntact(await session.end());
    await until('both acknowledgements', async () => {
      const [a, b] = [await counters('a'), await counters('b')];
      return a.updates_acknowledged === 1 && b.updates_acknowledged === 1;
    });
    await capture.stop();

    const updates = await capture.fields(`icmpv6.type == 156 && ${NONCE}`, ['ipv6.src', 'ipv6.dst']);
    const without = await capture.fields(`icmpv6.type == 156 && !(${NONCE})`, ['frame.number']);
    await capture.remove();
    const ways = new Set(updates.map(([src, dst]) => `${src} ${dst}`));
    expect(ways).toContain(`${at('a', 3)} ${at('b', 2)}`);
    expect(ways).toContain(`${at('b', 2)} ${at('a', 3)}`);
    expect(ways).toContain(`${at('b', 1)} ${at('a', 3)}`);
    expect(ways).toContain(`${at('a', 3)} ${at('b', 1)}`);
    expect(without).toEqual([]);
    const told = await lab.show<Record<string, unknown>[]>('a', 'updates');
    expect(told.map(({ way, state }) => `${way} ${state}`)).toEqual(['sent acknowledged', 'received taken']);
    expect(told[0]).toMatchObject({ nid: '0:0:0:b1', locators: [{ locator: '2001:db8:3::/64' }] });
  });

  test('a trace shows the next packets, before and after, and why', async () => {
    await startBoth();
    const { trace } = await lab.ask<{ trace: number }>('a', 'trace', { count: 4 });
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(10);
    const { packets, left } = await lab.ask<TraceReply>('a', 'traced', { trace });
    expectIntact(await session.end());

    expect([packets.length, left]).toEqual([4, 0]);
    const [first, second] = packets;
    expect(first).toMatchObject({
      way: 'out',
      verdict: 'ilnp',
      why: 'correspondent 0:0:0:b1, not heard yet, at 2001:db8:2::/64',
      before: { source: stable('a'), destination: at('b', 2), nonce: null },
      after: { source: at('a', 1), destination: at('b', 2), nonce: expect.stringMatching(/^[0-9a-f]{8}$/) },
    });
    expect(second).toMatchObject({
      way: 'in',
      why: 'nonce the first, Locator known, not proved: accepted, the nonce is kept',
      after: { destination: stable('a'), nonce: null },
    });
    expect(first?.after?.nonce).not.toBe(second?.before.nonce);
  });

  test('super-packets stay whole with a nonce in them', async () => {
    await startBoth();
    const size = ['--send', '60000001'];
    const bulk = await openSession(
      lab,
      'bulk',
      { listener: 'b', connector: 'a', to: at('b', 2) },
      { listener: size, connector: size },
    );
    expectSameOctets({ connector: await bulk.connector.result(60_000), listener: await bulk.listener.result(60_000) });

    const { packets_out: packets, nonces_sent: nonces, ilnp_without_nonce: without } = await counters('a');
    expect(nonces).toBe(packets);
    expect(without).toBe(0);
    expect(60_000_001 / packets!).toBeGreaterThan(1400);
    expect(await drops('a')).toEqual([]);
  });
});

describe('somebody without ILNP', () => {
  // shows: H9, H25
  test('gets plain IPv6, in both directions of opening', async () => {
    await lab.start('a');
    const capture = await Capture.start(lab, 'cn', 'eth0');
    const outward = await openSession(lab, 'records', { listener: 'cn', connector: 'a', to: CN });
    const inward = await openSession(lab, 'records', { listener: 'a', connector: 'cn', to: at('a', 1) });
    await outward.connector.receives(50);
    await inward.connector.receives(50);
    expectIntact(await outward.end());
    expectIntact(await inward.end());
    await capture.stop();

    const seen = await capture.fields('tcp', ['ipv6.nxt']);
    await capture.remove();
    expect(seen.length).toBeGreaterThan(100);
    expect(new Set(seen.flat())).toEqual(new Set(['6']));
  });

  // shows: H23
  test('is found out by its Parameter Problem: the same attempt to connect succeeds without', async () => {
    await lab.start('a', { hosts: '0+0+0+c0  2001-db8-c-0\n' });
    const session = await openSession(lab, 'records', { listener: 'cn', connector: 'a', to: CN });
    await session.connector.receives(20);
    expectIntact(await session.end());

    expect(await counters('a')).toMatchObject({ nonces_sent: 1, fallbacks: 1 });
  });

  // shows: H12, H15
  test('who says a Locator is that of a correspondent, without its nonce, is not heard', async () => {
    await startBoth();
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(20);
    const forged = `IPv6(src="2001:db8:c::b1", dst="${at('a', 1)}")/UDP(sport=5, dport=6)/b"forged"`;
    const update = `IPv6(src="2001:db8:c::b1", dst="${at('a', 1)}")/ICMPv6Unknown(type=156, code=0, msgbody=b"\\x01\\x01\\0\\0"+b"\\x20"*12)`;
    await lab.exec('cn', '/usr/bin/python3', SEND, forged, update);
    await until('both drops', async () => (await drops('a')).length === 2);
    await session.connector.receives(20);
    expectIntact(await session.end());

    expect(await drops('a')).toEqual([
      ['drop_unknown_locator', 1],
      ['drop_forged_update', 1],
    ]);
    expect(lab.log('a')).toMatch(
      /"drop":"drop_unknown_locator","count":1,"source":"2001:db8:c::b1",.*"destinationPort":6/,
    );
  });
});

describe('on a path narrower than its ends', () => {
  // shows: H14, H31
  test.each([1400, 1280])('of %i octets a Packet Too Big reaches the program, and TCP goes through', async (mtu) => {
    await lab.ip('core', `link set dev s2 mtu ${mtu}`);
    await lab.ip('r2', `link set dev up0 mtu ${mtu}`);
    try {
      await startBoth();
      const said = await lab.exec(
        'a',
        '/usr/bin/python3',
        'test/netns/probes/dont_fragment.py',
        at('b', 2),
        '9',
        '1390',
      );
      expect(Number(said)).toBe(Math.max(1280, mtu - 8));
      const size = ['--send', '3000001'];
      const args = { listener: size, connector: size };
      const bulk = await openSession(lab, 'bulk', { listener: 'b', connector: 'a', to: at('b', 2) }, args);
      expectSameOctets({
        connector: await bulk.connector.result(30_000),
        listener: await bulk.listener.result(30_000),
      });
    } finally {
      await lab.ip('core', 'link set dev s2 mtu 1500');
      await lab.ip('r2', 'link set dev up0 mtu 1500');
    }
  });
});

describe('Router Advertisements', () => {
  const advertise = (site: number, valid: number, preferred: number) =>
    lab.exec(
      `r${site}`,
      '/usr/bin/python3',
      'test/netns/probes/advertise.py',
      'lan0',
      `fe80::${site}`,
      `2001:db8:${site}::`,
      String(valid),
      String(preferred),
    );
  const first = async () => (await lab.show<Record<string, unknown>[]>('a', 'locators'))[0];

  test('are where Locators come from and go to, while this node forwards', async () => {
    await lab.ip('a', 'addr flush dev eth0 scope global', 'route del default');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    expect(await lab.show('a', 'locators')).toEqual([]);
    await advertise(1, 1800, 600);
    await until('the Locator of site 1', async () => (await first())?.locator === '2001:db8:1::/64');
    expect(await first()).toMatchObject({ interface: 'eth0', gateway: 'fe80::1', preference: 10 });

    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await lab.ip('air', 'link set dev eth0-a master lan3');
    await advertise(3, 1800, 600);
    await lab.ip('a', 'route del default via fe80::1 dev eth0'); // as when the router of site 1 is found unreachable
    await until('the Locator of site 3', async () => (await first())?.locator === '2001:db8:3::/64');
    await session.connector.receives(100);
    expectIntact(await session.end());
  });
});

describe('two interfaces', () => {
  beforeAll(() => lab.plug('a', 3, 'eth1'));

  // shows: H29, H33
  test('UDP loses nothing and is not overtaken while a host goes over to the other one, make before break', async () => {
    await lab.start('a', { hosts: KNOWS_B, interfaces: ['eth0', 'eth1'] });
    await lab.start('b');
    const session = await openSession(lab, 'udp', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(200);
    await lab.configure('a', 3, 'eth1', 20);
    await until('two Locators', async () => (await lab.show<unknown[]>('a', 'locators')).length === 2);
    await session.connector.receives(200);
    await lab.ip('a', 'addr change 2001:db8:1::a00/64 dev eth0 preferred_lft 0'); // deprecated: still usable
    await until('the other one first', async () => {
      const [first] = await lab.show<{ locator: string }[]>('a', 'locators');
      return first?.locator === '2001:db8:3::/64';
    });
    await session.connector.receives(200);
    await lab.ip('a', 'addr flush dev eth0 scope global');
    await session.connector.receives(200);

    expectNoLoss(await session.end());
    const [peer] = await lab.show<{ locators: { locator: string; state: string }[] }[]>('b', 'sessions');
    expect(peer?.locators).toEqual([{ locator: '2001:db8:3::/64', preference: 10, state: 'active' }]);
  });

  test('twenty soft hand-offs in a row: no datagram lost, doubled or overtaken, every update acknowledged', async () => {
    await lab.ip('a', 'addr flush dev eth1 scope global');
    await lab.configure('a', 3, 'eth1', 20);
    await lab.start('a', { hosts: KNOWS_B, interfaces: ['eth0', 'eth1'] });
    await lab.start('b');
    const session = await openSession(lab, 'udp', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(100);
    const [site1, site3] = ['2001:db8:1::a00/64 dev eth0', '2001:db8:3::a00/64 dev eth1'];
    for (let k = 0; k < 20; k++) {
      const [from, to] = k % 2 === 0 ? [site1, site3] : [site3, site1];
      await lab.ip('a', `addr change ${to} preferred_lft forever`, `addr change ${from} preferred_lft 0`);
      await session.connector.receives(50);
    }

    expectNoLoss(await session.end());
    const { updates_sent: sent, updates_acknowledged: acknowledged } = await counters('a');
    expect(acknowledged).toBeGreaterThanOrEqual(20);
    expect(acknowledged).toBeLessThanOrEqual(sent!);
    await lab.ip('a', 'addr flush dev eth1 scope global');
  });
});

describe('the node', () => {
  test('is as it was after SIGTERM', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    expect(await snapshot(lab, 'a')).not.toBe(before);

    expect(await lab.stop('a')).toBe(0);
    await expectAsBefore(lab, 'a', before);
  });

  test('is as it was after a second shim, of another name and TUN, was refused; SIGHUP does not end the first', async () => {
    const before = await snapshot(lab, 'a');
    await lab.ip('a', 'link add other type veth peer name far', 'link set dev other up', 'link set dev far up');
    await lab.ip('a', 'addr add fd99::1/64 dev other nodad');
    await lab.start('a', { hosts: KNOWS_B });
    const running = await snapshot(lab, 'a');
    const second = `${lab.directory}/second.yaml`;
    const text = readFileSync(`${lab.directory}/a.yaml`, 'utf8')
      .replace('node: a', 'node: second\ntun: { name: ilnp9 }')
      .replace('a.sock', 'second.sock');
    writeFileSync(second, text);

    await expect(lab.exec('a', process.execPath, 'dist/cli/main.js', 'shim', '--config', second)).rejects.toThrow(
      'E_RUNNING: expected a network namespace of its own, got one where another ilnp sbr or ilnp shim runs',
    );
    const { pid } = (await lab.show<{ running: { pid: number } }>('a', 'config')).running;
    process.kill(pid, 'SIGHUP');
    await until('a word about SIGHUP', () => lab.log('a').includes('SIGHUP'));
    expect(await snapshot(lab, 'a')).toBe(running);

    expect(await lab.stop('a')).toBe(0);
    await lab.ip('a', 'link del dev other');
    await expectAsBefore(lab, 'a', before);
  });

  test('is as it was when somebody has deleted the TUN, which ends the shim by name', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.ip('a', 'link del dev ilnp0');

    expect(await lab.ended('a')).toBe(1);
    expect(lab.log('a')).toContain('ilnp: E_TUN: reading from the TUN failed: somebody has deleted the device');
    await expectAsBefore(lab, 'a', before);
  });

  test('is as it was when the shim was killed and the next one has ended', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.kill('a');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.stop('a');

    await expectAsBefore(lab, 'a', before);
  });

  test('is as it was when its settings cannot be written, which ends the shim by name', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.stop('a');
    const readOnly = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys';
    const shim = `exec timeout 10 ${process.execPath} dist/cli/main.js shim --config ${lab.directory}/a.yaml`;
    const { code, stderr } = await lab.run('a', 'unshare', '-m', 'sh', '-c', `${readOnly} && ${shim}`);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/E_NETWORK: \/proc\/sys.*EROFS/) });

    await expectAsBefore(lab, 'a', before);
  });

  test('is as it was even when the folder with the journal of a killed shim is gone', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.kill('a');
    await lab.exec('a', 'sh', '-c', `rm ${lab.directory}/end-system-*.undo; sysctl -qw net.ipv6.conf.all.forwarding=0`);
    await lab.exec('a', 'sysctl', '-qw', 'net.ipv6.conf.eth0.proxy_ndp=0', 'net.ipv6.conf.eth0.accept_ra=1');
    await lab.exec('a', 'sysctl', '-qw', 'net.ipv6.neigh.eth0.proxy_delay=80');
    await lab.start('a', { hosts: KNOWS_B });
    await lab.stop('a');

    await expectAsBefore(lab, 'a', before);
  });

  test('gets its rules and routes back when somebody removes them or puts the TUN down', async () => {
    const before = await snapshot(lab, 'a');
    await lab.start('a', { hosts: KNOWS_B });
    const running = await snapshot(lab, 'a');
    const words = () => lab.log('a').split('they were put back').length - 1;

    await lab.ip('a', 'link set dev ilnp0 down');
    await until('the first repair', () => words() >= 1);
    await expectAsBefore(lab, 'a', running);

    await lab.ip('a', 'rule flush', 'rule add lookup main priority 32766 protocol kernel');
    await lab.ip('a', 'addr add 2001:db8:1::abc/64 dev eth0 nodad', 'addr del 2001:db8:1::abc/64 dev eth0'); // makes it look
    await until('the second repair', () => words() >= 2);
    await expectAsBefore(lab, 'a', running);

    expect(await lab.stop('a')).toBe(0);
    await expectAsBefore(lab, 'a', before);
  });

  test('is no router for others, though its kernel forwards', async () => {
    await lab.start('a');
    const capture = await Capture.start(lab, 'cn', 'eth0', 'udp');
    const [, mac] = /link\/ether (\S+)/.exec(await lab.exec('a', 'ip', 'link', 'show', 'dev', 'eth0')) ?? [];
    await lab.ip('r1', `neigh replace fe80::aaaa lladdr ${mac} dev lan0`);
    await lab.ip('r1', `route add ${CN}/128 via fe80::aaaa dev lan0`);
    const stray = `IPv6(src="2001:db8:1::1", dst="${CN}")/UDP(sport=5, dport=6)/b"stray"`;
    await lab.exec('r1', '/usr/bin/python3', SEND, stray);
    await lab.ip('r1', `route del ${CN}/128 via fe80::aaaa dev lan0`);
    await lab.exec('r1', '/usr/bin/python3', SEND, stray.replace('sport=5', 'sport=7'));
    await until('the other one', async () => (await capture.count('udp.srcport == 7')) === 1);
    await capture.stop();
    const seen = await capture.fields('udp', ['udp.srcport']);
    await capture.remove();

    expect(seen).toEqual([['7']]);
  });

  test('speaks with the neighbours of another interface as before', async () => {
    await lab.ip(
      'a',
      'link add other type veth peer name far',
      'link set dev other up',
      'link set dev far up',
      'addr add fd99::1/64 dev other',
    );
    await lab.start('a');
    const get = async (to: string): Promise<string> => lab.exec('a', 'ip', '-6', 'route', 'get', to);
    const [other, wide] = [await get('fd99::2'), await get(CN)];
    await lab.ip('a', 'link del dev other');
    await until('the routes without it', async () => (await get('fd99::2')).includes('ilnp0'));

    expect(other).toMatch(/dev other .*src fd99::1 /);
    expect(wide).toMatch(/dev ilnp0 .*src fd00:a::a1 /);
  });

  test('speaks with its own addresses as before', async () => {
    await lab.start('a');
    const session = await openSession(lab, 'records', {
      listener: 'cn',
      connector: 'a',
      to: CN,
      from: '2001:db8:1::a00',
    });
    await session.connector.receives(20);
    expectIntact(await session.end());

    expect(await counters('a')).toMatchObject({ packets_out: 0, packets_in: 0 });
  });
});
