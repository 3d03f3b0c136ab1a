/** Two end systems that are configured otherwise than by default, judged by tshark and by the kernels of both ends. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { Capture } from './support/capture.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectSameOctets } from './support/sessions.ts';
import { at, shimLabForThisFile } from './support/shim-lab.ts';
import { until } from './support/wait.ts';

const lab = shimLabForThisFile();
const KNOWS_B = '0+0+0+b1  bob  2001-db8-2-0\n';

const counters = (host: 'a' | 'b') => lab.show<Record<string, number>>(host, 'counters');

afterEach(async () => {
  await lab.stop('a');
  await lab.stop('b');
  await lab.move('a', 1);
  await lab.move('b', 2);
});

describe('nonces of 12 octets', () => {
  // shows: W1, H8, H31
  test('with a peer of 4: a session lives through a change of site, super-packets stay whole', async () => {
    await lab.start('a', { hosts: KNOWS_B, more: ['nonce: 12'] });
    await lab.start('b');
    const capture = await Capture.start(lab, 'core', 'any', 'ip6');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await lab.move('a', 3);
    await session.connector.receives(100);
    expectIntact(await session.end());
    await capture.stop();
    const seen = await capture.fields('ipv6.opt.type == 0x8b', ['ipv6.src', 'ipv6.opt.length', 'ipv6.dstopts.len']);
    await capture.remove();
    const lengths = (from: string) => new Set(seen.filter(([src]) => src === from).map((row) => row.slice(1).join()));
    expect(lengths(at('a', 1))).toEqual(new Set(['12,1']));
    expect(lengths(at('a', 3))).toEqual(new Set(['12,1']));
    expect(lengths(at('b', 2))).toEqual(new Set(['4,0']));

    const before = await counters('a');
    const size = ['--send', '30000001'];
    const arguments_ = { listener: size, connector: size };
    const bulk = await openSession(lab, 'bulk', { listener: 'b', connector: 'a', to: at('b', 2) }, arguments_);
    expectSameOctets({ connector: await bulk.connector.result(60_000), listener: await bulk.listener.result(60_000) });
    const after = await counters('a');
    expect(30_000_001 / (after.packets_out! - before.packets_out!)).toBeGreaterThan(1400);
    expect(after).toMatchObject({ ilnp_without_nonce: 0, quotes_translated: before.quotes_translated });
  });

  // shows: H31
  test('on a path of 1400 octets a Packet Too Big reaches the program with room for the option', async () => {
    await lab.ip('core', 'link set dev s2 mtu 1400');
    await lab.ip('r2', 'link set dev up0 mtu 1400');
    try {
      await lab.start('a', { hosts: KNOWS_B, more: ['nonce: 12'] });
      await lab.start('b', { more: ['nonce: 12'] });
      const probe = 'test/netns/probes/dont_fragment.py';
      expect(Number(await lab.exec('a', '/usr/bin/python3', probe, at('b', 2), '9', '1390'))).toBe(1384);
    } finally {
      await lab.ip('core', 'link set dev s2 mtu 1500');
      await lab.ip('r2', 'link set dev up0 mtu 1500');
    }
  });
});

describe('checksums', () => {
  const VERIFY = ['-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'];
  const BAD = 'tcp.checksum.status == 0 && tcp.checksum != 0xffff';
  const GOOD = 'tcp.checksum.status == 1';
  const csumErrors = async (): Promise<number> =>
    Number(/Udp6InCsumErrors\s+(\d+)/.exec(await lab.exec('a', 'cat', '/proc/net/snmp6'))?.[1]);

  // shows: W15, W16
  test.each([
    ['full', 'full', true],
    ['zeroed', 'zeroed', false],
    ['zeroed', 'auto', false],
    ['full', 'auto', true],
  ])('%s to %s: programs are unmodified, tshark finds them right: %s', async (ofA, ofB, isRight) => {
    await lab.start('a', { hosts: KNOWS_B, more: [`checksum: ${ofA}`] });
    await lab.start('b', { more: [`checksum: ${ofB}`] });
    for (const host of ['a', 'b']) await lab.exec(host, 'ethtool', '-K', 'eth0', 'tx', 'off');
    const capture = await Capture.start(lab, 'core', 's1', 'ip6 and not icmp6');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(100);
    await session.listener.receives(100);
    const before = await csumErrors();
    const wrong = `IPv6(src="${at('b', 2)}", dst="${at('a', 1)}")/UDP(sport=5, dport=6, chksum=0x1234)/b"wrong"`;
    await lab.exec('cn', '/usr/bin/python3', 'test/netns/probes/send.py', wrong);
    await until('the kernel of a to drop it', async () => (await csumErrors()) === before + 1);
    expectIntact(await session.end());
    await capture.stop();
    const [good, bad] = [
      await capture.fields(GOOD, ['frame.number'], VERIFY),
      await capture.fields(BAD, ['frame.number'], VERIFY),
    ];
    await capture.remove();
    for (const host of ['a', 'b']) await lab.exec(host, 'ethtool', '-K', 'eth0', 'tx', 'on');

    const [most, none] = isRight ? [good, bad] : [bad, good];
    expect(most.length).toBeGreaterThan(200);
    expect(none).toEqual([]);
  });
});

describe('a restart of the shim', () => {
  test('killed at one end, ended at the other, in the middle of a session: it goes on with the same nonces', async () => {
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await until('the session on disk', () => existsSync(lab.state('a')) && statSync(lab.state('a')).size > 512);
    await lab.kill('a');
    await lab.start('a', { hosts: KNOWS_B, again: true });
    await session.connector.receives(100);
    await lab.stop('b');
    await lab.start('b', { again: true });
    await session.connector.receives(100);
    expectIntact(await session.end());

    for (const host of ['a', 'b'] as const) {
      expect(await counters(host)).toMatchObject({ drop_wrong_nonce: 0, correspondents_learned: 0 });
      expect(statSync(lab.state(host)).mode & 0o777).toBe(0o600);
      expect(lab.log(host)).toContain('sessions of an earlier run go on');
    }
  });

  test('with a damaged file it says so and begins anew; with a state that cannot be used it works without', async () => {
    writeFileSync(lab.state('a'), 'something else');
    await lab.start('a', { hosts: KNOWS_B, again: true });
    expect(lab.log('a')).toContain('the sessions of an earlier run cannot be read');
    await lab.stop('a');
    expect(statSync(lab.state('a')).size).toBeGreaterThanOrEqual(512);

    await lab.start('a', { hosts: KNOWS_B, state: '/proc/nothing' });
    await lab.start('b');
    expect(lab.log('a')).toContain('sessions are not remembered');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(20);
    expectIntact(await session.end());
    expect(await lab.stop('a')).toBe(0);
  });
});

describe('a peer on whose way packets with options are dropped', () => {
  const noOptions = (verb: string) =>
    lab.exec(
      'r2',
      'nft',
      verb === 'add'
        ? 'add table ip6 f; add chain ip6 f c { type filter hook forward priority 0; }; add rule ip6 f c exthdr dst exists drop'
        : 'delete table ip6 f',
    );

  // shows: H23, H24
  test('is found out by its silence: the same attempt to connect succeeds without, and it is remembered, also by the next run', async () => {
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    await noOptions('add');
    try {
      const to = at('b', 2);
      const first = await openSession(lab, 'records', { listener: 'b', connector: 'a', to });
      await first.connector.receives(20);
      expectIntact(await first.end());
      const { nonces_sent: sent, fallbacks } = await counters('a');
      expect(sent).toBeGreaterThanOrEqual(2); // SYNs at 0 s, 1 s, and where Linux repeats them evenly, 2 s
      expect(fallbacks).toBe(1);
      expect(await lab.show('a', 'sessions')).toMatchObject([{ nid: '0:0:0:b1', plain: true }]);

      for (const restarts of [false, true]) {
        if (restarts) {
          await lab.stop('a');
          await lab.start('a', { hosts: KNOWS_B, again: true });
        }
        const next = await openSession(lab, 'records', { listener: 'b', connector: 'a', to });
        await next.connector.receives(20);
        expectIntact(await next.end());
        expect(await counters('a')).toMatchObject(
          restarts ? { nonces_sent: 0, fallbacks: 0 } : { nonces_sent: sent, fallbacks },
        );
      }
    } finally {
      await noOptions('delete');
    }
  });

  // shows: H24
  test('is not what somebody beside the path can make of one: Parameter Problems that guess change nothing', async () => {
    await lab.start('a', { hosts: KNOWS_B });
    await lab.start('b');
    const quote = (nonce: string) =>
      `IPv6(src="${at('a', 1)}", dst="${at('b', 2)}", nh=60)/bytes.fromhex("06008b04${nonce}")/TCP(sport=1, dport=2)`;
    const forged = (src: string, nonce: string) =>
      `IPv6(src="${src}", dst="${at('a', 1)}")/ICMPv6ParamProblem(code=2, ptr=42)/${quote(nonce)}`;
    const guesses = ['00000000', 'ffffffff', '12345678'];
    const packets = guesses.flatMap((nonce) => [forged(at('b', 2), nonce), forged('2001:db8:f2::2', nonce)]);
    const send = () => lab.exec('cn', '/usr/bin/python3', 'test/netns/probes/send.py', ...packets);
    await send();
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(20);
    await send();
    await until('all of them', async () => {
      const { drop_quote_unknown: unknown, drop_forged_icmp: icmp } = await counters('a');
      return unknown! + icmp! === 2 * packets.length;
    });
    await session.connector.receives(20);
    expectIntact(await session.end());

    const { fallbacks, nonces_sent: nonces, packets_out: out } = await counters('a');
    expect({ fallbacks, nonces }).toEqual({ fallbacks: 0, nonces: out });
  });
});

describe('a key for Locator Updates', () => {
  const KEY = 'ab'.repeat(32);
  const OPTION = 'ipv6.opt.type == 0x1e';
  const sharedWith = (host: 'a' | 'b', authentication = 'optional'): string[] => {
    writeFileSync(`${lab.directory}/pair.key`, KEY, { mode: 0o600 });
    return [`peers: [{ nid: "0:0:0:${host}1", keyFile: pair.key, authentication: ${authentication} }]`];
  };

  test('at both ends: a session lives through changes of site, every update has its HMAC', async () => {
    await lab.start('a', { hosts: KNOWS_B, more: sharedWith('b', 'required') });
    await lab.start('b', { more: sharedWith('a', 'required') });
    const capture = await Capture.start(lab, 'core', 'any', 'ip6');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(50);
    await lab.move('a', 3);
    await session.connector.receives(50);
    await lab.stop('a');
    await lab.start('a', { hosts: KNOWS_B, more: sharedWith('b', 'required'), again: true });
    await session.connector.receives(50); // TCP has waited longer each time
    await lab.move('a', 1);
    await session.connector.receives(50);
    expectIntact(await session.end());
    await until('the acknowledgement', async () => (await counters('a')).updates_acknowledged! >= 1);
    await capture.stop();
    const updates = await capture.fields('icmpv6.type == 156', ['frame.number']);
    const authenticated = await capture.fields(`icmpv6.type == 156 && ${OPTION}`, ['frame.number']);
    await capture.remove();

    expect(updates.length).toBeGreaterThanOrEqual(4);
    expect(authenticated).toEqual(updates);
    for (const host of ['a', 'b'] as const)
      expect(await counters(host)).toMatchObject({ drop_unauthenticated_update: 0, drop_replayed_update: 0 });
    expect(JSON.stringify(await lab.show('a', 'config'))).not.toContain(KEY);
    expect(lab.log('a')).not.toContain(KEY);
  });

  test('at one end only: updates are those of RFC 6743, unless the key is required', async () => {
    await lab.start('a', { hosts: KNOWS_B, more: sharedWith('b') });
    await lab.start('b');
    const session = await openSession(lab, 'records', { listener: 'b', connector: 'a', to: at('b', 2) });
    await session.connector.receives(20);
    await lab.move('a', 3);
    await session.connector.receives(50);
    await until('the acknowledgement', async () => (await counters('a')).updates_acknowledged === 1);
    await lab.stop('a');
    await lab.start('a', { hosts: KNOWS_B, more: sharedWith('b', 'required'), again: true });
    await lab.move('b', 1);
    await until('the drop', async () => (await counters('a')).drop_unauthenticated_update! >= 1);
    expectIntact(await session.end()); // the nonce lets data through, and answers follow it

    expect(lab.log('a')).toContain('"drop":"drop_unauthenticated_update"');
  });
});
