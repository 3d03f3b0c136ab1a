/** Borders that end badly or meet each other: what is theirs is taken back exactly, and a second one does no harm. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFailed, test } from 'vitest';
import { global } from './support/addresses.ts';
import { succeed } from './support/command.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectNoLoss } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = new Lab();
beforeAll(() => lab.up('--no-sbr'));
afterAll(() => lab.down());

const processes = async () =>
  (await succeed('ip', ['netns', 'pids', lab.namespace('sbr1')])).split('\n').filter(Boolean);
const journal = () => `${lab.directory}/gateway-${statSync(`/run/netns/${lab.namespace('sbr1')}`).ino}.undo`;

describe('a second border', () => {
  beforeAll(() => lab.start(1));
  afterAll(() => lab.stop(1));

  test.each([
    ['with the same configuration', (text: string) => text],
    [
      'with another socket and other TUNs, but the same state',
      (text: string) => text.replace('site1.sock', 'second.sock').replace('ilnp0', 'ilnp9'),
    ],
    [
      'with another socket and another state, but the same TUNs',
      (text: string) => text.replace('site1.sock', 'second.sock').replace('site1.state', 'second.state'),
    ],
    [
      'with another socket, another state and other TUNs',
      (text: string) =>
        text.replace('site1.sock', 'second.sock').replace('site1.state', 'second.state').replace('ilnp0', 'ilnp9'),
    ],
    [
      'of another site, in another folder',
      (text: string) =>
        text
          .replaceAll('site1', 'site9')
          .replace('/site9.sock', '/folder/site9.sock')
          .replace('/site9.state', '/folder/site9.state')
          .replace('ilnp0', 'ilnp9'),
    ],
  ])('%s is refused, and the first goes on without losing a packet', async (_, edit) => {
    const second = `${lab.directory}/second.yaml`;
    writeFileSync(second, edit(readFileSync(lab.configFile(1), 'utf8')));
    const before = await snapshot(lab, 'sbr1');
    const session = await openSession(lab, 'udp', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await session.connector.receives(100);

    const { code, stderr } = await lab.ilnpIn('sbr1', 'sbr', '--config', second);

    expect(code).toBe(1);
    expect(stderr).toMatch(/^ilnp: E_RUNNING: /m);
    expect(await snapshot(lab, 'sbr1')).toBe(before);
    expect(existsSync(`${lab.directory}/second.sock`)).toBe(false);
    expect(existsSync(journal())).toBe(true);
    await session.connector.receives(100);
    expectNoLoss(await session.end());
    expect(await lab.show('bindings', 1)).toHaveLength(4);
  });
});

test('settings of single interfaces are as before, whichever way they were', async () => {
  const settings = {
    'all.forwarding': 0,
    'up1.forwarding': 1,
    'default.forwarding': 1,
    'up0.accept_ra': 1,
    'up1.accept_ra': 0,
    'link0.accept_ra': 1,
    'lan0.proxy_ndp': 0,
    'up0.proxy_ndp': 1,
  };
  const written = Object.entries(settings).map(([key, value]) => `net.ipv6.conf.${key}=${value}`);
  await lab.exec('sbr1', 'sysctl', '-qw', ...written);
  const before = await snapshot(lab, 'sbr1');

  await lab.start(1);
  const between = await snapshot(lab, 'sbr1');
  for (const line of ['up0.forwarding = 1', 'up0.accept_ra = 2', 'lan0.proxy_ndp = 1'])
    expect(between).toContain(`net.ipv6.conf.${line}\n`);
  await lab.stop(1);

  await expectAsBefore(lab, 'sbr1', before);
});

describe('after SIGKILL the journal of the set-up', () => {
  let before: string;
  let running: string;
  beforeEach(async () => {
    before = await snapshot(lab, 'sbr1');
    await lab.start(1);
    running = await snapshot(lab, 'sbr1');
    await lab.kill(1);
    await until('the TUNs to be gone', async () => !(await lab.exec('sbr1', 'ip', '-o', 'link')).includes('ilnp0'));
  });

  /** Takes back what only the journal knew: how settings were, and that the gateway address was not there before. */
  async function forget(): Promise<void> {
    await lab.exec('sbr1', 'ip', 'addr', 'del', 'fe80::1/64', 'dev', 'lan0');
    const settings = before
      .split('\n')
      .filter((line) => /^net\.ipv6\.conf\.\S+\.(forwarding|proxy_ndp|accept_ra) /.test(line));
    await lab.exec('sbr1', 'sysctl', '-qw', ...settings.sort().map((line) => line.replace(' = ', '=')));
  }

  const rules = (text: string) =>
    text
      .split('\n')
      .filter((line) => / lookup | proto 174/.test(line))
      .sort();

  test('is lost: the next border sets up nothing twice, and takes its rules and routes back', async () => {
    rmSync(journal());

    await lab.start(1);

    expect(rules(await snapshot(lab, 'sbr1'))).toEqual(rules(running));
    await lab.stop(1);
    expect(rules(await snapshot(lab, 'sbr1'))).toEqual(rules(before));
    await forget();
  });

  test.each(['{"undo":[["rule"', 'null', '{}', '{"undo":[[]],"sysctls":[null]}'])(
    'is damaged (%j): the next border says what to do, and does no more before that is done',
    async (text) => {
      writeFileSync(journal(), text);
      const left = await snapshot(lab, 'sbr1');

      const { code, stderr } = await lab.ilnpIn('sbr1', 'sbr', '--config', lab.configFile(1));

      expect(code).toBe(1);
      expect(stderr).toContain(`ilnp: E_STATE: ${journal()}`);
      expect(stderr).toContain('remove it');
      await expectAsBefore(lab, 'sbr1', left);
      expect(existsSync(lab.socket(1))).toBe(false);

      rmSync(journal());
      await lab.start(1);
      expect(rules(await snapshot(lab, 'sbr1'))).toEqual(rules(running));
      await lab.stop(1);
      expect(rules(await snapshot(lab, 'sbr1'))).toEqual(rules(before));
      await forget();
    },
  );
});

