/** Seeds of the simulator: the first few, and every one that has ever failed. More: scripts/test sweep. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { randomEnds } from '../../native-free/sim/ends/random-scenario.ts';
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

async function failuresOf(name: string, seed: number): Promise<readonly string[]> {
  const made = { random: randomScenario, 'random-ends': randomEnds }[name];
  return (await runScenario(made?.(seed) ?? loadScenario(name), { seed })).failures;
}

describe.each(['random', 'random-ends'])('%s', (name) => {
  test.each(Array.from({ length: FIRST }, (_, i) => i + 1))(
    'seed %i: every session lives and every promise is kept',
    { timeout: 30_000 },
    async (seed) => {
      expect(await failuresOf(name, seed)).toEqual([]);
    },
  );
});

test.each(pinned)('$scenario, seed $seed, which failed once: $why', { timeout: 30_000 }, async ({ scenario, seed }) => {
  expect(await failuresOf(scenario, seed)).toEqual([]);
});
