/**
 * Makes the report of the demo of end systems from what its programs, probes and the capture said.
 *
 *   node scripts/demos/shim-report.mjs DIRECTORY yes|no     (yes: traffic arrived after every hand-off)
 */
import { drawReport } from './picture.mjs';
import { finish, folder, frames, gapMs, lostAt, overtakenAt, timeline } from './report.mjs';

const ETHERNET = 14;
const IPV6 = 40;
const DESTINATION_OPTIONS = 60;
const ICMPV6 = 58;
const LOCATOR_UPDATE = 156;

const [directory, trafficWentOn] = process.argv.slice(2);
const { read, lines, json, octets, result, said, tcp: tcpOf } = folder(directory);

const moves = lines('moves.jsonl');
const records = { a: result('records-a'), b: result('records-b') };
const udp = { a: result('udp-a'), b: result('udp-b') };
const iperf = { a: json('iperf-a.json'), b: json('iperf-b.json') };

/** Offset of ICMPv6 in a frame, behind the header with the nonce if there is one; -1: not ICMPv6. */
function icmp(frame) {
  let next = frame[ETHERNET + 6];
  let at = ETHERNET + IPV6;
  if (next === DESTINATION_OPTIONS) {
    next = frame[at];
    at += 8 * (frame[at + 1] + 1);
  }
  return next === ICMPV6 && at < frame.length ? at : -1;
}

/** Locator Updates and acknowledgements, as octets of IPv6. */
const updates = [...frames(octets('signalling.pcap'))]
  .filter(({ frame }) => frame[icmp(frame)] === LOCATOR_UPDATE)
  .map(({ ms, octets, frame }) => ({ ms, octets: octets - ETHERNET, isAcknowledgement: frame[icmp(frame) + 5] === 2 }));

/** Belonging to hand-off `i`: until the next one begins. */
const updatesOf = (i) => updates.filter(({ ms }) => ms >= moves[i].fromMs && !(ms >= moves[i + 1]?.fromMs));
const sum = (list) => list.reduce((total, { octets }) => total + octets, 0);

const scenarios = moves.map((move, i) => ({
  move: move.what,
  how: move.how,
  atMs: move.fromMs,
  tookMs: move.toMs - move.fromMs,
  gapMs: {
    tcp: { atA: gapMs(records.a, move), atB: gapMs(records.b, move) },
    udp: { atA: gapMs(udp.a, move), atB: gapMs(udp.b, move) },
  },
  udpLost: { toA: lostAt(udp.a, move), toB: lostAt(udp.b, move) },
  udpReordered: { toA: overtakenAt(udp.a, move), toB: overtakenAt(udp.b, move) },
  signalling: {
    octets: sum(updatesOf(i)),
    packets: updatesOf(i).length,
    acknowledgements: updatesOf(i).filter((u) => u.isAcknowledgement).length,
  },
}));

const tcp = { a: tcpOf('snmp-a.txt'), b: tcpOf('snmp-b.txt') };
const resets = tcp.a.EstabResets + tcp.b.EstabResets + tcp.a.OutRsts + tcp.b.OutRsts;
const isWhole = (from, to) => to.corrupt === 0 && to.received === from.sent;
const sockets = [read('sockets-before.txt'), read('sockets-after.txt')];
const seen = {
  byA: { local: said('records-a', 'established').local, remote: said('records-a', 'established').remote },
  byB: { local: said('records-b', 'established').local, remote: said('records-b', 'established').remote },
};
// the client is ended by hand, and says so
const iperfFailed = iperf.a.error && !iperf.a.error.includes('terminated') ? iperf.a.error : null;
const iperfOctets = iperf.b.intervals.reduce((total, { sum }) => total + sum.bytes, 0);

