/** Packets as tshark decodes them, field by field. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LINK_IPV6 } from '../../native-free/capture/capture.ts';
import { MemorySink } from '../../native-free/capture/octet-sink.ts';
import { PcapWriter } from '../../native-free/capture/pcap-writer.ts';

/** Values of every field in the order of the packet, those of a quoted packet behind those of the packet itself. */
export type Fields = Readonly<Record<string, readonly string[]>>;

export const FIELDS = [
  ...['frame.protocols', '_ws.malformed', '_ws.expert.message'],
  ...['ipv6.tclass', 'ipv6.flow', 'ipv6.plen', 'ipv6.nxt', 'ipv6.hlim', 'ipv6.src', 'ipv6.dst'],
  ...['ipv6.hopopts.nxt', 'ipv6.hopopts.len', 'ipv6.dstopts.nxt', 'ipv6.dstopts.len'],
  ...['ipv6.opt.type', 'ipv6.opt.length', 'ipv6.opt.ilnp_nonce', 'ipv6.opt.experimental'],
  ...['ipv6.routing.nxt', 'ipv6.routing.len', 'ipv6.routing.type', 'ipv6.routing.segleft'],
  ...['ipv6.fraghdr.nxt', 'ipv6.fraghdr.offset', 'ipv6.fraghdr.more', 'ipv6.fraghdr.ident'],
  ...['ah.next_header', 'ah.length', 'ah.spi', 'ah.sequence', 'ah.icv', 'esp.spi', 'esp.sequence'],
  ...['tcp.srcport', 'tcp.dstport', 'tcp.seq_raw', 'tcp.ack_raw', 'tcp.hdr_len', 'tcp.flags', 'tcp.window_size_value'],
  ...['tcp.checksum', 'tcp.checksum.status', 'tcp.urgent_pointer', 'tcp.option_kind'],
  ...['udp.srcport', 'udp.dstport', 'udp.length', 'udp.checksum', 'udp.checksum.status', 'data.data'],
  ...[
    'icmpv6.type',
    'icmpv6.code',
    'icmpv6.checksum',
    'icmpv6.checksum.status',
    'icmpv6.mtu',
    'icmpv6.pointer',
    'icmpv6.reserved',
  ],
  ...['icmpv6.echo.identifier', 'icmpv6.echo.sequence_number'],
  ...['icmpv6.nd.ns.target_address', 'icmpv6.nd.na.target_address', 'icmpv6.nd.rd.target_address'],
  ...['icmpv6.ilnp.nb_locs', 'icmpv6.ilnp.nb_locator', 'icmpv6.ilnp.nb_preference', 'icmpv6.ilnp.nb_lifetime'],
] as const;

const TSHARK = 'tshark'; // of the package of this name
const PREFERENCES = [
  ...['tcp.check_checksum:TRUE', 'udp.check_checksum:TRUE', 'udplite.check_checksum:TRUE'],
  // every packet by itself: no reassembly, no analysis of streams, no guess at what is above
  ...['ipv6.defragment:FALSE', 'tcp.analyze_sequence_numbers:FALSE', 'tcp.desegment_tcp_streams:FALSE'],
];
const DATA = ['tcp', 'udp'].map((protocol) => `${protocol}.port==0-65535,data`);

/** What to look for, and which dissectors go on behind the transport header. */
interface Question {
  readonly fields: readonly string[];
  readonly rules: readonly string[];
}
const PACKET: Question = { fields: FIELDS, rules: DATA };

/** Version of the tshark that is installed, or null. */
export function tsharkVersion(): string | null {
  const { status, stdout } = spawnSync(TSHARK, ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '?') : null;
}

/** Writes the packets as a capture with our writer, hands its path to `use`, and removes it. */
export function withCapture<T>(packets: readonly Uint8Array[], use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'ilnp-differential-'));
  try {
    const sink = new MemorySink();
    const writer = new PcapWriter(sink, { linkType: LINK_IPV6 });
    packets.forEach((octets, k) => {
      writer.write({ time: { seconds: 1_700_000_000 + k, nanoseconds: 0 }, octets });
    });
    const path = join(folder, 'packets.pcap');
    writeFileSync(path, sink.octets);
    return use(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What tshark sees, one entry per packet. */
export function dissect(packets: readonly Uint8Array[], { fields, rules }: Question = PACKET): Fields[] {
  return withCapture(packets, (path) => {
    const options = [
      ...PREFERENCES.flatMap((preference) => ['-o', preference]),
      ...rules.flatMap((rule) => ['-d', rule]),
      ...fields.flatMap((field) => ['-e', field]),
    ];
    const args = ['-n', '-r', path, '-T', 'json', ...options];
    const { status, stdout, stderr } = spawnSync(TSHARK, args, { encoding: 'utf8', maxBuffer: 1 << 29 });
    if (status !== 0) throw new Error(`tshark ended with ${status}: ${stderr}`);
    const frames = JSON.parse(stdout) as { readonly _source: { readonly layers: Fields } }[];
    if (frames.length !== packets.length) throw new Error(`tshark saw ${frames.length} of ${packets.length} packets`);
    return frames.map((frame) => frame._source.layers);
  });
}
