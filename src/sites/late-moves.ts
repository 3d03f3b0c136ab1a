/**
 * Moves that were reported as failed while their decision stood, because it could not be taken back either. When it has been
 * carried out after all, a second report says that the guest is where it was to be.
 */
import type { Nid } from '../wire/text.ts';
import { type Handoff, reportOf } from './handoff.ts';
import type { Change } from './messages.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

interface LateMove {
  readonly handoff: Handoff;
  /** Where the guest was. */
  readonly from: string;
  /** What was reported. */
  readonly why: string;
}

export class LateMoves {
  readonly #world: Pick<MovesWorld, 'bindings' | 'clock' | 'reports'>;
  readonly #moves = new Map<string, LateMove>();

  constructor(world: Pick<MovesWorld, 'bindings' | 'clock' | 'reports'>) {
    this.#world = world;
  }

  expect(move: LateMove): void {
    this.#moves.set(nidKey(move.handoff.nid), move);
  }

  /** The next move of it has begun, which has its own report; that of a decision which is in doubt still comes by itself. */
  forget(nid: Nid, doubt: Change | null = null): void {
    const key = nidKey(nid);
    if (doubt === null || this.#moves.get(key)?.handoff.doubt !== doubt) this.#moves.delete(key);
  }

  /** What was decided of this identifier has been carried out. Back where it was: that was reported already. */
  settled(nid: Nid): void {
    const move = this.#moves.get(nidKey(nid));
    const binding = this.#world.bindings.get(nid);
    this.forget(nid);
    if (move === undefined || binding === undefined || binding.at !== move.handoff.to) return;
    const { handoff, from, why } = move;
    if (handoff.doubt !== null && handoff.doubt.epoch !== binding.epoch) return; // a later one has brought it there
    const late = { ...handoff, times: new Map([['committed', this.#world.clock.now()] as const]), counts: new Map() };
    this.#world.reports.add(reportOf(late, { from, epoch: binding.epoch, outcome: 'moved', why, octets: 0 }));
  }
}
