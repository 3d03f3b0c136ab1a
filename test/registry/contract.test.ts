/** The contract of a registry, for those that need nothing installed; etcd is in test/netns/registry.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryClient } from '../../src/registry/client.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import { type OwnRegistry, RegistryService } from '../../src/registry/service.ts';
import { RegistryStore } from '../../src/registry/store.ts';
import { pack, unpack } from '../../src/sites/pack.ts';
import { contract, type Fresh } from './contract.ts';
import { entryOf } from './entries.ts';

const REMEMBERED = 64;
const memory = { now: () => performance.now(), seed: [1, 2] as const, limit: 100_000, remembered: REMEMBERED };

/** Pushes everything out of what is remembered. */
async function forget(registry: OwnRegistry): Promise<void> {
  for (let i = 0; i < REMEMBERED; i++) await registry.swap(null, entryOf(1_000_000 + i, 0));
}

async function inMemory(): Promise<Fresh> {
  const registry = new MemoryRegistry(memory);
  return { registry, forget: () => forget(registry), remove: async () => {}, ttlMs: 50 };
}

async function onDisk(): Promise<Fresh & { registry: RegistryStore }> {
  const state = mkdtempSync(join(tmpdir(), 'ilnp-registry-'));
  const registry = await RegistryStore.open({
    state,
    name: 'test',
    limit: 100_000,
    seed: [1, 2],
    remembered: REMEMBERED,
    compactFrom: 64 << 10, // so that it is compacted all the time
    warn: (text) => {
      throw new Error(text);
    },
  });
  return {
    registry,
    forget: () => forget(registry),
    remove: async () => {
      await registry.close();
      rmSync(state, { recursive: true });
    },
    ttlMs: 50,
  };
}

/** A registry on disk, asked as a border does. */
async function fromAfar(): Promise<Fresh> {
  const kept = await onDisk();
  const service = new RegistryService(kept.registry, (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  });
  const registry = new RegistryClient(async (ask) => unpack(pack(await service.answer('site1', unpack(pack(ask))))));
  return {
    ...kept,
    registry,
    remove: async () => {
      service.close();
      await kept.remove();
    },
  };
}

contract('in memory', inMemory);
contract('on disk', onDisk);
contract('from afar', fromAfar);