test('SIGKILL, and the next border has another site name: what the first had set up is taken back', async () => {
  const before = await snapshot(lab, 'sbr1');
  await lab.start(1);
  await lab.kill(1);
  const text = readFileSync(lab.configFile(1), 'utf8');
  writeFileSync(lab.configFile(1), text.replaceAll(/\bsite1\b(?!\.)/g, 'other'));
  await lab.start(1);
  writeFileSync(lab.configFile(1), text);
  await lab.stop(1);

  await expectAsBefore(lab, 'sbr1', before);
});

test('killed five times at random moments under load: sessions live, and nothing is left after the last end', async () => {
  const before = await snapshot(lab, 'sbr1');
  await lab.start(1);
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const bulk = await openSession(
    lab,
    'bulk',
    { listener: 'vm-a1', connector: 'cn', to: global('a1') },
    { listener: ['--send', 'all'] },
  );
  await bulk.connector.receives(1_000_000);

  const moments: number[] = [];
  onTestFailed(() => console.error(`killed after ${moments.join(', ')} ms`));
  const killAll = async () => {
    while ((await processes()).length > 0) await lab.kill(1);
  };
  for (let k = 0; k < 5; k++) {
    const starting = k === 0 ? Promise.resolve() : lab.start(1).catch(() => {}); // may die before it is ready
    const ms = Math.round(Math.random() * 600);
    moments.push(ms);
    await pause(ms); // the random moment
    await killAll();
    await starting;
    await killAll(); // when it was so early that there was nothing yet
  }
  await lab.start(1);
  await session.connector.receives(100, 20_000);
  expectIntact(await session.end());
  await lab.stop(1);

  await expectAsBefore(lab, 'sbr1', before);
  expect(await processes()).toEqual([]);
});
