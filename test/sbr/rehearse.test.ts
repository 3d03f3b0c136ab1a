import { expect, test } from 'vitest';
import { DROP_NOT_HERE, FORWARD, HELD, VERDICTS } from '../../src/packet/verdict.ts';
import { COUNT_RELEASED, COUNT_REPLAYED, COUNT_RETAINED } from '../../src/sbr/fib.ts';
import { rehearse } from '../../src/sbr/rehearse.ts';

test.each([true, false])(
  'a rehearsed move holds, releases and replays at both borders; virtio-net headers: %s',
  (vnet) => {
    const borders = rehearse(vnet);
    expect(borders).toHaveLength(2);
    for (const counters of borders) {
      const others = VERDICTS.filter(
        (_, verdict) => ![FORWARD, HELD, DROP_NOT_HERE].includes(verdict) && counters[verdict]! > 0,
      );
      expect(others).toEqual([]);
      expect(counters[FORWARD]).toBeGreaterThan(1000);
      expect(counters[HELD]).toBeGreaterThan(500);
      expect(counters[COUNT_RELEASED]).toBe(counters[HELD]);
      expect(counters[COUNT_RETAINED]).toBeGreaterThan(500);
      expect(counters[COUNT_REPLAYED]).toBeGreaterThan(100);
    }
  },
);

test('it plays the same every time', () => {
  expect(rehearse(true)).toEqual(rehearse(true));
});
