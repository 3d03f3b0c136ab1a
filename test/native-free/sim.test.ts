/** The simulator: one seed is one run, TCP bears what links do to it, every scenario passes. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { randomScenario } from '../../native-free/sim/random-scenario.ts';
import { runScenario } from '../../native-free/sim/run.ts';
import { loadScenario, ownScenarios, parseScenario } from '../../native-free/sim/scenario.ts';
import type { Scenario } from '../../native-free/sim/scenario-schema.ts';
import type { World } from '../../native-free/sim/world.ts';

vi.setConfig({ testTimeout: 30_000 }); // seconds of virtual time cost real ones on a busy machine

const scenario = (text: string): Scenario => parseScenario(`title: a test\n${text}`, 'test.yaml');

/** Files that `file` imports, relatively, and theirs. */
function closure(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/^(?:import|export)(?! type)[^;]*?from '(\.[^']+)'/gms))
    closure(resolve(dirname(file), path!), seen);
  return seen;
}

describe('determinism', () => {
  test('one seed gives one run, octet for octet; another seed gives another', async () => {
    const first = await runScenario(randomScenario(7), { seed: 7 });
    const second = await runScenario(randomScenario(7), { seed: 7 });
    const other = await runScenario(randomScenario(7), { seed: 8 });

    expect(second).toEqual(first);
    expect(first.events).toBeGreaterThan(1000);
    expect(other.trace).not.toBe(first.trace);
  });

  test('nothing below the simulator reads a clock, waits, or draws numbers of its own, and nothing loads native code', () => {
    const files = closure(fileURLToPath(new URL('../../native-free/sim/run.ts', import.meta.url)));

    expect(files.size).toBeGreaterThan(40);
    for (const file of files) {
      const code = readFileSync(file, 'utf8').replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '');
      const found =
        /Math\.random|\bDate\b|setTimeout|setInterval|performance\.|hrtime|koffi|random(?:Bytes|Int|UUID|FillSync)|getRandomValues/.exec(
          code,
        )?.[0];
      expect(`${file} ${found}`).toBe(`${file} undefined`);
    }
  });
});

describe('TCP', () => {
  const tcp = (faults: string, session = '') =>
    scenario(`seconds: 10
sites: [{ name: site1 }]
guests: [{ name: a1, home: site1 }]
links: { uplink: { rateMbit: 10, queueKib: 64, ${faults} } }
sessions: [{ kind: tcp, from: cn, to: a1, data: send${session} }]`);

  test('fills three quarters of a clean line at least, the overshoot of slow start included, and finishes', async () => {
    const { sessions } = await runScenario(tcp('delayMs: 10'));

    expect(sessions[0]!.lived).toBe(true);
    expect((sessions[0]!.octets * 8) / 10e6).toBeGreaterThan(7.5);
    expect((sessions[0]!.octets * 8) / 10e6).toBeLessThan(10.6);
  });

  test('two percent of loss cost throughput, no octet', async () => {
    const { sessions } = await runScenario(tcp('delayMs: 10, loss: 0.02'));

    expect(sessions[0]).toMatchObject({ lived: true, why: '' });
    expect(sessions[0]!.retransmits).toBeGreaterThan(10);
    expect((sessions[0]!.octets * 8) / 10e6).toBeGreaterThan(1);
    expect((sessions[0]!.octets * 8) / 10e6).toBeLessThan(8);
  });

  test('corruption, duplication and reordering change no octet of the data', async () => {
    const { sessions, links } = await runScenario(
      tcp('delayMs: 10, corrupt: 0.02, duplicate: 0.05, reorder: 0.1', ', rateKbit: 1000'),
    );

    expect(sessions[0]).toMatchObject({ lived: true, why: '' });
    expect(links.corrupted).toBeGreaterThan(10);
    expect(links.duplicated).toBeGreaterThan(50);
  });
});

