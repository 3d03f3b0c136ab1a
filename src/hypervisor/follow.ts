/** Follows one virtual machine from its monitor, from now until the machine ends. */
import { type GuestNews, Migration } from './migration.ts';
import { Qmp, type QmpEvent } from './qmp.ts';

export interface Followed {
  /** The machine ran here when it was asked. */
  readonly runs: boolean;
  /** Resolves with why, when the machine has ended or its monitor is gone. */
  readonly ended: Promise<string>;
  /** Lets go of the machine. */
  close(): void;
}

/**
 * Connects to the monitor `path`, asks for the events of a migration and tells what they mean. Events that come before the
 * state of the machine is known wait for it. Throws E_HYPERVISOR.
 */
export async function follow(path: string, tell: (news: GuestNews) => void): Promise<Followed> {
  let migration: Migration | null = null;
  const early: QmpEvent[] = [];
  let ended = (_: string): void => {};
  const end = new Promise<string>((resolve) => {
    ended = resolve;
  });
  const qmp = await Qmp.connect(path, {
    onEvent: (event) => (migration === null ? void early.push(event) : migration.event(event)),
    onEnd: (reason) => {
      migration?.end();
      ended(reason);
    },
  });
  let runs: boolean;
  try {
    const capabilities = [{ capability: 'events', state: true }];
    await qmp.execute('migrate-set-capabilities', { capabilities }).catch((error: Error) => {
      // a migration that is under way already has what it has; STOP and RESUME come in any case
      if (!/migration/i.test(error.message)) throw error;
    });
    const { status: runState } = (await qmp.execute('query-status')) as { status: string };
    const { status: migrating } = (await qmp.execute('query-migrate')) as { status?: string };
    runs = runState === 'running';
    migration = new Migration(runState, migrating ?? 'none', tell);
    for (const event of early) migration.event(event);
  } catch (error) {
    qmp.close();
    throw error;
  }
  return { runs, ended: end, close: () => qmp.close() };
}
