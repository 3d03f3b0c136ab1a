/** What a border does to the machine it runs on: sets up, says so, changes only what differs, and leaves nothing behind. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CN, global, guest, L1, under } from './support/addresses.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectNoLoss } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = new Lab();

const echoFromCn = (to: string) => lab.run('cn', 'ping', '-6', '-n', '-c', '1', '-W', '1', '-I', CN, to);

describe('nothing is left behind', () => {
  let before: string;
  beforeEach(async () => {
    await lab.up('--no-sbr');
    before = await snapshot(lab, 'sbr1');
    await lab.start(2);
  });
  afterAll(() => lab.down());

  const expectNothingLeft = async () => {
    await expectAsBefore(lab, 'sbr1', before);
    expect(existsSync(lab.socket(1))).toBe(false);
  };

  test('after SIGTERM', async () => {
    await lab.start(1);
    expect(await snapshot(lab, 'sbr1')).not.toBe(before);

    await lab.stop(1);

    await expectNothingLeft();
  });

  test.each([3, 10, 30])('after SIGINT, and another %i ms later', async (ms) => {
    await lab.start(1);
    const pid = await lab.pid(1);
    process.kill(pid, 'SIGINT');
    await pause(ms); // the moment is the case
    process.kill(pid, 'SIGINT');
    await until('the border to end', () => !existsSync(`/proc/${pid}/fd`));

    await lab.stop(1);

    await expectNothingLeft();
  });

  test('after SIGTERM under load and with a VM away', async () => {
    await lab.start(1);
    await lab.move('a1', 'site2');
    const session = await openSession(
      lab,
      'bulk',
      { listener: 'vm-a1', connector: 'cn', to: global('a1') },
      { listener: ['--send', 'all'] },
    );
    await session.connector.receives(20_000_000);

    await lab.stop(1);

    await expectNothingLeft();
  });

  test('after SIGKILL, a start, and SIGTERM', async () => {
    await lab.start(1);
    await lab.kill(1);
    await lab.start(1);

    await lab.stop(1);

    await expectNothingLeft();
  });

  test('after ten starts and ends', async () => {
    for (let i = 0; i < 10; i++) {
      await lab.start(1);
      await lab.stop(1);
    }

    await expectNothingLeft();
  });
});

describe('a wrong configuration', () => {
  beforeAll(() => lab.up('--no-sbr'));
  afterAll(() => lab.down());

  const mistakes = (text: string) =>
    text.replace('interface: up0', 'interfaces: up0').replace('home: site1', 'home: site7');

  test('exit code 2, every mistake with its place, and nothing is changed', async () => {
    const before = await snapshot(lab, 'sbr1');
    lab.editConfig(1, mistakes);

    const { code, stderr } = await lab.ilnpIn('sbr1', 'sbr', '--config', lab.configFile(1));

    expect(code).toBe(2);
    expect(stderr).toMatch(/site1\.yaml:4:\d+ uplinks\[0\]\S*/);
    expect(stderr).toMatch(/site1\.yaml:\d+:\d+ bindings\[0\]\.home/);
    expect(stderr).toContain('site7');
    expect(await snapshot(lab, 'sbr1')).toBe(before);
  });

  test('thousands of mistakes are all said, also into a pipe', async () => {
    const before = readFileSync(lab.configFile(1), 'utf8');
    const line = before.match(/^ *- .*nid: .*$/m)![0];
    lab.editConfig(1, (text) => text.replace(line, Array(5000).fill(line).join('\n')));

    const { code, stderr } = await lab.ilnp('sbr', '--check', '--config', lab.configFile(1));
    const { stdout } = await lab.ilnp('sbr', '--check', '--json', '--config', lab.configFile(1));
    lab.editConfig(1, () => before);

    expect(code).toBe(2);
    expect(stderr.match(/ bindings\[\d+\]\.nid/g)).toHaveLength(4999);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: 'E_CONFIG' });
  });

  test('control.listen at an address that is not there: exit code 1, it is named, and nothing else is said', async () => {
    const before = await snapshot(lab, 'sbr2');
    const file = `${lab.directory}/elsewhere.yaml`;
    const right = readFileSync(lab.configFile(2), 'utf8');
    writeFileSync(file, right.replace('listen: "[fd00:12::2]', 'listen: "[fd00:12::ee]'));

    const { code, stderr } = await lab.ilnpIn('sbr2', 'sbr', '--config', file);

    expect(code).toBe(1);
    expect(stderr).toMatch(/^ilnp: E_NETWORK: control\.listen \[fd00:12::ee\]:6740/m);
    expect(stderr).not.toContain('Warning');
    await expectAsBefore(lab, 'sbr2', before);
  });

  test('--check: 2 for a wrong file, 0 for a right one, and nothing is changed', async () => {
    const before = await snapshot(lab, 'sbr2');
    const right = await lab.ilnpIn('sbr2', 'sbr', '--check', '--config', lab.configFile(2));
    lab.editConfig(2, mistakes);
    const wrong = await lab.ilnpIn('sbr2', 'sbr', '--check', '--config', lab.configFile(2));

    expect([right.code, wrong.code]).toEqual([0, 2]);
    expect(await snapshot(lab, 'sbr2')).toBe(before);
  });

  test('an unknown command, an unknown option: exit code 2', async () => {
    const command = await lab.ilnp('fly');
    const option = await lab.ilnp('sbr', '--wings');

    expect([command.code, option.code]).toEqual([2, 2]);
  });

  test('no border behind the socket: exit code 1, and the socket is named', async () => {
    const { code, stderr } = await lab.ilnp('show', 'counters', '--socket', '/run/ilnp-lab/nobody.sock');

    expect(code).toBe(1);
    expect(stderr).toContain('/run/ilnp-lab/nobody.sock');
  });
});

