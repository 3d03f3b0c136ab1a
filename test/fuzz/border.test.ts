/** The corpus through every border, rounds from seeds, and whether the fuzzer would see a promise that is broken. */
import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../src/packet/verdict.ts';
import { COUNTERS } from '../../src/sbr/fib.ts';
import { forward } from '../../src/sbr/forward.ts';
import { borderRound, type Path, replayPackets, smallestRound } from './border-target.ts';
import { packetCorpus } from './corpus.ts';
import { Finding } from './finding.ts';

describe('the corpus', () => {
  const files = packetCorpus();

  // shows: W22
  test.each(files.map((file) => [file.name, file] as const))(
    '%s passes every border, or does what it once broke',
    (_, file) => {
      expect(replayPackets(file)).toBeGreaterThan(0);
    },
  );

  test('has every family', () => {
    const names = files.map((file) => file.name.replace('.hex', ''));

    expect(names).toEqual(
      expect.arrayContaining(
        'tcp udp icmpv6 icmpv6-errors extension-headers fragments nonce locator-update gso'.split(' '),
      ),
    );
  });
});

describe('rounds', () => {
  // shows: W22, P2
  test('keep the promise, and reach every verdict', () => {
    const sums = new Float64Array(COUNTERS);
    for (let seed = 1; seed <= 24; seed++) {
      for (const [k, count] of borderRound(seed).entries()) sums[k]! += count;
    }

    expect(VERDICTS.filter((_, verdict) => sums[verdict] === 0)).toEqual([]);
  });

  test('are the same for the same seed', () => {
    expect(borderRound(7)).toEqual(borderRound(7));
    expect(borderRound(7)).not.toEqual(borderRound(8));
  });
});

/** The path with a fault for one packet in a hundred, always the same ones. */
const spoilt =
  (spoil: (batch: Parameters<Path>[0], i: number, fib: Parameters<Path>[1]) => void): Path =>
  (batch, fib, now) => {
    forward(batch, fib, now);
    for (let i = 0; i < batch.count; i++) {
      const o = batch.offset[i]!;
      if (batch.length[i]! >= 48 && batch.bytes[o + 47]! % 16 === 3 && batch.verdict[i] === 0) spoil(batch, i, fib);
    }
  };

/** The first finding that says so: in a round whose second border goes another way, the fault may show as a difference. */
function findingOf(path: Path, message: RegExp): { seed: number; finding: Finding } {
  for (let seed = 1; seed <= 40; seed++) {
    try {
      borderRound(seed, path);
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      if (message.test(error.message)) return { seed, finding: error };
    }
  }
  throw new RangeError(`nothing was found that says ${message}`);
}

describe('a path is found out that', () => {
  test.each<[string, Path, RegExp]>([
    [
      'throws',
      spoilt(() => {
        throw new TypeError('oh');
      }),
      /^threw TypeError: oh$/,
    ],
    [
      'writes behind a packet',
      spoilt((batch, i) => batch.bytes[batch.offset[i]! + 1800]!++),
      /octets behind it were written: octet 1800 is/,
    ],
    [
      'writes before a packet',
      spoilt((batch, i) => batch.bytes[batch.offset[i]! - 11]!--),
      /octets before it were written: octet -11 is/,
    ],
    [
      'writes to the packet what it does not have to',
      spoilt((batch, i) => batch.bytes[batch.offset[i]! + 1]!++),
      /octet 1 is/,
    ],
    [
      'changes the payload',
      spoilt((batch, i) => {
        for (let k = 40; k < batch.length[i]!; k++) batch.bytes[batch.offset[i]! + k]! ^= 1;
      }),
      /octets behind the IPv6 header have changed, at most \d+ may/,
    ],
    [
      'reads behind a packet',
      spoilt((batch, i) => {
        if (batch.bytes[batch.offset[i]! + batch.length[i]! + 700]! > 127) batch.egress[i] = (batch.egress[i]! + 1) % 3;
      }),
      /depends on octets outside of it/,
    ],
    [
      'keeps what lies behind a packet',
      spoilt((batch, i) => {
        const o = batch.offset[i]!;
        batch.bytes[o + 7] = batch.bytes[o + batch.length[i]! + 700]!;
      }),
      /has an octet that lay outside/,
    ],
    ['counts a packet twice', spoilt((_batch, _i, fib) => fib.counters[0]!++), /^counter 0 is \d+, expected \d+$/],
    [
      'has no verdict for a packet',
      spoilt((batch, i) => {
        batch.verdict[i] = 0xff;
      }),
      /has no verdict but 255/,
    ],
    [
      'makes a packet longer',
      spoilt((batch, i) => {
        batch.length[i]! += 1;
      }),
      /has an octet that lay outside/,
    ],
    [
      'changes a Locator of the tables',
      spoilt((_batch, _i, fib) => fib.locators[16]!++),
      /word 16 of the Locators has changed/,
    ],
    [
      'sends to outside what is of inside',
      spoilt((batch, i) => {
        batch.egress[i] = 0;
      }),
      /left for outside with a source that is not ours/,
    ],
  ])('%s', (_, path, message) => {
    expect(findingOf(path, message).finding.index).toBeGreaterThanOrEqual(-1);
  });

  test('and what it needs for that becomes one packet', () => {
    const path = spoilt((batch, i) => batch.bytes[batch.offset[i]! + 1800]!++);
    const { seed, finding } = findingOf(path, /octets behind it were written/);

    const { packets, directive } = smallestRound(seed, finding, path);

    expect(packets).toHaveLength(1);
    expect(directive).toMatch(/^[a-z-]+ (vnet|plain) (again|whole-rule|decide)$/);
    const file = { name: 'x', directive: directive.split(' '), entries: packets };
    expect(() => replayPackets(file, path)).toThrow(Finding);
    expect(replayPackets(file)).toBe(1);
  });
});
