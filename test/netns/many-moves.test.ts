/** Twenty moves in a row while both directions of the core are full: nothing may be reset, lost or changed for TCP. */
import { expect, test } from 'vitest';
import { CN, global } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact, expectSameOctets } from './support/sessions.ts';

const lab = labForThisFile('--rate', '300mbit');

const MOVES = 20;
const PLACES = ['site2', 'host1', 'host1b', 'site2', 'host1b'] as const;

test('20 moves in a row under load: no session is reset and all octets arrive intact', async () => {
  const toCorrespondent = await openSession(
    lab,
    'bulk',
    { listener: 'vm-a1', connector: 'cn', to: global('a1') },
    { listener: ['--send', 'all'] },
  );
  const toVm = await openSession(
    lab,
    'bulk',
    { listener: 'cn', connector: 'vm-a1', to: CN },
    { listener: ['--send', 'all'] },
  );
  const records = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  const datagrams = await openSession(lab, 'udp', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
  await records.connector.receives(200);

  for (let i = 0; i < MOVES; i++) {
    await lab.move('a1', PLACES[i % PLACES.length]!);
    await records.connector.receives(50, 20_000);
    await records.listener.receives(50, 20_000);
    await datagrams.connector.receives(50, 20_000);
  }
  await toCorrespondent.connector.receives(10_000_000, 20_000);
  await toVm.connector.receives(10_000_000, 20_000);

  expectIntact(await records.end());
  const { connector, listener } = await datagrams.end();
  expect([connector.error, listener.error, connector.doubled, listener.doubled]).toEqual([null, null, 0, 0]);
  expectSameOctets(await toCorrespondent.end());
  expectSameOctets(await toVm.end());
}, 180_000);
