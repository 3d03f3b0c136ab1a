/** Keeps a standby's copy up to date: asks, takes, asks again, for ever. */
import type { MirrorAnswer, MirrorAsk } from '../sites/mirrored.ts';
import type { MovesClock, SitesLog } from '../sites/moves-world.ts';
import type { Copy } from './copy.ts';

/** Reason: an active border that has just died is there again, or we are active, soon after. */
const AGAIN_MS = 250;

export interface KeepCopyOptions {
  readonly copy: Copy;
  readonly ask: (ask: MirrorAsk) => Promise<MirrorAnswer>;
  readonly isOver: () => boolean;
  readonly clock: Pick<MovesClock, 'after'>;
  readonly log: SitesLog;
}

/** Resolves when it is over. */
export async function keepCopy({ copy, ask, isOver, clock, log }: KeepCopyOptions): Promise<void> {
  while (!isOver()) {
    try {
      const answer = await ask(copy.ask);
      if (isOver()) return;
      const was = copy.isWhole;
      copy.take(answer);
      if (copy.isWhole && !was) log.info({}, 'the copy of the active border is whole');
    } catch (error) {
      if (isOver()) return;
      if ((error as { syscall?: string }).syscall !== undefined)
        log.warn({ reason: String(error) }, 'the copy cannot be written');
      await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve));
    }
  }
}
