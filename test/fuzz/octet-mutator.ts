/** Octets to attack a parser with: some of its samples, spoilt. All from one seed. */
import type { SeededRandom } from '../../native-free/random.ts';

const INTERESTING = [0, 1, 2, 4, 7, 8, 9, 0x0a, 0x0d, 0x1b, 0x20, 0x22, 0x2d, 0x5c, 0x7f, 0x80, 0xc0, 0xd8, 0xfe, 0xff];
const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
/** Longest input made; longer samples are cut. */
const LONGEST = 1 << 16;

/** A sample with up to eight mutations. `words`: octets that mean something to the parser. */
export function mutated(
  random: SeededRandom,
  samples: readonly Uint8Array[],
  words: readonly Uint8Array[] = [],
): Uint8Array {
  let octets: Uint8Array = one(random, samples).slice(0, LONGEST);
  for (let n = random.below(9); n > 0; n--) octets = mutatedOnce(random, octets, samples, words).subarray(0, LONGEST);
  return octets.slice();
}

const one = <T>(random: SeededRandom, list: readonly T[]): T => list[random.below(list.length)]!;

const joined = (...parts: readonly Uint8Array[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const inserted = (octets: Uint8Array, at: number, piece: Uint8Array): Uint8Array =>
  joined(octets.subarray(0, at), piece, octets.subarray(at));

function mutatedOnce(
  random: SeededRandom,
  octets: Uint8Array,
  samples: readonly Uint8Array[],
  words: readonly Uint8Array[],
): Uint8Array {
  const at = random.below(octets.length + 1);
  const copy = octets.slice();
  if (octets.length === 0) return one(random, samples).slice();
  const inside = Math.min(at, octets.length - 1);
  switch (random.below(14)) {
    case 0:
      copy[inside]! ^= 1 << random.below(8);
      return copy;
    case 1:
      copy[inside] = one(random, INTERESTING);
      return copy;
    case 2:
      copy[inside] = random.below(256);
      return copy;
    case 3: {
      // a number of 2 or 4 octets, either order
      const view = new DataView(copy.buffer);
      const little = random.below(2) === 0;
      const number = random.below(3) === 0 ? octets.length - random.below(32) : one(random, NUMBERS);
      if (random.below(2) === 0 && inside + 4 <= copy.length) view.setUint32(inside, number, little);
      else if (inside + 2 <= copy.length) view.setUint16(inside, number, little);
      return copy;
    }
    case 4:
      return copy.slice(0, at);
    case 5: // some of it is missing
      return joined(octets.subarray(0, inside), octets.subarray(inside + 1 + random.below(16)));
    case 6: // some of it twice
      return inserted(octets, at, octets.subarray(inside, inside + 1 + random.below(64)));
    case 7: // some of it often: nesting, long lists
      return inserted(
        octets,
        at,
        joined(
          ...Array.from({ length: 1 + random.below(200) }, () => octets.subarray(inside, inside + 1 + random.below(3))),
        ),
      );
    case 8: {
      const other = one(random, samples);
      return joined(octets.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    case 9: {
      const other = one(random, samples);
      const from = random.below(other.length + 1);
      return inserted(octets, at, other.subarray(from, from + random.below(64)));
    }
    case 10:
      return inserted(
        octets,
        at,
        Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256)),
      );
    case 11: {
      // a word so often that what is not linear, or repeats it in a message, shows
      const word = words.length > 0 ? one(random, words) : octets.subarray(inside, inside + 1 + random.below(4));
      const times = random.below(8) === 0 ? 4000 : 20;
      return inserted(octets, at, joined(...Array.from({ length: 1 + random.below(times) }, () => word)));
    }
    default:
      if (words.length === 0) return inserted(octets, at, Uint8Array.of(one(random, INTERESTING)));
      return inserted(octets, at, one(random, words));
  }
}

/** Fewer and plainer octets that `fails` says true of, found until `deadline` (performance.now()). */
export function smallestOctets(
  octets: Uint8Array,
  fails: (octets: Uint8Array) => boolean,
  deadline: number,
): Uint8Array {
  let best = octets;
  const keeps = (candidate: Uint8Array): boolean => {
    if (performance.now() >= deadline || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = octets.length >> 1; size >= 1; size >>= 1)
    for (let at = 0; at < best.length; ) if (!keeps(joined(best.subarray(0, at), best.subarray(at + size)))) at += size;
  for (let k = 0; k < best.length; k++) if (best[k] !== 0) keeps(best.with(k, 0));
  return best;
}
