/**
 * What src/wire/explain.ts has to say, made from what tshark says. Not in it, and taken out of ours: the names of codes,
 * what tshark leaves undissected (errors of unknown types, quotes that are no IPv6 packet) and flags it did not read.
 */
import { formatL64 } from '../../src/wire/text.ts';
import type { Header, View } from './view.ts';

const NAMES: Readonly<Record<number, string>> = {
  ...{ 6: 'TCP', 17: 'UDP', 136: 'UDP-Lite', 58: 'ICMPv6', 50: 'ESP', 59: 'no next header' },
};
const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];
const ICMP: Readonly<Record<number, string>> = {
  ...{ 1: 'Destination Unreachable', 2: 'Packet Too Big, MTU', 3: 'Time Exceeded', 4: 'Parameter Problem at octet' },
  ...{ 133: 'Router Solicitation', 134: 'Router Advertisement' },
  ...{ 135: 'Neighbour Solicitation of', 136: 'Neighbour Advertisement of' },
};
const OPERATIONS: Readonly<Record<number, string>> = { 1: 'advertisement', 2: 'acknowledgement' };

/** The line for a packet of `length` octets, or, without a length, for one that is quoted. */
export function lineOf(view: View, length?: number): string {
  const { source, destination, ports, headers, upper } = view;
  const isLater = (headers.at(-1)?.fragment?.offset ?? 0) > 0;
  const name = isLater || view.isBroken ? 'IPv6' : (NAMES[upper] ?? `protocol ${upper}`);
  const ends = ports ? `[${source}]:${ports[0]} > [${destination}]:${ports[1]}` : `${source} > ${destination}`;
  const nonces = headers.flatMap((header) => header.nonces ?? []);
  return [
    `${name} ${ends}`,
    ...(view.flags === undefined ? [] : [FLAGS.filter((_, k) => (view.flags! >>> k) & 1).join(' ') || 'no flags']),
    ...(upper === 58 ? [message(view)] : []),
    ...headers.map(headerOf),
    ...(view.isBroken ? ['broken extension headers'] : nonces.length > 1 ? ['more than one nonce'] : []),
    ...(length === undefined ? [] : [`${length} octets`]),
  ].join(', ');
}

function message({ icmp, update, quote }: View): string {
  if (icmp === undefined) return 'cut off';
  const { type, code, detail } = icmp;
  if (update !== undefined) {
    const locators = update.locators.map(
      ({ locator, preference, lifetime }) => `${formatL64(locator)} preference ${preference} lifetime ${lifetime} s`,
    );
    const operation = OPERATIONS[update.operation] ?? `operation ${update.operation}`;
    return `Locator Update, ${operation}: ${locators.join('; ') || 'no Locator'}`;
  }
  if (type === 128 || type === 129)
    return `Echo ${type === 128 ? 'Request' : 'Reply'} id ${detail[0]} seq ${detail[1]}`;
  const words = ICMP[type] === undefined ? `type ${type} code ${code}` : [ICMP[type], ...detail].join(' ');
  const target = detail.length === 0 ? words.replace(/ of$/, '') : words;
  return quote === undefined ? target : `${target} about {${lineOf(quote)}}`;
}

function headerOf({ protocol, fragment, nonces }: Header): string {
  if (fragment !== undefined)
    return `fragment 0x${fragment.id.toString(16)} at octet ${fragment.offset}${fragment.more ? '' : ', the last'}`;
  if (nonces !== undefined) return `nonce ${nonces[0]}`;
  return (
    { 0: 'hop-by-hop options', 43: 'routing header', 51: 'authentication header' }[protocol] ?? 'destination options'
  );
}

/** Our line, without what the other cannot have. `view`: of tshark. */
export function comparable(line: string, view: View): string {
  let plain = line.replaceAll(/ \((?:[a-z ]+|code \d+)\)/g, '');
  if (view.icmp !== undefined && view.quote === undefined) plain = plain.replace(/ about (?:a cut packet|\{.*\})/, '');
  const unread = [view, view.quote].some((v) => v?.upper === 6 && v.ports !== undefined && v.flags === undefined);
  return unread ? plain.replace(/, (?:no flags|[A-Z]{3}(?: [A-Z]{3})*)(?=[,}])/, '') : plain;
}
