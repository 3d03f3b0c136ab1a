/** What becomes of asking for guests that have arrived where nobody can be asked. */
import { expect, test, vi } from 'vitest';
import type { SiteConfig } from '../../src/config/site-config.ts';
import type { Binding } from '../../src/ilnp/bindings.ts';
import { Neighbours } from '../../src/network/neighbours.ts';
import { IlnpError } from '../../src/runtime/errors.ts';

vi.mock(import('../../src/network/netlink.ts'), async (original) => ({
  ...(await original()),
  RouteSocket: class {
    constructor() {
      throw new IlnpError('E_NETWORK', 'no rtnetlink socket: errno 24');
    }
  } as never,
}));

test('without a socket guests that have arrived are not asked for: a move goes on, and so does the border', async () => {
  const l64 = { hi: 1, lo: 0 };
  const config = { inside: [{ interface: 'lan0', l64, guests: [] }] } as unknown as SiteConfig;
  const neighbours = new Neighbours({ onFull: () => {} });
  await expect(neighbours.resolve(config, [{ nid: { hi: 0, lo: 0xa1 }, guest: l64 } as Binding])).resolves.toBe(false);
});
