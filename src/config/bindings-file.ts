/**
 * Bindings of a large site: one as JSON per line. A line that is plainly right is read by `JSON.parse`, a
 * million of them in a few seconds; only others are read again, slowly, to say the column.
 */
import { type L64, parseL64, parseNid } from '../wire/text.ts';
import { isReservedNid, isUnicastL64 } from '../wire/unicast.ts';
import { isName } from './fields.ts';
import { readJsonLine } from './json-line-source.ts';
import { excerpt, formatPath, type Path, type Problem } from './problem.ts';
import { type BindingDraft, bindingSchema } from './schema.ts';
import type { BindingConfig } from './site-config.ts';
import { problemAt, validate } from './validate.ts';

/** Longest line; a binding with the longest names needs less than a quarter. */
const LINE_MAX = 2048;
/** Wrong lines that are explained; more of them are one mistake, not many. */
const WRONG_LINES_MAX = 1000;

const REQUIRED = ['nid', 'guest', 'home', 'at'] as const;

/** The bindings of a file, as far as they are right, and a way to report what turns out wrong later. */
export interface BindingsFile {
  readonly bindings: readonly BindingDraft[];
  readonly problems: readonly Problem[];
  problem(index: number, field: keyof BindingDraft, expected: string, got?: string): Problem;
}

/** Reads the text of `file`. Empty lines count as lines and hold nothing. */
export function readBindings(text: string, file: string): BindingsFile {
  const bindings: BindingDraft[] = [];
  const problems: Problem[] = [];
  const lineOf: number[] = [];
  const startOf: number[] = [];
  const shared = new Shared();
  let wrong = 0;

  let line = 0;
  for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length; line++) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const content = text.slice(start, end);
    const from = start;
    start = end + 1;
    if (content.trim() === '') continue;

    let binding: BindingDraft | null = plainBinding(content, shared);
    if (binding === null) {
      const explained = wrong < WRONG_LINES_MAX ? explain(content, line + 1, file) : { draft: {}, problems: [] };
      if (explained.problems.length > 0 || wrong >= WRONG_LINES_MAX) wrong++;
      problems.push(...explained.problems);
      binding = explained.draft;
    }
    bindings.push(binding);
    lineOf.push(line + 1);
    startOf.push(from);
  }
  if (wrong > WRONG_LINES_MAX) {
    const got = `${wrong - WRONG_LINES_MAX} more lines that may be wrong`;
    problems.push({ file, line, column: 1, path: formatPath([]), expected: 'one binding as JSON per line', got });
  }

  return {
    bindings,
    problems,
    problem(index, field, expected, got) {
      const start = startOf[index] ?? 0;
      const newline = text.indexOf('\n', start);
      const source = readJsonLine(text.slice(start, newline < 0 ? text.length : newline), lineOf[index] ?? 1);
      const path: Path = [field];
      const place = source.valueAt(path);
      return problemAt(file, path, expected, { ...place, got: got ?? place.got });
    },
  };
}

/** Reads a line that is right and unsuspicious; null says nothing but "look closer". */
function plainBinding(line: string, shared: Shared): BindingConfig | null {
  if (line.length > LINE_MAX) return null;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;

  const record = value as Record<string, unknown>;
  let keys = 0;
  for (const key in record) {
    if (typeof record[key] !== 'string') return null;
    keys++;
  }
  const { nid, guest, home, uplink, at } = record as Record<string, string | undefined>;
  if (nid === undefined || guest === undefined || home === undefined || at === undefined) return null;
  if (keys !== REQUIRED.length + (uplink === undefined ? 0 : 1)) return null;
  if (quotesIn(line) !== 4 * keys) return null; // JSON.parse hides a key that came twice

  const identifier = parseNid(nid);
  const locator = shared.l64(guest);
  if (identifier === null || isReservedNid(identifier) || locator === null) return null;
  const homeName = shared.name(home);
  const atName = shared.name(at);
  const uplinkName = uplink === undefined ? undefined : shared.name(uplink);
  if (homeName === null || atName === null || uplinkName === null) return null;
  return { nid: identifier, guest: locator, home: homeName, uplink: uplinkName, at: atName };
}

function explain(content: string, line: number, file: string): { draft: BindingDraft; problems: readonly Problem[] } {
  if (content.length > LINE_MAX) {
    const expected = `at most ${LINE_MAX} characters in a line`;
    const got = `${content.length}: ${excerpt(content.slice(0, 20))}...`;
    return { draft: {}, problems: [{ file, line, column: 1, path: formatPath([]), expected, got }] };
  }
  return validate(bindingSchema, readJsonLine(content, line), file);
}

function quotesIn(line: string): number {
  let count = 0;
  for (let o = line.indexOf('"'); o >= 0; o = line.indexOf('"', o + 1)) count++;
  return count;
}

/** Names and Locators of few sites in many bindings: checked once, and one copy in memory. */
class Shared {
  readonly #names = new Map<string, string | null>();
  readonly #l64s = new Map<string, L64 | null>();

  name(text: string): string | null {
    return remember(this.#names, text, () => (isName(text) ? text : null));
  }

  l64(text: string): L64 | null {
    return remember(this.#l64s, text, () => {
      const l64 = parseL64(text);
      return l64 !== null && isUnicastL64(l64) ? l64 : null;
    });
  }
}

function remember<T>(known: Map<string, T>, text: string, make: () => T): T {
  const value = known.get(text);
  if (value !== undefined) return value;
  const made = make();
  known.set(text, made);
  return made;
}
