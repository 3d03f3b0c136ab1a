/** What can be attacked, by name, and what a round of it is. */
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { COUNT_PACKETS_IN } from '../../src/sbr/fib.ts';
import { borderRound, keepBorderRound } from './border-target.ts';
import type { Finding } from './finding.ts';
import { keepParserRound, parserRound } from './parser-target.ts';
import { PARSERS, type Parser } from './parsers.ts';

/** `all`: seven rounds of packets, then one of a parser, in turn; `parsers`: only those. */
export const TARGETS: readonly string[] = ['all', 'border', 'parsers', ...PARSERS.map((parser) => parser.name)];

const PARSERS_EVERY = 8;

export interface Tally {
  /** Sent through a border. */
  readonly packets: number;
  /** Given to parsers. */
  readonly inputs: number;
}

/** The parser that is attacked in the round of `seed`; null: the border. */
function parserOf(target: string, seed: number): Parser | null {
  if (target === 'border') return null;
  if (target === 'parsers') return PARSERS[seed % PARSERS.length]!;
  if (target !== 'all') return PARSERS.find((parser) => parser.name === target)!;
  return seed % PARSERS_EVERY === 0 ? PARSERS[(seed / PARSERS_EVERY) % PARSERS.length]! : null;
}

/** Plays the round of `seed`. Throws a Finding. */
export function playRound(target: string, seed: number): Tally {
  const parser = parserOf(target, seed);
  if (parser !== null) return { packets: 0, inputs: parserRound(parser, seed) };
  const counters = borderRound(seed);
  const packets = [OUTSIDE, INSIDE, SITE].reduce((sum, port) => sum + counters[COUNT_PACKETS_IN + port]!, 0);
  return { packets, inputs: 0 };
}

/** The command that plays the round of `seed` again. */
export const againLine = (target: string, seed: number): string =>
  `scripts/fuzz --target ${parserOf(target, seed)?.name ?? 'border'} --seed ${seed} --packets 1`;

/** Writes what a finding needs to happen again to the corpus; returns the file. */
export function keepRound(target: string, seed: number, finding: Finding): string {
  const parser = parserOf(target, seed);
  const again = againLine(target, seed);
  return parser === null ? keepBorderRound(seed, finding, again) : keepParserRound(parser, seed, finding, again);
}
