/**
 * A scenario made from a seed: a few sites and guests, any weather, moves, cuts and crashes at any time, and calm at the
 * end, so that every session has to live and all borders have to agree. For sweeps over thousands of seeds.
 */
import { SeededRandom } from '../random.ts';
import { REGISTRY } from './registry.ts';
import { type Scenario, type ScenarioInput, scenarioSchema } from './scenario-schema.ts';

type LinkInput = NonNullable<NonNullable<ScenarioInput['links']>['uplink']>;
type EventInput = NonNullable<ScenarioInput['events']>[number];
type SessionInput = NonNullable<ScenarioInput['sessions']>[number];

/** Seconds in which things go wrong, and of the whole. */
const TROUBLE = 4;
const SECONDS = 5;

/** Gives the scenario of a seed. */
export function randomScenario(seed: number): Scenario {
  const random = new SeededRandom(`${seed}/scenario`);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  const upTo = (limit: number): number => Math.round(random.fraction() * limit * 1000) / 1000;

  const sites = Array.from({ length: 2 + random.below(3) }, (_, i) => ({
    name: `site${i + 1}`,
    uplinks: random.chance(0.3) ? ['isp1', 'isp2'] : ['isp1'],
  }));
  const names = sites.map((site) => site.name);
  const guests = Array.from({ length: 1 + random.below(3) }, (_, i) => ({
    name: `a${i + 1}`,
    home: pick(names),
    at: pick(names),
  }));
  const isBad = random.chance(0.6);
  const weather = (delayMs: number): LinkInput => ({
    delayMs: upTo(delayMs),
    rateMbit: pick([2, 10, 100]),
    queueKib: pick([16, 64, 256]),
    mtu: pick([1280, 1400, 1500, 1500, 1500]),
    ...(isBad
      ? { loss: upTo(0.02), duplicate: upTo(0.03), corrupt: upTo(0.02), reorder: upTo(0.05), reorderMs: upTo(10) }
      : {}),
  });

  const sessions: SessionInput[] = guests.flatMap((guest, i) => {
    const other = guests[(i + 1) % guests.length]!;
    const peer = guests.length > 1 && random.chance(0.4) ? other.name : 'cn';
    const address = peer !== 'cn' && random.chance(0.5) ? ('guest' as const) : ('global' as const);
    const [from, to] = peer === 'cn' && random.chance(0.5) ? [peer, guest.name] : [guest.name, peer];
    const probe = { kind: pick(['udp', 'ping'] as const), from, to, address, everyMs: 40 };
    return [{ kind: 'tcp' as const, from, to, address, rateKbit: 100 + random.below(400) }, probe];
  });

  const events: EventInput[] = [];
  for (const { name } of guests) {
    for (let k = 1 + random.below(3); k > 0; k--) {
      const by = random.chance(0.5) ? pick(names) : undefined;
      const move = { do: 'move' as const, at: 0.5 + upTo(TROUBLE - 0.5), guest: name, to: pick(names) };
      events.push({
        ...move,
        downtimeMs: upTo(100),
        hold: pick(['no', 'switch', 'pause', 'pause'] as const),
        ...(by === undefined ? {} : { by }),
      });
    }
  }
  for (let k = random.below(3); k > 0; k--) {
    const a = pick(names);
    const b = pick(names.filter((name) => name !== a));
    const what = pick(['control', 'data', 'both'] as const);
    const at = upTo(TROUBLE);
    // near a move, where it hurts
    const near = events.find((event) => event.do === 'move' && random.chance(0.5));
    events.push({
      do: 'cut',
      at: near === undefined ? at : near.at + upTo(0.2),
      between: [a, b],
      what,
      forMs: upTo(6000),
    });
  }
  for (let k = random.below(3); k > 0; k--) {
    const near = events.find((event) => event.do === 'move' && random.chance(0.5));
    const at = near === undefined ? upTo(TROUBLE) : near.at + upTo(0.2);
    events.push({ do: 'crash', at, site: pick(names), forMs: upTo(2500) });
  }
  // Drawn last, so that the rest of a seed is what it was before there were registries.
  const registry = random.chance(0.4);
  for (let k = registry ? random.below(3) : 0; k > 0; k--) {
    const near = events.find((event) => event.do === 'move' && random.chance(0.5));
    const at = near === undefined ? upTo(TROUBLE) : near.at + upTo(0.2);
    const site = pick(names);
    if (random.chance(0.5)) events.push({ do: 'crash', at, site: REGISTRY, forMs: upTo(2500) });
    else events.push({ do: 'cut', at, between: [REGISTRY, site], what: 'control', forMs: upTo(4000) });
  }
  // So are a pair of borders, which a crash makes take turns, and moves that are called off.
  const paired = random.chance(0.3) ? pick(names) : undefined;
  const called = events.map((event) =>
    event.do === 'move' && event.hold === 'pause' && random.chance(0.2)
      ? { ...event, callOff: pick(['prepared', 'held'] as const) }
      : event,
  );
  // And guests that have moved before, whose next move is written ahead (src/sites/written-ahead.ts).
  const moved = guests.map((guest) => ({ ...guest, epoch: !registry && random.chance(0.5) ? 1 : 0 }));
  const diskMs = pick([2, 2, 50]);
  // And moves of which home hears when the guest stands still.
  const heard = called.map((event) =>
    event.do === 'move' && event.hold === 'pause' && random.chance(0.5)
      ? { ...event, hold: pick(['paused', 'paused', 'told'] as const) }
      : event,
  );
  // Of some the new site hears later than that.
  const late = heard.map((event) =>
    event.do === 'move' && event.hold === 'told' && event.callOff === undefined && random.chance(0.5)
      ? { ...event, hold: 'late' as const }
      : event,
  );
  return scenarioSchema.parse({
    title: `Made from seed ${seed}`,
    seed,
    seconds: SECONDS,
    drainSeconds: 300,
    sites: sites.map((site) => ({ ...site, pair: site.name === paired })),
    guests: moved,
    links: {
      uplink: weather(30),
      site: weather(20),
      lan: { ...weather(1), rateMbit: 100, mtu: 1500 },
      access: { ...weather(20), mtu: 1500 },
      control: { delayMs: 0.5 + upTo(20), loss: isBad ? upTo(0.2) : 0 },
    },
    registry,
    diskMs,
    sessions,
    events: late,
    expect: { sessions: 'live' },
  } satisfies ScenarioInput);
}
