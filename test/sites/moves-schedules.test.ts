/** The move machine under thousands of seeded schedules of loss, delay, repetition, crashes and disks that refuse. */
import { describe, expect, test } from 'vitest';
import type { Binding } from '../../src/ilnp/bindings.ts';
import type { MoveResult } from '../../src/sites/moves.ts';
import { type Faults, MemorySites, randomOf } from './support/memory-sites.ts';

/** Run with more: ILNP_SCHEDULES=20000 npx vitest run test/sites/moves-schedules. */
const SCHEDULES = Number(process.env.ILNP_SCHEDULES ?? 2000);
const NAMES = ['site1', 'site2', 'site3', 'site4'];
const GUEST = { hi: 0xfd000009, lo: 0 };

const BINDINGS: readonly Binding[] = [
  { nid: { hi: 0, lo: 0xa1 }, guest: GUEST, home: 'site1', uplink: undefined, at: 'site1', epoch: 0 },
  { nid: { hi: 0, lo: 0xa2 }, guest: GUEST, home: 'site1', uplink: undefined, at: 'site2', epoch: 0 },
  { nid: { hi: 1, lo: 0xa3 }, guest: GUEST, home: 'site2', uplink: undefined, at: 'site3', epoch: 0 },
];

const FAILURES = ['E_PEER_UNREACHABLE', 'E_STATE', 'E_UNKNOWN_NID', 'E_UNKNOWN_SITE'];
const REGISTRY_FAILURES = ['E_REGISTRY', 'E_STALE_EPOCH'];

interface Outcome {
  readonly binding: Binding;
  readonly result: MoveResult;
}

/** Plays one schedule; throws as soon as an identifier is active twice. */
async function play(
  seed: number,
  faults: Faults,
  crashes: number,
  hasRegistry: boolean,
): Promise<{ sites: MemorySites; done: Outcome[] }> {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const sites = new MemorySites(NAMES, BINDINGS, random, hasRegistry);
  sites.faults = faults;
  const done: Outcome[] = [];
  const failures: unknown[] = [];

  for (let i = 0; i < 12; i++) {
    sites.time.after(random() * 12_000, () => {
      const asked = pick(NAMES);
      const binding = pick(BINDINGS);
      const to = pick(NAMES);
      if (!sites.isUp(asked)) return;
      const at = sites.binding(binding.home, binding.nid)?.at;
      const force = at !== undefined && !sites.isUp(at) && random() < 0.5;
      const failed = (error: { code?: unknown }): number => failures.push(error.code ?? error);
      const carry = (): void => {
        if (!sites.isUp(asked)) return;
        sites
          .moves(asked)
          .move(binding.nid, to, { force, hold: random() < 0.8 })
          .then((result) => done.push({ binding, result }))
          .catch(failed);
      };
      if (random() < 0.6) return carry();
      // step by step, as somebody does who carries the guest meanwhile, or calls it off, or is never heard of again
      const moves = sites.moves(asked);
      const { nid } = binding;
      moves
        .step(nid, 'prepare', { to })
        .then(() => moves.step(nid, 'hold'))
        .then(() => {
          const end = random();
          if (end < 0.6) sites.time.after(random() * 300, carry);
          else if (end < 0.8) sites.time.after(random() * 300, () => void moves.step(nid, 'abort').catch(failed));
        })
        .catch(failed);
    });
    if (random() < crashes) {
      const name = pick(NAMES);
      const when = random() * 12_000;
      sites.time.after(when, () => sites.crash(name));
      sites.time.after(when + random() * 6000, () => sites.isUp(name) || sites.start(name));
    }
    if (hasRegistry && random() < crashes) {
      const when = random() * 12_000;
      sites.time.after(when, () => sites.killRegistry());
      sites.time.after(when + random() * 6000, () => sites.startRegistry());
    }
  }
  await sites.time.runUntil(14_000);
  await sites.heal();

  for (const failure of failures) {
    expect([...FAILURES, ...(hasRegistry ? REGISTRY_FAILURES : [])]).toContain(failure);
  }
  return { sites, done };
}

function expectConverged(sites: MemorySites, done: readonly Outcome[]): void {
  for (const { nid, home } of BINDINGS) {
    const truth = sites.binding(home, nid)!;
    expect(sites.active(nid)).toEqual([truth.at]);
    for (const name of NAMES) expect(sites.binding(name, nid)).toEqual(truth);
    const { epoch, guest, uplink, at } = truth;
    if (sites.registry)
      expect(sites.registry.state.get(nid)).toEqual({ nid, epoch, binding: { guest, home, uplink, at } });
  }
  for (const name of NAMES) expect(sites.moves(name).unsettled).toBe(0);
  for (const { nid } of BINDINGS) expect(sites.holding(nid)).toEqual([]);
  for (const { binding, result } of done) {
    const truth = sites.binding(binding.home, binding.nid)!;
    expect(truth.epoch).toBeGreaterThanOrEqual(result.epoch);
    if (truth.epoch === result.epoch) expect(truth.at).toBe(result.to);
  }
}

const WEATHER: readonly (readonly [string, Faults, number])[] = [
  ['calm', { loss: 0, repeat: 0, delay: 20, diskRefuses: 0 }, 0],
  ['loss and repetition', { loss: 0.2, repeat: 0.3, delay: 500, diskRefuses: 0 }, 0],
  ['messages that outlive their requests', { loss: 0.1, repeat: 0.5, delay: 6000, diskRefuses: 0 }, 0],
  ['crashes', { loss: 0.02, repeat: 0.02, delay: 50, diskRefuses: 0 }, 0.5],
  ['all of it', { loss: 0.15, repeat: 0.3, delay: 3000, diskRefuses: 0.05 }, 0.4],
];

describe.each(
  WEATHER.flatMap(([name, ...rest]) => [
    [name, false, ...rest] as const,
    [`${name}, with a registry`, true, ...rest] as const,
  ]),
)('%s', (_name, hasRegistry, faults, crashes) => {
  // shows: S29
  test('at most one active site at all times, one truth after healing', { timeout: 120_000 }, async () => {
    let moved = 0;
    const seeds = SCHEDULES / WEATHER.length / (hasRegistry ? 2 : 1);
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        const { sites, done } = await play(seed, faults, crashes, hasRegistry);
        expectConverged(sites, done);
        moved += done.length;
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }

    expect(moved).toBeGreaterThan(seeds / 2);
  });
});
