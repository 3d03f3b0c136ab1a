/** Reads scenarios: a file anywhere, or one of ours by name. All mistakes at once, `file:line:column path: …`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nearest } from '../../src/config/nearest.ts';
import { ConfigError, type Path, type Problem } from '../../src/config/problem.ts';
import { problemAt, validate } from '../../src/config/validate.ts';
import { readYaml } from '../../src/config/yaml-source.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { checkEnds } from './ends/check-names.ts';
import { type EndsScenario, endsSchema } from './ends/scenario-schema.ts';
import { REGISTRY } from './registry.ts';
import { type Scenario, scenarioSchema } from './scenario-schema.ts';

/** Here they are in the sources and in the package alike: `npm run build` copies the folder. */
const OURS = fileURLToPath(new URL('../scenarios/', import.meta.url));

/** Names of the scenarios that come with the program. */
export const ownScenarios = (): string[] =>
  readdirSync(OURS)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();

/** Loads a scenario by path or by name. Throws ConfigError (E_CONFIG) with every mistake, E_USAGE if there is none. */
export function loadScenario(nameOrPath: string): Scenario | EndsScenario {
  const own = `${OURS}${nameOrPath}.yaml`;
  const path = /^[\w-]+$/.test(nameOrPath) && existsSync(own) ? own : nameOrPath;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const meant = nearest(nameOrPath, ownScenarios());
    const hint = meant === null ? `ours are ${ownScenarios().join(', ')}` : `did you mean "${meant}"?`;
    throw new IlnpError('E_USAGE', `scenario ${nameOrPath}: ${(error as Error).message}; ${hint}`);
  }
  return /^ends:/m.test(text) ? parseEnds(text, path) : parseScenario(text, path);
}

/** Reads a scenario of end systems from its text; `file` for the messages. */
export function parseEnds(text: string, file: string): EndsScenario {
  const source = readYaml(text);
  const { value, problems } = validate(endsSchema, source, file);
  if (value === null) throw new ConfigError(problems);
  const found: Problem[] = [...problems];
  checkEnds(value, (path, expected) => found.push(problemAt(file, path, expected, source.valueAt(path))));
  if (found.length > 0) throw new ConfigError(found);
  return value;
}

/** Reads a scenario of borders from its text; `file` for the messages. */
export function parseScenario(text: string, file: string): Scenario {
  const source = readYaml(text);
  const { value, problems } = validate(scenarioSchema, source, file);
  if (value === null) throw new ConfigError(problems);
  const found: Problem[] = [...problems];
  checkNames(value, (path, expected) => found.push(problemAt(file, path, expected, source.valueAt(path))));
  if (found.length > 0) throw new ConfigError(found);
  return value;
}

/** The simulator's own node. */
const INTERNET = 'internet';

/** Every name that is used must be there, and belong to one; what is to happen must happen before the end. */
function checkNames(scenario: Scenario, report: (path: Path, expected: string) => void): void {
  const sites = scenario.sites.map((site) => site.name);
  const guests = scenario.guests.map((guest) => guest.name);
  const hosts = [...guests, ...scenario.correspondents];
  const among = (path: Path, name: string | undefined, known: readonly string[]): void => {
    if (name !== undefined && !known.includes(name)) report(path, `one of ${known.join(', ')}`);
  };
  const once = (path: Path, names: readonly string[], index: number): void => {
    if (names.indexOf(names[index]!) !== index) report(path, 'a name of its own');
  };
  const parties = scenario.registry ? [...sites, REGISTRY] : sites;
  for (const i of sites.keys()) once(['sites', i, 'name'], [REGISTRY, ...sites], 1 + i);
  for (const [i, site] of scenario.sites.entries())
    for (const k of site.uplinks.keys()) once(['sites', i, 'uplinks', k], site.uplinks, k);
  const nodes = [...sites, INTERNET, ...hosts];
  for (const i of guests.keys()) once(['guests', i, 'name'], nodes, sites.length + 1 + i);
  for (const i of scenario.correspondents.keys())
    once(['correspondents', i], nodes, sites.length + 1 + guests.length + i);
  for (const [i, guest] of scenario.guests.entries()) {
    among(['guests', i, 'home'], guest.home, sites);
    among(['guests', i, 'at'], guest.at, sites);
    const uplinks = scenario.sites.find((site) => site.name === guest.home)?.uplinks ?? [];
    among(['guests', i, 'uplink'], guest.uplink, uplinks);
  }
  for (const [i, session] of scenario.sessions.entries()) {
    among(['sessions', i, 'from'], session.from, hosts);
    among(['sessions', i, 'to'], session.to, hosts);
    if (session.startAt >= scenario.seconds)
      report(['sessions', i, 'startAt'], `less than seconds, ${scenario.seconds}`);
    if (session.from === session.to) report(['sessions', i, 'to'], 'another host than `from`');
    if (scenario.correspondents.includes(session.from) && scenario.correspondents.includes(session.to))
      report(['sessions', i, 'to'], `one of ${guests.join(', ')}: a session needs a guest`);
  }
  for (const [i, event] of scenario.events.entries()) {
    const path = (key: string, ...more: number[]): Path => ['events', i, key, ...more];
    if ('at' in event && event.at >= scenario.seconds) report(path('at'), `less than seconds, ${scenario.seconds}`);
    if (event.do === 'cut' && event.between[0] === event.between[1]) report(path('between', 1), 'another site');
    if ('guest' in event) among(path('guest'), event.guest, guests);
    if ('to' in event) among(path('to'), event.to, sites);
    if ('by' in event) among(path('by'), event.by, sites);
    const named = event.do === 'cut' || event.do === 'crash' ? parties : sites;
    if ('between' in event) for (const [k, site] of event.between.entries()) among(path('between', k), site, named);
    if ('site' in event) among(path('site'), event.site, named);
    if (event.do === 'uplink')
      among(path('uplink'), event.uplink, scenario.sites.find((site) => site.name === event.site)?.uplinks ?? []);
  }
}
