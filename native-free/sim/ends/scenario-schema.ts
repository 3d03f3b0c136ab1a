/**
 * A scenario of end systems that speak ILNP themselves: networks of plain routers, ends that are at some of them, what they
 * say to each other, and what happens when. File, line and what came are added to messages where a file is read.
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
} from '../fields.ts';
import { flow } from '../scenario-schema.ts';

const milliseconds = (max: number) => number(0, max, 'milliseconds');
const networks = z.array(name, LIST);

const event = z.discriminatedUnion(
  'do',
  [
    z.strictObject(
      {
        do: z.literal('move'),
        at,
        end: name,
        /** Preferred first. */
        to: networks.min(1, { error: 'at least one network' }),
        /** How long it is at the old networks as well: a soft hand-off. */
        overlapMs: milliseconds(60_000).default(0),
        /** How long it is nowhere in a hard one. */
        downtimeMs: milliseconds(60_000).default(20),
        /** Waits until everybody has acknowledged the moves before; false: whatever the others do. */
        afterOthers: yesOrNo.default(true),
      },
      MAPPING,
    ),
    z.strictObject({ do: z.literal('cut'), at, network: name, forMs: milliseconds(3_600_000) }, MAPPING),
    z.strictObject({ do: z.literal('restart'), at, end: name, forMs: milliseconds(3_600_000).default(100) }, MAPPING),
    z.strictObject(
      {
        do: z.literal('replay'),
        at,
        /** What somebody on the path has kept: Locator Updates with their acknowledgements, or all kinds of packets. */
        what: oneOf('updates', 'packets'),
        times: whole(1, 1000, 'packets').default(8),
      },
      MAPPING,
    ),
    z.strictObject(
      {
        do: z.literal('forge'),
        at,
        what: oneOf('data', 'nonce', 'update', 'acknowledgement', 'refusal', 'too-big', 'reset', 'strangers'),
        /** Who is to believe it, and from whom it claims to be. */
        to: name,
        as: name,
        times: whole(1, 100_000, 'packets').default(20),
        everyMs: number(0.01, 60_000, 'milliseconds').default(10),
      },
      MAPPING,
    ),
  ],
  { error: 'an event with `do`: move, cut, restart, replay or forge' },
);

export const endsSchema = z.strictObject(
  {
    title: text('one line of text', /^[^\n]{1,120}$/),
    seed: whole(0, Number.MAX_SAFE_INTEGER, 'a seed').default(1),
    /** Sessions talk this long; then they close, and what is on its way has `drainSeconds` to arrive. */
    seconds: number(0.1, SECONDS_MAX, 'seconds'),
    drainSeconds: number(1, SECONDS_MAX, 'seconds').default(60),
    /** Providers, each with a /64; `mtu` is that of its way to the others, its own links carry 1500 octets. */
    networks: z
      .array(z.strictObject({ name, link: link({ delayMs: 10, rateMbit: 100, queueKib: 256 }) }, MAPPING), LIST)
      .min(2, { error: 'at least two networks' }),
    ends: z
      .array(
        z.strictObject(
          {
            name,
            at: networks.min(1, { error: 'at least one network' }),
            /** Nodes without ILNP refuse the option as RFC 8200 says, or something on the way swallows it. */
            ilnp: oneOf('speaks', 'refuses', 'is-silent').default('speaks'),
            /** Whom it knows to speak ILNP, by a file of hosts; also those who do not. */
            knows: z.array(name, LIST).prefault([]),
          },
          MAPPING,
        ),
        LIST,
      )
      .min(2, { error: 'at least two ends' }),
    /** What happens to Locator Updates and their acknowledgements besides. */
    signalling: z
      .strictObject(
        {
          loss: probability.default(0),
          duplicate: probability.default(0),
          /** Each comes up to so much later, so that they overtake one another. */
          lateMs: milliseconds(10_000).default(0),
        },
        MAPPING,
      )
      .prefault({}),
    sessions: z.array(flow, LIST).prefault([]),
    events: z.array(event, LIST).prefault([]),
    expect: z
      .strictObject(
        {
          sessions: oneOf('live', 'any').default('live'),
          /** Longest silence that any session may see. */
          gapMs: milliseconds(3_600_000).optional(),
        },
        MAPPING,
      )
      .prefault({}),
  },
  MAPPING,
);

export type EndsScenario = z.output<typeof endsSchema>;
export type EndsScenarioInput = z.input<typeof endsSchema>;
export type EndsEvent = z.output<typeof event>;
export type EndSpec = EndsScenario['ends'][number];
