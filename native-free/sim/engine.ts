/**
 * Virtual time. Nothing below reads a clock, waits or draws a number that did not come from here, so that one seed gives
 * one run. The control code of the border router is written with promises; after an event that may have woken it, all
 * promises run out before the next event (`touch`), which takes no virtual time.
 */
import type { MovesClock } from '../../src/sites/moves-world.ts';
import { VirtualClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import { Trace } from './trace.ts';

export class Engine {
  readonly seed: number;
  readonly trace = new Trace();
  /** Events so far. */
  events = 0;
  /** The first promise that was broken; the run ends with it. */
  violation: string | undefined;
  /** Told of every step of control: who does what about what. It may kill who does it. */
  onStep: ((who: string, does: string, what: string) => void) | undefined;
  /** Most events planned at a time. */
  plannedMax = 0;
  readonly #clock = new VirtualClock();
  #touched = false;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Microseconds since the start. */
  get now(): number {
    return this.#clock.now();
  }

  /** A generator of its own for a purpose, so that a draw more in one part changes nothing in the others. */
  random(purpose: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${purpose}`);
  }

  /** Plans `run` in `us` microseconds; the result cancels it. */
  after(us: number, run: () => void): () => void {
    return this.at(this.now + us, run);
  }

  /** Plans `run` for a time, or for now if it has passed; the result cancels it. */
  at(time: number, run: () => void): () => void {
    return this.#clock.at(Math.ceil(time), run); // never before it is due
  }

  /** Says that promises may have been settled: they run out before the next event. */
  touch(): void {
    this.#touched = true;
  }

  /** The clock of control code, whose timers wake promises; those of a process that is not alive do nothing. */
  clock(isAlive: () => boolean = () => true): MovesClock {
    return {
      now: () => this.now,
      after: (ms, run) =>
        this.after(ms * 1000, () => {
          if (!isAlive()) return;
          this.touch();
          run();
        }),
    };
  }

  step(who: string, does: string, what: string): void {
    this.onStep?.(who, does, what);
  }

  /** Ends the run because a promise was broken. */
  violate(what: string): void {
    this.violation ??= `${what} at ${(this.now / 1e6).toFixed(6)} s`;
  }

  /** Runs until nothing is planned before `end`, `isDone`, or a violation. */
  async run(end: number, isDone: () => boolean = () => false): Promise<void> {
    for (;;) {
      if (this.#touched) {
        this.#touched = false;
        await promisesRunOut();
      }
      if (this.violation !== undefined || isDone()) return;
      const next = this.#clock.next;
      if (next === undefined || next > end) return;
      this.events++;
      if (this.#clock.waiting > this.plannedMax) this.plannedMax = this.#clock.waiting;
      this.#clock.step();
    }
  }
}

/** The one place where the host's event loop is used: it turns when no promise is left to run, and waits for nothing. */
const promisesRunOut = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
