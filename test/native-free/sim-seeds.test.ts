/** Seeds of the simulator: the first few, and every one that has ever failed. More: scripts/test sweep. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { randomScenario } from '../../native-free/sim/random-scenario.ts';
import { runScenario } from '../../native-free/sim/run.ts';
import { loadScenario } from '../../native-free/sim/scenario.ts';

const FIRST = 40;
const PINNED = new URL('failed-seeds.txt', import.meta.url);

/** Lines `SCENARIO SEED WHY` of the file of seeds that have failed. */
const pinned = readFileSync(PINNED, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, scenario, seed, why] = /^(\S+) (\d+) +(\S.*)$/.exec(line) ?? [];
    if (scenario === undefined) throw new SyntaxError(`failed-seeds.txt: expected SCENARIO SEED WHY, got ${line}`);
    return { scenario, seed: Number(seed), why: why! };
  });

const failuresOf = async (scenario: string, seed: number): Promise<readonly string[]> =>
  (await runScenario(scenario === 'random' ? randomScenario(seed) : loadScenario(scenario), { seed })).failures;

test.each(Array.from({ length: FIRST }, (_, i) => i + 1))(
  'seed %i: every session lives and every promise is kept',
  { timeout: 30_000 },
  async (seed) => {
    expect(await failuresOf('random', seed)).toEqual([]);
  },
);

test.each(pinned)('$scenario, seed $seed, which failed once: $why', { timeout: 30_000 }, async ({ scenario, seed }) => {
  expect(await failuresOf(scenario, seed)).toEqual([]);
});
