/** Draws a run: what arrives over time in each direction of each session, the moves marked, what each cost. */
import { COLOURS, DASHES, FAINT, type Frame, frame, LEFT, line, MARK, picture, RIGHT, text, WIDTH } from './chart.ts';
import { BUCKET_US } from './meter.ts';
import type { RunResult } from './run.ts';

const BUCKET_S = BUCKET_US / 1e6;
/** Moves whose marks get words; more would cover each other. */
const NAMED_MOVES = 7;
const LEGEND_ROW = 18;

interface Curve {
  readonly label: string;
  readonly octets: readonly number[];
}

/** Gives the picture of a run as SVG. */
export function drawRun(result: RunResult): string {
  const seconds = Math.max(1, Math.ceil(result.virtualSeconds - 0.11));
  const bulk = result.timeline.filter(({ label }) => label.startsWith('tcp'));
  const probes = result.timeline.filter(({ label }) => !label.startsWith('tcp'));
  const groups = [
    { curves: bulk, label: 'Mbit/s', title: 'TCP: data in order, as they arrive', scale: 8 / BUCKET_S / 1e6 },
    { curves: probes, label: 'kbit/s', title: 'Datagrams and echoes, as they arrive', scale: 8 / BUCKET_S / 1e3 },
  ].filter(({ curves }) => curves.length > 0);

  const named = result.moves.length <= NAMED_MOVES ? result.moves : [];
  const parts = [
    text(LEFT, 32, result.title, { size: 18, bold: true }),
    text(LEFT, 53, summaryOf(result), { size: 12, fill: FAINT }),
  ];
  let top = 76 + (named.length > 0 ? 16 : 0);
  for (const [k, move] of named.entries()) {
    const cost =
      move.state === 'done' ? `agreed in ${move.agreementMs.toFixed(0)} ms, ${move.octets} octets` : move.state;
    const words = `${k + 1}  ${(move.at / 1e6).toFixed(2)} s  ${move.guest}: ${move.from || 'nowhere'} to ${move.to}, ${cost}`;
    parts.push(text(LEFT, top, words, { size: 12, fill: MARK }));
    top += LEGEND_ROW;
  }
  top += named.length > 0 ? 14 : 4;
  const height = groups.length === 1 ? 330 : 220;
  for (const { curves, label, title, scale } of groups) {
    parts.push(text(LEFT, top, title, { size: 13, bold: true }));
    top += 8;
    for (const [i, curve] of curves.entries()) {
      top += i % 2 === 0 ? LEGEND_ROW : 0;
      parts.push(legend(i, curve.label, LEFT + (i % 2) * 420, top));
    }
    top += 24;
    const max = 1.1 * Math.max(0.001, ...curves.flatMap(({ octets }) => octets.map((value) => value * scale)));
    const panel = frame({ top, height, max, seconds, label });
    parts.push(panel.svg, ...marks(panel, result, named.length > 0));
    for (const [i, curve] of curves.entries()) parts.push(drawCurve(panel, curve, i, scale, seconds));
    top += height + 54;
  }
  parts.push(text(WIDTH - RIGHT, top - 14, 'virtual seconds', { size: 12, fill: FAINT, anchor: 'end' }));
  return picture(top + 4, parts);
}

function summaryOf(result: RunResult): string {
  const gap = Math.max(0, ...result.sessions.map((one) => one.gapMs));
  const lost = result.sessions.reduce((sum, one) => sum + one.lost, 0);
  const lived = result.sessions.filter((one) => one.lived).length;
  return [
    `${lived} of ${result.sessions.length} sessions lived`,
    `longest silence ${gap} ms`,
    `${lost} datagrams lost`,
    `${result.moves.length} moves`,
    `${result.controlOctets} octets of signalling`,
    `seed ${result.seed}`,
    `trace ${result.trace}`,
  ].join(' · ');
}

const strokeOf = (i: number): string => {
  const dash = DASHES[i % DASHES.length]!;
  return `stroke="${COLOURS[i % COLOURS.length]}" stroke-width="1.8"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`;
};

const legend = (i: number, label: string, x: number, y: number): string =>
  `<line x1="${x}" y1="${y - 4}" x2="${x + 28}" y2="${y - 4}" ${strokeOf(i)}/>${text(x + 36, y, label, { size: 12 })}`;

/** The lines of moves, with their numbers if they are named above. */
function marks({ top, height, x }: Frame, { moves }: RunResult, numbered: boolean): string[] {
  const opacity = moves.length > 30 ? ' stroke-opacity="0.25"' : '';
  return moves.flatMap(({ at }, k) => {
    const here = x(at / 1e6);
    const mark = line(here, top, here, top + height, MARK, ` stroke-dasharray="5 4" stroke-width="1.2"${opacity}`);
    return numbered ? [mark, text(here + 4, top + 12, String(k + 1), { size: 12, fill: MARK, bold: true })] : [mark];
  });
}

function drawCurve({ x, y }: Frame, { octets }: Curve, i: number, scale: number, seconds: number): string {
  const buckets = Math.round(seconds / BUCKET_S);
  const path: string[] = [];
  for (let k = 0; k < buckets; k++) {
    const value = (octets[k] ?? 0) * scale;
    path.push(`${k === 0 ? 'M' : 'L'}${x((k + 0.5) * BUCKET_S).toFixed(1)},${y(value).toFixed(1)}`);
  }
  return `<path d="${path.join('')}" fill="none" stroke-linejoin="round" ${strokeOf(i)}/>`;
}
