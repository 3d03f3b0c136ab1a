/**
 * A text with values whose places are known: a YAML file, or one line of JSON. Positions count from 1; columns count
 * UTF-16 units, as editors do.
 */
import type { Path } from './problem.ts';

/** Where a value or a key stands, and what stands there, fit for an error message. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly got: string;
}

/** A mistake of the notation itself, found before anybody looked at the values. */
export interface SyntaxProblem {
  readonly path: Path;
  readonly line: number;
  readonly column: number;
  readonly expected: string;
  readonly got: string;
}

/** Values, places and what is wrong with the notation. */
export interface Source {
  readonly value: unknown;
  readonly problems: readonly SyntaxProblem[];
  /** False if the values cannot be trusted because the notation is broken. */
  readonly readable: boolean;
  /** The value at `path`; of a missing value, the place of the nearest parent and got "nothing". */
  valueAt(path: Path): Place;
  /** The key that ends `path`. */
  keyAt(path: Path): Place;
}
