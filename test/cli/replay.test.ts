import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import type { Output } from '../../src/cli/output.ts';
import { registerReplay } from '../../src/cli/replay.ts';
import { enhanced, interfaceBlock, type Made, option, pcapOf, section, u32 } from '../support/capture-files.ts';
import { folderOf, siteYaml } from '../support/config-files.ts';
import { addressesOf, full, hasRightChecksum, ipv6, joined, tcp6, udp6 } from '../support/packets.ts';

const CN = '2001:db8:c::c0';
const SITE = siteYaml({
  bindings:
    '[{ nid: "0:0:0:a1", guest: "fd00:1::/64", home: site1, at: site1 }, { nid: "0:0:0:a2", guest: "fd00:1::/64", home: site1, at: site2 }, { nid: "0:0:0:b2", guest: "fd00:2::/64", home: site2, at: site1 }]',
});
const INBOUND = tcp6({ src: CN, dst: '2001:db8:1::a1' });

/** Runs the command on a capture; what it printed and wrote. `expectError`: gives the error instead of throwing it. */
async function replayed(capture: Uint8Array, options: readonly string[] = [], out = 'b.pcap') {
  const folder = folderOf({ 'site.yaml': SITE });
  writeFileSync(join(folder, 'a.pcap'), capture);
  let text = '';
  const output: Output = {
    write: async (part) => {
      text += part;
    },
  };
  const program = new Command('ilnp').exitOverride().configureOutput({ writeErr: () => {} });
  registerReplay(program, output);
  const files = ['--config', join(folder, 'site.yaml'), '--in', join(folder, 'a.pcap'), '--out', join(folder, out)];
  let error: unknown = null;
  try {
    await program.parseAsync(['replay', ...files, ...options], { from: 'user' });
  } catch (thrown) {
    error = thrown;
  }
  const frames = () => {
    const source = OctetSource.memory(readFileSync(join(folder, out)));
    return [...openCapture(source).frames()].map((f) => ({ ...f, octets: f.octets.slice() }));
  };
  return { text, error, frames, folder };
}

/** Side and decision of every packet. */
async function decisions(packets: readonly Uint8Array[], options: readonly string[] = []): Promise<string[]> {
  const { text } = await replayed(pcapOf(packets.map((octets) => ({ octets }))), ['--explain', '--json', ...options]);
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return lines.slice(0, -1).map(({ side, egress, decision }) => [side, egress ?? '-', decision].join(' '));
}

