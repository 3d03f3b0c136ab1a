/** A thread of the fuzzer: takes the next seed, plays its round, says what came of it, until it is told to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import { Finding } from './finding.ts';
import { againLine, keepRound, playRound, type Tally, targetOf } from './targets.ts';

/** Words that all threads share. */
export const NEXT_SEED = 0;
export const STOP = 1;
/** From here on a word per thread: the seed it is at. */
export const CURRENT_SEED = 2;

export interface Work {
  readonly shared: Int32Array;
  readonly thread: number;
  readonly target: string;
  /** Seed of the first round of all threads. */
  readonly first: number;
}

export type Report = Tally | { readonly finding: string; readonly file: string; readonly again: string };

if (parentPort !== null) {
  const { shared, thread, target, first } = workerData as Work;
  while (Atomics.load(shared, STOP) === 0) {
    const seed = Atomics.add(shared, NEXT_SEED, 1);
    Atomics.store(shared, CURRENT_SEED + thread, seed);
    parentPort.postMessage(played(targetOf(target, seed - first), seed));
  }
}

function played(name: string, seed: number): Report {
  try {
    return playRound(name, seed);
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    return { finding: error.message, file: keepRound(name, seed, error), again: againLine(name, seed) };
  }
}
