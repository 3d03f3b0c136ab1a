import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, describe, expect, test } from 'vitest';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import { ownScenarios } from '../../native-free/sim/scenario.ts';
import type { Output } from '../../src/cli/output.ts';
import { registerSim } from '../../src/cli/sim.ts';
import { folderOf } from '../support/config-files.ts';
import { hasRightChecksum } from '../support/packets.ts';

const SCENARIO = `title: a short one
seconds: 1
sites: [{ name: site1 }, { name: site2 }]
guests: [{ name: a1, home: site1 }]
links: { uplink: { loss: 0.05 } }
sessions: [{ kind: tcp, from: cn, to: a1, rateKbit: 500 }]
events: [{ do: move, at: 0.5, guest: a1, to: site2 }]
expect: { moves: 1 }
`;

afterEach(() => {
  process.exitCode = undefined;
});

/** Runs the command; what it printed, its exit code, and the folder where it may write. */
async function sim(options: (folder: string) => readonly string[], scenario = SCENARIO) {
  const folder = folderOf({ 'one.yaml': scenario });
  let text = '';
  const output: Output = {
    write: async (part) => {
      text += part;
    },
  };
  const program = new Command('ilnp').exitOverride().configureOutput({ writeErr: () => {} });
  registerSim(program, output);
  let error: unknown = null;
  try {
    await program.parseAsync(['sim', ...options(folder)], { from: 'user' });
  } catch (thrown) {
    error = thrown;
  }
  return { text, error, folder, exitCode: process.exitCode ?? 0 };
}

const one = (folder: string): string => join(folder, 'one.yaml');

test('the report names sessions and moves, and says that every promise was kept', async () => {
  const { text, exitCode } = await sim((folder) => [one(folder)]);

  expect(text).toMatch(/^a short one\nseed 1, .* virtual seconds, \d+ events, trace [0-9a-f]{16}\n/);
  expect(text).toMatch(/^tcp cn to a1 +yes /m);
  expect(text).toMatch(/^a1 site1 to site2 +0\.500 s +done /m);
  expect(text).toMatch(/every session lived and every promise was kept\n$/);
  expect(exitCode).toBe(0);
});

test('what was expected and did not happen is said, with the line that repeats it, and the exit code is 1', async () => {
  const { text, exitCode, folder } = await sim(
    (f) => [one(f), '--seed', '7'],
    SCENARIO.replace('moves: 1', 'moves: 2'),
  );

  expect(text).toContain('FAILED: moves done: expected 2, got 1\n');
  expect(text).toContain(`again: ilnp sim ${one(folder)} --seed 7\n`);
  expect(exitCode).toBe(1);
});

test('--json: one object; the same seed gives the same one, another seed another trace', async () => {
  const run = async (seed: string) => (await sim((folder) => [one(folder), '--json', '--seed', seed])).text;
  const [first, second, other] = [await run('3'), await run('3'), await run('4')];

  expect(second).toBe(first);
  expect(JSON.parse(first)).toMatchObject({ title: 'a short one', seed: 3, ok: true, failures: [] });
  expect(JSON.parse(other).trace).not.toBe(JSON.parse(first).trace);
});

test('"random" is made from the seed', async () => {
  const { text } = await sim(() => ['random', '--seed', '12', '--json']);

  expect(JSON.parse(text)).toMatchObject({ title: 'Made from seed 12', seed: 12, ok: true });
});

test('--capture: a pcap of every link, the same octets from the same seed, every checksum in it right', async () => {
  const captured = async () => {
    const { folder, text } = await sim((f) => [one(f), '--seed', '2', '--capture', join(f, 'caps')]);
    const files = readdirSync(join(folder, 'caps')).sort();
    expect(text).toContain(`${files.length} captures in `);
    return files.map((file) => ({ file, octets: readFileSync(join(folder, 'caps', file)) }));
  };
  const first = await captured();

  expect(first.map(({ file }) => file)).toEqual([
    'a1-site1.pcap',
    'a1-site2.pcap',
    'cn-internet.pcap',
    'internet-site1.isp1.pcap',
    'site1-site2.pcap',
  ]);
  expect(await captured()).toEqual(first);
  for (const { file, octets } of first) {
    const frames = [...openCapture(OctetSource.memory(octets, file)).frames()].map((frame) => frame.octets.slice());
    expect(frames.length).toBeGreaterThan(10);
    expect(frames.filter((packet) => !hasRightChecksum(packet))).toEqual([]);
  }
});