describe('network: manual', () => {
  beforeAll(() => lab.up());
  afterAll(() => lab.down());

  test('the border prints the commands and runs none of them; once somebody has run them, it forwards', async () => {
    await lab.stop(1);
    const before = await snapshot(lab, 'sbr1');
    lab.editConfig(1, (text) => `${text}network: manual\n`);

    await lab.start(1);

    const commands = (await lab.log(1)).split('\n').filter((line) => /^(ip|sysctl) /.test(line));
    expect(commands.length).toBeGreaterThan(10);
    expect(commands.at(-1)).toBe('sysctl -w net.ipv6.conf.all.forwarding=1'); // not before the rules
    expect(await lab.exec('sbr1', 'ip', '-6', 'rule')).not.toContain('ilnp0');
    expect(await lab.exec('sbr1', 'sysctl', '-n', 'net.ipv6.conf.all.forwarding')).toBe('0\n');
    expect((await echoFromCn(global('a1'))).code).not.toBe(0);

    await lab.exec('sbr1', 'sh', '-ec', commands.join('\n'));

    await until('the VM to answer', async () => (await echoFromCn(global('a1'))).code === 0);

    const proxy = `neigh add proxy ${guest('a1')} dev lan0`;
    expect(await lab.log(1)).not.toContain(proxy);
    await lab.move('a1', 'site2');
    await until('the command for the neighbours it left', async () => (await lab.log(1)).includes(proxy));
    await lab.stop(1);
    expect(await snapshot(lab, 'sbr1')).not.toBe(before); // what others have set up is theirs to remove

    const said = (await lab.log(1)).split('\n').filter((line) => line.includes('to be run by hand'));
    const undo = (JSON.parse(said.at(-1)!) as { commands: string[] }).commands;
    for (const line of undo) await lab.run('sbr1', 'sh', '-c', line); // the kernel took what went with the TUNs
    await expectAsBefore(lab, 'sbr1', before);
  });
});

