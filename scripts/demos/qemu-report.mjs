/**
 * Makes the report of the demo of a live migration from what QEMU, the border, the probe and ping said.
 *
 *   node scripts/demos/qemu-report.mjs DIRECTORY yes|no     (yes: traffic arrived after the migration)
 */
import { drawReport } from './picture.mjs';
import { finish, folder, frames, gapMs, timeline } from './report.mjs';

const BUCKET_MS = 100;
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
  for (const [, seconds, field] of read('pings.txt').matchAll(/^\[([\d.]+)\] .*icmp_seq=(\d+)/gm)) {
    let number = Number(field) + Math.floor(highest / 0x10000) * 0x10000;
    if (number < highest - 0x8000) number += 0x10000;
    found.push({ ms: Number(seconds) * 1000, number, isLate: number < highest && !seen.has(number) });
    seen.add(number);
    highest = Math.max(highest, number);
  }
  return found;
}

const pings = answers();
const numbers = new Set(pings.map(({ number }) => number));
const sent = Math.max(...numbers);
const silences = pings.slice(1).map(({ ms }, k) => ({ from: pings[k].ms, ms: ms - pings[k].ms }));
const buckets = [];
for (const { ms } of pings) {
  const k = Math.floor((ms - pings[0].ms) / BUCKET_MS);
  buckets[k] = (buckets[k] ?? 0) + 64;
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
const checks = {
  'traffic arrived after the migration': trafficWentOn === 'yes',
  'no TCP session was reset': records.reset === null && tcp.EstabResets + tcp.OutRsts === 0,
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
  timeline: { recordsAtCorrespondent: timeline(records), pingsAtCorrespondent: { firstMs: pings[0].ms, bucketMs: BUCKET_MS } },
};

const inMs = (step) => (steps[step] === null ? '-' : `${((steps[step] - (steps.paused ?? 0)) / 1000).toFixed(1)} ms`);
const svg = drawReport({
  title: 'Live migration of a Linux guest by QEMU from site 1 to site 2',
  subtitle: `answers to ${sent} echo requests, one every millisecond; ${pinged.lost} lost, ${pinged.reordered} overtaken; ${records.received} TCP records, no reset`,
  command: 'sudo scripts/demo qemu',
  bulk: report.timeline.recordsAtCorrespondent,
  low: 'answers of the guest that arrive, one asked for every ms',
  udp: [{ name: 'at the correspondent', firstMs: pings[0].ms, bucketMs: BUCKET_MS, octets: Array.from(buckets, (n) => n ?? 0) }],
  marks: [
    {
      atMs: at('stopped'),
      what: 'QEMU stops the guest',
      lines: [
        `it stood still for ${pausedMs} ms`,
        `${packets.held} packets waited, ${packets.replayed} sent again, ${packets.lost} lost`,
        `${moved.octets} octets of signalling`,
      ],
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
