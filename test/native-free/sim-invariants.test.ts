/** Each invariant of the simulator trips when somebody breaks it on purpose. */
import { expect, test, vi } from 'vitest';
import { packetOf } from '../../native-free/sim/packet.ts';
import { type RunResult, runScenario } from '../../native-free/sim/run.ts';
import { parseScenario } from '../../native-free/sim/scenario.ts';
import type { World } from '../../native-free/sim/world.ts';

vi.setConfig({ testTimeout: 30_000 }); // seconds of virtual time cost real ones on a busy machine

const SCENARIO = parseScenario(
  `title: to be broken
seconds: 4
sites: [{ name: site1 }, { name: site2 }]
guests: [{ name: a1, home: site1 }]
sessions: [{ kind: udp, from: cn, to: a1 }, { kind: udp, from: a1, to: cn }]
events: [{ do: move, at: 1, guest: a1, to: site2 }]`,
  'broken.yaml',
);

const broken = (at: number, breakIt: (world: World) => void): Promise<RunResult> =>
  runScenario(SCENARIO, { onWorld: (world) => void world.engine.at(at * 1e6, () => breakIt(world)) });

const bindingAt = (world: World, site: string) => world.border(site).running!.bindings.get(SCENARIO_NID)!;
const SCENARIO_NID = { hi: 0, lo: 0xa1 };

test('the unbroken scenario keeps every promise', async () => {
  const result = await runScenario(SCENARIO);

  expect(result.failures).toEqual([]);
});

test('two active sites are noticed as soon as the second one switches', async () => {
  const { violation } = await broken(0.5, (world) => {
    const border = world.border('site2');
    const moved = { ...bindingAt(world, 'site2'), at: 'site2' };
    border.running!.bindings.put(moved);
    border.running!.path.put([moved]);
    world.invariants.switched(border, [moved]);
  });

  expect(violation).toBe('0:0:0:a1 is active at site1 and site2 at 0.500000 s');
});

test('a border that sends to the site a guest has left, after all has settled, is noticed', async () => {
  const { violation } = await broken(2, (world) => {
    const { bindings, path } = world.border('site2').running!;
    const old = { ...bindingAt(world, 'site2'), at: 'site1', epoch: 0 };
    bindings.put(old);
    path.put([old]);
  });

  expect(violation).toMatch(/^site2 sends for 0:0:0:a1 to site1, but it is at site2 at 2\./);
});

test('so is one whose list is right and whose table is not', async () => {
  const { violation } = await broken(2, (world) => {
    world.border('site2').running!.path.put([{ ...bindingAt(world, 'site2'), at: 'site1', epoch: 0 }]);
  });

  expect(violation).toMatch(/^site2 sends for 0:0:0:a1 to site1, but it is at site2 at 2\./);
});

test('a packet that leaves an uplink with an inside Locator is noticed', async () => {
  const { violation } = await broken(0.5, (world) => {
    const octets = new Uint8Array(60);
    octets.set([0x60, 0, 0, 0, 0, 20, 6, 64]);
    octets.set([0xfd, 0, 0, 1], 8);
    octets.set([0x20, 1, 0x0d, 0xb8], 24);
    world.invariants.leaves(world.border('site1'), 0, octets);
  });

  expect(violation).toBe('a packet left an uplink of site1 with an inside Locator at octet 8 at 0.500000 s');
});

test('a packet that arrives more often than links have copied it is noticed', async () => {
  const { violation } = await broken(0.5, (world) => {
    const { node } = world.station('a1');
    const receive = node.receive.bind(node);
    node.receive = (packet) => {
      receive(packet);
      receive(packet);
    };
  });

  expect(violation).toMatch(/^a1 got 2 copies of a packet of which links made 1 at 0\.5/);
});

test('a packet that arrives damaged though no link has touched it is noticed', async () => {
  const { violation } = await broken(0.5, (world) => {
    world.station('cn').node.receive(packetOf(new Uint8Array(48)));
  });

  expect(violation).toBe('cn got a damaged packet that no link has changed at 0.500000 s');
});

test('memory that grows beyond its bound is noticed', async () => {
  const { violation } = await broken(0.5, (world) => {
    world.invariants.bounds.push({ what: 'a list', now: () => 11, max: 10 });
  });

  expect(violation).toMatch(/^a list: 11, at most 10 at 0\.[56]/);
});

test('an epoch that stands for two places is noticed, and a table that goes back', async () => {
  const other = await broken(2, (world) => {
    world.invariants.switched(world.border('site2'), [{ ...bindingAt(world, 'site2'), at: 'site1' }]);
  });
  const older = await broken(2, (world) => {
    world.invariants.switched(world.border('site2'), [{ ...bindingAt(world, 'site2'), at: 'site1', epoch: 0 }]);
  });

  expect(other.violation).toBe('epoch 1 of 0:0:0:a1 is site2 and, at site2, site1 at 2.000000 s');
  expect(older.violation).toBe('site2 goes back to epoch 0 of 0:0:0:a1 from 1 at 2.000000 s');
});
