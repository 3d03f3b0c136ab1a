/** Draws the report of a demo: throughput over time with the moves marked, below it datagrams, or each move enlarged. */
import { drawStrip, spanOf } from './strip.mjs';
import { BLUE, card, FAINT, GRID, INK, LEFT, line, MARK, numbered, ORANGE, RIGHT, roundStep, text, WIDTH } from './svg.mjs';

const TOP_PANEL = { top: 158, height: 230 };
const LOW_PANEL = { top: 466, height: 130 };
const HEIGHT = 682;

/** Pixels: where moves are enlarged there is a lower panel above them. */
const SMALL_PANEL = { top: 116, height: 130 };
const STRIPS_TOP = 344;
const STRIPS_APART = 26;
/** Moves of which none took so many times as long as another are drawn in one scale. */
const ALIKE = 2;

/** Points (seconds since `startMs`, value) of a timeline; the last, incomplete bucket is left out. */
function points({ firstMs, bucketMs, octets }, startMs, value) {
  return octets.slice(0, -1).map((amount, i) => [(firstMs - startMs + i * bucketMs) / 1000, value(amount), bucketMs / 1000]);
}

/** A line of steps, one per bucket. */
function steps(series, x, y) {
  const path = series.map(([s, v, d], i) => `${i === 0 ? 'M' : 'L'}${x(s).toFixed(1)},${y(v).toFixed(1)}H${x(s + d).toFixed(1)}`);
  return path.join('');
}

function frame({ top, height }, { max, x, seconds, label }) {
  const y = (value) => top + height - (value / max) * height;
  const step = roundStep(max, height > 150 ? 5 : 3);
  const parts = [];
  for (let value = 0; value <= max + 1e-9; value += step) {
    parts.push(line(LEFT, y(value), WIDTH - RIGHT, y(value), value === 0 ? FAINT : GRID));
    parts.push(text(LEFT - 8, y(value) + 4, String(Number(value.toFixed(3))), { size: 12, fill: FAINT, anchor: 'end' }));
  }
  for (let s = 0; s <= seconds; s++) {
    parts.push(line(x(s), top + height, x(s), top + height + 5, FAINT));
    parts.push(text(x(s), top + height + 19, String(s), { size: 12, fill: FAINT, anchor: 'middle' }));
  }
  const middle = top + height / 2;
  parts.push(text(24, middle, label, { anchor: 'middle', turn: ` transform="rotate(-90 24 ${middle})"` }));
  return { y, svg: parts.join('\n') };
}

/** A filled line of steps. */
const area = (series, { x, y }) =>
  `<path d="${steps(series, x, y)}V${y(0)}H${x(series[0][0]).toFixed(1)}Z" fill="${BLUE}" fill-opacity="0.18"/>
<path d="${steps(series, x, y)}" fill="none" stroke="${BLUE}" stroke-width="1.8"/>`;

const megabits = (bulk, startMs) => points(bulk, startMs, (octets) => (octets * 8) / bulk.bucketMs / 1000);
const highest = (...series) => Math.max(...series.flat().map(([, v]) => v));
const across = (...series) => {
  const seconds = Math.max(...series.flat().map(([s, , d]) => s + d));
  return { seconds, x: (s) => LEFT + (s / seconds) * (WIDTH - LEFT - RIGHT) };
};
const DASHES = ' stroke-dasharray="5 4" stroke-width="1.5"';
const since = (panel) =>
  text((LEFT + WIDTH - RIGHT) / 2, panel.top + panel.height + 42, 'seconds since the sessions began', { size: 12, fill: FAINT, anchor: 'middle' });
const head = (title, subtitle) => [text(28, 34, title, { size: 19, weight: 'bold' }), text(28, 57, subtitle, { fill: FAINT })];

/**
 * Throughput, and each move enlarged below it. `bulk`: timeline of octets; `moves`: for `drawStrip`, each with `atMs`; those that took about as long are drawn in one scale. `legend`: what the lines are.
 */
