/**
 * The commands of ip(8) that an end system runs while Locators change, as rtnetlink messages: a process started for them
 * would cost more than all the rest of a hand-off. Plans stay what people read and type; a word that is not known here
 * makes the command one for ip(8).
 */
import { ifNameToIndex } from '../device/libc.ts';
import { parseIpv6 } from '../wire/text.ts';
import * as netlink from './netlink.ts';
import { attribute, type Change, number32 } from './netlink.ts';

const [UNICAST, THROW] = [1, 9];
const [TABLE_MAIN, TABLE_UNSPECIFIED] = [254, 0];
const [SCOPE_UNIVERSE, TO_TABLE] = [0, 1];
const [NTF_USE, NTF_PROXY] = [1, 8];
/** NUD_PERMANENT. */
const PERMANENT = 0x80;
const [RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE] = [1, 4, 5, 15];
const [FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL] = [2, 3, 6, 15, 21];
const [NDA_DST, NDA_PROTOCOL] = [1, 12];

/** The message for one command without its `ip -6`, or null where only ip(8) knows. */
export function changeOf(words: readonly string[]): Change | null {
  const [object, verb, ...rest] = words;
  if (verb !== 'add' && verb !== 'del' && verb !== 'replace') return null;
  if (object === 'route') return routeOf(verb, rest);
  if (object === 'rule') return ruleOf(verb, rest);
  if (object !== 'neigh') return null;
  return rest[0] === 'proxy' ? proxyOf(verb, rest) : useOf(verb, rest);
}

type Verb = 'add' | 'del' | 'replace';

function flagsOf(verb: Verb): number {
  if (verb === 'del') return 0;
  return netlink.CREATE | (verb === 'add' ? netlink.EXCLUSIVE : netlink.REPLACE);
}

/** [default | throw PREFIX | PREFIX] (via A) (dev N) table T protocol P */
function routeOf(verb: Verb, words: readonly string[]): Change | null {
  const isThrow = words[0] === 'throw';
  const [to, ...pairs] = isThrow ? words.slice(1) : words;
  const known = pairsOf(pairs, ['via', 'dev', 'table', 'protocol']);
  const prefix = to === 'default' ? { address: null, length: 0 } : prefixOf(to);
  if (known === null || prefix === null) return null;
  const parts: Uint8Array[] = [];
  if (prefix.address !== null) parts.push(attribute(RTA_DST, prefix.address));
  const via = known.get('via');
  if (via !== undefined) {
    const gateway = parseIpv6(via);
    if (gateway === null) return null;
    parts.push(attribute(RTA_GATEWAY, gateway));
  }
  const name = known.get('dev');
  if (name !== undefined) {
    const index = ifNameToIndex(name);
    if (index === 0) return null;
    parts.push(attribute(RTA_OIF, number32(index)));
  }
  const table = known.get('table');
  if (table === undefined) return null;
  parts.push(attribute(RTA_TABLE, number32(Number(table))));
  const protocol = Number(known.get('protocol') ?? 0);
  const header = [netlink.AF_INET6, prefix.length, 0, 0, TABLE_UNSPECIFIED, protocol, SCOPE_UNIVERSE];
  const type = isThrow ? THROW : verb === 'del' ? 0 : UNICAST;
  const message = verb === 'del' ? netlink.RTM_DELROUTE : netlink.RTM_NEWROUTE;
  return {
    type: message,
    flags: flagsOf(verb),
    body: joined([Uint8Array.from([...header, type, 0, 0, 0, 0]), ...parts]),
  };
}

/** iif N from PREFIX lookup T priority N protocol P */
function ruleOf(verb: Verb, words: readonly string[]): Change | null {
  const known = pairsOf(words, ['iif', 'from', 'lookup', 'priority', 'protocol']);
  const source = prefixOf(known?.get('from'));
  const [iif, lookup, priority] = [known?.get('iif'), known?.get('lookup'), known?.get('priority')];
  if (known === null || source === null || verb === 'replace') return null;
  if (iif === undefined || lookup === undefined || priority === undefined) return null;
  const table = lookup === 'main' ? TABLE_MAIN : Number(lookup);
  const parts = [
    attribute(FRA_SRC, source.address),
    attribute(FRA_IIFNAME, new TextEncoder().encode(`${iif}\0`)),
    attribute(FRA_PRIORITY, number32(Number(priority))),
    attribute(FRA_TABLE, number32(table)),
    attribute(FRA_PROTOCOL, Uint8Array.of(Number(known.get('protocol') ?? 0))),
  ];
  const header = Uint8Array.from([netlink.AF_INET6, 0, source.length, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0]);
  const type = verb === 'del' ? netlink.RTM_DELRULE : netlink.RTM_NEWRULE;
  return { type, flags: flagsOf(verb), body: joined([header, ...parts]) };
}

/** proxy A dev N (protocol P) */
function proxyOf(verb: Verb, words: readonly string[]): Change | null {
  const known = pairsOf(words, ['proxy', 'dev', 'protocol']);
  const address = parseIpv6(known?.get('proxy') ?? '');
  const index = ifNameToIndex(known?.get('dev') ?? '');
  if (address === null || index === 0 || verb === 'replace') return null;
  const type = verb === 'del' ? netlink.RTM_DELNEIGH : netlink.RTM_NEWNEIGH;
  const body = neighbour(index, verb === 'del' ? 0 : PERMANENT, NTF_PROXY, address);
  const protocol = known?.get('protocol');
  const parts = protocol === undefined ? [] : [attribute(NDA_PROTOCOL, Uint8Array.of(Number(protocol)))];
  return { type, flags: flagsOf(verb), body: joined([body, ...parts]) };
}

/** A dev N use: resolves the neighbour now. */
function useOf(verb: Verb, [to = '', ...words]: readonly string[]): Change | null {
  const known = words.at(-1) === 'use' ? pairsOf(words.slice(0, -1), ['dev']) : null;
  const address = parseIpv6(to);
  const index = ifNameToIndex(known?.get('dev') ?? '');
  if (address === null || index === 0 || verb !== 'add') return null;
  return { type: netlink.RTM_NEWNEIGH, flags: netlink.CREATE, body: neighbour(index, 0, NTF_USE, address) };
}

/** struct ndmsg and the address. */
export function neighbour(index: number, state: number, flags: number, address: Uint8Array): Uint8Array {
  const header = new Uint8Array(12);
  const view = new DataView(header.buffer);
  header[0] = netlink.AF_INET6;
  view.setInt32(4, index, netlink.LITTLE);
  view.setUint16(8, state, netlink.LITTLE);
  header[10] = flags;
  return joined([header, attribute(NDA_DST, address)]);
}

/** Words by the word before them; null when one is not among `names`. */
function pairsOf(words: readonly string[], names: readonly string[]): Map<string, string> | null {
  const found = new Map<string, string>();
  for (let k = 0; k < words.length; k += 2) {
    const [key, value] = [words[k]!, words[k + 1]];
    if (value === undefined || !names.includes(key)) return null;
    found.set(key, value);
  }
  return found;
}

function prefixOf(text: string | undefined): { address: Uint8Array; length: number } | null {
  const [address = '', length = '128'] = (text ?? '').split('/');
  const octets = parseIpv6(address);
  return octets === null ? null : { address: octets, length: Number(length) };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const octets = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    octets.set(part, at);
    at += part.length;
  }
  return octets;
}
