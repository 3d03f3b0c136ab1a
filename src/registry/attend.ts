/** A witness asks whichever controller it reaches, until `signal`. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Witness } from './witness.ts';
import type { ClaimAnswer, WitnessAsk } from './witnessed.ts';

const AGAIN_MS = 100;
/** A controller that is none of a pair may become one. */
const ALONE_MS = 5000;

/** `ask` gives null if there is no pair, and rejects if nobody answers. */
export async function attend(
  witness: Witness,
  ask: (ask: WitnessAsk) => Promise<ClaimAnswer | null>,
  { signal, failed }: { readonly signal: AbortSignal; readonly failed: (error: unknown) => void },
): Promise<void> {
  let taken = { run: '', told: 0, why: '' };
  while (!signal.aborted) {
    const { term, of } = witness.state;
    const answer = await ask({ ...taken, term, of }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      if (answer) {
        const why = answer.claim === null ? '' : witness.take(answer.claim);
        taken = { run: answer.run, told: answer.version, why };
        continue;
      }
    } catch (error) {
      failed(error);
    }
    await pause(answer === null ? ALONE_MS : AGAIN_MS, undefined, { signal }).catch(() => {});
  }
}
