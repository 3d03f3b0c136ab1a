/** What is under way with an identifier, as people read it: how far it is, what it waits for, what to do about it. */
import type { UnderWayReply } from '../runtime/control-methods.ts';

/** Gives a line; `-` when nothing is under way. */
export function underWayText(move: UnderWayReply | null | undefined): string {
  if (!move) return '-';
  const { problem } = move;
  return problem === null ? stepOf(move) : `${stepOf(move)}: ${problem}; ${adviceOf(move)}`;
}

function stepOf({ to, state, waitsFor }: UnderWayReply): string {
  switch (state) {
    case 'asked':
      return to === null ? 'begun' : `to ${to}: sites are asked`;
    case 'prepared':
      return `to ${to}: prepared, packets flow`;
    case 'held':
      return to === null ? 'packets wait' : `to ${to}: packets wait`;
    case 'releasing':
      return `to ${to}: decided, ${waitsFor.join(' and ')} must let go of it`;
    case 'activating':
      return `to ${to}: decided, ${waitsFor.join(' and ')} must take it`;
    case 'draining':
      return 'moved, late packets are sent on';
    case 'waiting':
      return 'packets wait here';
    case 'unwritten':
      return `at ${to}: in force, not on disk`;
    case 'unsettled':
      return `to ${to}: moved, the registry does not know it`;
  }
}

/** What helps against the problem: the code says whose it is. */
function adviceOf({ state, waitsFor, problem }: UnderWayReply): string {
  const sites = waitsFor.join(' and ');
  if (state === 'unsettled') return 'goes on when the registry takes it';
  if (problem?.startsWith('E_STATE')) return `goes on when there is room on the disk of ${sites}`;
  if (!problem?.startsWith('E_PEER_UNREACHABLE')) return 'it is tried again';
  const force = state === 'releasing' ? `; if it is dead, ilnp move --force moves without it` : '';
  return `goes on when ${sites} answers${force}`;
}
