/** Every name that is used must be there, and belong to one; what is to happen must happen before the end. */
import type { Path } from '../../../src/config/problem.ts';
import type { EndsScenario } from './scenario-schema.ts';

export function checkEnds(scenario: EndsScenario, report: (path: Path, expected: string) => void): void {
  const networks = scenario.networks.map(({ name }) => name);
  const ends = scenario.ends.map(({ name }) => name);
  const all = [...networks, 'internet', ...ends];
  const among = (path: Path, name: string, known: readonly string[]): void => {
    if (!known.includes(name)) report(path, `one of ${known.join(', ')}`);
  };
  const once = (path: Path, index: number): void => {
    if (all.indexOf(all[index]!) !== index) report(path, 'a name of its own');
  };
  for (const i of networks.keys()) once(['networks', i, 'name'], i);
  for (const [i, end] of scenario.ends.entries()) {
    once(['ends', i, 'name'], networks.length + 1 + i);
    for (const [k, name] of end.at.entries()) among(['ends', i, 'at', k], name, networks);
    for (const [k, name] of end.knows.entries()) among(['ends', i, 'knows', k], name, ends);
  }
  for (const [i, { from, to, startAt }] of scenario.sessions.entries()) {
    among(['sessions', i, 'from'], from, ends);
    among(['sessions', i, 'to'], to, ends);
    if (from === to) report(['sessions', i, 'to'], 'another end than `from`');
    if (startAt >= scenario.seconds) report(['sessions', i, 'startAt'], `less than seconds, ${scenario.seconds}`);
  }
  for (const [i, event] of scenario.events.entries()) {
    const path = (key: string, ...more: number[]): Path => ['events', i, key, ...more];
    if (event.at >= scenario.seconds) report(path('at'), `less than seconds, ${scenario.seconds}`);
    if ('end' in event) among(path('end'), event.end, ends);
    if (event.do === 'move') for (const [k, name] of event.to.entries()) among(path('to', k), name, networks);
    if (event.do === 'cut') among(path('network'), event.network, networks);
    if (event.do === 'forge') for (const key of ['to', 'as'] as const) among(path(key), event[key], ends);
  }
}
