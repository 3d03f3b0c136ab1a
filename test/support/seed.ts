/**
 * Property tests play the same cases every time, so that a red run is red again. Who looks for other cases sets SEED to
 * another number (and RUNS to how many cases of each property).
 */
import fc from 'fast-check';

const runs = Number(process.env.RUNS ?? 0);
fc.configureGlobal({ seed: Number(process.env.SEED ?? 1), ...(runs > 0 ? { numRuns: runs } : {}) });
