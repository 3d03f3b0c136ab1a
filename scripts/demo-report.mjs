/**
 * Makes the report of the demo from what its probes said: text for the reader, report.json, report.svg.
 * Exit code 0 only if every TCP session of the demo lived through both moves with all its octets.
 *
 *   node scripts/demo-report.mjs DIRECTORY yes|no     (yes: traffic arrived after every move)
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawReport } from './demo-picture.mjs';

const [directory, trafficWentOn] = process.argv.slice(2);
const read = (name) => readFileSync(join(directory, name), 'utf8');
const lines = (name) => read(name).trim().split('\n').map((line) => JSON.parse(line));
const result = (name) => lines(`${name}.jsonl`).find((event) => event.event === 'result');

/** How long after a move its consequences are looked for. */
const AFTERMATH_MS = 2500;

const moves = lines('moves.jsonl');
const bulk = { cn: result('bulk-cn'), vm: result('bulk-vm') };
const requests = { cn: result('requests-cn'), vm: result('requests-vm') };
const udp = { cn: result('udp-cn'), vm: result('udp-vm') };

/** Octets and packets of a capture in a time span, link layer included (pcap, microseconds). */
function captured(name, fromMs, toMs) {
  const file = readFileSync(join(directory, name));
  let octets = 0;
  let packets = 0;
  for (let o = 24; o + 16 <= file.length; o += 16 + file.readUInt32LE(o + 8)) {
    const ms = file.readUInt32LE(o) * 1000 + file.readUInt32LE(o + 4) / 1000;
    if (ms < fromMs || ms > toMs) continue;
    octets += file.readUInt32LE(o + 12);
    packets++;
  }
  return { octets, packets };
}

/** One line of /proc/net/snmp as an object. */
function tcpCounters(name) {
  const [names, values] = read(name).split('\n').filter((line) => line.startsWith('Tcp:'));
  return Object.fromEntries(names.split(' ').map((key, i) => [key, Number(values.split(' ')[i])]));
}

/** The longest silence of a receiver that belongs to a move. */
function gapMs({ silences }, { fromMs, toMs }) {
  const during = silences.filter(({ from, ms }) => from + ms > fromMs && from < toMs + AFTERMATH_MS);
  return Math.round(during.reduce((longest, { ms }) => Math.max(longest, ms), 0));
}

const within = (ms, { fromMs, toMs }) => ms > fromMs && ms < toMs + AFTERMATH_MS;
const lostAt = ({ holes }, move) => holes.reduce((sum, { ms, count }) => sum + (within(ms, move) ? count : 0), 0);
const overtakenAt = ({ overtakenMs }, move) => overtakenMs.filter((ms) => within(ms, move)).length;

const scenarios = moves.map((move) => ({
  move: move.what,
  atMs: move.fromMs,
  moveTookMs: move.toMs - move.fromMs,
  gapSeenByCorrespondentMs: {
    tcpBulk: gapMs(bulk.cn, move),
    tcpRequests: gapMs(requests.cn, move),
    udp: gapMs(udp.cn, move),
  },
  udpLost: { toCorrespondent: lostAt(udp.cn, move), toVm: lostAt(udp.vm, move) },
  udpReordered: { toCorrespondent: overtakenAt(udp.cn, move), toVm: overtakenAt(udp.vm, move) },
  // What the border says it asked and was answered for this move; beside it, everything between the borders on the wire in
  // that time, keep-alives and all headers included.
  signallingOctets: move.signallingOctets,
  onTheWire: captured('signalling.pcap', move.fromMs, move.toMs),
}));

const tcp = { cn: tcpCounters('snmp-cn.txt'), vm: tcpCounters('snmp-vm-a1.txt') };
const resets = tcp.cn.EstabResets + tcp.vm.EstabResets + tcp.cn.OutRsts + tcp.vm.OutRsts;
const checks = {
  'traffic arrived after every move': trafficWentOn === 'yes',
  'no TCP session was reset': resets === 0 && [bulk, requests].every(({ cn, vm }) => cn.reset === null && vm.reset === null),
  'all octets of the bulk transfer arrived intact': bulk.cn.received.sha256 === bulk.vm.sent.sha256,
  'every request had its answer': requests.cn.requests === requests.vm.requests,
  'UDP went on in both directions': udp.cn.error === null && udp.vm.error === null,
};
const lived = Object.values(checks).every(Boolean);

const report = {
  lived,
  checks,
  scenarios,
  session: {
    seconds: Math.round((bulk.cn.lastMs - bulk.cn.firstMs) / 100) / 10,
    bulkOctets: bulk.cn.received.octets,
    sha256: bulk.cn.received.sha256,
    requests: requests.cn.requests,
    requestRoundTripMs: requests.cn.roundTripMs,
    udpSent: { byCorrespondent: udp.cn.sent, byVm: udp.vm.sent },
    udpLost: { toCorrespondent: udp.cn.lost, toVm: udp.vm.lost },
    udpReordered: { toCorrespondent: udp.cn.overtaken, toVm: udp.vm.overtaken },
    udpDoubled: { toCorrespondent: udp.cn.doubled, toVm: udp.vm.doubled },
    tcpResets: resets,
    tcpSegmentsRetransmitted: { byCorrespondent: tcp.cn.RetransSegs, byVm: tcp.vm.RetransSegs },
  },
  borders: {
    site1: JSON.parse(read('counters-site1.json')),
    site2: JSON.parse(read('counters-site2.json')),
  },
  timeline: {
    bulkAtCorrespondent: timeline(bulk.cn),
    udpAtCorrespondent: timeline(udp.cn),
    udpAtVm: timeline(udp.vm),
  },
};

function timeline({ firstMs, bucketMs, buckets }) {
  return { firstMs, bucketMs, octets: buckets };
}

writeFileSync(join(directory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
writeFileSync(join(directory, 'report.svg'), drawReport(report));

const rows = [
  ['', ...scenarios.map(({ move }) => move)],
  ['gap of the bulk transfer', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.tcpBulk} ms`)],
  ['gap of requests and answers', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.tcpRequests} ms`)],
  ['gap of UDP', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.udp} ms`)],
  ['UDP lost, to correspondent / to VM', ...scenarios.map((s) => `${s.udpLost.toCorrespondent} / ${s.udpLost.toVm}`)],
  ['UDP reordered, to correspondent / to VM', ...scenarios.map((s) => `${s.udpReordered.toCorrespondent} / ${s.udpReordered.toVm}`)],
  ['signalling between the borders', ...scenarios.map((s) => `${s.signallingOctets} octets`)],
  ['   on the wire, keep-alives included', ...scenarios.map((s) => `${s.onTheWire.octets} octets, ${s.onTheWire.packets} packets`)],
];
const width = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
console.log('Seen by the correspondent:');
for (const row of rows) console.log(`   ${row.map((cell, column) => cell.padEnd(width[column])).join('   ')}`);
console.log(`
   ${report.session.seconds} s, ${(report.session.bulkOctets / 1e6).toFixed(0)} MB in bulk, ${report.session.requests} requests, ${resets} resets`);
for (const [check, holds] of Object.entries(checks)) console.log(`   ${holds ? 'yes' : 'NO '}  ${check}`);
console.log(`\n   ${join(directory, 'report.json')}, ${join(directory, 'report.svg')}`);
console.log(lived ? '\nThe session lived.' : '\nTHE SESSION DID NOT LIVE.');
process.exit(lived ? 0 : 1);
