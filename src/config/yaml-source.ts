/**
 * Reads YAML 1.2 (core schema: text stays text, `1:2` is no number) and remembers where everything stands. What YAML
 * allows and a configuration must not have is a problem here: duplicate keys, unknown tags, several documents, aliases
 * that multiply, and nesting so deep that the composer, which recurses, could bring the process down.
 */
import { Composer, type CST, type Document, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import { excerpt, type Path } from './problem.ts';
import type { Place, Source, SyntaxProblem } from './source.ts';

/** Ours are four levels deep. */
const DEPTH_MAX = 32;
/** Values an alias may stand for in all; the library counts multiplied aliases. */
const ALIAS_COUNT_MAX = 100;
/** Characters of a message of the library; its longest of its own is shorter. */
const MESSAGE_MAX = 200;

/** Reads one document; never throws on any text. */
export function readYaml(text: string): Source {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };

  const tokens = tokensOf(text, lines);
  const tooDeep = typeof tokens === 'number' ? tokens : deepToken(tokens)?.offset;
  if (typeof tokens === 'number' || tooDeep !== undefined) {
    const expected = `at most ${DEPTH_MAX} levels of nesting`;
    return unreadable([{ path: [], ...at(tooDeep ?? 0), expected, got: 'more' }]);
  }

  const composer = new Composer({ schema: 'core', uniqueKeys: true, logLevel: 'error' });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  if (document === undefined) throw new TypeError('the composer was asked for a document and gave none');

  const problems: SyntaxProblem[] = [];
  let readable = true;
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const duplicate = code === 'DUPLICATE_KEY';
    if (!duplicate && code !== 'TAG_RESOLVE_FAILED') readable = false;
    const expected = duplicate ? 'every key once' : 'valid YAML';
    const got = duplicate ? `${keyOf(text, pos[0])} again` : inShort(message);
    problems.push({ path: [], ...at(pos[0]), expected, got });
  }
  if (second !== undefined) {
    problems.push({ path: [], ...at(second.range[0]), expected: 'one document', got: 'a second one' });
  }

  let value: unknown = null;
  try {
    value = readable ? document.toJS({ maxAliasCount: ALIAS_COUNT_MAX }) : null;
  } catch (error) {
    readable = false;
    const alias = tokenOfAlias(tokens);
    const expected = 'aliases that are known and few';
    problems.push({ path: [], ...at(alias?.offset ?? 0), expected, got: inShort((error as Error).message) });
  }
  return readable ? new YamlSource(value, problems, document, text, lines) : unreadable(problems);
}

class YamlSource implements Source {
  readonly value: unknown;
  readonly problems: readonly SyntaxProblem[];
  readonly readable = true;
  readonly #document: Document;
  readonly #text: string;
  readonly #lines: LineCounter;

  constructor(
    value: unknown,
    problems: readonly SyntaxProblem[],
    document: Document,
    text: string,
    lines: LineCounter,
  ) {
    this.value = value;
    this.problems = problems;
    this.#document = document;
    this.#text = text;
    this.#lines = lines;
  }

  valueAt(path: Path): Place {
    return this.#walk(path, 'value');
  }

  keyAt(path: Path): Place {
    return this.#walk(path, 'key');
  }

  #walk(path: Path, what: 'key' | 'value'): Place {
    let node: unknown = this.#document.contents;
    let reached = node;
    let key: unknown = null;
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.#document);
      key = null;
      if (isMap(node)) {
        const pair = node.items.find((item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step));
        key = pair?.key ?? null;
        node = pair?.value ?? null;
      } else {
        node = isSeq(node) ? (node.items[Number(step)] ?? null) : null;
      }
      if (node === null && key === null) return { ...this.#place(reached), got: 'nothing' };
      reached = node ?? key;
    }
    if (what === 'key' && key !== null) return this.#place(key);
    return node === null ? { ...this.#place(reached), got: 'nothing' } : this.#place(node);
  }

  #place(node: unknown): Place {
    const range = (node as { range?: readonly [number, number, number] } | null)?.range ?? [0, 0, 0];
    const { line, col } = this.#lines.linePos(range[0]);
    return { line, column: col, got: describe(node, this.#text.slice(range[0], range[1])) };
  }
}

/** The library's own words repeat what is in the file, however long that is. */
const inShort = (message: string): string => {
  const line = message.replaceAll('\n', ' ');
  return line.length > MESSAGE_MAX ? `${line.slice(0, MESSAGE_MAX)}...` : line;
};

/** The key that starts at `offset`; the library gives the first character only. */
function keyOf(text: string, offset: number): string {
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^\s:,{}[\]]+)/.exec(text.slice(offset, offset + 64));
  return excerpt(key?.[0] ?? 'a key');
}

/** What came, so that a number and the same digits in quotes look different. */
function describe(node: unknown, source: string): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (isScalar(node) && typeof node.value === 'number') return `the number ${excerpt(source)}`;
  return source.trim() === '' ? 'nothing' : excerpt(source);
}

function unreadable(problems: readonly SyntaxProblem[]): Source {
  const nowhere = { line: 1, column: 1, got: 'nothing' };
  return { value: null, problems, readable: false, valueAt: () => nowhere, keyAt: () => nowhere };
}

/** The tokens, or where they nest far too deeply: the parser recurses when many levels end at once. */
function tokensOf(text: string, lines: LineCounter): CST.Token[] | number {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > 2 * DEPTH_MAX) return parser.offset;
  }
  tokens.push(...parser.end());
  return tokens;
}

/** The first token below DEPTH_MAX; with a stack of our own, because the depth is what is in doubt. */
function deepToken(tokens: readonly CST.Token[]): CST.Token | null {
  for (const { token, depth } of everyToken(tokens)) if (depth > DEPTH_MAX) return token;
  return null;
}

/** The last alias: the outermost of a chain, whose value is the largest. */
function tokenOfAlias(tokens: readonly CST.Token[]): CST.Token | null {
  let last: CST.Token | null = null;
  for (const { token } of everyToken(tokens)) {
    if (token.type === 'alias' && token.offset >= (last?.offset ?? 0)) last = token;
  }
  return last;
}

function* everyToken(tokens: readonly CST.Token[]): Generator<{ token: CST.Token; depth: number }> {
  const stack = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { token, depth } = next;
    yield next;
    if (token.type === 'document' && token.value !== undefined) stack.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      if (key) stack.push({ token: key, depth: depth + 1 });
      if (value) stack.push({ token: value, depth: depth + 1 });
    }
  }
}
