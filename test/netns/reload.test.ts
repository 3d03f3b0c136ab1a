/** SIGHUP: what a border takes over at once, what it refuses without a trace, and what it remembers of bindings that moved. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CN, global, L11, type Site, under } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();

let right: string;
beforeAll(() => {
  right = readFileSync(lab.configFile(1), 'utf8');
});
const setConfig = (text: string) => lab.editConfig(1, () => text);

/** Tells site 1 to read its file again; resolves with what it says about that. */
async function reread(): Promise<{ msg: string; code?: string }> {
  const said = async () =>
    (await lab.log(1))
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { msg: string; code?: string })
      .filter(({ msg }) => /^(took the configuration over|the configuration stays)/.test(msg));
  const before = (await said()).length;
  await lab.reload(1);
  return until('the border to have read its configuration', async () => (await said())[before]);
}

describe('a binding that has moved', () => {
  const without = (text: string) => text.replace(/.*nid: "0:0:0:a2".*\n/, '');
  const a2 = async (site: Site) =>
    (await lab.show<{ nid: string; at: string; epoch: number }[]>('bindings', site)).find(
      ({ nid }) => nid === '0:0:0:a2',
    );
  const answers = async () => (await lab.run('cn', 'ping', '-6', '-nqc', '1', '-W', '1', global('a2'))).code === 0;

  test.each([
    ['', false],
    [', the border started anew', true],
  ])('is taken away%s and given back: it is where it had gone', async (_, anew) => {
    await lab.move('a2', 'site2');
    const gone = await a2(2);
    expect(gone?.at).toBe('site2');

    setConfig(without(right));
    await reread();
    expect(await a2(1)).toBeUndefined();
    expect(await answers()).toBe(false);
    if (anew) {
      await lab.stop(1);
      await lab.start(1);
    }
    setConfig(right); // says `at: site1`
    await reread();

    expect(await a2(1)).toEqual(gone);
    expect(await answers()).toBe(true);
    await lab.move('a2', 'site1');
    expect(await a2(2)).toMatchObject({ at: 'site1' });
  });
});

describe('a configuration that cannot be taken over changes nothing, and the border says what is wrong', () => {
  afterEach(() => setConfig(right));

  test.each([
    ['no YAML', 'E_CONFIG', /site1\.yaml:\d+:\d+/, (text: string) => `${text}uplinks: [\n`],
    [
      'an interface that is not there',
      'E_NETWORK',
      /up7/,
      (text: string) => text.replace('interface: up1', 'interface: up7'),
    ],
    [
      'a next hop that nobody reaches',
      'E_NETWORK',
      /2001:db8:dead::1/,
      (text: string) => text.replace('2001:db8:1::', '2001:db8:12::').replace('2001:db8:f3::1', '2001:db8:dead::1'),
    ],
    ['another site', 'E_CONFIG', /restart.*tun/, (text: string) => text.replace('name: ilnp0', 'name: ilnp1')],
  ] as const)('%s', async (_, code, why, mistake) => {
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    const [before, shown] = [await snapshot(lab, 'sbr1'), await lab.show('config', 1)];
    setConfig(mistake(right));

    const said = await reread();

    expect(said.code).toBe(code);
    expect(said.msg).toMatch(/^the configuration stays as it was/);
    expect(said.msg).toMatch(why);
    await expectAsBefore(lab, 'sbr1', before);
    expect(await lab.show('config', 1)).toEqual(shown);
    await session.connector.receives(100);
    expectIntact(await session.end());
  });
});

test('a key file where there was none: refused with the reason, taken by a restart', async () => {
  const mute = right.replace(/, listen: .*keyFile: [^ ]+/, '').replace(/, control: "\[[^"]*"/g, '');
  await lab.stop(1);
  setConfig(mute);
  await lab.start(1);
  setConfig(mute.replace(/^control: { /m, `control: { keyFile: ${lab.directory}/site.key, `));

  const said = await reread();

  expect(said).toMatchObject({ code: 'E_CONFIG' });
  expect(said.msg).toMatch(/control\.keyFile.*restart/);
  expect(await lab.show('peers', 1)).toEqual([]);
  setConfig(right);
  await lab.stop(1);
  await lab.start(1);
  expect(await lab.show('peers', 1)).toHaveLength(1);
});

test('an uplink that was not there at the start: usable at once, in both directions', async () => {
  const isp2 = /.*name: isp2.*\n/;
  await lab.stop(1);
  setConfig(right.replace(isp2, ''));
  await lab.start(1);
  const old = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  setConfig(right);

  expect(await reread()).toMatchObject({ msg: 'took the configuration over' });

  const inbound = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: under(L11, 'a1') });
  for (const session of [old, inbound]) await session.connector.receives(100);
  expectIntact(await old.end());

  // Only now, because what began while there was one uplink is not remembered and would go over to the preferred one.
  setConfig(right.replace('preference: 20', 'preference: 1'));
  expect(await reread()).toMatchObject({ msg: 'took the configuration over' });

  const outbound = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
  expect((await outbound.listener.said('established')).remote).toBe(under(L11, 'a1'));
  for (const session of [inbound, outbound]) {
    await session.connector.receives(100);
    expectIntact(await session.end());
  }
});
