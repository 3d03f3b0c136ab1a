/**
 * Path MTU discovery (RFC 8201) through a link of 1280 octets: in the core, whose routers know nothing of the borders, and
 * between the sites, where a border's own kernel has to say Packet Too Big. The quoted packet is translated on the way.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CN, global } from './support/addresses.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectSameOctets } from './support/sessions.ts';

const PROBES = 'test/netns/probes';
const OCTETS = '8000000';

const lab = new Lab();

/** Path MTU that the kernel of a node has learnt towards an address. */
async function learnt(node: string, to: string): Promise<number> {
  const route = await lab.exec(node, 'ip', '-6', 'route', 'get', to);
  return Number(/ mtu (\d+)/.exec(route)?.[1] ?? 0);
}

const forget = (node: string) => lab.exec(node, 'ip', '-6', 'route', 'flush', 'cache');

/** The cases are the same for every place of the narrow link. */
function itIsFound(): void {
  const ends = [
    { node: 'cn', to: global('a1'), what: 'the correspondent' },
    { node: 'vm-a1', to: CN, what: 'the VM' },
  ];

  // shows: S6, S26b
  test.each(ends)('$what learns it with UDP that must not be fragmented', async ({ node, to }) => {
    await forget(node);
    const said = await lab.exec(node, '/usr/bin/python3', `${PROBES}/dont_fragment.py`, to, '9', '1400');

    expect(Number(said)).toBe(1280);
    expect(await learnt(node, to)).toBe(1280);
  });

  test.each(ends)('tracepath of $what finds it', async ({ node, to }) => {
    await forget(node);
    const said = await lab.exec(node, 'tracepath', '-6', '-n', '-m', '8', to);

    expect(said).toMatch(/Resume: pmtu 1280 /);
  });

  test('a bulk transfer in both directions arrives intact, and both ends have learnt it', async () => {
    await forget('cn');
    await forget('vm-a1');
    const session = await openSession(
      lab,
      'bulk',
      { listener: 'vm-a1', connector: 'cn', to: global('a1') },
      { listener: ['--send', OCTETS], connector: ['--send', OCTETS] },
    );
    const [connector, listener] = [await session.connector.result(), await session.listener.result()];

    expectSameOctets({ connector, listener });
    expect(connector.received.octets).toBe(Number(OCTETS));
    expect(await learnt('cn', global('a1'))).toBe(1280);
    expect(await learnt('vm-a1', CN)).toBe(1280);
  });
}

describe('1280 octets in the core', () => {
  beforeAll(() => lab.up('--core-mtu', '1280'));
  afterAll(() => lab.down());

  describe('VM at home', itIsFound);

  describe('VM away', () => {
    beforeAll(() => lab.move('a1', 'site2'));
    itIsFound();
  });
});

describe('1280 octets between the sites', () => {
  beforeAll(async () => {
    await lab.up('--link-mtu', '1280');
    await lab.move('a1', 'site2');
  });
  afterAll(() => lab.down());

  itIsFound();
});
