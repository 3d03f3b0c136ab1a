/**
 * Which nodes speak ILNP, and where they are: a text file in the notation of the St Andrews hosts file. A line has one
 * Node Identifier, names if somebody wants to read them, and Locators, each with its preference if it is not 10:
 *
 *   0+0+0+b1  bob.example  2001-db8-b-0 2001-db8-bb-0,20    # a comment
 *   2001-db8-b-0.0+0+0+b1,10                                # the same NID and Locator in one word
 *
 * Lines of the same Node Identifier are one node.
 */
import type { L64, Nid } from '../wire/text.ts';
import { formatNid, parseIlv, parseL64, parseNid } from '../wire/text.ts';
import { isReservedNid, isUnicastL64 } from '../wire/unicast.ts';
import type { Problem } from './problem.ts';

const DEFAULT_PREFERENCE = 10;
const PREFERENCE = /^\d{1,5}$/;
/** Notation of this file only: four groups with colons could be either. */
const NID = /^[0-9a-f]+(?:\+[0-9a-f]+){3}$/i;
const L64_TEXT = /^[0-9a-f]+(?:-[0-9a-f]+){3}$/i;

export interface IlnpHost {
  readonly nid: Nid;
  readonly names: readonly string[];
  readonly locators: readonly { readonly l64: L64; readonly preference: number }[];
}

/** Reads the text of `file`; every mistake with its line. `own`: the Node Identifier that is no peer's. */
export function readHosts(text: string, file: string, own?: Nid): { hosts: IlnpHost[]; problems: Problem[] } {
  const hosts = new Map<string, IlnpHost>();
  const problems: Problem[] = [];
  text.split('\n').forEach((line, k) => {
    const words = line.replace(/#.*/, '').trim().split(/\s+/).filter(Boolean);
    if (words.length === 0) return;
    const wrong = (expected: string, got: string): void => {
      problems.push({ file, line: k + 1, column: Math.max(line.indexOf(got), 0) + 1, path: '(line)', expected, got });
    };
    const host = readLine(words, wrong);
    if (host === null) return;
    if (own !== undefined && isSame(host.nid, own)) wrong('the Node Identifier of another node', words[0]!);
    else add(hosts, host);
  });
  return { hosts: [...hosts.values()], problems };
}

/** Lines of the same Node Identifier are one node. */
function add(hosts: Map<string, IlnpHost>, host: IlnpHost): void {
  const key = formatNid(host.nid);
  const known = hosts.get(key);
  if (known === undefined) hosts.set(key, host);
  else {
    const { nid, names, locators } = known;
    hosts.set(key, { nid, names: [...names, ...host.names], locators: [...locators, ...host.locators] });
  }
}

function readLine(words: readonly string[], wrong: (expected: string, got: string) => void): IlnpHost | null {
  let nid: Nid | null = null;
  let isRight = true;
  const names: string[] = [];
  const locators: { l64: L64; preference: number }[] = [];
  const fault = (expected: string, got: string): void => {
    isRight = false;
    wrong(expected, got);
  };
  const isOther = (other: Nid): boolean => nid !== null && !isSame(nid, other);
  for (const word of words) {
    const [head = '', digits, ...rest] = word.split(',');
    const preference = digits === undefined ? DEFAULT_PREFERENCE : Number(digits);
    const isPreference = digits === undefined || (PREFERENCE.test(digits) && preference <= 65535);
    if (rest.length > 0 || !isPreference) {
      fault('a preference of 0 to 65535 behind the comma', word);
      continue;
    }
    const ilv = head.includes('.') && head.includes('+') ? parseIlv(head) : null;
    const l64 = ilv?.l64 ?? (L64_TEXT.test(head) ? parseL64(head) : null);
    const found = ilv?.nid ?? (NID.test(head) && digits === undefined ? parseNid(head) : null);
    if (l64 === null && found === null) {
      if (head.includes('+')) fault('a Node Identifier such as 0+0+0+b1', word);
      else names.push(word);
      continue;
    }
    if (found !== null && (isReservedNid(found) || isOther(found)))
      fault('one Node Identifier that is not reserved', word);
    if (found !== null) nid = found;
    if (l64 !== null && !isUnicastL64(l64)) fault('a global unicast or unique local Locator', word);
    else if (l64 !== null) locators.push({ l64, preference });
  }
  if (isRight && (nid === null || locators.length === 0))
    fault('a Node Identifier and at least one Locator', words[0]!);
  return isRight && nid !== null ? { nid, names, locators } : null;
}

const isSame = (a: Nid, b: Nid): boolean => a.hi === b.hi && a.lo === b.lo;
