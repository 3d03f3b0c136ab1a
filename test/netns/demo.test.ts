/**
 * `scripts/demo` and `scripts/demo shim` as users run them: sessions live through moves of a virtual machine, and through changes of
 * site of an end system; nothing is left.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { command } from './support/command.ts';
import { until } from './support/wait.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAB = process.env.LAB ?? 'ilnp-test';
const NAME = `${LAB}-demo-shim`;
const BORDER = `${LAB}-demo-border`;
const ENV = { ...process.env, LAB, PREPARE_WITHOUT_BUILD: 'yes' };
const LIMIT_MS = 60_000;

const namespaces = async (name = NAME): Promise<string[]> =>
  (await command('ip', ['netns', 'list'])).stdout.split('\n').filter((line) => line.startsWith(name));

const demo = (...args: string[]) => command(`${ROOT}scripts/demo`, args, { env: ENV, limitMs: LIMIT_MS });

afterAll(async () => {
  await command(`${ROOT}scripts/lab-shim`, ['-q', 'down'], { env: { ...process.env, LAB: NAME } });
  await command(`${ROOT}scripts/lab`, ['-q', 'down'], { env: { ...process.env, LAB: BORDER } });
});

interface BorderReport {
  readonly checks: Readonly<Record<string, boolean>>;
  readonly scenarios: readonly {
    readonly how: string;
    readonly stoodStillMs: number;
    readonly gapSeenByCorrespondentMs: { readonly udp: number };
    readonly udpLost: { readonly toCorrespondent: number; readonly toVm: number };
    readonly signallingOctets: number;
    readonly report: { readonly timeline: Readonly<Record<string, number | null>> };
  }[];
  readonly session: { readonly tcpResets: number };
}

test('a virtual machine moves with a pause, without packets that wait, and without a pause: where they wait, none is lost', async () => {
  const { code, stdout, stderr } = await demo('--json');

  expect(code, stderr).toBe(0);
  const { checks, scenarios, session } = JSON.parse(stdout) as BorderReport;
  expect(Object.entries(checks).filter(([, holds]) => !holds)).toEqual([]);
  expect(session).toMatchObject({ tcpResets: 0 });
  const none = { toCorrespondent: 0, toVm: 0 };
  expect(scenarios).toMatchObject([
    { how: 'waiting', udpLost: none, udpReordered: none },
    { how: 'plain' },
    { how: 'overlapping', udpLost: none, udpReordered: none, stoodStillMs: 0 },
  ]);
  const [waiting, plain] = scenarios;
  expect(waiting!.stoodStillMs).toBeGreaterThan(200);
  expect(waiting!.gapSeenByCorrespondentMs.udp).toBeGreaterThan(200);
  expect(Object.values({ ...waiting!.report.timeline, acknowledged: 0 })).not.toContain(null);
  expect(plain!.udpLost.toVm).toBeGreaterThan(100);
  for (const { signallingOctets } of scenarios) expect(signallingOctets).toBeGreaterThan(0);
  const picture = readFileSync(`${ROOT}out/demo/border.svg`, 'utf8');
  for (const words of ['asked 0.0', 'held', 'committed', 'first packet', 'released', 'stands still', 'lost', 'drained'])
    expect(picture).toContain(words);
  expect(stderr).toContain('The session lived.');
  expect(await namespaces(BORDER)).toEqual([]);
});

interface Report {
  readonly lived: boolean;
  readonly checks: Readonly<Record<string, boolean>>;
  readonly scenarios: readonly {
    readonly how: string;
    readonly udpLost: { readonly toA: number; readonly toB: number };
    readonly udpReordered: { readonly toA: number; readonly toB: number };
    readonly signalling: { readonly octets: number };
  }[];
  readonly session: { readonly programsSaw: unknown; readonly tcpResets: number };
}

test('after a run that was killed the next one shows a session that lives, and leaves nothing behind', async () => {
  const killed = spawn(`${ROOT}scripts/demo`, ['shim'], { env: ENV, stdio: 'ignore', detached: true });
  await until('some of its nodes', async () => (await namespaces()).length > 2, LIMIT_MS);
  process.kill(-killed.pid!, 'SIGKILL'); // all of it: what builds the lab would go on beside the next run
  await until('its end', () => killed.signalCode !== null);
  expect(await namespaces()).not.toEqual([]);

  const { code, stdout, stderr } = await demo('shim', '--json');

  expect(code, stderr).toBe(0);
  const report = JSON.parse(stdout) as Report;
  expect(Object.entries(report.checks).filter(([, holds]) => !holds)).toEqual([]);
  expect(report.lived).toBe(true);
  expect(report.session).toMatchObject({
    tcpResets: 0,
    programsSaw: {
      byA: { local: 'fd00:a::a1', remote: '2001:db8:2::b1' },
      byB: { local: 'fd00:b::b1', remote: '2001:db8:1::a1' },
    },
  });
  const [soft, hard] = report.scenarios;
  expect(soft).toMatchObject({ how: 'soft', udpLost: { toA: 0, toB: 0 }, udpReordered: { toA: 0, toB: 0 } });
  expect(soft!.signalling.octets).toBeGreaterThan(0);
  expect(hard!.how).toBe('hard');
  expect(hard!.signalling.octets).toBeGreaterThan(0);
  expect(stderr).toContain('The session lived.');
  expect(readFileSync(`${ROOT}out/demo/shim.svg`, 'utf8')).toContain('hard: site 3 to site 1');
  expect(await namespaces()).toEqual([]);
});

test('SIGINT ends it with a failure and leaves nothing behind', async () => {
  const child = spawn(`${ROOT}scripts/demo`, ['shim'], { env: ENV, stdio: 'ignore', detached: true });
  await until('both shims', () => existsSync(`/run/ilnp-lab/${NAME}/b.sock`), LIMIT_MS);
  process.kill(-child.pid!, 'SIGINT'); // as a terminal does: to all of the group
  await until('its end', () => child.exitCode !== null, LIMIT_MS);

  expect(child.exitCode).toBe(130);
  expect(await namespaces()).toEqual([]);
  expect(existsSync(`/run/ilnp-lab/${NAME}`)).toBe(false);
});
