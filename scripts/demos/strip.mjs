/**
 * Draws one move, enlarged: its timeline as the border reports it, over datagrams on their way. Time goes to the right; a
 * datagram is a line from when it was sent, above, to when it arrived, below. Lines that do not cross: nothing was overtaken.
 */
import { BLUE, FAINT, GOOD, GRID, INK, LEFT, line, MARK, numbered, ORANGE, RIGHT, round, roundStep, text, WIDTH, widthOf } from './svg.mjs';

const ROW = 15;
const LANE = 54;
const LABEL = 11.5;
/** Lines of datagrams are at least so far apart, in pixels. */
const APART = 4;
const COLOURS = [BLUE, ORANGE];
/** Part of the strip before what happens first, and after what happens last. */
const BEFORE = 0.07;
const AFTER = 0.2;

const WORDS = { firstPacket: 'first packet', acknowledged: 'update acknowledged' };
/** Where nobody stood still, `ilnp move --run` has run its command then. */
const WITHOUT_PAUSE = { ...WORDS, paused: 'command begins', resumed: 'command has ended' };

/** Steps of a report of `ilnp moves --json` in the order they were done: what, and milliseconds since 1970. */
export function stepsOf({ askedAt, timeline }) {
  const done = Object.entries(timeline).filter(([, us]) => us !== null);
  return [['asked', 0], ...done]
    .map(([step, us]) => ({ step, afterMs: us / 1000, ms: (askedAt + us) / 1000 }))
    .sort((a, b) => a.ms - b.ms);
}

/** From when to when a strip goes that shows this. Stragglers are waited for long after all is over: that is not drawn. */
export function spanOf(report, pause) {
  const times = stepsOf(report).filter(({ step }) => step !== 'drained').map(({ ms }) => ms);
  if (pause) times.push(pause.fromMs, pause.toMs);
  const from = Math.min(...times);
  return { fromMs: from, ms: Math.max(...times) - from };
}

/**
 * Which row each label stands in, 0 the lowest, so that no label lies on another nor on the line of another: labels stand to
 * the right of their lines, those further left higher.
 */
export function rowsOf(labels) {
  const rows = new Array(labels.length).fill(0);
  for (let i = labels.length - 2; i >= 0; i--) {
    const reach = labels[i].x + labels[i].width;
    for (let j = i + 1; j < labels.length; j++) if (labels[j].x <= reach) rows[i] = Math.max(rows[i], rows[j] + 1);
  }
  return rows;
}

/** Of every datagram from when to when it was on its way, milliseconds since 1970, null: lost. By what the probes said of `each`. */
export const flightsOf = (sender, receiver) =>
  sender.sentMs.map((ms, k) => ({
    from: sender.fromMs + ms,
    to: (receiver.cameMs[k] ?? null) === null ? null : receiver.fromMs + receiver.cameMs[k],
  }));

/** The datagrams of one direction between two heights. */
function lane(flights, colour, top, { x, from, to, perPixel }) {
  const apart = APART * perPixel;
  const paths = { sent: '', lost: '' };
  const lost = [];
  let lastFrom = Number.NEGATIVE_INFINITY;
  let lastTo = Number.NEGATIVE_INFINITY;
  const pointAt = (flight, time) =>
    `${round(x(time))},${round(top + (LANE * (time - flight.from)) / Math.max(flight.to - flight.from, 0.001))}`;
  for (const flight of flights) {
    if (flight.from > to || (flight.to ?? flight.from) < from) continue;
    if (flight.to === null) lost.push(flight.from);
    // of a burst at one end only as many as can be told apart at the other; of those that waited fewer, for they lie close
    const waited = (flight.to ?? flight.from) - flight.from > 5 * apart;
    if (Math.max(flight.from - lastFrom, (flight.to ?? flight.from) - lastTo) < (waited ? 3 * apart : apart)) continue;
    lastFrom = flight.from;
    lastTo = flight.to ?? flight.from;
    if (flight.to === null) paths.lost += `M${round(x(flight.from))},${top}v${LANE * 0.45}`;
    else paths.sent += `M${pointAt(flight, Math.max(from, flight.from))}L${pointAt(flight, Math.min(to, flight.to))}`;
  }
  const parts = [`<path d="${paths.sent}" stroke="${colour}" stroke-width="1" stroke-opacity="0.75" fill="none"/>`];
  if (lost.length > 0) {
    const middle = (x(lost[0]) + x(lost.at(-1))) / 2;
    parts.push(
      `<path d="${paths.lost}" stroke="${MARK}" stroke-width="1.4" fill="none"/>`,
      text(middle, top + LANE * 0.45 + 16, `${lost.length} lost`, { size: 12, fill: MARK, anchor: 'middle', weight: 'bold', halo: true }),
    );
  }
  return parts.join('\n');
}

