/** Time of this process, for everything that takes time as an argument. */
import type { MovesClock } from '../sites/moves-world.ts';

export const MONOTONIC: MovesClock = {
  now: () => performance.now() * 1000,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
