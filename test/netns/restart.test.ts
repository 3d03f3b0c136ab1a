/** A border ends, in order or by force, and comes back while sessions run: they live, and nothing it knew is forgotten. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CN, global, SHOWS_INSIDE, type Site } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectSameOctets } from './support/sessions.ts';

const lab = labForThisFile();

/** Both ways into the core, during all that happens in this file. */
let captures: Capture[];
beforeAll(async () => {
  const suspicious = 'ip6 and (src net fc00::/7 or dst net fc00::/7 or icmp6)';
  captures = [
    await Capture.start(lab, 'core', 's1up0', suspicious),
    await Capture.start(lab, 'core', 's2up0', suspicious),
  ];
});
afterAll(() => Promise.all(captures.map((capture) => capture.remove())));

beforeEach(() => lab.move('a1', 'host1'));

async function liveThrough(interruption: () => Promise<void>): Promise<void> {
  const inbound = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const outbound = await openSession(lab, 'records', { listener: 'cn', connector: 'vm-a1', to: CN });
  const bulk = await openSession(
    lab,
    'bulk',
    { listener: 'vm-a1', connector: 'cn', to: global('a1') },
    { listener: ['--send', 'all'] },
  );
  const all = [inbound, outbound].flatMap(({ connector, listener }) => [connector, listener]);
  await Promise.all(all.map((probe) => probe.receives(300)));

  await bulk.connector.receives(10_000_000);

  await interruption();
  await Promise.all(all.map((probe) => probe.receives(300, 20_000)));
  await bulk.connector.receives(10_000_000, 20_000);

  expectIntact(await inbound.end());
  expectIntact(await outbound.end());
  expectSameOctets(await bulk.end());
}

const whereIsA1 = async (site: Site) =>
  (await lab.show<{ nid: string; at: string }[]>('bindings', site)).find(({ nid }) => nid === '0:0:0:a1')?.at;

test.each([
  ['in order', 'stop'],
  ['by force', 'kill'],
] as const)('the border of the VM at home ends %s and starts again', (_how, end) =>
  liveThrough(async () => {
    await lab[end](1);
    await lab.start(1);
  }),
);

test.each([
  ['the home, in order', 1, 'stop'],
  ['the home, by force', 1, 'kill'],
  ['the far site, in order', 2, 'stop'],
  ['the far site, by force', 2, 'kill'],
] as const)(
  'the VM is away, and the border of %s ends and starts again: it still knows where the VM is',
  async (_which, site, end) => {
    await lab.move('a1', 'site2');

    await liveThrough(async () => {
      await lab[end](site);
      await lab.start(site);
    });

    expect([await whereIsA1(1), await whereIsA1(2)]).toEqual(['site2', 'site2']);
  },
);

test('both borders end by force at once while the VM is away', async () => {
  await lab.move('a1', 'site2');

  await liveThrough(async () => {
    await Promise.all([lab.kill(1), lab.kill(2)]);
    await Promise.all([lab.start(1), lab.start(2)]);
  });

  expect([await whereIsA1(1), await whereIsA1(2)]).toEqual(['site2', 'site2']);
});

test('a move while the other border is down: refused or done, but the borders agree once it is back', async () => {
  await lab.stop(2);
  const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));
  await lab.start(2);

  const [one, two] = [await whereIsA1(1), await whereIsA1(2)];
  expect(one).toBe(two);
  expect(one).toBe(code === 0 ? 'site2' : 'site1');
  await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
});

// shows: S1
test('not even while a border starts or ends does a packet with an inside Locator leave a site', async () => {
  const leaked = new Set<string>();
  for (const capture of captures) {
    await capture.stop();
    for (const [from, to] of await capture.fields(SHOWS_INSIDE, ['ipv6.src', 'ipv6.dst']))
      leaked.add(`${from} > ${to}`);
  }
  expect([...leaked]).toEqual([]);
}, 120_000);
