/**
 * What borders say to each other, and the only place that decides whether it was said properly: every received value
 * passes a schema here before anything looks at it.
 *
 *   move    please move this Node Identifier (to its home)            -> moved
 *   ready   will you take part in a move of this one (from its home)  -> ready
 *   foresee  this one may go there soon: write down what that takes (from its home)       -> ready
 *   set     these are where and since which epoch (from their home)   -> have: what the receiver holds instead
 *   report  I was told these about Node Identifiers of yours          -> ready
 *   keep    hold packets for this one, or let them go (from its home) -> kept: what was kept so far
 *   step    please prepare, hold, or call off a move (to its home)    -> ready
 *   plan    what would such a move do (to its home)                                   -> planned
 *   seen    a machine with this link-layer address is here; which of these Node Identifiers
 *           (with none: of those you knew at that address) have you lost              -> gone
 *   register  please register this one as yours (to its home)                            -> registered
 *   withdraw  please withdraw it (to its home)                                           -> registered
 *   admit   would your policy have this guest (from its home)                            -> ready
 *   registry  a question to the registry that is kept there (registry/messages.ts)       -> registry: its answer
 *   spoken  a guest that is yours now speaks ILNP with these, by these nonces         -> ready
 *   copy    what the standby of a controller asks the active one (registry/copied.ts)     -> copied
 *   witness  what a witness asks a controller of a pair (registry/witnessed.ts), or one of
 *           a pair asks the other on its behalf (`whose`)                             -> claim; ready: there is no pair
 *   mirror  what a standby asks its active border (mirrored.ts)                      -> mirrored
 *
 * Any of them may be answered by `error`. A change is a tuple [nid high, nid low, at, epoch], 15 octets and a name.
 */
import { z } from 'zod';
import { copyAnswer, copyAsk } from '../registry/copied.ts';
import { claimAnswer, witnessAsk } from '../registry/witnessed.ts';
import { ERROR_CODES, type ErrorCode, IlnpError } from '../runtime/errors.ts';
import type { Nid } from '../wire/text.ts';
import { mirrorAnswer, mirrorAsk } from './mirrored.ts';
import { movePlan } from './move-plan.ts';
import { MAX_SPOKEN, spoken } from './spoken.ts';

/** A Node Identifier is at site `at` since `epoch`; of two changes of one identifier the greater epoch holds. */
export interface Change {
  readonly nid: Nid;
  readonly at: string;
  readonly epoch: number;
}

/** Most changes in one message. */
export const MAX_CHANGES = 4096;
/** Most Node Identifiers behind one link-layer address. */
const MAX_SEEN = 64;
/** Greatest epoch. Reason: the tables keep it in 32 signed bits; enough for a move a second during 60 years. */
export const MAX_EPOCH = 2 ** 31 - 1;
/** Longest site name in octets; the configuration allows no longer one. */
export const MAX_SITE_NAME = 64;

/** Most characters of why a message is refused; it names keys of the message. */
const MAX_REASON = 200;

const half = z.int().min(0).max(0xffffffff);
const site = z.string().min(1).max(MAX_SITE_NAME);
const epoch = z.int().min(0).max(MAX_EPOCH);
const code = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);
const nid = z.tuple([half, half]);
const mac = z.string().regex(/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/);
const changes = z.array(z.tuple([half, half, site, epoch])).max(MAX_CHANGES);

const count = z.int().min(0);
/** Most segments that one site lets go in a move: no budget holds as many, and sums of them stay whole numbers. */
const MAX_SEGMENTS = 2 ** 32;
/** Longest time that packets are kept, milliseconds. */
const MAX_KEEP_MS = 3_600_000;
const duration = z.int().min(0).max(MAX_KEEP_MS);
const by = z
  .string()
  .max(128)
  .regex(/^\P{Cc}*$/u);

