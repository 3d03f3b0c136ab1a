/** Parsers under attack: rounds of mutated samples, everything from the round's seed. */
import { SeededRandom } from '../../native-free/random.ts';
import { isNamed, keep, octetCorpus } from './corpus.ts';
import { Finding, oneLine } from './finding.ts';
import { mutated, smallestOctets } from './octet-mutator.ts';
import type { Parser } from './parsers.ts';

/** Longest time for one input. Reason: thousands of times what one takes, so that a busy machine is no finding. */
const PROMPT_MS = 2000;
const MINIMISING_MS = 5000;

/** A finding with the input that brings it about. */
class InputFinding extends Finding {
  readonly octets: Uint8Array;

  constructor(message: string, octets: Uint8Array, cause: unknown) {
    super(message, 0, { cause });
    this.octets = octets;
  }
}

/** What is wrong with how `parser` takes the octets; null when nothing is. */
function wrong(parser: Parser, octets: Uint8Array): { readonly why: string; readonly error: unknown } | null {
  try {
    parser.parse(octets);
    return null;
  } catch (error) {
    return { why: error instanceof Finding ? error.message : `threw ${oneLine(error)}`, error };
  }
}

/** Plays one input. Throws a Finding. */
export function tryParser(parser: Parser, octets: Uint8Array): void {
  const found = wrong(parser, octets);
  if (found !== null) throw new InputFinding(`${parser.name}: ${found.why}`, octets, found.error);
}

/** Plays the round of `seed`; returns how many inputs it had. Throws a Finding. */
export function parserRound(parser: Parser, seed: number): number {
  const random = new SeededRandom(`${parser.name}/${seed}`);
  const named = octetCorpus(parser.name).filter(isNamed);
  const samples = [...parser.samples(), ...named.flatMap((file) => file.entries)];
  const words = (parser.words ?? []).map((word) => new TextEncoder().encode(word));
  for (let k = 0; k < parser.inputs; k++) {
    const octets = mutated(random, samples, words);
    const began = performance.now();
    tryParser(parser, octets);
    if (performance.now() - began < PROMPT_MS) continue;
    const again = performance.now(); // the machine may have been elsewhere
    tryParser(parser, octets);
    const took = performance.now() - again;
    if (took > PROMPT_MS) throw new InputFinding(`${parser.name}: took ${took.toFixed(0)} ms`, octets, undefined);
  }
  return parser.inputs;
}

/** Writes the input of a finding to the corpus, made smaller where that is quick; returns the file. */
export function keepParserRound(parser: Parser, seed: number, finding: Finding, again: string): string {
  if (!(finding instanceof InputFinding)) throw finding;
  const kind = kindOf(wrong(parser, finding.octets));
  const deadline = performance.now() + MINIMISING_MS;
  const fails = (octets: Uint8Array): boolean => kind !== null && kindOf(wrong(parser, octets)) === kind;
  const octets = smallestOctets(finding.octets, fails, deadline);
  return keep(parser.name, seed, [finding.message.replaceAll('\n', ' '), again], [octets]);
}

/** Findings of one kind have one cause, most likely. */
const kindOf = (found: ReturnType<typeof wrong>): string | null =>
  found?.why.replace(/["'].*["']|\d+/g, '').slice(0, 40) ?? null;
