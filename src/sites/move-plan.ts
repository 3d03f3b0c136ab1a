/** What a move would do, and why it would be refused: nothing changes, nothing waits. */
import { z } from 'zod';

const WORDS_MAX = 1024;
const words = z.string().max(WORDS_MAX);

/** `steps` in the order they would come, `refusals`: none, if it would come to pass. */
export const movePlan = {
  from: words,
  epoch: z.int().min(0),
  steps: z.array(words).max(64),
  refusals: z.array(words).max(64),
};

export type MovePlan = z.infer<z.ZodObject<typeof movePlan>>;

/** The steps of a move of `nid` from `from` to `to`, decided by `home`; `active`: sites that must let go. */
export function stepsOf(move: {
  readonly nid: string;
  readonly home: string;
  readonly to: string;
  readonly epoch: number;
  readonly active: readonly string[];
  readonly holdMs: number;
}): string[] {
  const { nid, home, to, epoch, active, holdMs } = move;
  if (active.length === 1 && active[0] === to) return [`${nid} is at ${to} already: nothing would change`];
  const left = active.filter((site) => site !== to);
  const keepers = [...new Set([...left, home, to])];
  return [
    `packets for ${nid} wait at ${keepers.join(', ')}, at most ${holdMs} ms, and at the other sites if they can`,
    `${home} writes down that ${nid} is at ${to} (epoch ${epoch})`,
    ...left.map((site) => `${site} lets go of it, and sends on what still comes`),
    `${to} takes it, and tells its links where their gateway is`,
    `${home} sends what has waited there, and tells all other sites`,
  ];
}
