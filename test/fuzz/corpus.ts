/**
 * The corpus: inputs worth beginning with, and every input that once broke something. A folder per target, files of text:
 *
 *   # anything                        a remark
 *   @ two-uplinks vnet decide         border only: world, header, way; the packets below are played in this order
 *   outside 0104…/6000…               border: side it came from (or `any`), virtio-net header if any, octets
 *   6000…                             parsers: octets
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PORT_NAMES } from '../../src/packet/batch.ts';

/** A packet to send through a border. */
export interface CorpusPacket {
  /** -1: from any side. */
  readonly port: number;
  readonly vnet: Uint8Array | null;
  readonly octets: Uint8Array;
}

const FOUND = 'found-';

export interface CorpusFile<T> {
  readonly name: string;
  /** What follows the `@`, null without one. */
  readonly directive: readonly string[] | null;
  readonly entries: readonly T[];
}

/** The folder in the tree, also when this program runs from a build of it. */
export function corpusFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder)) throw new RangeError('the tree of the project is not around this program');
    folder = dirname(folder);
  }
  return join(folder, 'test/fuzz/corpus');
}

const octetsOf = (hex: string): Uint8Array => {
  if (!/^(?:[0-9a-f]{2})*$/.test(hex)) throw new RangeError(`expected octets in hexadecimal, got ${hex.slice(0, 40)}`);
  return new Uint8Array(Buffer.from(hex, 'hex'));
};
const hexOf = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

function packetOf(line: string): CorpusPacket {
  const [side, octets = ''] = line.split(' ');
  const port = side === 'any' ? -1 : PORT_NAMES.indexOf(side as (typeof PORT_NAMES)[number]);
  if (side !== 'any' && port < 0) throw new RangeError(`expected a side, got ${side}`);
  const [first = '', second] = octets.split('/');
  if (second === undefined) return { port, vnet: null, octets: octetsOf(first) };
  return { port, vnet: octetsOf(first), octets: octetsOf(second) };
}

const lineOf = ({ port, vnet, octets }: CorpusPacket): string =>
  `${PORT_NAMES[port] ?? 'any'} ${vnet === null ? '' : `${hexOf(vnet)}/`}${hexOf(octets)}`;

function read<T>(folder: string, entryOf: (line: string) => T): CorpusFile<T>[] {
  const path = join(corpusFolder(), folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.hex'))
    .sort()
    .map((name) => {
      const lines = readFileSync(join(path, name), 'utf8').split('\n');
      const directive =
        lines
          .find((line) => line.startsWith('@ '))
          ?.slice(2)
          .split(' ') ?? null;
      return { name, directive, entries: lines.filter((line) => /^[^#@]/.test(line)).map(entryOf) };
    });
}

/** What nobody has looked at and named yet is played again, but not mutated: else it would change what a seed means. */
export const isNamed = ({ name }: { readonly name: string }): boolean => !name.startsWith(FOUND);

export const packetCorpus = (): CorpusFile<CorpusPacket>[] => read('border', packetOf);

/** Inputs of the parser `name`. */
export const octetCorpus = (name: string): CorpusFile<Uint8Array>[] => read(name, octetsOf);

/** Writes the finding of a round beside the others; returns its path. */
export function keep(
  folder: string,
  seed: number,
  remarks: readonly string[],
  inputs: readonly Uint8Array[] | { readonly directive: string; readonly packets: readonly CorpusPacket[] },
): string {
  const path = join(corpusFolder(), folder, `${FOUND}${seed}.hex`);
  mkdirSync(dirname(path), { recursive: true });
  const body = 'packets' in inputs ? [`@ ${inputs.directive}`, ...inputs.packets.map(lineOf)] : inputs.map(hexOf);
  writeFileSync(path, [...remarks.map((remark) => `# ${remark}`), ...body, ''].join('\n'));
  return path;
}