describe('scenarios', () => {
  test.each(ownScenarios())('%s passes', { timeout: 60_000 }, async (name) => {
    const scenario = loadScenario(name);
    const { failures, moves } = await runScenario(scenario);

    expect(failures).toEqual([]);
    expect(scenario.events.length).toBeGreaterThan(0);
    expect(moves.length).toBeGreaterThanOrEqual(scenario.events.filter((event) => event.do === 'move').length);
  });

  /** Where each border that runs thinks a guest is, and where it is. */
  const placesOf = (world: World, guest: string) => {
    const station = world.station(guest);
    const known = world.borders.map((border) => border.running?.bindings.get(station.guest!.nid)?.at);
    return { at: station.at, known: [...new Set(known)] };
  };

  const played = async (name: string, seed: number) => {
    let world: World | undefined;
    const result = await runScenario(loadScenario(name), { seed, onWorld: (one) => (world = one) });
    const outcome = result.moves.map(({ guest, from, to, state, why }) =>
      `${guest} ${from} ${to} ${state} ${why}`.trim(),
    );
    return { ...result, outcome, world: world! };
  };

  test.each([1, 2, 3])(
    'a channel cut in a move, seed %i: the move is taken back, the next one succeeds',
    async (seed) => {
      const { outcome, sessions, world } = await played('cut-in-a-move', seed);

      expect(outcome).toEqual([
        'a1 site1 site2 failed move of 0:0:0:a1 to site2: site2 does not answer; it stays at site1',
        'a1 site1 site2 done',
      ]);
      expect(placesOf(world, 'a1')).toEqual({ at: 'site2', known: ['site2'] });
      expect(Math.max(...sessions.map((session) => session.gapMs))).toBeLessThan(1000); // home waits for half a second, then forwards as it thinks
    },
  );

  test.each([1, 2, 3])(
    'borders that crash in moves, seed %i: home finishes what it began, the other says no',
    async (seed) => {
      const { outcome, sessions, world } = await played('crash-and-restart', seed);

      expect(outcome[0]).toBe('a1 site1 site2 failed site1 died'); // nobody is there to say it, but it is carried out
      expect(outcome[1]).toMatch(/^a1 site2 site3 failed .*site3.*; (it stays at site2|nothing has changed)$/);
      expect(outcome[2]).toBe('b1 site2 site1 done');
      expect(placesOf(world, 'a1')).toEqual({ at: 'site2', known: ['site2'] });
      expect(placesOf(world, 'b1')).toEqual({ at: 'site1', known: ['site1'] });
      expect(sessions.map(({ name, lived }) => `${name} ${lived}`)).toEqual(['tcp cn to a1 true', 'tcp cn to b1 true']);
      expect(sessions[1]!.gapMs).toBeLessThan(300); // the crashes are not on its way
    },
  );

  test('a site that vanishes: its guest is rescued by force', async () => {
    const { outcome, sessions, world } = await played('site-vanishes', 1);

    expect(outcome).toEqual(['a1 site1 site2 done', 'a1  site3 done']);
    expect(placesOf(world, 'a1')).toEqual({ at: 'site3', known: ['site3', undefined] });
    expect(sessions[0]).toMatchObject({ kind: 'tcp', lived: true });
  });

  test('each border is one hop, wherever the guest is, and outside nobody sees an inside address', async () => {
    const { sessions } = await played('traceroute', 1);
    const [internet, border1, cn] = ['2001:db8:f0f0::1', '2001:db8:f0f0:1::2', '2001:db8:c00::c0'];

    expect(sessions.map(({ ways }) => ways)).toEqual([
      // the far border is shown as what it is for the world: a node of the home's Locator
      [`${internet} ${border1} 2001:db8:1::a1`, `${internet} ${border1} 2001:db8:1::1 2001:db8:1::a1`],
      ['fd00:1::1', 'fd00:2::1 fd00:1::1', 'fd00:3::1 fd00:1::1'].map((way) => `${way} ${internet} ${cn}`),
      ['fd00:3::1 fd00:1::1', 'fd00:3::1 fd00:2::1', 'fd00:3::1'].map((way) => `${way} fd00:1::a1`),
      [
        `fd00:3::1 ${internet} ${border1} 2001:db8:1::a1`,
        `fd00:3::1 ${internet} ${border1} 2001:db8:1::1 2001:db8:1::a1`,
      ],
    ]);
  });

  test('a mistake is named with its place, what was expected and what came', () => {
    const wrong = 'title: x\nseconds: 1\nsites: [{ name: site1 }]\nguests: [{ name: a1, home: site2 }]\n';

    expect(() => parseScenario(wrong, 'x.yaml')).toThrow(
      'x.yaml:4:28 guests[0].home: expected one of site1, got site2',
    );
    expect(() => parseScenario(`${wrong}colour: red\n`, 'x.yaml')).toThrow(
      /x\.yaml:5:1 colour: expected one of the keys/,
    );
  });
});