describe('a border at work', () => {
  beforeAll(() => lab.up());
  afterAll(() => lab.down());

  // The hand-shake with the other border and the clean-up behind the start fall into the first seconds.
  // the engine tidies its memory up to 20 s after the start, when nothing else happens: some tens of milliseconds once
  test('idle: less than 0.1 % of a processor, at the latest 25 s after the start', async () => {
    const seconds = 5;
    const windows: number[][] = [[], []];
    for (let turn = 0; turn < 6; turn++) {
      const pids = [await lab.pid(1), await lab.pid(2)];
      const from = pids.map(cpuMs);
      await pause(seconds * 1000); // the thing that is measured is what happens while nothing happens
      for (const [k, pid] of pids.entries()) windows[k]!.push(cpuMs(pid) - from[k]!);
      if (windows.every((used) => used.at(-1)! < seconds)) break;
    }
    for (const used of windows) expect(Math.min(...used)).toBeLessThan(seconds * 1000 * 0.001);
  });

  test('SIGHUP with a new binding: it works at once, and no packet of others is lost', async () => {
    await lab.exec('vm-a2', 'ip', 'addr', 'add', 'fd00:1::d1/128', 'dev', 'eth0', 'nodad');
    const pid = await lab.pid(1);
    const datagrams = await openSession(lab, 'udp', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await datagrams.connector.receives(200);
    const links = await lab.exec('sbr1', 'ip', '-o', 'link');
    expect((await echoFromCn(`${L1}d1`)).code).not.toBe(0);

    lab.editConfig(1, (text) =>
      text.replace('bindings:\n', 'bindings:\n  - { nid: "0:0:0:d1", guest: "fd00:1::/64", home: site1, at: site1 }\n'),
    );
    await lab.reload(1);

    await until('the new NID to answer', async () => (await echoFromCn(`${L1}d1`)).code === 0);
    await datagrams.connector.receives(200);
    expectNoLoss(await datagrams.end());
    expect(await lab.pid(1)).toBe(pid);
    expect(await lab.exec('sbr1', 'ip', '-o', 'link')).toBe(links);
  });

  test('SIGHUP with a wrong file: it says so and goes on as before', async () => {
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    const right = readFileSync(lab.configFile(1), 'utf8');
    const before = await snapshot(lab, 'sbr1');
    lab.editConfig(1, (text) => text.replace('interface: up0', 'interfaces: up0'));

    await lab.reload(1);
    await until('the border to complain', async () => /uplinks\[0\]/.test(await lab.log(1)));

    await session.connector.receives(200);
    expectIntact(await session.end());
    expect(await snapshot(lab, 'sbr1')).toBe(before);
    lab.editConfig(1, () => right);
  });

  test('SIGHUP that takes an uplink away and gives it back', async () => {
    const right = readFileSync(lab.configFile(1), 'utf8');
    const before = await snapshot(lab, 'sbr1');
    lab.editConfig(1, (text) => text.replace(/.*name: isp2.*\n/, ''));

    await lab.reload(1);
    await until(
      'the second uplink to be gone',
      async () => (await echoFromCn(under('2001:db8:11::', 'a1'))).code !== 0,
    );
    expect((await echoFromCn(global('a1'))).code).toBe(0);

    lab.editConfig(1, () => right);
    await lab.reload(1);
    await until(
      'the second uplink to be back',
      async () => (await echoFromCn(under('2001:db8:11::', 'a1'))).code === 0,
    );
    expect(await snapshot(lab, 'sbr1')).toBe(before);
  });

  test('show speaks of counters, bindings and configuration as text and as JSON', async () => {
    for (const what of ['counters', 'bindings', 'config']) {
      const text = await lab.ilnp('show', what, '--socket', lab.socket(1));
      expect(text.code).toBe(0);
      expect(text.stdout.length).toBeGreaterThan(20);
      expect(await lab.show(what, 1)).toBeTypeOf('object');
    }
  });
});

/** Processor time of all threads of a process in milliseconds. */
function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanoseconds / 1e6;
}
