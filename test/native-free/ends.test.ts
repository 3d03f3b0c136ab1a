/** The simulator of end systems: its oracle notices what it is there for; a broken shim is found out. */
import { describe, expect, test, vi } from 'vitest';
import { Oracle } from '../../native-free/sim/ends/oracle.ts';
import { runEnds } from '../../native-free/sim/ends/run.ts';
import type { EndsWorld } from '../../native-free/sim/ends/world.ts';
import { parseEnds } from '../../native-free/sim/scenario.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { destinationOptions, ipv6, joined, tcp6, udp6, udpSegment } from '../support/packets.ts';

vi.setConfig({ testTimeout: 30_000 });

const SCENARIO_TEXT = `title: to be broken
seconds: 3
networks: [{ name: net1 }, { name: net2 }, { name: net3 }]
ends: [{ name: a, at: [net1], knows: [b] }, { name: b, at: [net2] }]
sessions: [{ kind: tcp, from: a, to: b, rateKbit: 100 }, { kind: udp, from: b, to: a, startAt: 0.5 }]
events: [{ do: move, at: 1, end: b, to: [net3] }`;
const SCENARIO = parseEnds(`${SCENARIO_TEXT}]`, 'broken.yaml');

const broken = (at: number, breakIt: (world: EndsWorld) => void) =>
  runEnds(SCENARIO, { onWorld: (world) => void world.engine.at(at * 1e6, () => breakIt(world)) });

describe('what must hold', () => {
  test('the unbroken scenario keeps every promise, and one seed is one run', async () => {
    const first = await runEnds(SCENARIO);
    expect(first.failures).toEqual([]);
    expect(await runEnds(SCENARIO)).toEqual(first);
    expect((await runEnds(SCENARIO, { seed: 2 })).trace).not.toBe(first.trace);
  });

  test('a reset of a connection is noticed', async () => {
    const { violation } = await broken(1.5, (world) => {
      world.station('a').host.connections[0]!.wasReset = true;
    });
    expect(violation).toMatch(/^a connection of a was reset at 1\.5/);
  });

  test('a packet without a nonce that had room for one is noticed', async () => {
    const { violation } = await broken(1.5, (world) => {
      for (const c of world.station('a').kernel!.shim.node.ilcc.all()) c.nonceOctetsMax = 0;
    });
    expect(violation).toMatch(/^a sent \d+ octets without a nonce at 1\.5/);
  });

  test('a program that gets a packet from another address than it knows is noticed', async () => {
    const { violation } = await broken(1.5, (world) => {
      for (const c of world.station('a').kernel!.shim.node.ilcc.all()) c.views[0] = { l0: 1, l1: 2, sum: 3 };
    });
    expect(violation).toMatch(/^a got a packet from [0-9a-f]{32}, which its program knows as [0-9a-f]{32}|damaged/);
  });

  test('names have a node where it was last, while it is nowhere', async () => {
    const moves = `${SCENARIO_TEXT}, { do: move, at: 2, end: b, to: [net1], downtimeMs: 200 }]`;
    const told: Uint8Array[] = [];
    await runEnds(parseEnds(moves, 'moves.yaml'), {
      onWorld: (world) => {
        const ask = (): void => void told.push(world.addressFor(world.scenario.sessions[0]!));
        for (const at of [0.5, 1.9, 2.1, 2.9]) world.engine.at(at * 1e6, ask);
      },
    });
    const [net2, net3, nowhere, net1] = told.map((address) => address.join('.'));
    expect(nowhere).toBe(net3);
    expect(new Set([net1, net2, net3]).size).toBe(3);
  });

  test('a nonce that is believed though it is wrong is noticed', async () => {
    const { violation } = await broken(1.5, (world) => {
      const [c] = world.station('a').kernel!.shim.node.ilcc.all();
      c!.proved = false; // a shim that forgets it
      world.forge({ do: 'forge', at: 0, what: 'nonce', to: 'a', as: 'b', times: 40, everyMs: 1 });
    });
    expect(violation).toMatch(/^a took (a wrong nonce|a packet of a correspondent outside of its session) for true/);
  });
});

describe('the oracle', () => {
  const A = '2001:db8:1::a1';
  const B = '2001:db8:b::b1';
  const ELSEWHERE = '2001:db8:ee::b1';
  const N = Uint8Array.of(1, 2, 3, 4);
  const OTHER = Uint8Array.of(4, 3, 2, 1);
  const packet = (src: string, nonce: Uint8Array | null): Uint8Array =>
    nonce === null ? udp6({ src, dst: A }) : insertNonce(udp6({ src, dst: A }), nonce)!;

  /** We have sent B a SYN; a segment of B that acknowledges it. */
  function called(): { oracle: Oracle; answer: Uint8Array } {
    const oracle = new Oracle('00000000000000a1');
    oracle.has('20010db800010000');
    oracle.taught('00000000000000b1', ['20010db8000b0000']);
    const syn = tcp6({ src: A, dst: B });
    syn[53] = 0x02;
    oracle.left(insertNonce(syn, OTHER)!);
    const answer = tcp6({ src: B, dst: A });
    answer.set(syn.slice(44, 48), 48);
    answer[51]! += 1;
    return { oracle, answer };
  }

  /** In session with B, which has acknowledged our SYN. */
  function inSession(): Oracle {
    const { oracle, answer } = called();
    answer[53] = 0x12;
    expect(oracle.arrived(insertNonce(answer, N)!, 'session', 1)).toBeNull();
    return oracle;
  }

  test('an acknowledgement of our SYN proves the nonce that comes with it, and without one nothing', () => {
    const { oracle, answer } = called();
    expect(oracle.arrived(packet(B, N), 'session', 1)).toBeNull();
    expect(oracle.arrived(answer, 'session', 1)).toBeNull();
    expect(oracle.isProved('00000000000000b1')).toBe(false);
    expect(oracle.arrived(insertNonce(answer, N)!, 'session', 1)).toBeNull();
    expect(oracle.isProved('00000000000000b1')).toBe(true);
  });

  test.each<[string, Uint8Array, 'session' | 'plain' | 'taken', RegExp | null]>([
    ['right nonce', packet(B, N), 'session', null],
    ['no nonce from where it is', packet(B, null), 'session', null],
    ['right nonce from elsewhere', packet(ELSEWHERE, N), 'session', null],
    ['wrong nonce', packet(B, OTHER), 'session', /^a wrong nonce$/],
    ['wrong nonce from elsewhere', packet(ELSEWHERE, OTHER), 'session', /nobody has vouched for/],
    ['no nonce from elsewhere', packet(ELSEWHERE, null), 'session', /nobody has vouched for/],
    ['no nonce from elsewhere, as in IPv6', packet(ELSEWHERE, null), 'plain', /outside of its session/],
    ['taken in', packet(B, N), 'taken', /^data, taken in$/],
    [
      'two nonces',
      ipv6(
        { src: B, dst: A },
        60,
        joined(destinationOptions(17, [0x8b, N], [0x8b, N]), udpSegment({ src: B, dst: A }, new Uint8Array(4))),
      ),
      'session',
      /^two nonces/,
    ],
  ])('%s', (_, octets, outcome, why) => {
    const said = inSession().arrived(octets, outcome, 2);
    if (why === null) expect(said).toBeNull();
    else expect(said).toMatch(why);
    expect(inSession().arrived(octets, 'dropped', 2)).toBeNull();
  });
});
