/** Rounds through the write side: the promise is kept, packets are joined, and a broken one is found. */
import { expect, test } from 'vitest';
import { Coalescer } from '../../src/device/coalesce.ts';
import { coalesceRound } from './coalesce-target.ts';

test('rounds keep the promise, and join packets', () => {
  let packets = 0;
  let writes = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const round = coalesceRound(seed);
    packets += round.packets;
    writes += round.writes;
  }

  expect(writes).toBeLessThan(0.97 * packets);
});

test('one that loses a packet is found', () => {
  class Losing extends Coalescer {
    override add(i: number, alone: boolean): void {
      if (i !== 3) super.add(i, alone);
    }
  }

  expect(() => coalesceRound(1, Losing)).toThrow(/packets, \d+ written/);
});
