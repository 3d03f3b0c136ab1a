/** Entries for tests. */
import type { Changes, Entry, Registry } from '../../src/registry/registry.ts';
import { formatNid } from '../../src/wire/text.ts';

export const GUEST = { hi: 0xfd000009, lo: 0 };

/** An entry of home site1 that is at `at`. */
export function entryOf(lo: number, epoch: number, at = 'site1', more: Partial<Entry> = {}): Entry {
  return { nid: { hi: 0, lo }, epoch, binding: { guest: GUEST, home: 'site1', uplink: undefined, at }, ...more };
}

/** All that a registry lists, by NID. */
export async function listed(registry: Pick<Registry, 'list'>): Promise<{ all: Map<string, Entry>; revision: number }> {
  const all = new Map<string, Entry>();
  let revision: number | undefined;
  for await (const page of registry.list()) {
    revision ??= page.revision;
    for (const entry of page.entries) all.set(formatNid(entry.nid), entry);
  }
  return { all, revision: revision! };
}

/** Changes after `revision` until `enough` says so. */
export async function watched(
  registry: Pick<Registry, 'watch'>,
  revision: number,
  enough: (entries: readonly Entry[]) => boolean,
): Promise<{ entries: Entry[]; last: Changes }> {
  const stop = new AbortController();
  const entries: Entry[] = [];
  for await (const changes of registry.watch(revision, stop.signal)) {
    entries.push(...changes.entries);
    if (enough(entries)) {
      stop.abort();
      return { entries, last: changes };
    }
  }
  throw new Error(`the watch ended with ${entries.length} entries`);
}
