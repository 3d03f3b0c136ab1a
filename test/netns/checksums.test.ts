/**
 * Checksums on the wire, judged by tshark, with all hardware offload off at the network cards, so that what is captured
 * is what would travel on a cable.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { CN, global, guest } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectSameOctets } from './support/sessions.ts';
import { traceroute } from './support/traceroute.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile('--nic-offload', 'off');
const SEND = 'test/netns/probes/send.py';
const VERIFY = ['-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE'];
/** Linux itself sends 0xffff where a sum is 0 (skb_checksum_help); to a receiver they are the same. */
const BAD =
  '(tcp.checksum.status == 0 && tcp.checksum != 0xffff) || udp.checksum.status == 0 || icmpv6.checksum.status == 0';
const SHOWN = [
  'frame.number',
  'frame.len',
  'ipv6.src',
  'ipv6.dst',
  'ipv6.nxt',
  'tcp.flags',
  'tcp.len',
  'tcp.checksum.status',
];
SHOWN.push('udp.checksum.status', 'icmpv6.checksum.status', 'icmpv6.type', 'icmpv6.code');
const good = (protocol: string) => `${protocol}.checksum.status == 1`;

describe.each([
  ['at home', 'host1'],
  ['away', 'site2'],
])('VM %s', (_where, place) => {
  beforeEach(() => lab.move('a1', place));

  // shows: P3
  test('UDP without a checksum stays without one, in both directions', async () => {
    const atVm = await Capture.start(lab, 'vm-a1', 'eth0', 'udp');
    const atCn = await Capture.start(lab, 'cn', 'eth0', 'udp');
    const datagram = (src: string, dst: string) =>
      `IPv6(src="${src}", dst="${dst}")/UDP(sport=5, dport=6, chksum=0)/b"none"`;
    await lab.exec('cn', '/usr/bin/python3', SEND, datagram(CN, global('a1')));
    await lab.exec('vm-a1', '/usr/bin/python3', SEND, datagram(guest('a1'), CN));
    await until('the datagram at the VM', () => atVm.count(`udp.dstport == 6 && ipv6.dst == ${guest('a1')}`));
    await until('the datagram at the correspondent', () => atCn.count(`udp.dstport == 6 && ipv6.dst == ${CN}`));
    await atVm.stop();
    await atCn.stop();

    const fields = ['ipv6.src', 'ipv6.dst', 'udp.checksum'];
    const vmGot = await atVm.fields(`udp.dstport == 6 && ipv6.dst == ${guest('a1')}`, fields);
    const cnGot = await atCn.fields(`udp.dstport == 6 && ipv6.dst == ${CN}`, fields);
    await atVm.remove();
    await atCn.remove();
    expect(vmGot).toEqual([[CN, guest('a1'), '0x0000']]);
    expect(cnGot).toEqual([[global('a1'), CN, '0x0000']]);
  });

  // shows: S4, S5
  test('TCP, UDP and ICMPv6 of every kind: no bad checksum at either end', async () => {
    const atVm = await Capture.start(lab, 'vm-a1', 'eth0');
    const atCn = await Capture.start(lab, 'cn', 'eth0');
    const ends = { listener: 'vm-a1', connector: 'cn', to: global('a1') };

    const size = ['--send', '5000001'];
    const bulk = await openSession(lab, 'bulk', ends, { listener: size, connector: size });
    expectSameOctets({ connector: await bulk.connector.result(), listener: await bulk.listener.result() });
    const datagrams = await openSession(lab, 'udp', ends, { listener: ['--size', '601'], connector: ['--size', '33'] });
    await datagrams.connector.receives(500);
    await datagrams.end();
    for (const octets of ['1', '64', '1300', '4000']) {
      await lab.exec('cn', 'ping', '-6', '-n', '-c', '3', '-i', '0.05', '-s', octets, global('a1'));
      await lab.exec('vm-a1', 'ping', '-6', '-n', '-c', '3', '-i', '0.05', '-s', octets, CN);
    }
    await traceroute(lab, 'cn', global('a1'));
    await traceroute(lab, 'vm-a1', CN);
    await atVm.stop();
    await atCn.stop();

    for (const capture of [atVm, atCn]) {
      const count = async (filter: string) => (await capture.fields(filter, ['frame.number'], VERIFY)).length;
      expect(await capture.fields(BAD, SHOWN, VERIFY)).toEqual([]);
      expect(await count(good('tcp'))).toBeGreaterThan(5000);
      expect(await count(good('udp'))).toBeGreaterThan(900);
      expect(await count(good('icmpv6'))).toBeGreaterThan(30);
      await capture.remove();
    }
  });
});
