/** Reads a whole number of an option. */
import { InvalidArgumentError } from 'commander';

/** A parser for `.option()`: from 1 to `most`. */
export const wholeUpTo =
  (most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new InvalidArgumentError(`Expected a whole number of 1 to ${most}.`);
    return value;
  };