/**
 * Gives the strip as SVG and how high it is. `number`, `title`, `outcome`: its head, `good`: the colour of the outcome; `report`: of the
 * move; `pause`: when the guest stood still, if it did; `lanes`: `flights` of datagrams, with the names of who sends
 * and who hears, and whether the latter stands still; `ms`: how long the strip is at least.
 */
export function drawStrip(top, { number, title, outcome, good, report, pause, lanes, ms }) {
  const span = spanOf(report, pause);
  const shown = Math.max(ms ?? 0, span.ms);
  const from = span.fromMs - shown * BEFORE;
  const to = span.fromMs + shown * (1 + AFTER);
  const x = (time) => LEFT + ((time - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const scale = { x, from, to, perPixel: (to - from) / (WIDTH - LEFT - RIGHT) };

  const steps = stepsOf(report);
  const labels = steps
    .filter(({ step }) => step !== 'drained')
    .map(({ step, afterMs, ms: at }) => {
      const words = `${(pause ? WORDS : WITHOUT_PAUSE)[step] ?? step} ${afterMs.toFixed(1)}`;
      return { at, words, x: x(at), width: widthOf(words, LABEL) + 8 };
    });
  const rows = rowsOf(labels);
  const first = top + 34 + ROW * (Math.max(...rows) + 1); // where datagrams set out
  const last = first + LANE * lanes.length;

  const parts = [
    numbered(38, top + 8, number),
    text(56, top + 12.5, title, { size: 14, weight: 'bold' }),
    text(WIDTH - RIGHT, top + 12.5, outcome, { fill: good ? GOOD : MARK, anchor: 'end', weight: 'bold' }),
  ];
  const tick = roundStep(to - from, 10);
  const zero = report.askedAt / 1000;
  for (let k = Math.ceil((from - zero) / tick); zero + k * tick <= to; k++) {
    const at = x(zero + k * tick);
    if (at > WIDTH - RIGHT - 12) break;
    parts.push(line(at, first, at, last + 5, GRID));
    parts.push(text(at, last + 19, `${Number((k * tick).toFixed(3))}`, { size: 11, fill: FAINT, anchor: 'middle' }));
  }
  lanes.forEach(({ flights }, k) => {
    parts.push(lane(flights, COLOURS[k], first + LANE * k, scale));
  });
  const names = [lanes[0].from, ...lanes.map((one) => one.to)];
  names.forEach((name, k) => {
    const y = first + LANE * k;
    parts.push(line(LEFT, y, WIDTH - RIGHT, y, FAINT), text(LEFT - 8, y + 4, name, { size: LABEL, anchor: 'end' }));
    if (!pause || !lanes[k - 1]?.stops) return;
    const [a, b] = [x(pause.fromMs), x(pause.toMs)];
    const ms = `${(pause.toMs - pause.fromMs).toFixed(0)} ms`;
    const words = [`stands still for ${ms}`, ms].find((one) => b - a > widthOf(one, LABEL));
    parts.push(`<rect x="${round(a)}" y="${y - 8.5}" width="${round(b - a)}" height="17" rx="3" fill="${INK}"/>`);
    if (words) parts.push(text((a + b) / 2, y + 4, words, { size: LABEL, fill: '#ffffff', anchor: 'middle' }));
  });
  labels.forEach((label, k) => {
    const y = first - 8 - ROW * rows[k];
    parts.push(line(label.x, y - 9, label.x, last, INK, ' stroke-opacity="0.45"'));
    parts.push(text(label.x + 4, y, label.words, { size: LABEL }));
  });
  const drained = steps.find(({ step }) => step === 'drained');
  const foot = `ms after the move was asked for${drained ? `; drained after ${(drained.afterMs / 1000).toFixed(2)} s` : ''}`;
  parts.push(text(WIDTH - RIGHT, last + 36, foot, { size: 11, fill: FAINT, anchor: 'end' }));
  return { svg: parts.join('\n'), height: last + 36 - top };
}
