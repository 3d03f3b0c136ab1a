/**
 * The run as one SVG. Left: every row that has a floor, drawn on one logarithmic axis of "how far above the floor", so
 * that ratios of different kinds can be read with one look: left of the line is a miss, the diamond is the aim.
 * Right: what the variants did in absolute numbers.
 */
import { byRound, spread } from './ratios.mjs';
import { figure } from './report.mjs';

const WIDTH = 1180;
const LEFT = { labels: 20, bars: 290, width: 310, texts: 612 };
const RIGHT = { x: 805, labels: 108, width: 170 };
const ROW = 30;
const TOP = 96;
const AXIS = { least: 0.5, most: 4 };
const INK = { text: '#1f2933', quiet: '#6b7785', grid: '#e3e8ee', miss: '#c2372e', floor: '#d9a21b', aim: '#2f8f4e' };
const BAR = { ours: '#2767b0', other: '#b9c4d0' };

/** Absolute panels: [load, metric, title]. */
const PANELS = [
  ['tcp1', 'gbps', 'TCP, 1 stream, Gbit/s'],
  ['udp1', 'kpps', 'UDP 64 octets, 1 flow, kpps'],
  ['stress', 'kpps', 'UDP, 2 Mpps offered, kpps'],
  ['latency', 'p50Microseconds', 'paced latency p50, us'],
];

const escaped = (text) => `${text}`.replace(/&/g, '&amp;').replace(/</g, '&lt;');
const text = (x, y, content, { fill = INK.text, size = 13, anchor = 'start', weight = 'normal' } = {}) =>
  `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}">${escaped(content)}</text>`;
const rect = (x, y, width, height, fill) =>
  `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width).toFixed(1)}" height="${height}" fill="${fill}"/>`;
const line = (x1, y1, x2, y2, stroke, width = 1) =>
  `<line x1="${x1.toFixed(1)}" y1="${y1}" x2="${x2.toFixed(1)}" y2="${y2}" stroke="${stroke}" stroke-width="${width}"/>`;

/** How many times better than the floor; 0 of something that should be little is as good as the axis goes. */
function overFloor(value, { better, floor }) {
  if (better === 'higher') return value / floor;
  return value > 0 ? floor / value : AXIS.most;
}

function axisX(over) {
  const bounded = Math.min(AXIS.most, Math.max(AXIS.least, over));
  return LEFT.bars + (LEFT.width * Math.log(bounded / AXIS.least)) / Math.log(AXIS.most / AXIS.least);
}

function targetRow(row, y) {
  const { measured, verdict, floor, aim, unit } = row;
  const middle = y + ROW / 2;
  const suffix = unit === 'x' ? '' : ` ${unit}`;
  const bound = row.better === 'higher' ? 'at least' : 'at most';
  const limits = `${bound} ${floor}${aim === null ? '' : `, aim ${aim}`}${suffix}`;
  const parts = [text(LEFT.labels, middle + 4, row.title)];
  if (measured) {
    const ends = [measured.min, measured.max].map((value) => axisX(overFloor(value, row))).sort((a, b) => a - b);
    const reached = axisX(overFloor(measured.median, row));
    parts.push(rect(LEFT.bars, y + 7, reached - LEFT.bars, ROW - 14, verdict === 'missed' ? INK.miss : BAR.ours));
    parts.push(line(ends[0], middle, ends[1], middle, INK.text, 1.5));
    for (const x of ends) parts.push(line(x, middle - 4, x, middle + 4, INK.text, 1.5));
    const shown = `${figure(measured.median)}${suffix} (${figure(measured.min)}..${figure(measured.max)})`;
    parts.push(
      text(LEFT.texts, middle - 1, shown, { weight: 'bold', fill: verdict === 'missed' ? INK.miss : INK.text }),
    );
  } else {
    parts.push(text(LEFT.texts, middle - 1, 'not measured', { fill: INK.quiet }));
  }
  if (aim !== null) {
    const x = axisX(overFloor(aim, row));
    parts.push(`<path d="M ${x} ${middle - 8} l 6 8 l -6 8 l -6 -8 z" fill="${INK.aim}" stroke="#fff"/>`);
  }
  parts.push(text(LEFT.texts, middle + 11, limits, { size: 10.5, fill: INK.quiet }));
  return parts.join('\n');
}

