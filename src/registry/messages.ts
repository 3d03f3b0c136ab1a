/**
 * What is asked of a registry over the channel between borders, and the only place that decides whether it was asked
 * properly. Inside a request of kind `registry` (sites/messages.ts):
 *
 *   get nid                      -> entry
 *   list after                   -> page: entries from there on, where the next begins
 *   swap expected next           -> swapped, or what is held
 *   watch revision waitMs        -> page: changes since then, none if there were none for so long; or compacted
 *   lease name holder ttlMs      -> lease
 *   release name holder          -> done
 *
 * An entry is [nid high, nid low, epoch, binding or null, active or null].
 */
import { z } from 'zod';
import { IlnpError } from '../runtime/errors.ts';
import { MAX_EPOCH } from './judge.ts';
import { leaseName, MAX_ACTIVE, name } from './lines.ts';
import { type Entry, MAX_ENTRIES } from './registry.ts';

const half = z.int().min(0).max(0xffffffff);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const epoch = z.int().min(0).max(MAX_EPOCH);
const binding = z.tuple([half, half, name, name.nullable(), name]);
const entry = z.tuple([half, half, epoch, binding.nullable(), z.array(name).max(MAX_ACTIVE).nullable()]);
const entries = z.array(entry).max(MAX_ENTRIES);

/** Longest wait for a change in milliseconds. */
const MAX_WAIT_MS = 30_000;
const MAX_TTL_MS = 3_600_000;
const ttlMs = z.int().min(1).max(MAX_TTL_MS);

const ask = z.discriminatedUnion('ask', [
  z.strictObject({ ask: z.literal('get'), nid: z.tuple([half, half]) }),
  z.strictObject({ ask: z.literal('list'), after: count }),
  z.strictObject({ ask: z.literal('swap'), expected: epoch.nullable(), next: entry }),
  z.strictObject({ ask: z.literal('watch'), revision: count, waitMs: z.int().min(0).max(MAX_WAIT_MS) }),
  z.strictObject({ ask: z.literal('lease'), name: leaseName, holder: leaseName, ttlMs }),
  z.strictObject({ ask: z.literal('release'), name: leaseName, holder: leaseName }),
]);

const answer = z.discriminatedUnion('answer', [
  z.strictObject({ answer: z.literal('entry'), entry: entry.nullable() }),
  z.strictObject({ answer: z.literal('page'), entries, revision: count, next: count.nullable() }),
  z.strictObject({ answer: z.literal('swapped') }),
  z.strictObject({ answer: z.literal('refused'), held: entry.nullable() }),
  z.strictObject({ answer: z.literal('compacted') }),
  z.strictObject({ answer: z.literal('lease'), holder: leaseName, token: count }),
  z.strictObject({ answer: z.literal('done') }),
]);

export type Ask = z.infer<typeof ask>;
export type Answer = z.infer<typeof answer>;
type WireEntry = z.infer<typeof entry>;

/** Reads a question; IlnpError E_PROTOCOL if it is none. */
export const parseAsk = (value: unknown): Ask => checked(ask, value, 'question to the registry');

/** Reads an answer; IlnpError E_PROTOCOL if it is none. */
export const parseAnswer = (value: unknown): Answer => checked(answer, value, 'answer of the registry');

export const toWire = ({ nid, epoch, binding: b, active }: Entry): WireEntry => [
  nid.hi,
  nid.lo,
  epoch,
  b && [b.guest.hi, b.guest.lo, b.home, b.uplink ?? null, b.at],
  active === undefined ? null : [...active],
];

export function fromWire([hi, lo, epoch, b, active]: WireEntry): Entry {
  const binding = b && { guest: { hi: b[0], lo: b[1] }, home: b[2], uplink: b[3] ?? undefined, at: b[4] };
  const plain = { nid: { hi, lo }, epoch, binding };
  return active === null ? plain : { ...plain, active };
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new IlnpError('E_PROTOCOL', `${what} is not ours: ${first?.path.join('.') || 'message'}: ${first?.message}`);
}
