/**
 * Makes the report of the demo of a live migration from what QEMU, the border, the probe and ping said.
 *
 *   node scripts/demos/qemu-report.mjs DIRECTORY yes|no     (yes: traffic arrived after the migration)
 */
import { drawMoves } from './picture.mjs';
import { finish, folder, frames, gapMs, timeline } from './report.mjs';

/** Requests of the half millisecond before the guest stopped may have been heard and are sent again. */
const DOUBLED_AT_MOST = 5;

const [directory, trafficWentOn] = process.argv.slice(2);
const { read, lines, octets, result, tcp: tcpOf } = folder(directory);

const [move] = lines('moves.jsonl');
const [moved] = lines('report.jsonl');
const records = result('records-cn');
const news = [...lines('follow-a.jsonl'), ...lines('follow-b.jsonl')];
const at = (kind) => Date.parse(news.find((n) => n.news === kind)?.at);

/** Answers of ping, in the order they came; the field for the number has 16 bits. */
function answers() {
  const found = [];
  const seen = new Set();
  let highest = 0;
  for (const [, seconds, field, tookMs] of read('pings.txt').matchAll(/^\[([\d.]+)\] .*icmp_seq=(\d+) .*time=([\d.]+) ms/gm)) {
    let number = Number(field) + Math.floor(highest / 0x10000) * 0x10000;
    if (number < highest - 0x8000) number += 0x10000;
    found.push({ ms: Number(seconds) * 1000, tookMs: Number(tookMs), number, isLate: number < highest && !seen.has(number) });
    seen.add(number);
    highest = Math.max(highest, number);
  }
  return found;
}

const pings = answers();
const numbers = new Set(pings.map(({ number }) => number));
const sent = Math.max(...numbers);
const silences = pings.slice(1).map(({ ms }, k) => ({ from: pings[k].ms, ms: ms - pings[k].ms }));

/** Requests and their answers; one that has none is dated by the one before it. */
function flights() {
  const first = new Map();
  for (const { number, ms, tookMs } of pings) if (!first.has(number)) first.set(number, { from: ms - tookMs, to: ms });
  const all = [];
  for (let number = 1; number <= sent; number++)
    all.push(first.get(number) ?? { from: (all.at(-1)?.from ?? pings[0].ms) + 1, to: null });
  return all;
}

const tcp = tcpOf('snmp-cn.txt');
const signalling = [...frames(octets('signalling.pcap'))].filter(({ ms }) => ms >= move.fromMs && ms <= move.toMs + 1500);
const pausedMs = Math.round((at('arrived') - at('stopped')) * 10) / 10;
const { packets, timeline: steps } = moved;

const pinged = {
  sent,
  lost: sent - numbers.size,
  doubled: pings.length - numbers.size,
  reordered: pings.filter(({ isLate }) => isLate).length,
  longestGapMs: gapMs({ silences }, move),
};
const NO_RESET = 'no TCP session was reset';
const checks = {
  'traffic arrived after the migration': trafficWentOn === 'yes',
  [NO_RESET]: records.reset === null && tcp.EstabResets + tcp.OutRsts === 0,
  'every record came back once, in order and intact': records.corrupt === 0,
  'not one echo request was lost': pinged.lost === 0,
  'not one was overtaken': pinged.reordered === 0,
  'none but those of the last moment was sent twice': pinged.doubled <= DOUBLED_AT_MOST,
};
const lived = Object.values(checks).every(Boolean);

const report = {
  lived,
  checks,
  guestPausedMs: pausedMs,
  migrationMs: move.toMs - move.fromMs,
  pings: pinged,
  records: { received: records.received, longestGapMs: gapMs(records, move), reset: records.reset },
  move: moved,
  signallingOnTheWire: { octets: signalling.reduce((sum, f) => sum + f.octets, 0), packets: signalling.length },
  timeline: { recordsAtCorrespondent: timeline(records) },
};

const inMs = (step) => (steps[step] === null ? '-' : `${((steps[step] - (steps.paused ?? 0)) / 1000).toFixed(1)} ms`);
const svg = drawMoves({
  title: 'Live migration of a Linux guest by QEMU from site 1 to site 2',
  subtitle: `${sent} echo requests, one every millisecond; ${pinged.lost} lost, ${pinged.reordered} overtaken; ${records.received} TCP records, ${checks[NO_RESET] ? 'no' : 'A'} reset`,
  command: 'sudo scripts/demo qemu',
  bulk: report.timeline.recordsAtCorrespondent,
  label: 'TCP records of the guest that arrive at the correspondent, one every 10 ms',
  legend: 'The move enlarged: a line leads from an echo request to its answer; marks are the steps that ilnp moves reports.',
  moves: [
    {
      atMs: at('stopped'),
      title: 'QEMU stops the guest, and it goes on at site 2',
      outcome: `${pinged.lost} lost, ${pinged.reordered} overtaken, gap ${pinged.longestGapMs} ms, ${moved.octets} octets of signalling`,
      good: pinged.lost + pinged.reordered === 0,
      report: moved,
      pause: { fromMs: at('stopped'), toMs: at('arrived') },
      lanes: [{ flights: flights(), from: 'request', to: 'answer', stops: true }],
    },
  ],
});

finish(directory, report, {
  svg,
  title: 'Seen by the correspondent:',
  rows: [
    ['', 'live migration'],
    ['the guest stood still (STOP to RESUME)', `${pausedMs} ms`],
    ['longest gap of echo replies', `${pinged.longestGapMs} ms`],
    ['longest gap of TCP records', `${report.records.longestGapMs} ms`],
    ['echo requests lost / overtaken / sent twice', `${pinged.lost} / ${pinged.reordered} / ${pinged.doubled}`],
    ['packets that waited / sent again / found no room', `${packets.held} / ${packets.replayed} / ${packets.lost}`],
    ['after the stop: guest runs, binding switched, first packet', ['resumed', 'committed', 'firstPacket'].map(inMs).join(', ')],
    ['signalling between the borders', `${moved.octets} octets`],
  ],
  summary: `${sent} echo requests, ${records.received} records, migration in ${report.migrationMs} ms`,
});
