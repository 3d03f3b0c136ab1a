/** Counters of the path under the names operators search for. */
import { PORT_NAMES } from '../packet/batch.ts';
import { VERDICTS } from '../packet/verdict.ts';
import {
  COUNT_HOLD_EXPIRED,
  COUNT_HOLD_GAVE_WAY,
  COUNT_OCTETS_IN,
  COUNT_OCTETS_OUT,
  COUNT_PACKETS_IN,
  COUNT_PACKETS_OUT,
  COUNT_PAIRS_REFUSED,
  COUNT_QUOTES,
  COUNT_RELEASED,
  COUNT_REPLAYED,
  COUNT_RETAINED,
  COUNT_SESSIONS_REFUSED,
  COUNT_STRAGGLERS,
  COUNT_UPDATES_TRANSLATED,
  COUNT_WRITE_FAILED,
} from './fib.ts';

/** Sums by index (sbr/fib.ts) -> name and number, in a fixed order. Super-packets count as one packet. */
export function namedCounters(sums: Float64Array): Record<string, number> {
  const named: Record<string, number> = {};
  PORT_NAMES.forEach((port, k) => {
    named[`${port}_packets_in`] = sums[COUNT_PACKETS_IN + k]!;
    named[`${port}_octets_in`] = sums[COUNT_OCTETS_IN + k]!;
    named[`${port}_packets_out`] = sums[COUNT_PACKETS_OUT + k]!;
    named[`${port}_octets_out`] = sums[COUNT_OCTETS_OUT + k]!;
  });
  VERDICTS.forEach(({ name }, verdict) => {
    named[name] = sums[verdict]!;
  });
  named.stragglers = sums[COUNT_STRAGGLERS]!;
  named.quotes_translated = sums[COUNT_QUOTES]!;
  named.sessions_refused = sums[COUNT_SESSIONS_REFUSED]!;
  named.pairs_refused = sums[COUNT_PAIRS_REFUSED]!;
  named.updates_translated = sums[COUNT_UPDATES_TRANSLATED]!;
  named.hold_released = sums[COUNT_RELEASED]!;
  named.hold_expired = sums[COUNT_HOLD_EXPIRED]!;
  named.hold_gave_way = sums[COUNT_HOLD_GAVE_WAY]!;
  named.hold_retained = sums[COUNT_RETAINED]!;
  named.hold_replayed = sums[COUNT_REPLAYED]!;
  named.write_failed = sums[COUNT_WRITE_FAILED]!;
  return named;
}
