/** What a receiver notices about time: the longest silence, every silence worth telling, octets per 100 ms. */
import { nowMs } from './say.mjs';

const BUCKET_MS = 100;
const WORTH_TELLING_MS = 5;
const SILENCES_AT_MOST = 1000;

export class Arrivals {
  #first = 0;
  #last = 0;
  #longest = { ms: 0, from: 0, to: 0 };
  #silences = [];
  #buckets = [];

  /** Something arrived, `octets` long. */
  note(octets) {
    const now = nowMs();
    if (this.#last === 0) {
      this.#first = now;
    } else {
      const ms = now - this.#last;
      if (ms > this.#longest.ms) this.#longest = { ms, from: this.#last, to: now };
      if (ms > WORTH_TELLING_MS && this.#silences.length < SILENCES_AT_MOST) this.#silences.push({ ms, from: this.#last });
    }
    this.#last = now;
    const bucket = Math.floor((now - this.#first) / BUCKET_MS);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + octets;
  }

  get lastMs() {
    return this.#last;
  }

  /** Times are milliseconds since 1970; `buckets` holds octets per 100 ms from `firstMs` on. */
  report() {
    return {
      firstMs: this.#first,
      lastMs: this.#last,
      longestGap: this.#longest,
      silences: this.#silences,
      bucketMs: BUCKET_MS,
      buckets: Array.from(this.#buckets, (octets) => octets ?? 0),
    };
  }
}

/** Median, 99th percentile and maximum of a list of milliseconds. */
export function spread(values) {
  if (values.length === 0) return { p50: null, p99: null, max: null };
  const sorted = Float64Array.from(values).sort();
  const rank = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(3));
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}
