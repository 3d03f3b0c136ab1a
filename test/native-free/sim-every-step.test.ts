/** Moves with one fault at every step: without any they are perfect, what is broken on purpose is noticed. All of it: scripts/test sweep. */
import { describe, expect, test, vi } from 'vitest';
import { faultsOf } from '../../native-free/sim/every-step/fault.ts';
import { KINDS, type Kind } from '../../native-free/sim/every-step/kinds.ts';
import { playKind } from '../../native-free/sim/every-step/play.ts';
import type { World } from '../../native-free/sim/world.ts';

vi.setConfig({ testTimeout: 30_000 }); // seconds of virtual time cost real ones on a busy machine

/** One of so many faults is played here. */
const EVERY = 97;

const kindOf = (name: string): Kind => KINDS.find((kind) => kind.name === name)!;

/** What is said when something is done to the world at a time, seconds. */
async function broken(name: string, at: number, breakIt: (world: World) => void): Promise<readonly string[]> {
  const { failures } = await playKind(kindOf(name), null, (world) => world.engine.at(at * 1e6, () => breakIt(world)));
  return failures;
}

describe.each(KINDS)('$name', (kind) => {
  test('without a fault nothing is broken, and some faults break nothing', async () => {
    const { failures, messages, steps } = await playKind(kind, null);
    expect(failures).toEqual([]);
    expect(messages).toBeGreaterThan(5);
    expect(steps).toBeGreaterThan(3 * messages);

    const faults = [...faultsOf({ messages, steps }, kind.parties, true)].filter((_, i) => i % EVERY === 0);
    for (const fault of faults) expect([fault, ...(await playKind(kind, fault)).failures]).toEqual([fault]);
    expect(faults.length).toBeGreaterThan(1);
  });
});

test('a message is lost, late or doubled, and a party killed, exactly once', async () => {
  const kind = kindOf('pause');
  const { messages } = await playKind(kind, null);
  const seen: string[] = [];
  const watched = (world: World) => {
    const { trace } = world.engine;
    const add = trace.add.bind(trace);
    trace.add = (at, where, what, octets) => {
      if (/^(message|arrived|crashed|started)$/.test(what) && at > 300_000) seen.push(what);
      add(at, where, what, octets);
    };
  };
  const count = (what: string): number => seen.splice(0).filter((one) => one === what).length;
  await playKind(kind, 'twice@1', watched);
  expect(count('arrived')).toBe(messages + 2); // and one answer more
  await playKind(kind, 'site3@40+150', watched);
  expect(seen.filter((one) => one === 'crashed')).toHaveLength(1);
  expect(count('started')).toBe(1);
  await expect(playKind(kind, 'nonsense')).rejects.toThrow(
    'expected a fault like lost@7 or site2@31+150, got nonsense',
  );
});

test('the standby of a pair takes over with what was decided, and the other one stands by', async () => {
  let world: World | undefined;
  const { failures } = await playKind(kindOf('pair-at-home'), 'site1@40+150', (one) => {
    world = one;
  });

  expect(failures).toEqual([]);
  expect(world!.border('site1').pair!.failovers).toBe(1);
});

test('a datagram that is lost in a move without faults is noticed', async () => {
  expect(
    await broken('pause', 0.35, (world) => {
      world.connect('site1', 'site2', 'data', false);
      world.engine.after(30_000, () => world.connect('site1', 'site2', 'data', true));
    }),
  ).toEqual(expect.arrayContaining([expect.stringMatching(/^udp a1 to cn: \d+ lost, 0 overtaken$/)]));
});

test('a move that fails without a fault is noticed', async () => {
  expect(await broken('switch', 0.29, (world) => world.lines.set('site1', 'site3', false))).toEqual(
    expect.arrayContaining([expect.stringMatching(/^move: expected done, got failed/)]),
  );
});

test('a move that was called off and leaves something behind is noticed', async () => {
  expect(
    await broken('abort-held', 0.4, (world) => {
      const { nid } = world.station('a1').guest!;
      world.border('site3').disk.moved.set('0:161', { nid, at: 'site3', epoch: 1 });
    }),
  ).toEqual(['called off, and site3 has recorded site3']);
});

test('a guest that talks no more is noticed, and one that is elsewhere', async () => {
  const cut = (world: World) => world.connect('site1', 'site3', 'data', false);
  expect(await broken('switch', 1.2, cut)).toEqual(expect.arrayContaining(['udp cn to a1: 0 datagrams in 0.6 s']));
  const carried = (world: World) => world.attach(world.station('a1'), 'site2');
  expect(await broken('switch', 1.2, carried)).toEqual(
    expect.arrayContaining(['the guest is at site2, its home says site3']),
  );
});

test('packets that wait for ever are noticed', async () => {
  const stuck = (world: World) =>
    Object.defineProperty(world.border('site1').running!.path, 'heldSince', { get: () => world.engine.now });

  expect(await broken('switch', 0.5, stuck)).toEqual(['never at rest: site1 holds packets']);
});

test.each([
  ['pause-leaves-home', 'slow-disk-leaves-home', 'again-leaves-home'],
  ['pause', 'slow-disk-pause', 'again-pause'],
])('with slow disks, a move that was prepared waits for none (%s)', async (...names) => {
  const gapOf = async (name: string) => (await playKind(kindOf(name), null)).gapMs;

  const [quick, first, again] = await Promise.all(names.map(gapOf));

  expect(Math.max(first!, again!) - quick!).toBeLessThan(11); // two datagrams
  expect((await gapOf('slow-disk-switch')) - (await gapOf('switch'))).toBeGreaterThan(60); // so there is something to wait for
});
