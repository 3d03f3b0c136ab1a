/** What the standby of a controller asks the other one, over and over, and what it is answered (messages `copy`, `copied`). */
import { z } from 'zod';
import { MAX_ENTRIES } from './registry.ts';

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const run = z.string().max(64);

/** Longest line of a registry; see lines.ts. */
const MAX_LINE = 16_384;

/**
 * `run`: of which run of the other one we have a copy; empty: none. `seq`: so many lines of that run are on our disk; every ask
 * says so of the answer before. `page`: where the next page of a copy that is being made begins; null: it is whole. `leaving`: we
 * ask no more.
 */
export const copyAsk = { run, seq: count, page: count.nullable(), leaving: z.boolean() };

/**
 * `what`: `page` of a copy, `lines` that came after it, or `idle`: who answers stands by too. `revision`: of the last line, or
 * that of the page. `seq`: lines of this run up to here. `next`: of the next page; null: that was the last.
 */
export const copyAnswer = {
  run,
  what: z.enum(['idle', 'page', 'lines']),
  term: count,
  revision: count,
  seq: count,
  next: count.nullable(),
  lines: z.array(z.string().max(MAX_LINE)).max(MAX_ENTRIES + 64),
};

export type CopyAsk = z.infer<z.ZodObject<typeof copyAsk>>;
export type CopyAnswer = z.infer<z.ZodObject<typeof copyAnswer>>;
