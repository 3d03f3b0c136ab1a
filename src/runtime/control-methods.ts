/**
 * What can be asked over the control socket, and what is answered. Texts, not numbers, for identifiers and Locators:
 * these are the JSON forms that scripts see.
 */
import { z } from 'zod';
import { formatL64, formatNid, type L64, type Nid, parseL64, parseNid } from '../wire/text.ts';
import { IlnpError } from './errors.ts';

/** Most bindings in one page. */
const MAX_PAGE = 10_000;

const nid = z.string().transform((text, context): Nid => {
  const value = parseNid(text);
  if (value !== null) return value;
  context.addIssue({
    code: 'custom',
    message: `expected a Node Identifier such as 0:0:0:a1, got "${text.slice(0, 60)}"`,
  });
  return z.NEVER;
});

const l64 = z.string().transform((text, context): L64 => {
  const value = parseL64(text);
  if (value !== null) return value;
  context.addIssue({ code: 'custom', message: `expected a Locator such as fd00:1::/64, got "${text.slice(0, 60)}"` });
  return z.NEVER;
});

/** Who asks, for the report of the move. */
/** It is printed as it is. */
const by = z
  .string()
  .max(64)
  .regex(/^\P{Cc}*$/u, 'expected characters that can be printed')
  .default('somebody');

/** `move`: carries a move out, with what is missing of its steps; answered by MoveReply. `hold`: packets wait meanwhile. */
export const moveParams = z.strictObject({
  nid,
  to: z.string().min(1),
  force: z.boolean().default(false),
  hold: z.boolean().default(true),
  by,
  /** Microseconds since the guest runs there, for the report. */
  resumedAgo: z.number().min(0).optional(),
});

/** `prepare`: asks everybody concerned; nothing changes. */
export const prepareParams = z.strictObject({ nid, to: z.string().min(1), by });

/** `hold`: from the answer on, packets wait; then `move`, or `abort`: everything as before, or an error while it cannot be. */
export const nidParams = z.strictObject({ nid, by });

/** `resumed`: for the report. `ago`: microseconds before now. */
export const noteParams = z.strictObject({ nid, ago: z.number().min(0).default(0) });

/** `paused`: for the report; `isStopped`: the guest stands still at its old site from then on, which may let go already. */
export const pausedParams = noteParams.extend({ isStopped: z.boolean().default(false) });

/** `retain`: the guest may stop soon; what is sent to it is kept for `ms`. At the border of the site where it is. */
export const retainParams = z.strictObject({ nid, ms: z.int().min(1).max(60_000).default(1000) });

/**
 * `stopped`: it has heard nothing since `at`, microseconds since 1970 by the clock of this border's machine; holds, and sends
 * what was retained since once more when it has a place. At the border of the site where it is.
 */
export const stoppedParams = z.strictObject({ nid, at: z.number().positive(), by });

/** `moves`: answered by a list of MoveReport (sites/move-report.ts), those after id `after`; waits up to `waitMs` for one. */
export const movesParams = z.strictObject({
  after: z.int().min(0).default(0),
  limit: z.int().min(1).max(1000).default(100),
  waitMs: z.int().min(0).max(30_000).default(0),
});

/**
 * `guest`: what a hypervisor of this border's site says about a guest (src/hypervisor/migration.ts). `at`: when it happened,
 * `now`: when it was said, microseconds since 1970 by the hypervisor's clock.
 */
export const guestParams = z.strictObject({
  nid,
  news: z.enum(['incoming', 'migrating', 'stopped', 'stayed', 'arrived', 'lost']),
  at: z.number().positive().optional(),
  now: z.number().positive(),
});

/** `follows`: whether news of this guest would be taken here; `runs`: it runs at this site now. */
export const followsParams = z.strictObject({ nid, runs: z.boolean() });

/** `bindings`: answered by BindingsPage; `after` is the `next` of the page before. */
export const bindingsParams = z.strictObject({
  after: z.int().min(0).optional(),
  limit: z.int().min(1).max(MAX_PAGE).default(1000),
});

/** `register`: puts a binding into the registry; without `home` this site's, without `at` at home. Answered by RegisteredReply. */
export const registerParams = z.strictObject({
  nid,
  guest: l64,
  home: z.string().min(1).optional(),
  uplink: z.string().min(1).optional(),
  at: z.string().min(1).optional(),
});

/**
 * `anchors`: which plain sessions still go by way of this home; without `nid` those of all its guests that are away. Answered by a
 * list of AnchorReply (border/anchors.ts), after `ms` of looking where there is one uplink.
 */
