/**
 * Makes the report of the demos of the border router from what probes and the borders said.
 *
 *   node scripts/demos/border-report.mjs DIRECTORY yes|no     (yes: traffic arrived after every move)
 *
 * moves.jsonl: a line for each move, what, how and when; reports.jsonl: what the border says of them, by who asked (`how`).
 */
import { basename } from 'node:path';
import { drawMoves } from './picture.mjs';
import { finish, folder, frames, gapMs, lostAt, overtakenAt, timeline } from './report.mjs';
import { flightsOf } from './strip.mjs';

const [directory, trafficWentOn] = process.argv.slice(2);
const { lines, json, octets, result, said, tcp: tcpOf } = folder(directory);

const reports = lines('reports.jsonl');
const moves = lines('moves.jsonl').map(({ paused, resumed, ...move }) => {
  const pause = paused ? { fromMs: paused * 1000, toMs: resumed * 1000 } : null;
  const report = reports.find(({ by }) => by.startsWith(`${move.how} at `));
  // not from when the command began to start
  const fromMs = Math.min(report.askedAt / 1000, pause?.fromMs ?? Number.POSITIVE_INFINITY);
  // a busy machine may reorder datagrams at any time: what comes after stragglers were waited for is none of the move's
  const { drained } = report.timeline;
  return { ...move, fromMs, untilMs: drained === null ? undefined : (report.askedAt + drained) / 1000, pause, report };
});
const bulk = { cn: result('bulk-cn'), vm: result('bulk-vm') };
const requests = { cn: result('requests-cn'), vm: result('requests-vm') };
const udp = { cn: result('udp-cn'), vm: result('udp-vm') };
const each = { cn: said('udp-cn', 'each'), vm: said('udp-vm', 'each') };

/** Octets and packets between the borders in a time span, link layer included. */
function captured(fromMs, toMs) {
  const during = [...frames(octets('signalling.pcap'))].filter(({ ms }) => ms >= fromMs && ms <= toMs);
  return { octets: during.reduce((sum, frame) => sum + frame.octets, 0), packets: during.length };
}

const scenarios = moves.map((move) => {
  const stoodStillMs = move.pause ? Math.round((move.pause.toMs - move.pause.fromMs) * 10) / 10 : 0;
  const udpGapMs = gapMs(udp.cn, move);
  return {
    move: move.what,
    how: move.how,
    atMs: move.fromMs,
    moveTookMs: move.toMs - move.fromMs,
    stoodStillMs,
    gapSeenByCorrespondentMs: { tcpBulk: gapMs(bulk.cn, move), tcpRequests: gapMs(requests.cn, move), udp: udpGapMs },
    beyondThePauseMs: Math.max(0, Math.round((udpGapMs - stoodStillMs) * 10) / 10),
    udpLost: { toCorrespondent: lostAt(udp.cn, move), toVm: lostAt(udp.vm, move) },
    udpReordered: { toCorrespondent: overtakenAt(udp.cn, move), toVm: overtakenAt(udp.vm, move) },
    // What the borders asked and were answered for this move; beside it, everything between the borders on the wire in that
    // time, keep-alives and all headers included.
    signallingOctets: move.report.octets,
    onTheWire: captured(move.fromMs, move.toMs),
    report: move.report,
  };
});
const both = ({ toCorrespondent, toVm }) => toCorrespondent + toVm;
const planned = scenarios.filter(({ how }) => how !== 'plain');

const tcp = { cn: tcpOf('snmp-cn.txt'), vm: tcpOf('snmp-vm-a1.txt') };
const resets = tcp.cn.EstabResets + tcp.vm.EstabResets + tcp.cn.OutRsts + tcp.vm.OutRsts;
const INTACT = 'all octets of the bulk transfer arrived intact';
const checks = {
  'traffic arrived after every move': trafficWentOn === 'yes',
  'no TCP session was reset': resets === 0 && [bulk, requests].every(({ cn, vm }) => cn.reset === null && vm.reset === null),
  [INTACT]: bulk.cn.received.sha256 === bulk.vm.sent.sha256,
  'every request had its answer': requests.cn.requests === requests.vm.requests,
  'UDP went on in both directions': udp.cn.error === null && udp.vm.error === null,
  'no datagram was lost where packets waited': planned.every(({ udpLost }) => both(udpLost) === 0),
  'none was overtaken there': planned.every(({ udpReordered }) => both(udpReordered) === 0),
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

/** What a gap is made of; silences of 5 ms and less are not told. */
const gapOf = ({ gapSeenByCorrespondentMs: { udp: gap }, stoodStillMs, beyondThePauseMs }) => {
  if (gap === 0) return '< 5 ms';
  return stoodStillMs === 0 ? `${gap} ms` : `pause + ${beyondThePauseMs.toFixed(0)} ms`;
};
const amounts = ({ toCorrespondent, toVm }) => `${toCorrespondent} / ${toVm}`;
const outcome = (s) =>
  `${both(s.udpLost)} lost, ${both(s.udpReordered)} overtaken, gap ${gapOf(s).replace('pause', '= pause')}, ${s.signallingOctets} octets of signalling`;

const scenario = basename(directory);
const svg = drawMoves({
  title: `One TCP session through ${['no', 'one', 'two', 'three'][moves.length]} moves of a virtual machine`,
  subtitle: `${requests.cn.requests} requests answered, ${resets} resets, all octets ${checks[INTACT] ? 'intact' : 'NOT intact'}; UDP every millisecond in both directions`,
  command: `sudo scripts/demo${scenario === 'border' ? '' : ` ${scenario}`}`,
  bulk: report.timeline.bulkAtCorrespondent,
  label: 'what the correspondent receives from the VM over TCP',
  legend: 'Each move enlarged: a line is a datagram on its way, from when it was sent to when it arrived; marks are the steps that ilnp moves reports.',
  moves: moves.map((move, k) => ({
    atMs: move.fromMs,
    title: move.what,
    outcome: outcome(scenarios[k]),
    good: both(scenarios[k].udpLost) + both(scenarios[k].udpReordered) === 0,
    report: move.report,
    pause: move.pause,
    lanes: [
      { flights: flightsOf(each.cn, each.vm), from: 'correspondent', to: 'VM', stops: true },
      { flights: flightsOf(each.vm, each.cn), to: 'correspondent' },
    ],
  })),
});

const row = (name, of) => [name, ...scenarios.map(of)];
finish(directory, report, {
  svg,
  title: 'Seen by the correspondent:',
  rows: [
    row('', (s) => s.move),
    row('the VM stood still', (s) => (s.stoodStillMs === 0 ? '-' : `${s.stoodStillMs.toFixed(0)} ms`)),
    row('gap of UDP', gapOf),
    row('gap of the bulk transfer', (s) => `${s.gapSeenByCorrespondentMs.tcpBulk} ms`),
    row('gap of requests and answers', (s) => `${s.gapSeenByCorrespondentMs.tcpRequests} ms`),
    row('UDP lost, to correspondent / to VM', (s) => amounts(s.udpLost)),
    row('UDP overtaken, to correspondent / to VM', (s) => amounts(s.udpReordered)),
    row('packets that waited', (s) => `${s.report.packets.held}`),
    row('signalling between the borders', (s) => `${s.signallingOctets} octets`),
    row('   on the wire, keep-alives included', (s) => `${s.onTheWire.octets} octets, ${s.onTheWire.packets} packets`),
  ],
  summary: `${report.session.seconds} s, ${(report.session.bulkOctets / 1e6).toFixed(0)} MB in bulk, ${report.session.requests} requests, ${resets} resets`,
});