test('--svg: a picture with the move in it', async () => {
  const { folder } = await sim((f) => [one(f), '--svg', join(f, 'one.svg')]);
  const svg = readFileSync(join(folder, 'one.svg'), 'utf8');

  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(svg).toContain('a1: site1 to site2');
  expect(svg.trim()).toMatch(/<\/svg>$/);
});

test('--list names every scenario that comes along', async () => {
  const { text } = await sim(() => ['--list']);

  expect(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(ownScenarios());
});

describe('what is wrong', () => {
  test('is named all at once, with file, line, column, path, what was expected and what came', async () => {
    const wrong = SCENARIO.replace('to: site2', 'to: site3').replace('seconds: 1', 'seconds: soon');
    const { error, folder } = await sim((f) => [one(f)], wrong);
    const again = await sim((f) => [one(f)], SCENARIO.replace('to: site2', 'to: site3').replace('to: a1', 'to: a9'));

    expect(error).toMatchObject({ code: 'E_CONFIG' });
    expect(String(error)).toContain(`${one(folder)}:2:10 seconds: expected`);
    expect(String(again.error)).toContain('one.yaml:6:39 sessions[0].to: expected one of a1, cn, got a9');
    expect(String(again.error)).toContain('one.yaml:7:46 events[0].to: expected one of site1, site2, got site3');
  });

  test.each([
    ['a correspondent with the name of a guest', ['sessions:', 'correspondents: [a1]\nsessions:'], 'correspondents[0]'],
    ['a guest with the name of a site', ['name: a1', 'name: site2'], 'guests[0].name'],
    ['an uplink twice', ['name: site1 }', 'name: site1, uplinks: [isp1, isp1] }'], 'sites[0].uplinks[1]'],
    ['a move after the end', ['at: 0.5', 'at: 1.5'], 'events[0].at'],
    ['a session that would never begin', ['from: cn', 'startAt: 100, from: cn'], 'sessions[0].startAt'],
    [
      'a cut between a site and itself',
      ['events: [', 'events: [{ do: cut, at: 0.1, between: [site1, site1] }, '],
      'events[0].between[1]',
    ],
  ] as const)('%s', async (_, [from, to], path) => {
    const { error } = await sim((f) => [one(f)], SCENARIO.replace(from, to));

    expect(error).toMatchObject({ code: 'E_CONFIG' });
    expect(String(error)).toContain(` ${path}: expected`);
  });

  test('a file that is not there, or is no YAML, and a scenario whose name is nearly one of ours', async () => {
    const errors = [
      (await sim((f) => [join(f, 'none.yaml')])).error,
      (await sim((f) => [one(f)], 'title: [')).error,
      (await sim(() => ['hairpins'])).error,
      (await sim(() => [])).error,
    ];

    expect(String(errors[0])).toMatch(/none\.yaml: ENOENT/);
    expect(String(errors[1])).toMatch(/one\.yaml:\d+:\d+/);
    expect(String(errors[2])).toContain('did you mean "hairpin"?');
    expect(String(errors[3])).toContain('expected a scenario, got none');
  });

  test('a picture or captures that cannot be written', async () => {
    const picture = await sim((f) => [one(f), '--svg', join(f, 'no', 'such.svg')]);
    const captures = await sim((f) => {
      writeFileSync(join(f, 'file'), '');
      return [one(f), '--capture', join(f, 'file')];
    });

    expect(picture.error).toMatchObject({ code: 'E_USAGE' });
    expect(String(picture.error)).toContain('--svg ');
    expect(captures.error).toMatchObject({ code: 'E_USAGE' });
    expect(String(captures.error)).toContain('--capture ');
    const never = await sim((f) => [one(f), '--capture', '/proc/x']); // Node's own recursive mkdir would not return
    expect(never.error).toMatchObject({ code: 'E_USAGE' });
  });
});
