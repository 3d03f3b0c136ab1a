/**
 * Which test shows which item. The annotation is a line comment right above the call of `test`, `it` or `describe`,
 * other comment lines may stand between:
 *
 *   // shows: S2, S5
 *   test('...', () => {
 *
 * A golden capture has the line `Shows: S2` in its case.md instead.
 */
import { parseAst } from 'vitest/node';

/** A test that claims to show items. */
export interface Claim {
  /** Path from `test/`, with forward slashes. */
  readonly file: string;
  /** Titles from the outermost describe inwards, placeholders of `each` as written. */
  readonly titles: readonly string[];
  /** File that runs it, when that is another one. */
  readonly runBy?: string;
  readonly items: readonly string[];
}

export interface Claims {
  readonly claims: readonly Claim[];
  /** `file:line: what is wrong` of every annotation that cannot count. */
  readonly problems: readonly string[];
}

/** What all nodes of the syntax tree have. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}
interface Call extends Node {
  readonly callee: Node;
  readonly arguments: readonly Node[];
}

const ANNOTATION = /^\s*\/\/ shows:(.*)$/;
const IN_MARKDOWN = /^Shows:(.*)$/m;
const ID = /^[A-Z]+[0-9]+[a-z]?$/;
const RUNNERS = new Set(['test', 'it', 'describe']);
/** Such a test is not run, or passes when it fails. */
const NO_PROOF = new Set(['skip', 'todo', 'fails']);

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';

/** All annotations of one file of tests. */
export function claimsOf(file: string, source: string): Claims {
  const lines = source.split('\n');
  const lineOf = (offset: number): number => source.slice(0, offset).split('\n').length - 1;
  const annotated = new Set<number>();
  lines.forEach((line, k) => {
    if (ANNOTATION.test(line)) annotated.add(k);
  });
  if (annotated.size === 0) return { claims: [], problems: [] };

  const claims: Claim[] = [];
  const problems: string[] = [];
  const visit = (node: Node, titles: readonly string[], idle: boolean): void => {
    const found = node.type === 'CallExpression' ? runnerOf(node as Call, source) : null;
    const path = found === null ? titles : [...titles, found.title];
    const isIdle = idle || found?.words.some((word) => NO_PROOF.has(word)) === true;
    if (found !== null) {
      for (let k = lineOf(node.start) - 1; k >= 0 && /^\s*\/\//.test(lines[k]!); k--) {
        const list = ANNOTATION.exec(lines[k]!)?.[1];
        if (list === undefined) continue;
        annotated.delete(k);
        const { items, problem } = idsOf(list);
        if (problem !== null) problems.push(`${file}:${k + 1}: ${problem}`);
        else if (isIdle) problems.push(`${file}:${k + 1}: the test below is not run, or is expected to fail`);
        else claims.push({ file, titles: path, items });
      }
    }
    for (const child of Object.values(node)) {
      if (Array.isArray(child)) for (const one of child) isNode(one) && visit(one, path, isIdle);
      else if (isNode(child)) visit(child, path, isIdle);
    }
  };
  visit(parseAst(source, { lang: 'ts' }) as unknown as Node, [], false);
  for (const k of annotated) problems.push(`${file}:${k + 1}: no call of test, it or describe right below`);
  return { claims, problems };
}

/** The claim of a golden capture, whose `story` is at `file`. */
export function goldenClaim(file: string, story: string): Claims {
  const list = IN_MARKDOWN.exec(story)?.[1];
  if (list === undefined) return { claims: [], problems: [] };
  const { items, problem } = idsOf(list);
  if (problem !== null) return { claims: [], problems: [`${file}: ${problem}`] };
  const titles = ['golden captures', `${file.split('/').at(-2)}: capture, counters and reasons are as witnessed`];
  return { claims: [{ file, titles, runBy: 'golden/golden.test.ts', items }], problems: [] };
}

function idsOf(list: string): { items: string[]; problem: string | null } {
  const items = list.split(',').map((id) => id.trim());
  const wrong = items.find((id) => !ID.test(id));
  return { items, problem: wrong === undefined ? null : `expected ids with commas between them, got "${wrong}"` };
}

/** The title and the words of `test.skip.each(...)('title', ...)`, or null when it is no such call. */
function runnerOf(call: Call, source: string): { title: string; words: string[] } | null {
  const first = call.arguments[0];
  if (first === undefined || !['Literal', 'TemplateLiteral'].includes(first.type)) return null;
  const words: string[] = [];
  let node = call.callee as Node & Record<string, Node>;
  for (;;) {
    if (node.type === 'CallExpression') node = node.callee as typeof node;
    else if (node.type === 'MemberExpression') {
      words.push(source.slice(node.property!.start, node.property!.end));
      node = node.object as typeof node;
    } else break;
  }
  if (node.type !== 'Identifier' || !RUNNERS.has(source.slice(node.start, node.end))) return null;
  const { value } = first as Node & { value?: unknown };
  const title = first.type === 'Literal' ? value : source.slice(first.start + 1, first.end - 1);
  return typeof title === 'string' ? { title, words } : null;
}
