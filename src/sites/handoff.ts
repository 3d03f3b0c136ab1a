/** A move without loss as its home sees it: which step was done when, who keeps what; and the report of it. */
import { addCounts, type KeepCounts, noCounts } from '../ilnp/keeping.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { Change } from './messages.ts';
import { type MoveReport, STEPS, type Step } from './move-report.ts';
import type { UnderWay } from './under-way.ts';

/** A move under way. */
export interface Handoff {
  readonly nid: Nid;
  readonly by: string;
  readonly started: number;
  readonly askedAt: number;
  readonly octetsBefore: number;
  readonly times: Map<Step, number>;
  /** Sites that were asked to keep packets, and those that hold them. */
  readonly sites: Set<string>;
  readonly held: Set<string>;
  /** What sites have said they did; their last word counts. */
  readonly counts: Map<string, KeepCounts>;
  to: string | null;
  /** Packets wait everywhere. */
  isHeld: boolean;
  /** What the registry has been told for it, and has not answered. */
  doubt: Change | null;
  /** Packets have waited as long as they may. */
  isOverdue: boolean;
  /** The guest stands still, as was said. */
  isStopped: boolean;
  /** It was asked for while packets waited for the decision of one before that could not be carried out. What they keep belongs to this one. */
  isBehind: boolean;
  cancel: () => void;
}

/** One that has just been asked for. */
export const begun = (one: Pick<Handoff, 'nid' | 'by' | 'started' | 'askedAt' | 'octetsBefore'>): Handoff => ({
  ...one,
  times: new Map(),
  sites: new Set(),
  held: new Set(),
  counts: new Map(),
  to: null,
  isHeld: false,
  doubt: null,
  isOverdue: false,
  isStopped: false,
  isBehind: false,
  cancel: () => {},
});

/** How far it is. */
export const underWayOf = ({ to, times, isHeld }: Handoff): UnderWay => ({
  ...{ to, waitsFor: [], problem: null },
  state: isHeld ? 'held' : times.has('prepared') ? 'prepared' : 'asked',
});

/** What became of it, and the sum of what the sites have said. */
export function reportOf(
  { nid, to, by, askedAt, started, times, counts, isOverdue }: Handoff,
  result: Pick<MoveReport, 'from' | 'epoch' | 'outcome' | 'why' | 'octets'>,
): Omit<MoveReport, 'id'> {
  const sum = noCounts();
  for (const one of counts.values()) addCounts(sum, one);
  const there = to === null ? undefined : counts.get(to);
  const timeline = Object.fromEntries(
    STEPS.map((step) => {
      const time = times.get(step);
      return [step, time === undefined ? null : Math.round(time - started)];
    }),
  ) as Record<Step, number | null>;
  if (there !== undefined && there.firstAt > 0) timeline.firstPacket = Math.round(there.firstAt - askedAt);
  if (there !== undefined && there.acknowledgedAt > 0)
    timeline.acknowledged = Math.round(there.acknowledgedAt - askedAt);
  const { held, full, replayed, sentOn, updateOctets } = sum;
  const expired = isOverdue ? Math.max(held - full, sum.expired, 0) : sum.expired; // who is told to let go does not know that it is too early
  return {
    nid: formatNid(nid),
    to,
    by,
    askedAt: Math.round(askedAt),
    timeline,
    packets: { held, lost: full, expired, replayed, sentOn },
    updateOctets,
    ...result,
  };
}
