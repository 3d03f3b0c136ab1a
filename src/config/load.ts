/**
 * Reads the configuration of a site. All mistakes of all its files come at once, each with its place, and a wrong
 * configuration gives nothing at all. Reads files and nothing else: whether interfaces and keys exist is asked later.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { type BindingsFile, readBindings } from './bindings-file.ts';
import { checkAddresses } from './check-addresses.ts';
import { checkBindings } from './check-bindings.ts';
import { checkDns } from './check-dns.ts';
import { checkRegistries } from './check-registry.ts';
import { checkSite } from './check-site.ts';
import { ConfigError, type Path, type Problem } from './problem.ts';
import { siteSchema } from './schema.ts';
import type { RegistryConfig, SiteConfig } from './site-config.ts';
import { problemAt, validate } from './validate.ts';
import { readYaml } from './yaml-source.ts';

/** `sun_path` of Linux less the final zero, in octets. */
const SOCKET_PATH_MAX = 107;

/** The range of a registry of all Node Identifiers. */
const ALL = { from: { hi: 0, lo: 0 }, to: { hi: 0xffff_ffff, lo: 0xffff_ffff } };

const NO_BINDINGS: BindingsFile = {
  bindings: [],
  problems: [],
  problem: () => {
    throw new RangeError('there is no file of bindings');
  },
};

/**
 * Loads the YAML file at `path` and its `bindingsFile`; relative paths in it start at its folder.
 *
 * Throws ConfigError (E_CONFIG) with every mistake, also if a file cannot be read.
 */
export function loadSiteConfig(path: string): SiteConfig {
  const text = readText(path);
  if (typeof text !== 'string') throw new ConfigError([unreadable(path, text)]);

  const source = readYaml(text);
  const { draft, value, problems } = validate(siteSchema, source, path);
  if (!source.readable) throw new ConfigError(problems);

  const found = [...problems];
  const report = (at: Path, expected: string, got?: string) => {
    const place = source.valueAt(at);
    found.push(problemAt(path, at, expected, { ...place, got: got ?? place.got }));
  };
  const base = dirname(resolve(path));

  let more = NO_BINDINGS;
  if (draft.bindingsFile !== undefined) {
    const file = resolve(base, draft.bindingsFile);
    const lines = readText(file);
    if (typeof lines === 'string') more = readBindings(lines, file);
    else report(['bindingsFile'], 'a file that can be read', `${draft.bindingsFile} (${lines.message})`);
    found.push(...more.problems);
  }

  checkSite(draft, report);
  checkAddresses(draft, report);
  checkRegistries(draft, report);
  checkDns(draft, report);
  const own = draft.bindings ?? [];
  checkBindings(draft, [...own, ...more.bindings], (index, field, expected, got) => {
    if (index < own.length) report(['bindings', index, field], expected, got);
    else found.push(more.problem(index - own.length, field, expected, got));
  });
  const socket = socketPath(base, draft.site ?? '', draft.control?.socket);
  if (Buffer.byteLength(socket) > SOCKET_PATH_MAX) {
    report(['control', 'socket'], `a path of at most ${SOCKET_PATH_MAX} octets`, `${socket} (${socket.length})`);
  }

  if (found.length > 0 || value === null) throw new ConfigError(inOrder(found, path));
  return complete(value, base, more.bindings as SiteConfig['bindings']);
}

/** Fills in what depends on the place of the file and names every key, absent ones too. */
function complete(value: z.output<typeof siteSchema>, base: string, more: SiteConfig['bindings']): SiteConfig {
  const { bindingsFile: _, control, registry, registries, ...rest } = value;
  return {
    ...rest,
    uplinks: value.uplinks.map((uplink) => ({ ...uplink, via: uplink.via, probe: uplink.probe })),
    inside: value.inside.map((link) => ({ ...link, gateway: link.gateway })),
    peers: value.peers.map((peer) => ({ ...peer, control: peer.control })),
    bindings: [...value.bindings.map((binding) => ({ ...binding, uplink: binding.uplink })), ...more],
    policy: value.policy.map((rule) => ({ ...rule, sites: rule.sites, movers: rule.movers })),
    control: {
      socket: socketPath(base, value.site, control.socket),
      listen: control.listen,
      keyFile: control.keyFile === undefined ? undefined : resolve(base, control.keyFile),
    },
    registries: [...(registry ? [{ range: ALL, ...registry }] : []), ...registries].map((one) =>
      completeRegistry(one, base),
    ),
    pair: value.pair,
    dns: value.dns && { ...value.dns, keyFile: resolve(base, value.dns.keyFile) },
    state: resolve(base, value.state),
  };
}

type SiteValue = z.output<typeof siteSchema>;

function completeRegistry(value: SiteValue['registries'][number], base: string): RegistryConfig {
  const { kind, range, name, control, endpoints = [], caFile, user, passwordFile, prefix = '/ilnp' } = value;
  if (kind === 'embedded') return { kind, range, name: name!, control };
  const file = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(base, path));
  return { kind, range, endpoints, caFile: file(caFile), user, passwordFile: file(passwordFile), prefix };
}

const socketPath = (base: string, site: string, socket: string | undefined): string =>
  socket === undefined ? `/run/ilnp/${site}.sock` : resolve(base, socket);

function readText(path: string): string | NodeJS.ErrnoException {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

function unreadable(file: string, error: Error): Problem {
  return { file, line: 1, column: 1, path: '(document)', expected: 'a file that can be read', got: error.message };
}

/** The main file first; in each the order of lines, and one mistake only once. */
function inOrder(problems: readonly Problem[], main: string): Problem[] {
  const sorted = [...problems].sort(
    (a, b) =>
      Number(b.file === main) - Number(a.file === main) ||
      a.file.localeCompare(b.file) ||
      a.line - b.line ||
      a.column - b.column,
  );
  const seen = new Set<string>();
  return sorted.filter(({ file, line, column, path, expected }) => {
    const key = JSON.stringify([file, line, column, path, expected]);
    return !seen.has(key) && seen.add(key);
  });
}
