import { pino } from 'pino';
import { expect, test } from 'vitest';
import { rehearseMoves } from '../../src/cli/rehearse-moves.ts';
import type { SiteConfig } from '../../src/config/site-config.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { type KeepOrder, noCounts } from '../../src/ilnp/keeping.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { formatNid } from '../../src/wire/text.ts';

test('rehearsed moves go through all steps, and touch nothing of the border', async () => {
  const orders: { nid: string; what: string }[] = [];
  const applied: Binding[] = [];
  const border = {
    config: { site: 'site1', policy: [] } as unknown as SiteConfig,
    applyMoves: async (moved: readonly Binding[]) => void applied.push(...moved),
    keep: async (nid: { hi: number; lo: number }, order: KeepOrder) => {
      orders.push({ nid: formatNid(nid), what: order.what });
      return noCounts();
    },
  };
  const reports = await rehearseMoves(border, pino({ level: 'silent' }));
  expect(reports.map(({ outcome, from, to }) => `${outcome} ${from} ${to}`)).toEqual(
    Array.from({ length: 8 }, (_, k) => (k % 2 === 0 ? 'moved home away' : 'moved away home')),
  );
  for (const { timeline } of reports) {
    expect(timeline.held).not.toBeNull();
    expect(timeline.released).not.toBeNull();
    expect(timeline.drained).not.toBeNull();
  }
  expect(applied).toEqual([]);
  expect(new Set(orders.map(({ nid }) => nid))).toEqual(new Set(['0:0:0:0']));
  expect(new Set(orders.map(({ what }) => what))).toEqual(
    new Set(['expect', 'retain', 'hold', 'depart', 'release', 'end']),
  );
  expect(orders.at(-1)?.what).toBe('end');
});

test('a border that cannot keep packets ends the rehearsal, not more', async () => {
  const what: string[] = [];
  const border = {
    config: { site: 'site1', policy: [] } as unknown as SiteConfig,
    applyMoves: async () => {},
    keep: async (_: unknown, order: KeepOrder) => {
      what.push(order.what);
      if (order.what === 'hold') throw new IlnpError('E_FULL', 'too many');
      return noCounts();
    },
  };
  await expect(rehearseMoves(border, pino({ level: 'silent' }))).rejects.toThrow('too many');
  expect(what.at(-1)).toBe('end');
});
