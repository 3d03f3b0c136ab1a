/** What is wrong with a configuration, in words that name the place, what was expected and what came. */
import { IlnpError } from '../runtime/errors.ts';

/** Keys and list positions from the top of a file to a value. */
export type Path = readonly (string | number)[];

/** One mistake; `line` and `column` count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

/** A wrong configuration: `problems` and the message hold all mistakes, ordered by place. */
export class ConfigError extends IlnpError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('E_CONFIG', problems.map(formatProblem).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Writes `file:line:column path: expected …, got …`. */
function formatProblem(problem: Problem): string {
  const { file, line, column, path, expected, got } = problem;
  return `${file}:${line}:${column} ${path}: expected ${expected}, got ${got}`;
}

/** Writes a path as `uplinks[0].l64`; the whole document is `(document)`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text === '' ? '(document)' : text;
}

/** Cuts what came to one short printable line; whose password stands in front of a host is nobody's business. */
export function excerpt(source: string): string {
  const line = source.trim().replace(/(?<=:\/\/)[^\s"']*@/g, '***@');
  const short = line.length > 60 ? `${line.slice(0, 57)}...` : line;
  return /\p{Cc}/u.test(short) ? JSON.stringify(short) : short; // control characters must not reach a terminal
}
