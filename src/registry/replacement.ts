/** Another registry in the place of the one on disk: all of it or nothing, whenever it is cut. See store.ts for the files. */
import { open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../runtime/folder.ts';
import { frameOf } from './log-file.ts';

export interface Replacement {
  write(revision: number, lines: readonly string[]): Promise<void>;
  /** All has been written. */
  end(): Promise<void>;
  /** Puts it in place, after `end`; the store must be closed. */
  put(): Promise<void>;
  discard(): Promise<void>;
}

/** Begins to write beside registry `name` in folder `state`. */
export async function beginReplacement(state: string, name: string): Promise<Replacement> {
  const start = `${name}.registry.`;
  const numbers = async (): Promise<[string, number][]> =>
    (await readdir(state)).flatMap((file): [string, number][] => {
      const [, number] = /^(\d+)\.(?:log|snapshot)$/.exec(file.slice(start.length)) ?? [];
      return file.startsWith(start) && number !== undefined ? [[file, Number(number)]] : [];
    });
  const fresh = join(state, `${start}copy`);
  const file = await open(fresh, 'w', 0o600);
  return {
    write: async (revision, lines) => file.appendFile(frameOf(revision, lines)),
    end: async () => {
      await file.datasync();
      await file.close();
    },
    put: async () => {
      const old = await numbers(); // now, because the store that was closed may have begun another log
      const number = Math.max(0, ...old.map(([, one]) => one)) + 1;
      const path = join(state, `${start}${number}`);
      await (await open(`${path}.log`, 'a', 0o600)).close(); // a start without the snapshot reads the old ones, then this
      await rename(fresh, `${path}.snapshot`);
      await syncFolder(state);
      for (const [one] of old) await rm(join(state, one), { force: true });
    },
    discard: async () => {
      await file.close().catch(() => {});
      await rm(fresh, { force: true });
    },
  };
}
