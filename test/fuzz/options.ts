/** The command line of scripts/fuzz. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { TARGETS } from './targets.ts';

export const USAGE = `usage: scripts/fuzz [--seconds N] [--packets N] [--seed S] [--target T] [--threads N] [--every N]
Attacks the border and every parser until a finding, --seconds or --packets, or Ctrl-C.
  --seconds N   ends after so many seconds
  --packets N   ends after at least so many packets, or inputs when a parser is the target; rounds are played whole,
                and all and parsers attack everything once
  --seed S      of the first round, the following ones count on; default: the time
  --target T    ${TARGETS.join(', ')}; default all
  --threads N   default: one per processor
  --every N     seconds between two lines of progress; default 1
Exit codes: 0 nothing found, 1 a finding, 2 usage.
`;

export interface Options {
  readonly seconds: number;
  readonly packets: number;
  readonly seed: number;
  readonly target: string;
  readonly threads: number;
  readonly every: number;
}

/** Greatest seed and number of rounds: they are counted in 32 bits. */
const MOST_SEED = 2 ** 31 - 1;

/** Reads the arguments; a text says what is wrong with them. */
export function readOptions(args: readonly string[], now: number): Options | 'help' | { readonly wrong: string } {
  let values: Record<string, string | boolean | undefined>;
  const text = { type: 'string' } as const;
  const options = { seconds: text, packets: text, seed: text, target: text, threads: text, every: text };
  try {
    values = parseArgs({ args: [...args], options: { ...options, help: { type: 'boolean', short: 'h' } } }).values;
  } catch (error) {
    return { wrong: (error as Error).message };
  }
  if (values.help) return 'help';
  const wrong: string[] = [];
  const number = (name: keyof typeof options, least: number, most: number, absent: number): number => {
    const given = values[name];
    if (given === undefined) return absent;
    const value = /^\d+$/.test(String(given)) ? Number(given) : Number.NaN;
    if (!(value >= least && value <= most))
      wrong.push(`--${name}: expected a whole number from ${least} to ${most}, got ${given}`);
    return value;
  };
  const read: Options = {
    seconds: number('seconds', 1, 1e7, Number.POSITIVE_INFINITY),
    packets: number('packets', 1, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY),
    seed: number('seed', 0, MOST_SEED, Math.floor(now / 1000) % MOST_SEED),
    threads: number('threads', 1, 64, availableParallelism()),
    every: number('every', 1, 3600, 1),
    target: String(values.target ?? 'all'),
  };
  if (!TARGETS.includes(read.target)) wrong.push(`--target: expected one of ${TARGETS.join(', ')}, got ${read.target}`);
  return wrong.length === 0 ? read : { wrong: wrong.join('\n') };
}