const checks = {
  'traffic arrived after every hand-off': trafficWentOn === 'yes',
  'no TCP session was reset': resets === 0 && records.a.reset === null && records.b.reset === null,
  'every record arrived once, in order and intact': isWhole(records.a, records.b) && isWhole(records.b, records.a),
  'iperf3 went on to the end': iperfFailed === null && iperfOctets > 0,
  'UDP went on in both directions': udp.a.error === null && udp.b.error === null,
  'the programs saw the same addresses all the time': sockets[0] !== '' && sockets[0] === sockets[1],
  'the other end was told of every new Locator and acknowledged': scenarios.every((s) => s.signalling.acknowledgements > 0),
};
const lived = Object.values(checks).every(Boolean);

const report = {
  lived,
  checks,
  scenarios,
  session: {
    seconds: Math.round((records.a.lastMs - records.a.firstMs) / 100) / 10,
    programsSaw: seen,
    iperf3Octets: iperfOctets,
    records: { toA: records.a.received, toB: records.b.received },
    udpSent: { byA: udp.a.sent, byB: udp.b.sent },
    udpLost: { toA: udp.a.lost, toB: udp.b.lost },
    udpReordered: { toA: udp.a.overtaken, toB: udp.b.overtaken },
    udpDoubled: { toA: udp.a.doubled, toB: udp.b.doubled },
    tcpResets: resets,
    tcpSegmentsRetransmitted: { byA: tcp.a.RetransSegs, byB: tcp.b.RetransSegs },
    signallingOctets: sum(updates),
  },
  shims: { a: json('counters-a.json'), b: json('counters-b.json') },
  timeline: {
    iperf3AtB: {
      firstMs: Number(read('iperf.ms')),
      bucketMs: 100,
      octets: iperf.b.intervals.map(({ sum }) => Math.round((sum.bytes / sum.seconds) * 0.1)),
    },
    udpAtA: timeline(udp.a),
    udpAtB: timeline(udp.b),
  },
};

const both = ({ atA, atB }) => `${atA} / ${atB} ms`;
const amounts = ({ toA, toB }) => `${toA} / ${toB}`;
const signalling = ({ signalling: { octets, packets } }) => `${octets} octets, ${packets} packets`;

const svg = drawReport({
  title: 'One TCP session through two changes of site of an end system',
  subtitle: `what iperf3 receives from the host that moves, 100 Mbit/s; ${resets} resets, ${lived ? 'nothing missing' : 'NOT intact'}`,
  command: 'sudo scripts/demo shim',
  bulk: report.timeline.iperf3AtB,
  udp: [
    { name: 'at b, which stays', ...report.timeline.udpAtB },
    { name: 'at a, which moves', ...report.timeline.udpAtA },
  ],
  marks: scenarios.map((s) => ({
    atMs: s.atMs,
    what: s.move,
    lines: [
      `gap: TCP ${Math.max(s.gapMs.tcp.atA, s.gapMs.tcp.atB)} ms, UDP ${Math.max(s.gapMs.udp.atA, s.gapMs.udp.atB)} ms`,
      `lost: ${s.udpLost.toA + s.udpLost.toB} datagrams`,
      `signalling: ${s.signalling.octets} octets`,
    ],
  })),
});

finish(directory, report, {
  svg,
  title: 'a moves, b stays; seen at a / at b:',
  rows: [
    ['', ...scenarios.map(({ move }) => move)],
    ['gap of TCP, a record every ms', ...scenarios.map((s) => both(s.gapMs.tcp))],
    ['gap of UDP, a datagram every ms', ...scenarios.map((s) => both(s.gapMs.udp))],
    ['UDP lost', ...scenarios.map((s) => amounts(s.udpLost))],
    ['UDP reordered', ...scenarios.map((s) => amounts(s.udpReordered))],
    ['signalling on the wire', ...scenarios.map(signalling)],
  ],
  summary: [
    `${report.session.seconds} s, ${(iperfOctets / 1e6).toFixed(0)} MB by iperf3, ${records.a.received + records.b.received} records, ${resets} resets`,
    `programs of a saw ${seen.byA.local} to ${seen.byA.remote} all the time, those of b ${seen.byB.local} to ${seen.byB.remote}`,
    'gaps of 5 ms and less are not told; signalling is Locator Updates and their acknowledgements, as octets of IPv6',
  ].join('\n   '),
});
