/**
 * A scenario of end systems made from a seed: two or three of them, any weather, moves of all kinds, partitions, restarts,
 * attackers of both kinds, and calm at the end, so that every session has to live.
 */
import { SeededRandom } from '../../random.ts';
import { type EndsScenario, type EndsScenarioInput, endsSchema } from './scenario-schema.ts';

type EventInput = NonNullable<EndsScenarioInput['events']>[number];
type SessionInput = NonNullable<EndsScenarioInput['sessions']>[number];

/** Seconds in which things go wrong, and of the whole. */
const TROUBLE = 3;
const SECONDS = 4;
const FORGERIES = ['data', 'nonce', 'update', 'acknowledgement', 'refusal', 'too-big', 'reset', 'strangers'] as const;

/** Gives the scenario of a seed. */
export function randomEnds(seed: number): EndsScenario {
  const random = new SeededRandom(`${seed}/ends`);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  const upTo = (limit: number): number => Math.round(random.fraction() * limit * 1000) / 1000;

  // no bit is flipped here: links find that (a nonce is in no checksum)
  const isBad = random.chance(0.6);
  // updates that are replayed do harm that only the next packet mends: there it needs room for a nonce, and one place to be from
  const isReplayed = random.chance(0.3);
  const networks = Array.from({ length: 3 + random.below(2) }, (_, i) => ({
    name: `net${i + 1}`,
    link: {
      delayMs: 1 + upTo(30),
      rateMbit: pick([2, 10, 100]),
      queueKib: pick([16, 64, 256]),
      mtu: pick([isReplayed ? 1400 : 1280, 1400, 1500, 1500, 1500]),
      ...(isBad ? { loss: upTo(0.02), duplicate: upTo(0.03), reorder: upTo(0.05), reorderMs: upTo(40) } : {}),
    },
  }));
  const names = networks.map(({ name }) => name);
  const some = (): string[] => {
    const first = pick(names);
    return !isReplayed && random.chance(0.3) ? [first, pick(names.filter((name) => name !== first))] : [first];
  };
  const speakers = Array.from({ length: 2 + random.below(2) }, (_, i) => `e${i + 1}`);
  const legacy = random.chance(0.3) ? ['p1'] : [];
  const known = new Map(
    speakers.map((name) => [name, [...speakers, ...legacy].filter((other) => other !== name && random.chance(0.7))]),
  );
  const knowsTo = (from: string, to: string): boolean => known.get(from)!.includes(to);
  // somebody must know somebody, else nobody speaks ILNP
  if (!knowsTo('e1', 'e2') && !knowsTo('e2', 'e1')) known.get('e1')!.push('e2');
  const ends = [
    ...speakers.map((name) => ({ name, at: some(), knows: known.get(name)! })),
    ...legacy.map((name) => ({ name, at: [pick(names)], ilnp: pick(['refuses', 'is-silent'] as const) })),
  ];
  const sessions: SessionInput[] = [];
  for (const from of speakers) {
    for (const to of [...speakers, ...legacy]) {
      if (from === to || !knowsTo(from, to) || (sessions.length > 0 && random.chance(0.6))) continue;
      sessions.push({
        kind: 'tcp',
        from,
        to,
        data: pick(['send', 'receive', 'both'] as const),
        rateKbit: 50 + random.below(200),
        // who is expected at one place and calls from another is spoken to without ILNP until names know better
        startAt: random.chance(0.3) && !(speakers.includes(to) && knowsTo(to, from)) ? 3.3 : 0.1,
      });
      if (random.chance(0.5)) sessions.push({ kind: pick(['udp', 'ping'] as const), from, to, everyMs: 50 });
    }
  }

  const events: EventInput[] = [];
  for (let k = 1 + random.below(4); k > 0; k--) {
    const isSoft = !isReplayed && random.chance(0.5);
    events.push({
      do: 'move',
      at: 0.3 + upTo(TROUBLE - 0.3),
      end: pick(speakers),
      to: some(),
      ...(isSoft ? { overlapMs: 20 + upTo(400) } : { downtimeMs: upTo(200) }),
    });
  }
  const near = (): number => {
    const move = pick(events);
    return random.chance(0.7) ? Math.min(SECONDS - 0.1, move.at + upTo(0.2)) : upTo(TROUBLE);
  };
  if (random.chance(0.3)) events.push({ do: 'cut', at: near(), network: pick(names), forMs: upTo(3000) });
  // who has forgotten its nonces and is somewhere else is somebody else for as long as its sessions are remembered
  const still = speakers.filter((name) => !events.some((event) => event.do === 'move' && event.end === name));
  if (still.length > 0 && random.chance(0.3)) events.push({ do: 'restart', at: 1.5 + upTo(1.5), end: pick(still) });
  for (let k = random.below(3); k > 0; k--)
    events.push({
      do: 'replay',
      at: near(),
      what: isReplayed ? pick(['updates', 'packets'] as const) : 'packets',
      times: 1 + random.below(12),
    });
  for (let k = random.below(4); k > 0; k--) {
    const to = pick(speakers);
    const as = pick([...speakers, ...legacy].filter((name) => name !== to));
    const what = pick(FORGERIES);
    events.push({ do: 'forge', at: upTo(TROUBLE), what, to, as, times: 1 + random.below(30), everyMs: 1 + upTo(30) });
  }
  // Drawn last, so that the rest of a seed is what it was before: both ends of a session go over at once, and no one waits
  // for anybody; before all other moves, which do. Who restarts stays where it is.
  const restarting = events.flatMap((event) => (event.do === 'restart' ? [event.end] : []));
  const moving = sessions.filter((session) =>
    [session.from, session.to].every((name) => speakers.includes(name) && !restarting.includes(name)),
  );
  if (moving.length > 0 && random.chance(0.3)) {
    const { from, to } = pick(moving);
    for (const end of [from, to]) {
      const isSoft = !isReplayed && random.chance(0.3);
      events.push({
        do: 'move',
        at: 0.1 + upTo(0.2),
        end,
        to: some(),
        afterOthers: false,
        ...(isSoft ? { overlapMs: 20 + upTo(80) } : { downtimeMs: upTo(100) }),
      });
    }
  }
  return endsSchema.parse({
    title: `End systems made from seed ${seed}`,
    seed,
    seconds: SECONDS,
    drainSeconds: 300,
    networks,
    ends,
    signalling: isBad || random.chance(0.3) ? { loss: upTo(0.5), duplicate: upTo(0.5), lateMs: upTo(500) } : {},
    sessions,
    events,
  } satisfies EndsScenarioInput);
}
