/** What arbitrary octets are made from, per parser: inputs that are right. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemorySink } from '../../native-free/capture/octet-sink.ts';
import { PcapngWriter } from '../../native-free/capture/pcapng-writer.ts';
import { corpusFolder, isNamed, packetCorpus } from './corpus.ts';

let packets: readonly Uint8Array[] | undefined;
export const packetSamples = (): readonly Uint8Array[] =>
  (packets ??= packetCorpus()
    .filter(isNamed)
    .flatMap((file) => file.entries.map((entry) => entry.octets)));

let captures: readonly Uint8Array[] | undefined;
export function captureSamples(): readonly Uint8Array[] {
  if (captures !== undefined) return captures;
  const golden = join(corpusFolder(), '../../golden');
  const folders = readdirSync(golden, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = folders.map(({ name }) => new Uint8Array(readFileSync(join(golden, name, 'in.pcap'))));
  const sink = new MemorySink();
  const writer = new PcapngWriter(sink, [{ name: 'up0' }, { name: 'lan0', linkType: 1 }, { name: 'x', linkType: 276 }]);
  packetSamples().forEach((octets, k) => {
    const direction = k % 2 === 0 ? ('in' as const) : ('out' as const);
    writer.write({
      time: { seconds: 1700000000, nanoseconds: k },
      interface: k % 3,
      direction,
      octets: octets.slice(0, 120),
    });
  });
  captures = [...files.map((file) => file.slice(0, 3000)), sink.octets.slice(0, 4000)];
  return captures;
}

export const MESSAGES: readonly unknown[] = [
  [0],
  [1, { kind: 'move', nid: [0, 0xa1], to: 'site2', force: false }],
  [2, { kind: 'ready', nid: [0, 0xa1], to: 'site2' }],
  [10, { kind: 'foresee', nid: [0, 0xa1], to: 'site2', ms: 7000 }],
  [
    3,
    {
      kind: 'set',
      changes: [
        [0, 0xa1, 'site2', 3],
        [1, 2, 'site1', 2 ** 31 - 1],
      ],
    },
  ],
  [4, { kind: 'report', changes: [] }],
  [5, { kind: 'moved', from: 'site1', to: 'site2', epoch: 4, octets: 100, microseconds: 2000 }],
  [6, { kind: 'have', newer: [[0, 0xa1, 'site2', 5]], refused: [[0, 0xa2, 'E_UNKNOWN_NID']], letGo: 0 }],
  [7, { kind: 'error', code: 'E_STATE', message: 'no' }],
  [8, { kind: 'ready' }],
  [9, { kind: 'spoken', sessions: [[0, 0xa1, 0, 0xc0, 0x20010db8, 0xc0000, new Uint8Array(4), new Uint8Array(12)]] }],
  [2 ** 32, null, true, 1.5, -7, 2n ** 60n, new Uint8Array(20), 'ä'.repeat(40), { a: { b: { c: [[[]]] } } }],
];

export const MOVES = [
  '{"nid":"0:0:0:a1","at":"site2","epoch":3}',
  '{"nid":"0:0:0:a1","at":"site2","epoch":3,"active":["site1","site3"]}',
  '{"nid":"0+0+0+a1","at":"site2","epoch":2147483647,"settled":true}',
];

export const REQUESTS = [
  '{"id":1,"method":"move","params":{"nid":"0:0:0:a1","to":"site2","force":true}}',
  '{"id":"a","method":"bindings","params":{"after":100,"limit":1000}}',
  '{"method":"counters","params":{}}',
];

export const SITE = `site: site1
tun: { name: ilnp0, queues: 1, io: auto, offload: true }
network: auto
checksum: full
uplinks:
  - { name: isp1, interface: up0, l64: "2001:db8:1::/64", preference: 10, via: "fe80::1", onLink: false }
  - name: isp2
    interface: up1
    l64: 2001-db8-11-0
inside:  [{ interface: lan0, l64: "fd00:1::/64", gateway: "fe80::1", guests: ["fd00:9::/64"] }]
peers:   [{ site: site2, l64: "fd00:2::/64", interface: link0, via: "fd00:12::2", control: "[fd00:12::2]:6740" }]
bindings:
  - &one { nid: "0:0:0:a1", guest: "fd00:1::/64", home: site1, uplink: isp1, at: site1 }
  - { nid: ::b1, guest: "fd00:2::", home: site2, at: site1 }
subnets: [{ inside: "fd01:203:405::/48", outside: "2001:db8:5::/48", uplink: isp1 }]
control: { socket: /run/s.sock, listen: "[fd00:12::1%link0]:6740", keyFile: site.key }
icmp: { rate: 10, burst: 10 }
limits: { bindings: 1000, sessions: 64 }
log: { level: info }
`;
export const YAML = [
  '- ',
  ': ',
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '*one',
  '!!',
  '!x ',
  '|\n',
  '>-\n',
  '? ',
  '---\n',
  '...\n',
  '"',
  "'",
  '#',
  '<<: ',
  '%YAML 1.1\n',
  '__proto__: ',
  '~',
  '.nan',
  '0x10',
  '\t',
  '\ufeff',
];

export const BINDINGS = [
  '{"nid":"0:0:0:a1","guest":"fd00:1::/64","home":"site1","at":"site2"}\n',
  '{ "nid": "::b1", "guest": "fd00-1-0-0", "home": "site1", "uplink": "isp1", "at": "site1" }\n\n',
];

export function scenarioSamples(): readonly Uint8Array[] {
  const path = join(corpusFolder(), '../../../native-free/scenarios');
  return readdirSync(path).map((name) => new Uint8Array(readFileSync(join(path, name))));
}
