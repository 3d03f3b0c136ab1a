/**
 * Makes the report of the demo of the border router from what its probes said.
 *
 *   node scripts/demos/border-report.mjs DIRECTORY yes|no     (yes: traffic arrived after every move)
 */
import { drawReport } from './picture.mjs';
import { finish, folder, frames, gapMs, lostAt, overtakenAt, timeline } from './report.mjs';

const [directory, trafficWentOn] = process.argv.slice(2);
const { lines, json, octets, result, tcp: tcpOf } = folder(directory);

const moves = lines('moves.jsonl');
const bulk = { cn: result('bulk-cn'), vm: result('bulk-vm') };
const requests = { cn: result('requests-cn'), vm: result('requests-vm') };
const udp = { cn: result('udp-cn'), vm: result('udp-vm') };

/** Octets and packets between the borders in a time span, link layer included. */
function captured(fromMs, toMs) {
  const during = [...frames(octets('signalling.pcap'))].filter(({ ms }) => ms >= fromMs && ms <= toMs);
  return { octets: during.reduce((sum, frame) => sum + frame.octets, 0), packets: during.length };
}

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
  onTheWire: captured(move.fromMs, move.toMs),
}));

const tcp = { cn: tcpOf('snmp-cn.txt'), vm: tcpOf('snmp-vm-a1.txt') };
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
  borders: { site1: json('counters-site1.json'), site2: json('counters-site2.json') },
  timeline: { bulkAtCorrespondent: timeline(bulk.cn), udpAtCorrespondent: timeline(udp.cn), udpAtVm: timeline(udp.vm) },
};

const svg = drawReport({
  title: 'One TCP session through two moves of the virtual machine',
  subtitle: `what the correspondent receives in bulk from the VM; ${requests.cn.requests} requests, ${resets} resets, all octets ${lived ? 'intact' : 'NOT intact'}`,
  command: 'sudo scripts/demo',
  bulk: report.timeline.bulkAtCorrespondent,
  udp: [
    { name: 'at the correspondent', ...report.timeline.udpAtCorrespondent },
    { name: 'at the VM', ...report.timeline.udpAtVm },
  ],
  marks: scenarios.map(({ move, atMs, gapSeenByCorrespondentMs, udpLost, signallingOctets }) => ({
    atMs,
    what: move,
    lines: [
      `gap: TCP ${gapSeenByCorrespondentMs.tcpBulk} ms, UDP ${gapSeenByCorrespondentMs.udp} ms`,
      `lost: ${udpLost.toCorrespondent + udpLost.toVm} datagrams`,
      `signalling: ${signallingOctets} octets`,
    ],
  })),
});

finish(directory, report, {
  svg,
  title: 'Seen by the correspondent:',
  rows: [
    ['', ...scenarios.map(({ move }) => move)],
    ['gap of the bulk transfer', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.tcpBulk} ms`)],
    ['gap of requests and answers', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.tcpRequests} ms`)],
    ['gap of UDP', ...scenarios.map((s) => `${s.gapSeenByCorrespondentMs.udp} ms`)],
    ['UDP lost, to correspondent / to VM', ...scenarios.map((s) => `${s.udpLost.toCorrespondent} / ${s.udpLost.toVm}`)],
    [
      'UDP reordered, to correspondent / to VM',
      ...scenarios.map((s) => `${s.udpReordered.toCorrespondent} / ${s.udpReordered.toVm}`),
    ],
    ['signalling between the borders', ...scenarios.map((s) => `${s.signallingOctets} octets`)],
    [
      '   on the wire, keep-alives included',
      ...scenarios.map((s) => `${s.onTheWire.octets} octets, ${s.onTheWire.packets} packets`),
    ],
  ],
  summary: `${report.session.seconds} s, ${(report.session.bulkOctets / 1e6).toFixed(0)} MB in bulk, ${report.session.requests} requests, ${resets} resets`,
});
