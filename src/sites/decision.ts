/** Decisions of a home that are not carried out yet (home-moves.ts). */
import { saidOf } from '../runtime/errors.ts';
import type { Change } from './messages.ts';
import type { OpenDecision } from './move-record.ts';
import type { UnderWay } from './under-way.ts';

/** A decision under way. */
export interface Decision extends Change {
  readonly active: Set<string>;
  /** Sites that confirmed it and need not be told again. */
  readonly heard: Set<string>;
  /**
   * Where the identifier is, while the guest stands still and its sites let go early: `at` is not told before the move is carried
   * out, and nothing is on disk but what takes it back. Null: it may be told.
   */
  earlyFrom: string | null;
  /** The move that it is early for is not carried out. */
  isCalledOff: boolean;
  /** That this site lets go is on disk, with the decision. */
  readonly isReleased: boolean;
  /** Resolves when it is on disk. */
  onDisk: Promise<void>;
  /** Segments that sites which confirmed it have let go towards the new place. */
  letGo: number;
  /** Why it could not be carried out when that was last tried. */
  problem: unknown;
}

/** One that was found: on our disk at the start, or in the registry. */
export const opened = ({ nid, at, epoch, active }: OpenDecision): Decision => ({
  ...{ nid, at, epoch, active: new Set(active), heard: new Set() },
  earlyFrom: null,
  isCalledOff: false,
  isReleased: false,
  onDisk: Promise.resolve(),
  letGo: 0,
  problem: null,
});

/** What tells how far a decision is, wherever it is read. */
type DecisionState = Pick<Decision, 'at' | 'problem'> & { readonly active: Iterable<string> };

/** Who has to let go, or, when nobody else has, to take it. */
export function underWayOf({ at, active, problem }: DecisionState): UnderWay {
  const left = [...active].filter((site) => site !== at);
  return {
    to: at,
    state: left.length > 0 ? 'releasing' : 'activating',
    waitsFor: left.length > 0 ? left : [at],
    problem: problem === null ? null : saidOf(problem),
  };
}
