/** Whether all borders that run know the same of every guest as its home, and nothing is left undecided. */
import { formatNid } from '../../src/wire/text.ts';
import type { SimBorder } from './border.ts';
import type { World } from './world.ts';

/** What is not agreed upon, in words; undefined if all is. A home that is gone is asked about nothing; `asked`: who is to know. */
export function disagreementOf(world: World, asked: readonly SimBorder[] = world.borders): string | undefined {
  for (const home of world.borders) {
    if (home.running === undefined) continue;
    if (home.running.moves.unsettled > 0) return `${home.name} has ${home.running.moves.unsettled} moves undecided`;
    for (const truth of home.running.bindings.all()) {
      if (truth.home !== home.name) continue;
      for (const other of asked) {
        const known = other.running?.bindings.get(truth.nid);
        if (known !== undefined && (known.at !== truth.at || known.epoch !== truth.epoch))
          return `${formatNid(truth.nid)} is at ${truth.at} (${truth.epoch}), ${other.name} says ${known.at} (${known.epoch})`;
      }
    }
  }
  return undefined;
}
