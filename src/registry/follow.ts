/** Keeps a copy of a registry: lists, then watches, lists anew when it must, and never gives up. */
import { type Changes, Compacted, type Registry } from './registry.ts';

/** Reasons: soon after a short interruption, seldom while it is away for a day. */
const RETRY_FIRST_MS = 200;
const RETRY_LAST_MS = 5000;

export interface FollowOptions {
  readonly registry: Pick<Registry, 'list' | 'watch'>;
  /** Takes entries over; the next ones come when it has resolved. Older ones may come again. */
  readonly apply: (changes: Changes) => Promise<void>;
  /** All entries have been taken over; again whenever all had to be listed anew. */
  readonly synced: () => void;
  /** It is not to be had; called for every new reason. */
  readonly lost: (reason: string) => void;
  readonly signal: AbortSignal;
  /** Calls `run` once after `ms` milliseconds unless the returned function was called before. */
  readonly after: (ms: number, run: () => void) => () => void;
}

/** Follows until `signal`; never rejects. */
export async function follow(options: FollowOptions): Promise<void> {
  const { registry, apply, synced, lost, signal, after } = options;
  let revision: number | undefined;
  let wait = RETRY_FIRST_MS;
  let reason = '';
  while (!signal.aborted) {
    try {
      if (revision === undefined) {
        revision = await takeAll(registry, apply, signal);
        if (revision === undefined) return;
        synced();
      }
      for await (const changes of registry.watch(revision, signal)) {
        await apply(changes);
        revision = changes.revision;
        wait = RETRY_FIRST_MS;
        reason = '';
      }
    } catch (error) {
      if (error instanceof Compacted) {
        revision = undefined;
        continue;
      }
      const why = error instanceof Error ? error.message : String(error);
      if (why !== reason) lost(why);
      reason = why;
      await pause(wait, signal, after);
      wait = Math.min(2 * wait, RETRY_LAST_MS);
    }
  }
}

async function takeAll(
  registry: Pick<Registry, 'list'>,
  apply: FollowOptions['apply'],
  signal: AbortSignal,
): Promise<number | undefined> {
  let revision: number | undefined;
  for await (const page of registry.list()) {
    if (signal.aborted) return undefined;
    await apply(page);
    revision ??= page.revision;
  }
  return signal.aborted ? undefined : revision;
}

function pause(ms: number, signal: AbortSignal, after: FollowOptions['after']): Promise<void> {
  return new Promise((resolve) => {
    const cancel = after(ms, done);
    function done(): void {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
