/** The run of a border with very many bindings, in small. */
import { expect, test, vi } from 'vitest';
import { runScale } from '../../native-free/sim/scale.ts';

vi.setConfig({ testTimeout: 30_000 }); // seconds of virtual time cost real ones on a busy machine

const SMALL = { bindings: 5000, sites: 20, movesPerSecond: 1000, seconds: 0.2 };

test('every move is done, every other site is told of every move, and one seed gives one result', async () => {
  const first = await runScale(SMALL, 1);
  const second = await runScale(SMALL, 1);

  expect(second).toEqual(first);
  expect(first.done).toBe(200);
  expect(first.stateOctets).toBe(2 * 8192 * 16);
  expect(first.changesTold).toBeGreaterThan(200 * 15);
  expect(first.changesTold).toBeLessThan(200 * 21);
  expect(first.convergedMs).toBeLessThan(100);
});
