/**
 * Holds values against a schema and says all that is wrong, each with its place. What is right survives as a draft even
 * if its neighbours are wrong, so that the checks across keys can report their mistakes in the same run.
 */
import { z } from 'zod';
import { nearest } from './nearest.ts';
import { formatPath, type Path, type Problem } from './problem.ts';
import type { Place, Source } from './source.ts';

/** Some of the values: what is missing or wrong is undefined; lists keep their positions. */
export type Draft<T> = T extends readonly (infer E)[]
  ? readonly (Draft<E> | undefined)[]
  : T extends { hi: number } | string | number | boolean
    ? T
    : T extends object
      ? { readonly [K in keyof T]?: Draft<T[K]> | undefined }
      : T;

/** Takes one mistake at `path`; `got` only where the text at that place does not say it. */
export type Report = (path: Path, expected: string, got?: string) => void;

/** The values of a source as far as they are right, and what is wrong with the others. */
export interface Validated<T> {
  readonly draft: Draft<T>;
  /** All values; null if any is wrong. */
  readonly value: T | null;
  readonly problems: readonly Problem[];
}

/** Validates `source`, which came from `file`. Defaults are filled in. */
export function validate<S extends z.ZodType>(schema: S, source: Source, file: string): Validated<z.output<S>> {
  const problems: Problem[] = source.problems.map(({ path, ...rest }) => ({ file, path: formatPath(path), ...rest }));
  if (!source.readable) return { draft: {} as Draft<z.output<S>>, value: null, problems };

  const result = schema.safeParse(source.value);
  if (result.success) return { draft: result.data as Draft<z.output<S>>, value: result.data, problems };

  for (const issue of result.error.issues) {
    const path = issue.path as Path;
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const expected = expectedKey(key, keysAt(schema, path));
        problems.push(problemAt(file, [...path, key], expected, source.keyAt([...path, key])));
      }
    } else {
      problems.push(problemAt(file, path, issue.message, source.valueAt(path)));
    }
  }
  return { draft: salvage(schema, source.value) as Draft<z.output<S>>, value: null, problems };
}

/** Makes a problem of a place. */
export function problemAt(file: string, path: Path, expected: string, place: Place): Problem {
  return { file, line: place.line, column: place.column, path: formatPath(path), expected, got: place.got };
}

function expectedKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  const hint = meant === null ? '' : ` (did you mean "${meant}"?)`;
  return `one of the keys ${known.join(', ')}${hint}`;
}

/** The keys of the mapping at `path`. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  let at = unwrap(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[String(step)] as z.ZodType);
    else if (at instanceof z.ZodArray) at = unwrap(at.element as z.ZodType);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Keeps the right leaves of `value`: mappings and lists are entered, everything else stands or falls as a whole. */
function salvage(schema: z.ZodType, value: unknown): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const mapping = isMapping(value) ? value : {};
    const entries = Object.entries(inner.shape as Record<string, z.ZodType>);
    return Object.fromEntries(entries.map(([key, field]) => [key, salvage(field, mapping[key])]));
  }
  if (inner instanceof z.ZodArray) {
    return Array.isArray(value) ? value.map((element) => salvage(inner.element as z.ZodType, element)) : [];
  }
  return schema.safeParse(value).data;
}

function unwrap(schema: z.ZodType): z.ZodType {
  const wrapped = schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional;
  return wrapped ? unwrap(schema.unwrap() as z.ZodType) : schema;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