describe('ilnp replay', () => {
  test('writes what the border forwards, with the time it had, and prints the counters that are not zero', async () => {
    const { text, frames } = await replayed(pcapOf([{ octets: INBOUND, seconds: 77, fraction: 5 }]));
    const [frame] = frames();

    expect(text).toBe(
      '1 packets\noutside_packets_in  1\noutside_octets_in   68\ninside_packets_out  1\ninside_octets_out   68\nforwarded           1\n',
    );
    expect(frame).toMatchObject({ time: { seconds: 77, nanoseconds: 5000 }, interface: { linkType: 101 } });
    expect(addressesOf(frame!.octets)).toEqual({ src: full(CN), dst: full('fd00:1::a1') });
    expect(hasRightChecksum(frame!.octets)).toBe(true);
  });

  test('explains every packet in one line: number, time, side, decision and why', async () => {
    const { text } = await replayed(
      pcapOf([
        { octets: INBOUND, seconds: 1_700_000_000 },
        { octets: tcp6({ src: 'fd00:1::99', dst: '2001:db8:1::a1' }), seconds: 1_700_000_000, fraction: 4211 },
      ]),
      ['--explain', '--port', 'outside'],
    );

    expect(text.split('\n').slice(0, 2)).toEqual([
      '1  1700000000.000002  outside > inside  forwarded  TCP [2001:db8:c::c0]:443 > [2001:db8:1::a1]:50000, PSH ACK, 68 octets: destination 2001:db8:1::/64 (uplink isp1) becomes fd00:1::/64 (site1, guests), because 0:0:0:a1 is at home, site1',
      '2  1700000000.004211  outside  drop_spoofed_source  TCP [fd00:1::99]:443 > [2001:db8:1::a1]:50000, PSH ACK, 68 octets: from outside, with a source Locator of this site, its guests or its uplinks; source fd00:1::/64 (site1, guests), 0:0:0:99 has no binding, destination 2001:db8:1::/64 (uplink isp1), 0:0:0:a1 is at home, site1',
    ]);
  });

  test('says everything as JSON lines, the summary last', async () => {
    const { text } = await replayed(pcapOf([{ octets: INBOUND }]), ['--explain', '--json']);
    const [packet, summary] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

    expect(packet).toMatchObject({ number: 1, side: 'outside', egress: 'inside', decision: 'forwarded' });
    expect(summary).toMatchObject({
      packets: 1,
      otherFrames: 0,
      passedOver: 0,
      counters: { forwarded: 1, answered: 0 },
    });
  });

  test('without --port the side follows from the addresses', async () => {
    expect(
      await decisions([
        INBOUND,
        tcp6({ src: 'fd00:1::a1', dst: CN }), // a guest that is here
        tcp6({ src: 'fd00:1::a2', dst: CN }), // a guest of ours elsewhere, tagged by its far border
        tcp6({ src: CN, dst: 'fd00:1::b2' }), // for a guest of site 2 that is here, from its home border
        tcp6({ src: 'fd00:2::b1', dst: 'fd00:1::a1' }), // from another site
        tcp6({ src: CN, dst: 'fd00:1::a1' }), // nobody between borders sends that
      ]),
    ).toEqual([
      'outside inside forwarded',
      'inside outside forwarded',
      'site outside forwarded',
      'site inside forwarded',
      'site inside forwarded',
      'outside - drop_inside_destination',
    ]);
  });

  test('with --port every packet came from there', async () => {
    expect(await decisions([INBOUND, tcp6({ src: 'fd00:1::a1', dst: CN })], ['--port', 'inside'])).toEqual([
      'inside - drop_unknown_source',
      'inside outside forwarded',
    ]);
  });

  test('a pcapng that names its interfaces says the side; what has left already is passed over', async () => {
    const named = (name: string): number[] =>
      interfaceBlock('little', 101, option('little', 2, [...Buffer.from(name)]));
    const way = (direction: number): number[] => option('little', 2, u32('little', direction));
    const spoofed = tcp6({ src: 'fd00:1::a1', dst: '2001:db8:1::a1' }); // by its addresses it came from inside
    const capture = Uint8Array.from([
      ...[...section('little'), ...named('up0'), ...named('ilnp0'), ...named('eth7')],
      ...enhanced('little', { id: 0, octets: spoofed, options: way(1) }),
      ...enhanced('little', { id: 0, octets: spoofed, options: way(2) }),
      ...enhanced('little', { id: 1, octets: spoofed, options: way(2) }), // what is sent into a TUN comes to the border
      ...enhanced('little', { id: 1, octets: spoofed, options: way(1) }),
      ...enhanced('little', { id: 2, octets: spoofed }),
    ]);
    const { text } = await replayed(capture, ['--json', '--explain']);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

    expect(lines.slice(0, -1).map(({ number, side }) => [number, side])).toEqual([
      [1, 'outside'],
      [3, 'outside'],
      [5, 'inside'],
    ]);
    expect(lines.at(-1)).toMatchObject({ packets: 3, passedOver: 2 });
  });

  test('frames without IPv6 and packets of the link alone are counted, not forwarded', async () => {
    const mac = new Uint8Array(12);
    const ethernet = (type: number, octets: Uint8Array): Made => ({
      octets: joined(mac, Uint8Array.of(type >>> 8, type & 0xff), octets),
    });
    const { text, frames } = await replayed(
      pcapOf(
        [
          ethernet(0x0806, new Uint8Array(28)),
          ethernet(0x86dd, udp6({ src: 'fe80::1', dst: 'ff02::1' })),
          ethernet(0x86dd, INBOUND),
        ],
        { linkType: 1, order: 'big', magic: 0xa1b23c4d },
      ),
    );

    expect(text.split('\n')[0]).toBe(
      '1 packets; passed over: 1 frames without IPv6, 1 packets that do not reach the border',
    );
    expect(frames()).toHaveLength(1);
  });

  test('--out that ends in .pcapng keeps the side as an interface', async () => {
    const { frames } = await replayed(pcapOf([{ octets: INBOUND }]), [], 'b.pcapng');

    expect(frames()).toMatchObject([{ interface: { name: 'ilnp0-in' }, time: { seconds: 1, nanoseconds: 2000 } }]);
  });

  test('the border’s own errors come from the address that was given', async () => {
    const unknown = tcp6({ src: CN, dst: '2001:db8:1::dead' });
    const { frames } = await replayed(pcapOf([{ octets: unknown }]), ['--outside-address', '2001:db8:f1::2']);

    expect(addressesOf(frames()[0]!.octets)).toEqual({ src: full('2001:db8:f1::2'), dst: full(CN) });
    expect(hasRightChecksum(frames()[0]!.octets)).toBe(true);
  });

  test('a capture that ends within a packet: what came before is written and counted, then the place is named', async () => {
    const { text, error, frames } = await replayed(pcapOf([{ octets: INBOUND }, { octets: INBOUND }]).slice(0, -7));

    expect(error).toMatchObject({
      code: 'E_CAPTURE',
      message: expect.stringMatching(
        /a\.pcap: packet 2 at octet 108: expected 68 octets, got 61 and the end of the file$/,
      ),
    });
    expect(text).toMatch(/^1 packets\n/);
    expect(frames()).toHaveLength(1);
  });

  test.each([
    ['no capture', [], new TextEncoder().encode('hello, world'), 'E_CAPTURE'],
    ['a foreign link type', [], pcapOf([{ octets: INBOUND }], { linkType: 105 }), 'E_CAPTURE'],
    ['an address that is none', ['--inside-address', 'x'], pcapOf([]), 'E_USAGE'],
    ['a side that is none', ['--port', 'above'], pcapOf([]), 'commander.invalidArgument'],
  ])('%s is refused', async (_, options, capture, code) => {
    expect((await replayed(capture, options)).error).toMatchObject({ code });
  });

  test('a capture is never written over itself', async () => {
    const capture = pcapOf([{ octets: INBOUND }]);
    const { error, folder } = await replayed(capture, [], 'a.pcap');

    expect(error).toMatchObject({ code: 'E_USAGE' });
    expect(new Uint8Array(readFileSync(join(folder, 'a.pcap')))).toEqual(capture);
  });

  test('an empty packet, one without payload and the shortest frame are decided, not stumbled over', async () => {
    const none = ipv6({ src: CN, dst: '2001:db8:1::a1' }, 59, new Uint8Array(0));

    expect(await decisions([none, none.slice(0, 39), Uint8Array.of(0x60)], ['--port', 'outside'])).toEqual([
      'outside inside forwarded',
      'outside - drop_truncated',
      'outside - drop_truncated',
    ]);
  });
});
