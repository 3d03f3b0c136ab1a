/** Draws the report of a demo: throughput and datagrams over time, with the moves marked. One SVG, no script, no font. */

const WIDTH = 960;
const LEFT = 82;
const RIGHT = 24;
const INK = '#1f2933';
const FAINT = '#6b7785';
const GRID = '#e3e8ee';
const BLUE = '#1f6fb5';
const ORANGE = '#cc6a12';
const MARK = '#b3261e';

const TOP_PANEL = { top: 158, height: 230 };
const LOW_PANEL = { top: 466, height: 130 };
const HEIGHT = 682;

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const text = (x, y, words, { size = 13, fill = INK, anchor = 'start', weight = 'normal', turn = '' } = {}) =>
  `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}" text-anchor="${anchor}" font-weight="${weight}"${turn}>${escape(words)}</text>`;

const line = (x1, y1, x2, y2, stroke, more = '') => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"${more}/>`;

/** A round step that gives at most `count` grid lines up to `max`. */
function roundStep(max, count) {
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

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

/**
 * Gives the picture as SVG text. `bulk`: timeline of octets; `udp`: one or two timelines of datagrams, each with its `name`;
 * `marks`: what happened, with three lines about it; `command`: what made this.
 */
export function drawReport({ title, subtitle, command, bulk, udp, marks, low: lowTitle = 'UDP datagrams that arrive, one sent every ms each way' }) {
  const startMs = Math.min(bulk.firstMs, ...udp.map(({ firstMs }) => firstMs));
  const datagram = 64; // octets of one datagram of the UDP probe
  const upper = points(bulk, startMs, (octets) => (octets * 8) / bulk.bucketMs / 1000);
  const [one, other = []] = udp.map((series) => points(series, startMs, (octets) => octets / datagram));

  const all = [...upper, ...one, ...other];
  const seconds = Math.max(...all.map(([s, , d]) => s + d));
  const x = (s) => LEFT + (s / seconds) * (WIDTH - LEFT - RIGHT);
  const top = frame(TOP_PANEL, { max: Math.max(...upper.map(([, v]) => v)) * 1.1, x, seconds, label: 'Mbit/s' });
  const low = frame(LOW_PANEL, { max: Math.max(...[...one, ...other].map(([, v]) => v)) * 1.2, x, seconds, label: 'per 100 ms' });

  const area = `${steps(upper, x, top.y)}V${top.y(0)}H${x(upper[0][0]).toFixed(1)}Z`;
  const dashes = ' stroke-dasharray="5 4" stroke-width="1.5"';
  const drawn = marks.map(({ atMs, what, lines }, i) => {
    const at = x((atMs - startMs) / 1000);
    const small = { size: 12, fill: MARK, anchor: 'middle' };
    return [
      line(at, TOP_PANEL.top - 14, at, TOP_PANEL.top + TOP_PANEL.height, MARK, dashes),
      line(at, LOW_PANEL.top, at, LOW_PANEL.top + LOW_PANEL.height, MARK, dashes),
      text(at, TOP_PANEL.top - 70, `${i + 1}. ${what}`, { ...small, size: 13, weight: 'bold' }),
      ...lines.map((words, k) => text(at, TOP_PANEL.top - 53 + 16 * k, words, small)),
    ].join('\n');
  });

  const bottom = HEIGHT - 18;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${text(LEFT, 30, title, { size: 19, weight: 'bold' })}
${text(LEFT, 52, subtitle, { fill: FAINT })}
${top.svg}
<path d="${area}" fill="${BLUE}" fill-opacity="0.18"/>
<path d="${steps(upper, x, top.y)}" fill="none" stroke="${BLUE}" stroke-width="1.8"/>
${text(LEFT, LOW_PANEL.top - 24, lowTitle, { weight: 'bold' })}
${legend(-364, BLUE, ' stroke-width="2.5"', udp[0].name)}
${udp[1] ? legend(-184, ORANGE, ' stroke-width="2.5" stroke-dasharray="6 3"', udp[1].name) : ''}
${low.svg}
<path d="${steps(one, x, low.y)}" fill="none" stroke="${BLUE}" stroke-width="1.8"/>
<path d="${steps(other, x, low.y)}" fill="none" stroke="${ORANGE}" stroke-width="1.8" stroke-dasharray="6 3"/>
${text((LEFT + WIDTH - RIGHT) / 2, LOW_PANEL.top + LOW_PANEL.height + 42, 'seconds since the sessions began', { anchor: 'middle' })}
${text(WIDTH - RIGHT, bottom, command, { size: 11, fill: FAINT, anchor: 'end' })}
${drawn.join('\n')}
</svg>
`;
}

/** A stroke and what it stands for; `from`: to the left of the right edge. */
const legend = (from, colour, stroke, name) =>
  line(WIDTH + from, LOW_PANEL.top - 28, WIDTH + from + 28, LOW_PANEL.top - 28, colour, stroke) +
  text(WIDTH + from + 34, LOW_PANEL.top - 24, name, { size: 12 });
