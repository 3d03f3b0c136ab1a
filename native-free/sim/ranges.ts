/** Octets received out of order, as ranges [from, to) in order, without overlap or touch. */
export class Ranges {
  readonly #ranges: { from: number; to: number }[] = [];

  get size(): number {
    return this.#ranges.length;
  }

  /** Adds octets and joins what touches. */
  add(from: number, to: number): void {
    const all = this.#ranges;
    let i = 0;
    while (i < all.length && all[i]!.to < from) i++;
    let end = i;
    while (end < all.length && all[end]!.from <= to) {
      from = Math.min(from, all[end]!.from);
      to = Math.max(to, all[end]!.to);
      end++;
    }
    all.splice(i, end - i, { from, to });
  }

  /** Takes the range that continues `next` away and gives where it ends; `next` itself if there is none. */
  take(next: number): number {
    const all = this.#ranges;
    while (all.length > 0 && all[0]!.from <= next) next = Math.max(next, all.shift()!.to);
    return next;
  }
}
