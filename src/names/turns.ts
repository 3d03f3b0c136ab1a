/** So many at a time, the others in the order in which they came: a server is not asked by thousands of names at once. */
import type { Turn } from './publisher.ts';

/** `most` run at once; what fails takes its turn like what does not. */
export function turns(most: number): Turn {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (run) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
