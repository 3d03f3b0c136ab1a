/**
 * The arithmetic of the bench, without side effects. A result is { round, variant, load, values }; a ratio is always
 * computed inside one round, so that what disturbs the machine for minutes disturbs both sides.
 */

/** Middle value; the mean of the two middle ones when their number is even. */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** { min, median, max, n } of some numbers, null when there is none. */
export function spread(numbers) {
  if (numbers.length === 0) return null;
  return { min: Math.min(...numbers), median: median(numbers), max: Math.max(...numbers), n: numbers.length };
}

/** Beyond this share of one processor used by other programs a measurement counts as disturbed. */
export const DISTURBED_PERCENT = 10;

export const isDisturbed = ({ othersPercent }) => othersPercent > DISTURBED_PERCENT;

/** The values of one metric, a Map from round to number. */
export function byRound(results, variant, load, metric) {
  const found = new Map();
  for (const result of results) {
    const value = result.values?.[metric];
    if (result.variant === variant && result.load === load && Number.isFinite(value)) found.set(result.round, value);
  }
  return found;
}

/** Spread of the ratios of two variants, round by round; null when they never met. */
export function ratio(results, variant, against, load, metric) {
  const divisors = byRound(results, against, load, metric);
  const ratios = [];
  for (const [round, value] of byRound(results, variant, load, metric)) {
    const divisor = divisors.get(round);
    if (divisor > 0) ratios.push(value / divisor);
  }
  return spread(ratios);
}

/** Spread of the differences of two variants, round by round; null when they never met. */
function difference(results, variant, against, load, metric) {
  const others = byRound(results, against, load, metric);
  const values = [...byRound(results, variant, load, metric)];
  return spread(values.filter(([round]) => others.has(round)).map(([round, value]) => value - others.get(round)));
}

export const VERDICTS = {
  missed: 'FLOOR MISSED',
  disturbed: 'below floor, but disturbed',
  floor: 'above floor',
  aim: 'aim reached',
  none: '',
  absent: 'not measured',
};

function measure(results, { of, against, load, metric, by }) {
  if (against === null) return spread([...byRound(results, of, load, metric).values()]);
  return (by === 'difference' ? difference : ratio)(results, of, against, load, metric);
}

/**
 * A row of rows.mjs with what was measured; floor and aim are judged on the median. Only rounds that other programs did
 * not disturb count, if there is one; without one a missed floor is not held against the border router.
 */
export function judge(results, row) {
  const clean = measure(
    results.filter((result) => !isDisturbed(result)),
    row,
  );
  const measured = clean ?? measure(results, row);
  const verdict = verdictOf(row, measured);
  return { ...row, measured, verdict: verdict === 'missed' && clean === null ? 'disturbed' : verdict };
}

function verdictOf({ better, floor, aim }, measured) {
  if (measured === null) return 'absent';
  const reaches = (limit) => (better === 'higher' ? measured.median >= limit : measured.median <= limit);
  if (floor !== null && !reaches(floor)) return 'missed';
  if (aim !== null && reaches(aim)) return 'aim';
  return floor === null ? 'none' : 'floor';
}
