/** What a person reads: tables as text (they are Markdown too), and the one line per run that is kept for ever. */
import { byRound, ratio, spread, VERDICTS } from './ratios.mjs';

/** Three significant digits are more than the noise allows. */
export function figure(value) {
  if (value === null || value === undefined) return '-';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

const range = (s) => (s ? `${figure(s.median)} (${figure(s.min)}..${figure(s.max)})` : '-');

/** Lines of a table with aligned columns. */
function table(head, lines) {
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => `${line[column]}`.length)));
  const draw = (line) => `| ${line.map((cell, i) => `${cell}`.padEnd(widths[i])).join(' | ')} |`;
  return [draw(head), `|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|`, ...lines.map(draw)].join('\n');
}

/** The judged rows: the answer of the run. `head`: what is judged. */
export function targetTable(judged, head) {
  const lines = judged.map(({ title, measured, unit, floor, aim, verdict }) => {
    const suffix = unit === 'x' ? '' : ` ${unit}`;
    const limit = (value) => (value === null ? '' : `${value}${suffix}`);
    return [title, measured ? `${range(measured)}${suffix}` : '-', limit(floor), limit(aim), VERDICTS[verdict]];
  });
  return table([head, 'median (min..max)', 'floor', 'aim', 'verdict'], lines);
}

/** One table per measured value with all variants; empty when nothing was measured. */
export function valueTable(results, { load, metric, title, against }, variants) {
  const lines = [];
  for (const variant of variants) {
    const absolute = spread([...byRound(results, variant, load, metric).values()]);
    if (absolute === null) continue;
    const { min, median, max } = absolute;
    const ratios = against.map((other) => range(ratio(results, variant, other, load, metric)));
    lines.push([variant, `${figure(min)} / ${figure(median)} / ${figure(max)}`, ...ratios]);
  }
  if (lines.length === 0) return '';
  return table([title, 'min / median / max', ...against.map((other) => `against ${other}`)], lines);
}

/** The one line of `bench/history.jsonl`: enough to see a trend and to repeat the run. */
export function historyLine({ machine, options, judged }, name) {
  const rows = {};
  for (const { id, measured } of judged) {
    if (measured) rows[id] = [measured.min, measured.median, measured.max].map((v) => Number(v.toPrecision(3)));
  }
  const { rounds, seconds } = options;
  return JSON.stringify({ ...(name ? { bench: name } : {}), ...machine, rounds, seconds, rows });
}

/** Sentence for each missed floor. */
export const misses = (judged) =>
  judged
    .filter(({ verdict }) => verdict === 'missed')
    .map(({ title, measured, floor, unit }) => {
      const suffix = unit === 'x' ? '' : ` ${unit}`;
      return `floor missed: ${title}: ${figure(measured.median)}${suffix}, floor ${floor}${suffix}`;
    });
