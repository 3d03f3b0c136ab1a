/** Large transfers through every way that a border can read and write its TUN, with and without offload, compared by hash. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { global, guest } from './support/addresses.ts';
import { Lab } from './support/lab.ts';
import { type Ends, openSession } from './support/probe.ts';
import { expectNoLoss, expectSameOctets } from './support/sessions.ts';

const OCTETS = 60_000_000;
const lab = new Lab();

describe.each([
  ['all offload', []],
  ['no offload at the network cards', ['--nic-offload', 'off']],
  ['no offload at the TUN', ['--tun-offload', 'false']],
  ['single reads by io_uring', ['--tun-io', 'uring-single']],
  ['poll, read and write', ['--tun-io', 'poll']],
  ['poll, read and write, no offload anywhere', ['--tun-io', 'poll', '--tun-offload', 'false', '--nic-offload', 'off']],
  ['two queues', ['--tun-queues', '2']],
  ['jumbo frames', ['--mtu', '9000']],
])('%s', (_what, options) => {
  beforeAll(() => lab.up(...options));
  afterAll(() => lab.down());

  async function transfer(ends: Ends): Promise<void> {
    const size = ['--send', String(OCTETS)];
    const session = await openSession(lab, 'bulk', ends, { listener: size, connector: size });
    const connector = await session.connector.result(40_000);
    const listener = await session.listener.result();
    expectSameOctets({ connector, listener });
    expect([connector.received.octets, listener.received.octets]).toEqual([OCTETS, OCTETS]);
  }

  test('60 MB each way, VM at home', () => transfer({ listener: 'vm-a1', connector: 'cn', to: global('a1') }));

  test('60 MB each way between guests of two sites', () =>
    transfer({ listener: 'vm-b1', connector: 'vm-a1', to: guest('b1') }));

  test('60 MB each way, VM away', async () => {
    await lab.move('a1', 'site2');
    await transfer({ listener: 'vm-a1', connector: 'cn', to: global('a1') });
  });

  test('UDP of changing rates: nothing lost, doubled or overtaken', async () => {
    const session = await openSession(
      lab,
      'udp',
      { listener: 'vm-a1', connector: 'cn', to: global('a1') },
      { listener: ['--interval', '0.25', '--size', '1200'], connector: ['--interval', '0.25', '--size', '50'] },
    );
    await session.connector.receives(4000);
    expectNoLoss(await session.end());
  });
});