export const anchorsParams = z.strictObject({ nid: nid.optional(), ms: z.int().min(0).max(30_000).default(2000) });

/** `withdraw`: takes a binding out of the registry. `force`: the site where the guest was is dead. Answered by RegisteredReply. */
export const withdrawParams = z.strictObject({ nid, force: z.boolean().default(false) });

/** Most packets of one trace. */
export const MAX_TRACE = 10_000;

/** `trace`: begins one, answered by its number. */
export const traceParams = z.strictObject({ count: z.int().min(1).max(MAX_TRACE) });

/** `traced`: what that trace has shown since the last call. */
export const tracedParams = z.strictObject({ trace: z.int() });

/** `moving`: answered by BindingReply of each with which something is under way. `counters`, `config`, `peers`: no parameters. */
export const noParams = z.strictObject({});

export interface MoveReply {
  readonly nid: string;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  readonly octets: number;
  readonly microseconds: number;
}

/** What is under way with an identifier, as the border knows it that was asked. */
export interface UnderWayReply {
  /** Where it goes; null: not known there. */
  readonly to: string | null;
  /**
   * At home: `asked`, `prepared`, `held` (packets wait), `releasing` and `activating` (decided; `waitsFor` lets go of it, takes
   * it), `draining` (moved, late packets are counted), `unsettled` (moved, the registry has not taken that). At any border: `waiting`
   * (packets wait as home has said), `unwritten` (in force, not on disk).
   */
  readonly state:
    | 'asked'
    | 'prepared'
    | 'held'
    | 'releasing'
    | 'activating'
    | 'draining'
    | 'unsettled'
    | 'waiting'
    | 'unwritten';
  /** Sites that have to do something before it goes on. */
  readonly waitsFor: readonly string[];
  /** What kept it from going on when it was last tried, with its code; null: nothing so far. */
  readonly problem: string | null;
}

export interface BindingReply {
  readonly nid: string;
  readonly guest: string;
  readonly home: string;
  readonly uplink: string | null;
  readonly at: string;
  readonly epoch: number;
  readonly move: UnderWayReply | null;
}

/** `next` goes on after this page; null at the end. A binding that moves meanwhile may be in two pages or in none. */
export interface BindingsPage {
  readonly bindings: readonly BindingReply[];
  readonly next: number | null;
}

/** Counters by name; groups of them by the name of the group. */
export interface CountersReply {
  readonly [name: string]: number | CountersReply;
}

export interface PeerReply {
  readonly site: string;
  /** `[host]:port`, null if the configuration has none. */
  readonly control: string | null;
  /** We can ask it. */
  readonly connected: boolean;
  /** Connections it has opened to us. */
  readonly incoming: number;
  readonly problem: string | null;
}

/** A border and the other one of its site. */
export interface PairReply {
  readonly role: 'alone' | 'active' | 'standby';
  /** A standby has a whole copy; an active one has a standby. */
  readonly isReady: boolean;
  /** Of a controller: the term it knows of. */
  readonly term?: number;
  /** Of a controller that has the address and does not serve: who has not agreed. */
  readonly problems?: readonly string[];
}

/** `isOver`: no site holds anything else any more. */
export interface RegisteredReply {
  readonly epoch: number;
  readonly isOver: boolean;
}

/** A registry as a border hears it. */
export interface RegistryReply {
  /** First and last Node Identifier. */
  readonly range: string;
  /** Site, controller, or members of etcd. */
  readonly keptBy: string;
  /** It has said all it has since the start; until then the last that was followed before holds. */
  readonly isHeard: boolean;
  /** The last time it was not to be had, and how many seconds ago; null: never. */
  readonly problem: string | null;
  readonly secondsAgo: number | null;
}

/** Reads the parameters of a method; E_USAGE if they are not its. */
export function readParams<T>(schema: z.ZodType<T>, params: unknown): T {
  const result = schema.safeParse(params ?? {});
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new IlnpError('E_USAGE', `${first?.path.join('.') || 'params'}: ${first?.message}`);
}

/** Gives the JSON form of a binding. */
export function bindingReply(
  binding: {
    readonly nid: Nid;
    readonly guest: L64;
    readonly home: string;
    readonly uplink: string | undefined;
    readonly at: string;
    readonly epoch: number;
  },
  move: UnderWayReply | null = null,
): BindingReply {
  const { home, uplink, at, epoch } = binding;
  const nid = formatNid(binding.nid);
  return { nid, guest: formatL64(binding.guest), home, uplink: uplink ?? null, at, epoch, move };
}
