/**
 * One line of JSON, a flat object, with the column of every key and value: `JSON.parse` says neither where it stopped
 * nor that a key came twice. Slow and exact; only lines that something is wrong with come here.
 */
import { excerpt } from './problem.ts';
import type { Place, Source, SyntaxProblem } from './source.ts';

const SPACE = /[ \t\r]*/y;
const TEXT = /"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const OTHER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** Reads line number `line` of a file; never throws on any text. */
export function readJsonLine(text: string, line: number): Source {
  const keys = new Map<string, Place>();
  const values = new Map<string, Place>();
  const entries: [string, unknown][] = [];
  const problems: SyntaxProblem[] = [];
  let o = 0;

  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = o;
    const found = pattern.exec(text)?.[0] ?? null;
    if (found !== null) o += found.length;
    return found;
  };
  const token = (pattern: RegExp): string | null => {
    match(SPACE);
    return match(pattern);
  };
  const stop = (expected: string): false => {
    problems.push({ path: [], line, column: o + 1, expected, got: excerpt(text.slice(o)) || 'the end of the line' });
    return false;
  };

  const entry = (): boolean => {
    const key = token(TEXT);
    if (key === null) return stop('a key in quotes');
    const name = JSON.parse(key) as string;
    const keyPlace = { line, column: o - key.length + 1, got: excerpt(key) };
    if (keys.has(name)) {
      problems.push({ path: [name], ...keyPlace, expected: 'every key once', got: `${keyPlace.got} again` });
    }
    if (token(/:/y) === null) return stop('":"');
    const value = token(TEXT) ?? match(OTHER);
    if (value === null) return stop('text in quotes');
    keys.set(name, keyPlace);
    values.set(name, { line, column: o - value.length + 1, got: excerpt(value) });
    entries.push([name, JSON.parse(value)]);
    return true;
  };

  const object = (): boolean => {
    if (token(/\{/y) === null) return stop('a JSON object in one line');
    if (token(/\}/y) === null) {
      do {
        if (!entry()) return false;
      } while (token(/,/y) !== null);
      if (token(/\}/y) === null) return stop('"," or "}"');
    }
    match(SPACE);
    return o === text.length || stop('the end of the line');
  };

  const readable = object();
  const whole: Place = { line, column: 1, got: 'nothing' };
  return {
    value: Object.fromEntries(entries),
    problems,
    readable,
    valueAt: (path) => values.get(String(path[0])) ?? whole,
    keyAt: (path) => keys.get(String(path[0])) ?? whole,
  };
}
