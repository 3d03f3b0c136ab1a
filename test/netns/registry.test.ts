/** The registry in a real etcd, three members with TLS and users, in namespaces. */
import { afterAll, beforeAll, describe } from 'vitest';
import { contract } from '../registry/contract.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { EtcdCluster, registryOf } from './support/etcd.ts';

const PASSWORD = 'correct horse';

describe('etcd', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    enterOwnNetwork();
    cluster = await EtcdCluster.start(PASSWORD);
  });
  afterAll(() => cluster.stop());

  let prefixes = 0;
  contract('etcd', async () => {
    const registry = registryOf(cluster, PASSWORD, `/ilnp/${prefixes++}`);
    return { registry, forget: () => cluster.compact(), remove: () => registry.close(), ttlMs: 1000 };
  });
});
