/** The registry on the disk of whoever keeps one, a border or a controller. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { RegistryStore, type StoreOptions } from '../registry/store.ts';

/** Opens the store `name`; `written`: see StoreOptions. */
export const openStore = (
  name: string,
  { state, limits }: { readonly state: string; readonly limits: { readonly bindings: number } },
  log: Logger,
  written?: StoreOptions['written'],
): Promise<RegistryStore> =>
  RegistryStore.open({
    ...{ state, name, limit: limits.bindings },
    seed: [randomInt(0, 2 ** 32), randomInt(0, 2 ** 32)],
    warn: (text) => log.warn(text),
    ...(written && { written }),
  });