const request = z.discriminatedUnion('kind', [
  z.strictObject({
    ...{ kind: z.literal('move'), nid, to: site, force: z.boolean(), hold: z.boolean(), by },
    /** Microseconds since the guest runs there, for the report. */
    resumedAgo: z.number().min(0).optional(),
  }),
  z.strictObject({ kind: z.literal('ready'), nid, to: site }),
  z.strictObject({ kind: z.literal('foresee'), nid, to: site, ms: duration }),
  /** `behind`: of the one it is about, so many segments are on their way to the receiver: others have let them go. */
  z.strictObject({ kind: z.literal('set'), changes, behind: count.optional() }),
  z.strictObject({ kind: z.literal('report'), changes }),
  z.strictObject({ kind: z.literal('spoken'), sessions: z.array(spoken).max(MAX_SPOKEN) }),
  z.strictObject({ kind: z.literal('keep'), nid, what: z.enum(['hold', 'expect', 'end']), ms: duration }),
  z.strictObject({ kind: z.literal('plan'), nid, to: site }),
  z.strictObject({
    kind: z.literal('step'),
    nid,
    step: z.enum(['prepare', 'hold', 'abort', 'paused', 'stopped', 'resumed']),
    to: site.nullable(),
    by,
    ago: z.number().min(0),
  }),
  z.strictObject({ kind: z.literal('seen'), mac, nids: z.array(nid).max(MAX_SEEN) }),
  z.strictObject({ kind: z.literal('register'), nid, guest: nid, uplink: site.nullable(), at: site }),
  z.strictObject({ kind: z.literal('withdraw'), nid, force: z.boolean() }),
  z.strictObject({ kind: z.literal('admit'), nid }),
  z.strictObject({ kind: z.literal('registry'), ask: z.unknown(), term: z.int().min(0).optional() }),
  z.strictObject({ kind: z.literal('copy'), ...copyAsk }),
  z.strictObject({ kind: z.literal('witness'), ...witnessAsk, whose: site.optional() }),
  z.strictObject({ kind: z.literal('mirror'), ...mirrorAsk }),
]);

/** What a peer says ends up on somebody's terminal. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, ' ');

const reply = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('moved'), from: site, to: site, epoch, octets: count, microseconds: count }),
  z.strictObject({ kind: z.literal('ready') }),
  z.strictObject({ kind: z.literal('planned'), ...movePlan }),
  z.strictObject({ kind: z.literal('mirrored'), ...mirrorAnswer }),
  z.strictObject({
    kind: z.literal('kept'),
    held: count,
    full: count,
    expired: count,
    replayed: count,
    sentOn: count,
    letGo: count,
    /** Microseconds since the first packet went towards the guest after the release; null: none has. */
    firstAgo: z.number().nullable(),
    /** The same of the first Locator Update that was acknowledged. */
    acknowledgedAgo: z.number().nullable(),
    updateOctets: count,
  }),
  z.strictObject({ kind: z.literal('gone'), nids: z.array(nid).max(MAX_SEEN) }),
  z.strictObject({
    kind: z.literal('have'),
    newer: changes,
    refused: z.array(z.tuple([half, half, code])).max(MAX_CHANGES),
    /** Segments that waited for these changes and have gone to other borders. */
    letGo: count.max(MAX_SEGMENTS),
  }),
  z.strictObject({ kind: z.literal('registered'), epoch, isOver: z.boolean() }),
  z.strictObject({ kind: z.literal('registry'), answer: z.unknown(), term: z.int().min(0).optional() }),
  z.strictObject({ kind: z.literal('copied'), ...copyAnswer }),
  z.strictObject({ kind: z.literal('claim'), ...claimAnswer }),
  z.strictObject({ kind: z.literal('error'), code, message: z.string().max(1024).transform(printable) }),
]);

export type Request = z.infer<typeof request>;
export type Reply = z.infer<typeof reply>;
export type WireChange = z.infer<typeof changes>[number];
export type WireNid = z.infer<typeof nid>;

/** Reads a request; IlnpError E_PROTOCOL if it is none. */
export const parseRequest = (value: unknown): Request => checked(request, value, 'request');

/** Reads a reply; IlnpError E_PROTOCOL if it is none. */
export const parseReply = (value: unknown): Reply => checked(reply, value, 'reply');

export const toWire = ({ nid, at, epoch }: Change): WireChange => [nid.hi, nid.lo, at, epoch];

export const fromWire = ([hi, lo, at, epoch]: WireChange): Change => ({ nid: { hi, lo }, at, epoch });

/** Gives the answer for an error that a request ran into. */
export function errorReply(error: unknown): Reply {
  const code = error instanceof IlnpError ? error.code : 'E_STATE';
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'error', code, message: message.slice(0, 1024) };
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  const why = printable(`${first?.path.join('.') || 'message'}: ${first?.message}`).slice(0, MAX_REASON);
  throw new IlnpError('E_PROTOCOL', `${what} is not ours: ${why}`);
}
