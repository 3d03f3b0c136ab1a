/** Reports of moves as people read them: a line each, or one with its timeline. */
import { type MoveReport, STEPS, type Step } from '../sites/move-report.ts';

export const MOVE_COLUMNS = [
  'ID',
  'ASKED',
  'NID',
  'FROM',
  'TO',
  'OUTCOME',
  'PAUSE MS',
  'HELD MS',
  'PACKETS HELD',
  'LOST',
  'OCTETS',
  'BY',
] as const;

/** Columns are as wide as the header or the widest of the first rows, but never less than these. */
const WIDTH_MS = 'PAUSE MS'.length;
/** Characters of a timeline's longest bar. */
const BAR = 40;

const WORDS: Readonly<Partial<Record<Step, string>>> = {
  firstPacket: 'first packet at the new site',
  acknowledged: 'first update acknowledged',
};

/**
 * A line of the table. How long the guest stood still, as whoever asked has said; how long packets waited, from when they did at
 * every border concerned until home let go the last; octets of signalling between the borders.
 */
export function moveRow({ id, askedAt, nid, from, to, outcome, why, by, timeline, packets, octets }: MoveReport) {
  const { paused, resumed, held, released } = timeline;
  const asker = why === null ? by : `${by}; ${why}`;
  const times = [between(paused, resumed), between(held, released)];
  return [id, dateOf(askedAt), nid, from, to ?? '-', outcome, ...times, packets.held, packets.lost, octets, asker];
}

/** A move step by step: when, how long after the step before, and that as a bar; then what became of packets. */
export function timelineOf(report: MoveReport): string {
  const { id, nid, from, to, epoch, outcome, why, by, askedAt, packets, octets, updateOctets = 0 } = report;
  const way = outcome === 'moved' ? `from ${from} to ${to}` : `stays at ${from}`;
  const lines = [`${id}  ${nid} ${way}: ${outcome}, epoch ${epoch}`, `   asked ${dateOf(askedAt)} UTC by ${by}`];
  if (why !== null) lines.push(`   ${why}`);
  lines.push(...stepLines(report));
  const { held, lost, expired, replayed, sentOn } = packets;
  lines.push(
    `   packets: ${held} held, ${lost} lost, ${expired} let go too early, ${replayed} sent twice, ${sentOn} sent on by the old site`,
    `   signalling: ${octets} octets between the borders, ${updateOctets} to correspondents and back`,
  );
  return lines.join('\n');
}

function stepLines({ timeline }: MoveReport): string[] {
  const steps: [string, number][] = [['asked', 0]];
  for (const step of STEPS) if (timeline[step] !== null) steps.push([WORDS[step] ?? step, timeline[step]]);
  steps.sort(([, a], [, b]) => a - b);
  const start = steps[0]![1];
  // stragglers are waited for long after all is over
  const end = Math.max(...steps.filter(([step]) => step !== 'drained').map(([, time]) => time));
  const column = (time: number): number => Math.round(((time - start) / Math.max(1, end - start)) * BAR);
  const widest = Math.max(...steps.map(([step]) => step.length));
  return steps.map(([step, time], k) => {
    const before = steps[k - 1]?.[1];
    const head = `   ${inMs(time).padStart(10)} ms  ${step.padEnd(widest)}`;
    if (before === undefined) return head.trimEnd();
    const after = `  ${`+${inMs(time - before)}`.padStart(10)} ms`;
    if (time > end) return `${head}${after}`;
    const bar = '='.repeat(Math.max(1, column(time) - column(before)));
    return `${head}${after}  ${' '.repeat(column(before))}${bar}`;
  });
}

const between = (from: number | null, to: number | null): string =>
  (from === null || to === null ? '-' : ((to - from) / 1000).toFixed(1)).padStart(WIDTH_MS);

const inMs = (us: number): string => (us / 1000).toFixed(3);

const dateOf = (us: number): string => new Date(us / 1000).toISOString().slice(0, -1).replace('T', ' ');
