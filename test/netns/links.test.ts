/** Links of a border go down, vanish and come back: what the kernel forgot with them is put back without a restart. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { CN_SECOND, global, L1, L11, under } from './support/addresses.ts';
import { succeed } from './support/command.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession, Probe } from './support/probe.ts';
import { expectIntact, expectNoLoss } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();

/** A link is looked at once a second, and repaired a second time ten seconds later. */
const REPAIR_MS = 15_000;

const sbr1 = (...words: string[]) => lab.exec('sbr1', 'ip', ...words);
const core = (...words: string[]) => lab.exec('core', 'ip', ...words);

beforeEach(() => lab.move('a1', 'site1'));

test('uplink, inside and peer link go down and up: everything is as before, and the session goes on', async () => {
  await lab.move('a1', 'site2'); // so that there are proxy neighbours on the inside
  const before = await snapshot(lab, 'sbr1');
  expect(before).toMatch(/fd00:1::a1 dev lan0 +proxy/);
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await session.connector.receives(100);

  for (const name of ['up0', 'lan0', 'link0']) await sbr1('link', 'set', name, 'down');
  expect(await sbr1('-6', 'route', 'show', 'table', 'all')).not.toContain('lan0');
  for (const name of ['up0', 'lan0', 'link0']) await sbr1('link', 'set', name, 'up');
  // What was not the border's own is for others to put back.
  await sbr1('addr', 'add', '2001:db8:f1::2/64', 'dev', 'up0');
  await sbr1('addr', 'add', 'fd00:12::1/64', 'dev', 'link0');
  await sbr1('route', 'add', 'default', 'via', '2001:db8:f1::1');

  await expectAsBefore(lab, 'sbr1', before, REPAIR_MS);
  await session.connector.receives(100, 20_000);
  expectIntact(await session.end());
});

test('an uplink vanishes and comes back: new sessions take the other one meanwhile, whose sessions notice nothing', async () => {
  const before = await snapshot(lab, 'sbr1');
  const remake = await remakerOf('up0', 's1up0');
  const other = await openSession(lab, 'udp', { listener: 'vm-a1', connector: 'cn', to: under(L11, 'a1') });
  await other.connector.receives(100);
  await startMirror();
  expect(await seenAs()).toBe(under(L1, 'a1'));

  await sbr1('link', 'del', 'up0');
  // Nobody has told the core: back from there only by the second provider.
  await until('new sessions to take the second uplink', async () => (await seenAs()) === under(L11, 'a1'));

  await remake();
  await core('addr', 'add', '2001:db8:f1::1/64', 'dev', 's1up0');
  await core('route', 'add', '2001:db8:1::/64', 'via', '2001:db8:f1::2');
  await sbr1('addr', 'add', '2001:db8:f1::2/64', 'dev', 'up0');
  await sbr1('route', 'add', 'default', 'via', '2001:db8:f1::1');

  await expectAsBefore(lab, 'sbr1', before, REPAIR_MS);
  await until('new sessions to take the first uplink', async () => (await seenAs()) === under(L1, 'a1'));
  await other.connector.receives(100);
  expectNoLoss(await other.end());
});

// shows: S22b
test('a provider falls silent behind a live link: new sessions take the other one until it answers again', async () => {
  lab.editConfig(1, (text) => text.replace('name: isp1, ', 'name: isp1, probe: "2001:db8:f1::1", '));
  await lab.reload(1);
  await startMirror();
  expect(await seenAs()).toBe(under(L1, 'a1'));

  await core('addr', 'del', '2001:db8:f1::1/64', 'dev', 's1up0');
  await until('new sessions to take the second uplink', async () => (await seenAs()) === under(L11, 'a1'));
  expect(await sbr1('-json', 'link', 'show', 'dev', 'up0')).toContain('"operstate":"UP"');

  await core('addr', 'add', '2001:db8:f1::1/64', 'dev', 's1up0');
  await until('new sessions to take the first uplink', async () => (await seenAs()) === under(L1, 'a1'));
  lab.editConfig(1, (text) => text.replace('probe: "2001:db8:f1::1", ', ''));
  await lab.reload(1);
});

describe('somebody removes rules and routes of the border', () => {
  const remove = async () => {
    await sbr1('-6', 'rule', 'del', 'priority', '6744');
    await sbr1('-6', 'route', 'flush', 'table', '6740');
  };
  /** The process that tells the border what others do. */
  const monitor = async () => {
    const pid = await lab.pid(1);
    const [child] = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
    return child!;
  };

  test('it puts them back', async () => {
    const before = await snapshot(lab, 'sbr1');

    await remove();
    expect(await snapshot(lab, 'sbr1')).not.toBe(before);

    await expectAsBefore(lab, 'sbr1', before, REPAIR_MS);
  });

  test('it puts them back when nobody has told, but it gets SIGHUP', async () => {
    const before = await snapshot(lab, 'sbr1');
    const pid = await monitor();
    process.kill(pid, 'SIGSTOP');
    try {
      await remove();

      await lab.reload(1);

      await expectAsBefore(lab, 'sbr1', before, REPAIR_MS / 5); // before it looks anyway
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('it puts them back although the one that tells has been killed', async () => {
    const before = await snapshot(lab, 'sbr1');
    process.kill(await monitor(), 'SIGKILL');

    await remove();

    await expectAsBefore(lab, 'sbr1', before, REPAIR_MS);
  });
});

test.each(['uring', 'poll'])(
  'somebody deletes a TUN (io: %s): the border says so, takes everything back and ends',
  async (io) => {
    await lab.stop(1);
    const before = await snapshot(lab, 'sbr1');
    lab.editConfig(1, (text) => text.replace(/io: \w+/, `io: ${io}`));
    await lab.start(1);

    await sbr1('link', 'del', 'ilnp0');

    await until('the border to end', async () => !(await sbr1Runs()));
    expect(await lab.log(1)).toMatch(/^ilnp: E_TUN: /m);
    await expectAsBefore(lab, 'sbr1', before);
    await lab.start(1);
  },
);

const sbr1Runs = async () => (await succeed('ip', ['netns', 'pids', lab.namespace('sbr1')])).trim() !== '';

/** As whom the correspondent sees a session that the VM begins now; empty when no answer comes. */
const SEEN_AS = ['test/netns/probes/seen-as.mjs', '--port', '9000'] as const;
async function startMirror(): Promise<void> {
  const mirror = spawn('ip', ['netns', 'exec', lab.namespace('cn'), process.execPath, ...SEEN_AS, 'listen']);
  await new Probe('mirror in cn', mirror).said('listening');
}
const seenAs = async () =>
  (await lab.run('vm-a1', process.execPath, ...SEEN_AS, 'connect', '--host', CN_SECOND)).stdout;

/** What makes the cable between border and core again after it was removed, with its indices and addresses. */
async function remakerOf(name: string, peer: string): Promise<() => Promise<unknown>> {
  const words = async (node: string, link: string) => {
    const [found] = JSON.parse(await lab.exec(node, 'ip', '-json', 'link', 'show', 'dev', link));
    return [link, 'address', found.address, 'index', String(found.ifindex), 'mtu', String(found.mtu)];
  };
  const [here, there] = [await words('sbr1', name), await words('core', peer)];
  return async () => {
    await sbr1('link', 'add', ...here, 'type', 'veth', 'peer', 'name', ...there, 'netns', lab.namespace('core'));
    await core('link', 'set', peer, 'up');
    await sbr1('link', 'set', name, 'up');
  };
}
