/** Every parser: its corpus, arbitrary octets, spoilt samples; and whether the fuzzer would see one that breaks its promise. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../native-free/random.ts';
import { octetCorpus } from './corpus.ts';
import { Finding } from './finding.ts';
import { mutated, smallestOctets } from './octet-mutator.ts';
import { parserRound, tryParser } from './parser-target.ts';
import { PARSERS, type Parser } from './parsers.ts';

/** As many runs for each as take about the same time. */
const runsOf = ({ inputs }: Parser): number => Math.max(20, inputs / 4);

describe.each(PARSERS.map((parser) => [parser.name, parser] as const))('%s', (name, parser) => {
  test('takes its samples and its corpus', () => {
    const inputs = [...parser.samples(), ...octetCorpus(name).flatMap((file) => file.entries)];

    expect(inputs.length).toBeGreaterThan(0);
    for (const octets of inputs) tryParser(parser, octets);
  });

  // shows: W22
  test('gives a value or its refusal for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => tryParser(parser, octets)),
      { numRuns: runsOf(parser) },
    );
  });

  // shows: W22
  test('gives a value or its refusal for samples that were spoilt', () => {
    const samples = parser.samples();
    const words = (parser.words ?? []).map((word) => new TextEncoder().encode(word));
    fc.assert(
      fc.property(fc.nat(), (seed) => tryParser(parser, mutated(new SeededRandom(seed), samples, words))),
      { numRuns: runsOf(parser) },
    );
  });
});

test('an exception that is not documented is found, and its input made small', () => {
  const wrong: Parser = {
    name: 'wrong',
    samples: () => [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    inputs: 2000,
    parse: (octets) => {
      if (octets.includes(0xff)) throw new TypeError('oh');
    },
  };
  const found = (() => {
    try {
      parserRound(wrong, 1);
    } catch (error) {
      return error;
    }
    return undefined;
  })();

  expect(found).toBeInstanceOf(Finding);
  expect(found).toMatchObject({ message: 'wrong: threw TypeError: oh' });
  const { octets } = found as { octets: Uint8Array } & Error;
  const fails = (candidate: Uint8Array): boolean => candidate.includes(0xff);
  expect(smallestOctets(octets, fails, Number.POSITIVE_INFINITY)).toEqual(Uint8Array.of(0xff));
});

test('the same seed spoils a sample the same way', () => {
  const samples = [Uint8Array.from({ length: 50 }, (_, k) => k)];
  const of = (seed: number) => mutated(new SeededRandom(seed), samples);

  expect(of(5)).toEqual(of(5));
  expect([1, 2, 3, 4].map((seed) => of(seed).join())).not.toContain(of(5).join());
});
