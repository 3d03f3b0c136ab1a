/** What still anchors a guest at its home: who talks to it by plain IPv6 after it has moved, where there are one and two uplinks. */
import { beforeAll, expect, test } from 'vitest';
import type { AnchorReply } from '../../src/border/anchors.ts';
import { CN, global } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { openStream } from './support/stream.ts';

const lab = labForThisFile();

const anchors = async (site: 1 | 2, ...args: string[]): Promise<AnchorReply[]> => {
  const { stdout } = await lab.ilnp('show', 'anchors', '--json', '--socket', lab.socket(site), ...args);
  return JSON.parse(stdout) as AnchorReply[];
};

beforeAll(async () => {
  for (const vm of ['a1', 'a2'] as const) await lab.move(vm, 'host2');
  for (const vm of ['b1', 'b2'] as const) await lab.move(vm, 'host1');
});

test.each([
  [1, 'a1', 'a2', 'site2', 'isp1'], // of two uplinks the one they began with
  [2, 'b1', 'b2', 'site1', 'isp3'], // the only one, where sessions are noted when somebody asks
] as const)('home %d of %s, away beside a silent %s', async (site, vm, silent, at, uplink) => {
  const stream = await openStream(lab, { from: 'cn', node: `vm-${vm}`, to: global(vm), rate: 1000 });
  const records = await openSession(lab, 'records', { listener: `vm-${vm}`, connector: 'cn', to: global(vm) });
  await Promise.all([stream.receiver.receives(500), records.connector.receives(10)]);

  const nid = `0:0:0:${vm}`;
  const talks = { nid, at, correspondent: CN, uplink, sessions: 2 };
  const shown = await anchors(site, '--seconds', '1');
  expect(shown.find((one) => one.nid === nid)).toMatchObject(talks);
  expect(shown.find((one) => one.nid === nid)!.idle).toBeLessThanOrEqual(4);
  const nobody = { nid: `0:0:0:${silent}`, at, correspondent: null, uplink: null, sessions: 0, idle: null };
  expect(shown.filter((one) => one.nid === nobody.nid)).toEqual([nobody]);
  await stream.end();
  await records.end();

  await new Promise((resolve) => setTimeout(resolve, 9000)); // in steps of four seconds
  const [after] = await anchors(site, '--nid', nid, '--seconds', '1');
  expect(after).toMatchObject(talks);
  expect(after!.idle).toBeGreaterThanOrEqual(4);
});

test('the border of another site does not know, and says who does', async () => {
  const asked = lab.ilnp('show', 'anchors', '--nid', '0:0:0:a1', '--socket', lab.socket(2));
  expect(await asked).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('has its home at site1: ask the border there'),
  });
  const wrong = await lab.ilnp('show', 'bindings', '--nid', '0:0:0:a1', '--socket', lab.socket(1));
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('are for anchors') });
});