function targets(rows) {
  const bottom = TOP + rows.length * ROW;
  const parts = [];
  for (const over of [0.5, 1, 2, 4]) {
    const x = axisX(over);
    parts.push(line(x, TOP - 6, x, bottom + 4, over === 1 ? INK.floor : INK.grid, over === 1 ? 2.5 : 1));
    const name = over === 1 ? 'floor' : over === AXIS.most ? `${over} x or more` : `${over} x floor`;
    parts.push(text(x, TOP - 12, name, { size: 11, anchor: 'middle', fill: over === 1 ? '#96700f' : INK.quiet }));
  }
  rows.forEach((row, i) => {
    parts.push(targetRow(row, TOP + i * ROW));
  });
  return { svg: parts.join('\n'), bottom };
}

function panel(results, [load, metric, title], variants, y) {
  const bars = variants
    .map((name) => ({ name, value: spread([...byRound(results, name, load, metric).values()]) }))
    .filter(({ value }) => value !== null);
  if (bars.length === 0) return { svg: '', bottom: y };
  const most = Math.max(...bars.map(({ value }) => value.max));
  const parts = [text(RIGHT.x, y, title, { weight: 'bold' })];
  bars.forEach(({ name, value }, i) => {
    const top = y + 8 + i * 18;
    const ours = name.startsWith('sbr');
    const scale = (v) => (RIGHT.width * v) / most;
    const from = RIGHT.x + RIGHT.labels;
    parts.push(text(from - 6, top + 12, name, { size: 12, anchor: 'end', weight: ours ? 'bold' : 'normal' }));
    parts.push(rect(from, top + 2, scale(value.median), 13, ours ? BAR.ours : BAR.other));
    parts.push(line(from + scale(value.min), top + 8.5, from + scale(value.max), top + 8.5, INK.text));
    parts.push(text(from + scale(value.max) + 6, top + 12, figure(value.median), { size: 12 }));
  });
  return { svg: parts.join('\n'), bottom: y + 8 + bars.length * 18 + 26 };
}

/** `record` is what run.mjs writes as JSON. */
export function picture({ machine, options, results, judged }) {
  const names = [...new Set(results.map((result) => result.variant))].filter((name) => name !== 'c-rewrite');
  const left = targets(judged.filter((row) => row.floor !== null));
  const parts = [left.svg];
  let y = TOP - 12;
  for (const shape of PANELS) {
    const drawn = panel(results, shape, names, y);
    parts.push(drawn.svg);
    y = drawn.bottom;
  }
  const height = Math.max(left.bottom + 46, y + 10);
  const when = `${machine.at.slice(0, 16).replace('T', ' ')} UTC, commit ${machine.commit}${machine.dirty ? ' + changes' : ''}`;
  const where = `Linux ${machine.kernel}, Node ${machine.node}, ${machine.processors} x ${machine.cpu}`;
  const how = `${options.rounds} interleaved rounds of ${options.seconds} s; bar: median, whisker: worst and best round`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">`,
    rect(0, 0, WIDTH, height, '#ffffff'),
    text(LEFT.labels, 32, 'ilnp sbr against its anchors', { size: 20, weight: 'bold' }),
    text(LEFT.labels, 52, `${when}; ${where}`, { size: 11.5, fill: INK.quiet }),
    ...parts,
    `<path d="M ${LEFT.bars} ${left.bottom + 16} l 6 8 l -6 8 l -6 -8 z" fill="${INK.aim}"/>`,
    text(LEFT.bars + 12, left.bottom + 28, `aim; ${how}`, { size: 11.5, fill: INK.quiet }),
    '</svg>',
    '',
  ].join('\n');
}
