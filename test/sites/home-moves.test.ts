/** What a home adds up of the answers of several sites that let go at the same time. */
import { expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { BindingWriter } from '../../src/sites/binding-writer.ts';
import { HomeMoves } from '../../src/sites/home-moves.ts';
import type { Reply, Request } from '../../src/sites/messages.ts';
import type { MovesWorld } from '../../src/sites/moves-world.ts';
import { WrittenAhead } from '../../src/sites/written-ahead.ts';

const NID = { hi: 0, lo: 0xa1 };

test('of several sites that let go, what each has let go is waited for where the guest is now', async () => {
  const letGo: Record<string, number> = { site2: 5, site3: 7 };
  const told: Request[] = [];
  let binding: Binding = { nid: NID, guest: { hi: 1, lo: 0 }, home: 'site1', uplink: undefined, at: 'site2', epoch: 1 };
  const world = {
    site: 'site1',
    bindings: { get: () => binding, all: () => [binding].values() },
    apply: async ([changed]: readonly Binding[]) => {
      binding = changed!;
    },
    record: { append: async () => {} },
    clock: { now: () => 0, after: () => () => {} },
    log: { info: () => {}, warn: () => {} },
    send: async (site: string, request: Request): Promise<Reply> => {
      if (site === 'site4') told.push(request);
      return { kind: 'have', newer: [], refused: [], letGo: letGo[site] ?? 0 };
    },
  } as unknown as MovesWorld;
  const home = new HomeMoves(world, new BindingWriter(world), new WrittenAhead(world, () => false), () => {});
  home.resume([{ nid: NID, at: 'site3', epoch: 2, active: ['site2', 'site3'] }]); // stuck: both may be active

  await home.commit(NID, 'site4', false);
  expect(told).toMatchObject([{ kind: 'set', behind: 12 }]);
});
