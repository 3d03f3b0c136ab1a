/**
 * A scenario as data: sites, guests, links and their faults, sessions, what happens when, what is expected. Messages say
 * what was expected; file, line and what came are added where a file is read (scenario.ts).
 */
import { z } from 'zod';
import {
  at,
  LIST,
  link,
  MAPPING,
  name,
  number,
  oneOf,
  probability,
  SECONDS_MAX,
  text,
  whole,
  yesOrNo,
} from './fields.ts';

const move = {
  at,
  guest: name,
  /** The border that is asked; its home unless said. */
  by: name.optional(),
  force: yesOrNo.default(false),
  /** How long the guest is nowhere while it is carried over. */
  downtimeMs: number(0, 60_000, 'milliseconds').default(20),
  /**
   * Whether packets wait: not at all, while the borders switch, from before the guest is taken away (`paused`: home hears when it
   * is), or from when hypervisors at both sites have told (`late`: that of the new one after that of the old one).
   */
  hold: oneOf('no', 'switch', 'pause', 'paused', 'told', 'late').default('switch'),
  /** After which step it is called off; without a hold there is none. */
  callOff: oneOf('prepared', 'held').optional(),
};

const event = z.discriminatedUnion(
  'do',
  [
    z.strictObject({ do: z.literal('move'), ...move, to: name }, MAPPING),
    z.strictObject(
      {
        do: z.literal('shuttle'),
        ...move,
        between: z.array(name, LIST).min(2, { error: 'at least two sites' }),
        times: whole(1, 100_000, 'moves'),
        everyMs: number(1, 60_000, 'milliseconds'),
      },
      MAPPING,
    ),
    z.strictObject(
      {
        do: z.literal('cut'),
        at,
        between: z.tuple([name, name], { error: 'a list of two sites' }),
        what: oneOf('control', 'data', 'both').default('both'),
        forMs: number(0, 3_600_000, 'milliseconds').optional(),
      },
      MAPPING,
    ),
    z.strictObject({ do: z.literal('crash'), at, site: name, forMs: number(0, 3_600_000, 'milliseconds') }, MAPPING),
    z.strictObject({ do: z.literal('vanish'), at, site: name }, MAPPING),
    z.strictObject(
      { do: z.literal('uplink'), at, site: name, uplink: name, up: yesOrNo, forMs: at.optional() },
      MAPPING,
    ),
  ],
  { error: 'an event with `do`: move, shuttle, cut, crash, vanish or uplink' },
);

/** A session of either kind of scenario. */
export const flow = z.discriminatedUnion(
  'kind',
  [
    z.strictObject(
      {
        kind: z.literal('tcp'),
        from: name,
        to: name,
        /** Which way the data go, seen from `from`. */
        data: oneOf('send', 'receive', 'both').default('both'),
        /** Kilobits a second that the application offers; absent: as fast as TCP allows. */
        rateKbit: number(1, 1e6, 'kilobits a second').optional(),
        address: oneOf('guest', 'global').default('global'),
        startAt: at.default(0.1),
      },
      MAPPING,
    ),
    z.strictObject(
      {
        kind: oneOf('udp', 'ping'),
        from: name,
        to: name,
        everyMs: number(0.1, 60_000, 'milliseconds').default(20),
        address: oneOf('guest', 'global').default('global'),
        startAt: at.default(0.1),
      },
      MAPPING,
    ),
    z.strictObject(
      {
        kind: z.literal('traceroute'),
        from: name,
        to: name,
        /** Milliseconds between rounds. */
        everyMs: number(100, 60_000, 'milliseconds').default(1000),
        address: oneOf('guest', 'global').default('global'),
        startAt: at.default(0.1),
      },
      MAPPING,
    ),
  ],
  { error: 'a session with `kind`: tcp, udp, ping or traceroute' },
);

export const scenarioSchema = z.strictObject(
  {
    title: text('one line of text', /^[^\n]{1,120}$/),
    seed: whole(0, Number.MAX_SAFE_INTEGER, 'a seed').default(1),
    /** Sessions talk this long; then they close, and what is on its way has `drainSeconds` to arrive. */
    seconds: number(0.1, SECONDS_MAX, 'seconds'),
    drainSeconds: number(1, SECONDS_MAX, 'seconds').default(60),
    sites: z
      .array(
        z.strictObject(
          {
            name,
            uplinks: z.array(name, LIST).min(1, { error: 'at least one uplink' }).prefault(['isp1']),
            /** Two borders: when `crash` kills one, the other takes over, and it comes back as the standby. */
            pair: yesOrNo.default(false),
          },
          MAPPING,
        ),
        LIST,
      )
      .min(1, { error: 'at least one site' }),
    guests: z
      .array(
        z.strictObject(
          {
            ...{ name, home: name, at: name.optional(), uplink: name.optional() },
            /** So often it has moved before, as every border knows. */
            epoch: z.int().min(0).max(1000).default(0),
          },
          MAPPING,
        ),
        LIST,
      )
      .min(1, { error: 'at least one guest' }),
    correspondents: z.array(name, LIST).prefault(['cn']),
    links: z
      .strictObject(
        {
          uplink: link({ delayMs: 10, rateMbit: 100, queueKib: 256 }),
          site: link({ delayMs: 2, rateMbit: 1000, queueKib: 1024 }),
          lan: link({ delayMs: 0.05, rateMbit: 1000, queueKib: 1024 }),
          access: link({ delayMs: 5, rateMbit: 1000, queueKib: 1024 }),
          control: z
            .strictObject(
              { delayMs: number(0.01, 10_000, 'milliseconds').default(2), loss: probability.default(0) },
              MAPPING,
            )
            .prefault({}),
        },
        MAPPING,
      )
      .prefault({}),
    /** Bindings are in a registry, which `crash` and `cut` know by that name. */
    registry: yesOrNo.default(false),
    /** Longest time that a border's disk takes for an append: by default, one with a cache that tells the truth. */
    diskMs: number(0.01, 10_000, 'milliseconds').default(2),
    sessions: z.array(flow, LIST).prefault([]),
    events: z.array(event, LIST).prefault([]),
    expect: z
      .strictObject(
        {
          sessions: oneOf('live', 'any').default('live'),
          /** Moves that are done, and that fail. */
          moves: whole(0, 1_000_000, 'moves').optional(),
          failedMoves: whole(0, 1_000_000, 'moves').optional(),
          /** Longest silence that any session may see. */
          gapMs: number(0, 3_600_000, 'milliseconds').optional(),
          /** Datagrams that any session may lose, and that may be overtaken. */
          lost: whole(0, 1_000_000, 'datagrams').optional(),
          overtaken: whole(0, 1_000_000, 'datagrams').optional(),
          /** Every border that runs at the end knows where everybody is. */
          agreement: yesOrNo.default(true),
        },
        MAPPING,
      )
      .prefault({}),
  },
  MAPPING,
);

export type Scenario = z.output<typeof scenarioSchema>;
export type ScenarioInput = z.input<typeof scenarioSchema>;
export type ScenarioEvent = z.output<typeof event>;
export type ScenarioSession = z.output<typeof flow>;
