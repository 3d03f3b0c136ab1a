/** The configuration of `ilnp controller`, which keeps a registry and forwards nothing; all mistakes at once. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, type Path, type Problem } from './problem.ts';
import {
  filePath,
  LIST,
  listen,
  logSchema,
  MAPPING,
  name,
  nextHop,
  nidRange,
  peerControl,
  TABLE_MAX,
  whole,
} from './schema.ts';
import type { Endpoint, PolicyRule } from './site-config.ts';
import { problemAt, validate } from './validate.ts';
import { readYaml } from './yaml-source.ts';

const controllerSchema = z.strictObject(
  {
    /** Its name, as the borders have it in `registry.name`. */
    controller: name,
    listen,
    keyFile: filePath,
    /** Who may ask. */
    sites: z.array(name, LIST).min(1, { error: 'a list with at least one site' }),
    socket: filePath.optional(),
    /** Another controller beside this one: who has the address serves, the other one stands by. */
    pair: z.strictObject({ address: nextHop, listen: peerControl, peer: peerControl }, MAPPING).optional(),
    /** Where guests may be; the first rule that a Node Identifier is in holds. Who may move them, the borders know. */
    policy: z.array(z.strictObject({ nids: nidRange, sites: z.array(name, LIST) }, MAPPING), LIST).prefault([]),
    state: filePath.prefault('/var/lib/ilnp'),
    limits: z.strictObject({ bindings: whole(1, TABLE_MAX).default(1_000_000) }, MAPPING).prefault({}),
    log: logSchema,
  },
  MAPPING,
);

export interface ControllerConfig extends Omit<z.output<typeof controllerSchema>, 'listen' | 'policy' | 'socket'> {
  readonly listen: Endpoint;
  readonly policy: readonly PolicyRule[];
  readonly socket: string;
}

/** Throws ConfigError (E_CONFIG). Relative paths in the file start at its folder. */
export function loadControllerConfig(path: string): ControllerConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const expected = 'a file that can be read';
    throw new ConfigError([
      { file: path, line: 1, column: 1, path: '(document)', expected, got: (error as Error).message },
    ]);
  }
  const source = readYaml(text);
  const { draft, value, problems } = validate(controllerSchema, source, path);
  const found: Problem[] = [...problems];
  const report = (at: Path, expected: string): void => {
    found.push(problemAt(path, at, expected, source.valueAt(at)));
  };
  const { controller, sites = [], policy = [], pair } = draft;
  if (pair?.address !== undefined && draft.listen !== undefined && draft.listen.host !== pair.address)
    report(['listen'], `the address of the pair, ${pair.address}, and a port`);
  if (pair?.listen !== undefined && pair.listen.host === pair.address)
    report(['pair', 'listen'], 'an own address of this controller, which stays here');
  if (pair?.peer !== undefined && (pair.peer.host === pair.address || pair.peer.host === pair.listen?.host))
    report(['pair', 'peer'], 'an own address of the other controller');
  sites.forEach((site, i) => {
    if (site === undefined) return;
    if (site === controller) report(['sites', i], 'another name than that of the controller');
    if (sites.indexOf(site) !== i) report(['sites', i], 'a site that is not in the list already');
  });
  policy.forEach((rule, i) => {
    (rule?.sites ?? []).forEach((site, j) => {
      if (site !== undefined && !sites.includes(site)) report(['policy', i, 'sites', j], 'one of sites');
    });
  });
  if (found.length > 0 || value === null) throw new ConfigError(found);
  const base = dirname(resolve(path));
  return {
    ...value,
    policy: value.policy.map((rule) => ({ ...rule, movers: undefined })),
    keyFile: resolve(base, value.keyFile),
    socket: value.socket === undefined ? `/run/ilnp/${value.controller}.sock` : resolve(base, value.socket),
    state: resolve(base, value.state),
  };
}