export function drawMoves({ title, subtitle, command, bulk, label, moves, legend }) {
  const series = megabits(bulk, bulk.firstMs);
  const { seconds, x } = across(series);
  const panel = frame(SMALL_PANEL, { max: highest(series) * 1.1, x, seconds, label: 'Mbit/s' });
  const parts = [...head(title, subtitle), panel.svg, area(series, { x, y: panel.y })];
  parts.push(text(LEFT, SMALL_PANEL.top - 22, label, { size: 12 }));
  moves.forEach(({ atMs }, k) => {
    const at = x((atMs - bulk.firstMs) / 1000);
    parts.push(line(at, SMALL_PANEL.top, at, SMALL_PANEL.top + SMALL_PANEL.height, INK, DASHES), numbered(at, SMALL_PANEL.top, k + 1));
  });
  parts.push(since(SMALL_PANEL), text(28, STRIPS_TOP - 24, legend, { size: 12, fill: FAINT }));

  const lengths = moves.map(({ report, pause }) => spanOf(report, pause).ms);
  const scaleOf = (k) => Math.max(...lengths.filter((ms) => ms < ALIKE * lengths[k]));
  let top = STRIPS_TOP;
  moves.forEach((move, k) => {
    const strip = drawStrip(top, { ...move, number: k + 1, ms: scaleOf(k) });
    parts.push(strip.svg);
    top += strip.height + STRIPS_APART;
  });
  parts.push(text(28, top - 6, command, { size: 11, fill: FAINT }));
  return card(Math.ceil(top + 8), parts);
}

/**
 * Throughput over datagrams. `bulk`: timeline of octets; `udp`: one or two timelines of datagrams, each with its `name`;
 * `marks`: what happened, with three lines about it; `command`: what made this.
 */
export function drawReport({ title, subtitle, command, bulk, udp, marks }) {
  const startMs = Math.min(bulk.firstMs, ...udp.map(({ firstMs }) => firstMs));
  const datagram = 64; // octets of one datagram of the UDP probe
  const upper = megabits(bulk, startMs);
  const [one, other] = udp.map((series) => points(series, startMs, (octets) => octets / datagram));
  const { seconds, x } = across(upper, one, other);
  const top = frame(TOP_PANEL, { max: highest(upper) * 1.1, x, seconds, label: 'Mbit/s' });
  const low = frame(LOW_PANEL, { max: highest(one, other) * 1.2, x, seconds, label: 'per 100 ms' });

  const drawn = marks.map(({ atMs, what, lines }, i) => {
    const at = x((atMs - startMs) / 1000);
    const small = { size: 12, fill: MARK, anchor: 'middle' };
    return [
      line(at, TOP_PANEL.top - 14, at, TOP_PANEL.top + TOP_PANEL.height, MARK, DASHES),
      line(at, LOW_PANEL.top, at, LOW_PANEL.top + LOW_PANEL.height, MARK, DASHES),
      text(at, TOP_PANEL.top - 70, `${i + 1}. ${what}`, { ...small, size: 13, weight: 'bold' }),
      ...lines.map((words, k) => text(at, TOP_PANEL.top - 53 + 16 * k, words, small)),
    ].join('\n');
  });
  return card(HEIGHT, [
    ...head(title, subtitle),
    top.svg,
    area(upper, { x, y: top.y }),
    text(LEFT, LOW_PANEL.top - 24, 'UDP datagrams that arrive, one sent every ms each way', { weight: 'bold' }),
    legendAt(-364, BLUE, ' stroke-width="2.5"', udp[0].name),
    legendAt(-184, ORANGE, ' stroke-width="2.5" stroke-dasharray="6 3"', udp[1].name),
    low.svg,
    `<path d="${steps(one, x, low.y)}" fill="none" stroke="${BLUE}" stroke-width="1.8"/>`,
    `<path d="${steps(other, x, low.y)}" fill="none" stroke="${ORANGE}" stroke-width="1.8" stroke-dasharray="6 3"/>`,
    since(LOW_PANEL),
    text(WIDTH - RIGHT, HEIGHT - 18, command, { size: 11, fill: FAINT, anchor: 'end' }),
    ...drawn,
  ]);
}

/** A stroke and what it stands for; `from`: to the left of the right edge. */
const legendAt = (from, colour, stroke, name) =>
  line(WIDTH + from, LOW_PANEL.top - 28, WIDTH + from + 28, LOW_PANEL.top - 28, colour, stroke) +
  text(WIDTH + from + 34, LOW_PANEL.top - 24, name, { size: 12 });
