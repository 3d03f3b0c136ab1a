/** What the standby of a site asks the active border, over and over, and what it is answered (messages `mirror`, `mirrored`). */
import { z } from 'zod';
import { MAX_SPOKEN, spoken } from './spoken.ts';

/** Octets of the record of moves, and blocks of the session file, in one answer. */
export const CHUNK = 1 << 18;
export const BLOCK = 4096;
export const BLOCKS = 64;

const count = z.int().min(0);
const octets = z.instanceof(Uint8Array);

/**
 * `run`: of which run of the active border the standby has a copy; empty: none. `moves`: so many octets of its record are on
 * the standby's disk. `answers`: so many it has taken of this copy; when the active border has given more, one was lost, and the
 * copy begins anew. Every ask says that all of the answer before is on disk.
 */
export const mirrorAsk = { run: z.string().max(64), moves: count, answers: count };

/**
 * `isAnew`: the copy begins anew. `moves`: the octets of the record from `from` on. `blocks`: those of the session file that
 * have changed, by index. `spoken`: sessions of guests that speak ILNP, all of them (absent: as before). `more`: there is more to ask
 * for before the copy is whole.
 */
export const mirrorAnswer = {
  run: z.string().max(64),
  isAnew: z.boolean(),
  from: count,
  moves: octets.refine((b) => b.length <= CHUNK),
  blocks: z.array(z.tuple([count, octets.refine((b) => b.length === BLOCK)])).max(BLOCKS),
  spoken: z.array(spoken).max(MAX_SPOKEN).optional(),
  more: z.boolean(),
};

export type MirrorAsk = z.infer<z.ZodObject<typeof mirrorAsk>>;
export type MirrorAnswer = z.infer<z.ZodObject<typeof mirrorAnswer>>;
