/**
 * One thing that goes wrong, as a word that repeats it: `lost@7` is the seventh message of the move, `site2@31+150` kills
 * site2 at the 31st step and starts it again after 150 ms, `site2@31` for good.
 */
import { IlnpError } from '../../../src/runtime/errors.ts';
import type { Fate } from '../control.ts';

export type Fault =
  | { readonly message: number; readonly fate: Fate }
  | { readonly step: number; readonly party: string; readonly backMs: number | null };

/** A little over the time-out of a request, and over the longest of all. */
const LATE_MS = 2600;
const VERY_LATE_MS = 11_000;

const FATES: Readonly<Record<string, Fate>> = {
  lost: { lost: true },
  twice: { twice: true },
  late: { lateMs: LATE_MS, holdsUp: false },
  'very-late': { lateMs: VERY_LATE_MS, holdsUp: false },
  stalled: { lateMs: LATE_MS, holdsUp: true },
};

/** How long a party that was killed is away: back before anybody's time-out, after most, never. */
const AWAY_MS = ['+150', '+4000', ''] as const;

/**
 * Everything that can go wrong, one thing at a time. A party that is killed at a step is away for one of three times, in turns
 * from step to step; `everyWay`: for all of them.
 */
export function* faultsOf(
  { messages, steps }: { readonly messages: number; readonly steps: number },
  parties: readonly string[],
  everyWay: boolean,
): Generator<string> {
  for (let n = 1; n <= messages; n++) for (const fate of Object.keys(FATES)) yield `${fate}@${n}`;
  for (let n = 1; n <= steps; n++)
    for (const [i, party] of parties.entries())
      for (const [k, away] of AWAY_MS.entries())
        if (everyWay || (n + i) % AWAY_MS.length === k) yield `${party}@${n}${away}`;
}

/** Reads the word for a fault. Throws E_USAGE. */
export function parseFault(text: string): Fault {
  const [, what, number, back] = /^([\w~-]+)@(\d+)(?:\+(\d+))?$/.exec(text) ?? [];
  if (what === undefined) throw new IlnpError('E_USAGE', `expected a fault like lost@7 or site2@31+150, got ${text}`);
  const fate = FATES[what];
  if (fate !== undefined) return { message: Number(number), fate };
  return { step: Number(number), party: what, backMs: back === undefined ? null : Number(back) };
}
