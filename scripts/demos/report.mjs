/**
 * What the reports of the demos share: what probes and captures left in the folder of a demo, and how it is told.
 * Times are milliseconds since 1970, which namespaces of one machine share.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** How long after a move its consequences are looked for, when nobody says until when (`untilMs`) it was under way. */
const AFTERMATH_MS = 2500;

/** The folder of a demo, by the names scripts/demo gave. */
export function folder(directory) {
  const read = (name) => readFileSync(join(directory, name), 'utf8');
  const lines = (name) =>
    read(name)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  return {
    read,
    lines,
    octets: (name) => readFileSync(join(directory, name)),
    json: (name) => JSON.parse(read(name)),
    /** What a probe said last. */
    result: (name) => lines(`${name}.jsonl`).find((event) => event.event === 'result'),
    said: (name, what) => lines(`${name}.jsonl`).find((event) => event.event === what),
    /** The counters of TCP in a copy of /proc/net/snmp. */
    tcp(name) {
      const [names, values] = read(name)
        .split('\n')
        .filter((line) => line.startsWith('Tcp:'));
      return Object.fromEntries(names.split(' ').map((key, i) => [key, Number(values.split(' ')[i])]));
    },
  };
}

/** Frames of a capture (pcap, microseconds): when, how long on the wire, and the octets that were kept. */
export function* frames(file) {
  for (let o = 24; o + 16 <= file.length; o += 16 + file.readUInt32LE(o + 8)) {
    const kept = file.readUInt32LE(o + 8);
    const ms = file.readUInt32LE(o) * 1000 + file.readUInt32LE(o + 4) / 1000;
    yield { ms, octets: file.readUInt32LE(o + 12), frame: file.subarray(o + 16, o + 16 + kept) };
  }
}

const endOf = ({ toMs, untilMs }) => untilMs ?? toMs + AFTERMATH_MS;
const within = (ms, move) => ms > move.fromMs && ms < endOf(move);

/** The longest silence of a receiver that belongs to a move; 0: none worth telling. */
export function gapMs({ silences }, move) {
  const during = silences.filter(({ from, ms }) => from + ms > move.fromMs && from < endOf(move));
  return Math.round(during.reduce((longest, { ms }) => Math.max(longest, ms), 0));
}

/** Datagrams that belong to a move: those that never came, and those that came after later ones. */
export const lostAt = ({ holes }, move) => holes.reduce((sum, { ms, count }) => sum + (within(ms, move) ? count : 0), 0);
export const overtakenAt = ({ overtakenMs }, move) => overtakenMs.filter((ms) => within(ms, move)).length;

export const timeline = ({ firstMs, bucketMs, buckets }) => ({ firstMs, bucketMs, octets: buckets });

/**
 * Writes DIRECTORY.json and DIRECTORY.svg, tells the reader, and ends the program: 0 only if all `checks` hold.
 * `rows`: the first is the head; `summary`: a line.
 */
export function finish(directory, report, { svg, title, rows, summary }) {
  writeFileSync(`${directory}.json`, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(`${directory}.svg`, svg);
  const width = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  console.log(title);
  for (const row of rows) console.log(`   ${row.map((cell, column) => cell.padEnd(width[column])).join('   ').trimEnd()}`);
  console.log(`\n   ${summary}`);
  for (const [check, holds] of Object.entries(report.checks)) console.log(`   ${holds ? 'yes' : 'NO '}  ${check}`);
  const name = join('out/demo', basename(directory));
  console.log(`\n   ${name}.json, ${name}.svg; what probes and captures said: ${name}/`);
  console.log(report.lived ? '\nThe session lived.' : '\nTHE SESSION DID NOT LIVE.');
  process.exit(report.lived ? 0 : 1);
}
