/**
 * What a witness of a pair of controllers asks whoever of the two it reaches, over and over, and what it is answered (messages
 * `witness`, `claim`). Each ask says what the answer before has come to: that is on the disk of who asks.
 */
import { z } from 'zod';

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
/** A controller of a pair. */
const holder = z.string().min(1).max(160);
const run = z.string().max(64);

/**
 * What one of the two controllers says of itself. `term`: nobody else has this one. `holders`: those that have all that was
 * confirmed and will be; null: it asks whether it may begin the term. `seq`: of the holders in this term. `isFirst`: it knows of no
 * term before. `of`, `known`: the last holders that it knows of, and of which term and seq. `isForced`: an operator says that what
 * it has is the registry. `entries`: how many it has.
 */
const claim = z.strictObject({
  term: count.min(1),
  by: holder,
  seq: count,
  holders: z.array(holder).min(1).max(2).nullable(),
  of: z.tuple([count, count]),
  known: z.array(holder).max(2),
  isFirst: z.boolean(),
  isForced: z.boolean(),
  entries: count,
});

/** `run`, `told`: the last answer that was taken. `term`: smaller ones are over. `of`: term and seq of the holders it knows; 0, 0: none. */
export const witnessAsk = { run, told: count, term: count, of: z.tuple([count, count]), why: z.string().max(200) };

/** `version` grows whenever the claim is another, or is to be confirmed. Without a claim: it stands by. */
export const claimAnswer = { run, version: count, claim: claim.nullable() };

export type Claim = z.infer<typeof claim>;
export type WitnessAsk = z.infer<z.ZodObject<typeof witnessAsk>>;
export type ClaimAnswer = z.infer<z.ZodObject<typeof claimAnswer>>;

/** How long an ask may stay unanswered when there is nothing to say, and how long who asks waits, in milliseconds. */
export const WITNESS_WAIT_MS = 500;
export const WITNESS_ASK_MS = 1500;
