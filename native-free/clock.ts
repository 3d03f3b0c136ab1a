/**
 * Time that passes only when somebody lets it: the clock of the control plane (sites/moves-world.ts) without a real one
 * behind it. What is due at the same instant runs in the order it was asked for.
 */
import type { MovesClock } from '../src/sites/moves-world.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

export class VirtualClock implements MovesClock {
  #now: number;
  #order = 0;
  #waiting = 0;
  /** A binary heap, the earliest first; cancelled timers stay until their time and do nothing. */
  readonly #heap: Timer[] = [];

  /** `start`: microseconds. */
  constructor(start = 0) {
    this.#now = start;
  }

  /** Microseconds. */
  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.#now + Math.max(0, ms) * 1000, run);
  }

  /** Calls `run` once at `time`, microseconds, or at once on the next step if that has passed. */
  at(time: number, run: () => void): () => void {
    const timer: Timer = { at: Math.max(time, this.#now), order: this.#order++, run };
    this.#waiting++;
    this.#push(timer);
    return () => {
      if (timer.run !== null) this.#waiting--;
      timer.run = null;
    };
  }

  /** Timers that have neither run nor been cancelled. */
  get waiting(): number {
    return this.#waiting;
  }

  /** When the next timer is due, microseconds; undefined when none is. */
  get next(): number | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.run === null) this.#pop();
    return this.#heap[0]?.at;
  }

  /** Goes to the next timer and runs it; false when there is none. */
  step(): boolean {
    if (this.next === undefined) return false;
    const timer = this.#pop();
    const run = timer.run!;
    timer.run = null;
    this.#waiting--;
    this.#now = timer.at;
    run();
    return true;
  }

  /** Runs everything due until `time`, which is then now. */
  advanceTo(time: number): void {
    for (let next = this.next; next !== undefined && next <= time; next = this.next) this.step();
    this.#now = Math.max(this.#now, time);
  }

  advance(ms: number): void {
    this.advanceTo(this.#now + ms * 1000);
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let k = heap.length;
    heap.push(timer);
    while (k > 0) {
      const parent = (k - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[k] = heap[parent]!;
      k = parent;
    }
    heap[k] = timer;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let k = 0;
    for (;;) {
      let child = 2 * k + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[k] = heap[child]!;
      k = child;
    }
    heap[k] = last;
    return first;
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
