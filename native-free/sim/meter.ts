/** What arrives of one direction of a session over time: octets per bucket and the silences in between. */

export const BUCKET_US = 100_000;
/** Shorter pauses are not worth a line. */
const SILENCE_US = 15_000;

export interface Silence {
  readonly from: number;
  readonly to: number;
}

export class Meter {
  readonly label: string;
  readonly octets: number[] = [];
  readonly silences: Silence[] = [];
  total = 0;
  #last = -1;

  constructor(label: string) {
    this.label = label;
  }

  add(octets: number, now: number): void {
    const bucket = Math.floor(now / BUCKET_US);
    while (this.octets.length <= bucket) this.octets.push(0);
    this.octets[bucket]! += octets;
    this.total += octets;
    this.#pause(now);
    this.#last = now;
  }

  /** Nothing more is sent after `now`. */
  end(now: number): void {
    this.#pause(now);
    this.#last = -1;
  }

  /** The longest silence that touches the time between, microseconds. */
  longest(from = 0, to = Number.POSITIVE_INFINITY): number {
    let longest = 0;
    for (const one of this.silences)
      if (one.to >= from && one.from <= to) longest = Math.max(longest, one.to - one.from);
    return longest;
  }

  #pause(now: number): void {
    if (this.#last >= 0 && now - this.#last >= SILENCE_US) this.silences.push({ from: this.#last, to: now });
  }
}
