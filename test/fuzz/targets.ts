/** What can be attacked, by name, and what a round of it is. */
import { INSIDE, OUTSIDE, SITE } from '../../src/packet/batch.ts';
import { COUNT_PACKETS_IN } from '../../src/sbr/fib.ts';
import { borderRound, keepBorderRound } from './border-target.ts';
import { coalesceRound } from './coalesce-target.ts';
import { keep } from './corpus.ts';
import type { Finding } from './finding.ts';
import { keepParserRound, parserRound } from './parser-target.ts';
import { PARSERS, type Parser } from './parsers.ts';
import { shimRound } from './shim-target.ts';

/** What packets go through. */
const PACKETS = ['border', 'shim', 'coalesce'];
const NAMES = PARSERS.map((parser) => parser.name);

/** `all`: everything once, then seven rounds of packets and one of a parser, in turn; `parsers`: only those. */
export const TARGETS: readonly string[] = ['all', ...PACKETS, 'parsers', ...NAMES];

const PARSERS_EVERY = 8;
const ROUNDS_OF_EACH = PACKETS.length + PARSERS.length;
const SHIM_EVERY = 32;

export interface Tally {
  /** Sent through a border or an end system. */
  readonly packets: number;
  /** Given to parsers. */
  readonly inputs: number;
}

/**
 * What round number `round` of `target` attacks: of `all` and `parsers` each thing once, so that a short run leaves nothing
 * out, then packets mostly.
 */
export function targetOf(target: string, round: number): string {
  if (target === 'parsers') return NAMES[round % NAMES.length]!;
  if (target !== 'all') return target;
  if (round < ROUNDS_OF_EACH) return [...PACKETS, ...NAMES][round]!;
  if (round % SHIM_EVERY === 1) return 'shim';
  if (round % SHIM_EVERY === 2) return 'coalesce';
  return round % PARSERS_EVERY === 0 ? NAMES[(round / PARSERS_EVERY) % NAMES.length]! : 'border';
}

/** So many rounds of `target` attack each thing at least once. */
export const roundsOfEach = (target: string): number =>
  target === 'all' ? ROUNDS_OF_EACH : target === 'parsers' ? NAMES.length : 1;

const parserOf = (name: string): Parser | undefined => PARSERS.find((parser) => parser.name === name);

/** Plays the round of `seed` of one thing. Throws a Finding. */
export function playRound(name: string, seed: number): Tally {
  const parser = parserOf(name);
  if (parser !== undefined) return { packets: 0, inputs: parserRound(parser, seed) };
  if (name === 'shim') return { packets: shimRound(seed).reduce((sum, count) => sum + count, 0), inputs: 0 };
  if (name === 'coalesce') return { packets: coalesceRound(seed).packets, inputs: 0 };
  const counters = borderRound(seed);
  const packets = [OUTSIDE, INSIDE, SITE].reduce((sum, port) => sum + counters[COUNT_PACKETS_IN + port]!, 0);
  return { packets, inputs: 0 };
}

/** The command that plays the round of `seed` again. */
export const againLine = (name: string, seed: number): string =>
  `scripts/fuzz --target ${name} --seed ${seed} --packets 1`;

/** Writes what a finding needs to happen again to the corpus; returns the file. */
export function keepRound(name: string, seed: number, finding: Finding): string {
  const parser = parserOf(name);
  const again = againLine(name, seed);
  if (name === 'shim' || name === 'coalesce') return keep(name, seed, [finding.message], []); // the seed is all it needs
  return parser === undefined ? keepBorderRound(seed, finding, again) : keepParserRound(parser, seed, finding, again);
}
