/** Reads the configuration of an end system and its hosts file; all mistakes at once, each with its place. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { Nid } from '../wire/text.ts';
import { checkShim } from './check-shim.ts';
import { type IlnpHost, readHosts } from './hosts-file.ts';
import { ConfigError, type Problem } from './problem.ts';
import { shimSchema } from './shim-schema.ts';
import { problemAt, validate } from './validate.ts';
import { readYaml } from './yaml-source.ts';

export interface ShimConfig extends Omit<z.output<typeof shimSchema>, 'nid' | 'hosts' | 'control' | 'names'> {
  /** undefined: that of the first interface. */
  readonly nid: Nid | undefined;
  readonly hosts: readonly IlnpHost[];
  readonly control: { readonly socket: string };
  readonly names: NamesConfig | undefined;
}

/** The resolver, and where this node publishes its own records. */
export type NamesConfig = NonNullable<z.output<typeof shimSchema>['names']>;

/** True for a file that says `node`, as that of an end system must; that of a border must not. */
export function isShimConfig(path: string): boolean {
  const text = readText(path);
  return typeof text === 'string' && Object.hasOwn(Object(readYaml(text).value), 'node');
}

/** Throws ConfigError (E_CONFIG). Relative paths in the file start at its folder. */
export function loadShimConfig(path: string): ShimConfig {
  const text = readText(path);
  if (typeof text !== 'string') {
    const expected = 'a file that can be read';
    throw new ConfigError([{ file: path, line: 1, column: 1, path: '(document)', expected, got: text.message }]);
  }
  const source = readYaml(text);
  const { draft, value, problems } = validate(shimSchema, source, path);
  const base = dirname(resolve(path));
  const found: Problem[] = [...problems];
  let hosts: IlnpHost[] = [];
  if (source.readable && draft.hosts !== undefined) {
    const file = resolve(base, draft.hosts);
    const lines = readText(file);
    if (typeof lines === 'string') {
      const read = readHosts(lines, file, draft.nid);
      hosts = read.hosts;
      found.push(...read.problems);
    } else found.push(problemAt(path, ['hosts'], 'a file that can be read', source.valueAt(['hosts'])));
  }
  checkShim(draft, (at, expected) => found.push(problemAt(path, at, expected, source.valueAt(at))));
  if (found.length > 0 || value === null) throw new ConfigError(found);
  const { socket } = value.control;
  return {
    ...value,
    nid: value.nid,
    hosts,
    names: namesFrom(value.names, base),
    state: resolve(base, value.state),
    peers: value.peers.map(({ keyFile, ...peer }) =>
      keyFile === undefined ? peer : { ...peer, keyFile: resolve(base, keyFile) },
    ),
    control: { socket: socket === undefined ? `/run/ilnp/${value.node}.sock` : resolve(base, socket) },
  };
}

function namesFrom(names: NamesConfig | undefined, base: string): NamesConfig | undefined {
  if (names?.update === undefined) return names;
  return { ...names, update: { ...names.update, keyFile: resolve(base, names.update.keyFile) } };
}

function readText(path: string): string | NodeJS.ErrnoException {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}
