/** More guests of a site are away than the kernel can well answer for: the border starts, is repaired and ends all the same. */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { labForThisFile } from './support/lab.ts';
import { expectAsBefore, snapshot } from './support/snapshot.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile('--no-sbr');

const AWAY = 18_000;
const MOST = 16_384; // MAX_NEIGHBOURS of src/network/neighbours.ts
const REPAIR_MS = 20_000;

const sbr1 = (...words: string[]) => lab.exec('sbr1', 'ip', ...words);
const answeredFor = async () => (await sbr1('-6', 'neigh', 'show', 'proxy')).split('\n').filter(Boolean).length;
const repaired = () => until('the neighbours to be back', async () => (await answeredFor()) === MOST, REPAIR_MS);

test(`${AWAY} guests away: start, links that flap, SIGKILL, start again, SIGTERM; nothing is left`, async () => {
  const lines = Array.from({ length: AWAY }, (_, k) => {
    const nid = `ffff:ffff:${(0x1000 + (k >> 12)).toString(16)}:${(0x1000 + (k & 0xfff)).toString(16)}`;
    return JSON.stringify({ nid, guest: 'fd00:1::/64', home: 'site1', at: 'site2' });
  });
  writeFileSync(`${lab.directory}/away.jsonl`, `${lines.join('\n')}\n`);
  lab.editConfig(1, (text) => `${text}bindingsFile: away.jsonl\n`);
  const before = await snapshot(lab, 'sbr1');

  await lab.start(1);
  expect(await answeredFor()).toBe(MOST);
  expect(await lab.log(1)).toMatch(new RegExp(`"left":${AWAY - MOST},.*too many guests are away`));
  const running = await snapshot(lab, 'sbr1');

  for (const name of ['up0', 'lan0']) await sbr1('link', 'set', name, 'down');
  expect(await answeredFor()).toBeLessThan(MOST);
  for (const name of ['up0', 'lan0']) await sbr1('link', 'set', name, 'up');
  await sbr1('addr', 'add', '2001:db8:f1::2/64', 'dev', 'up0');
  await sbr1('route', 'add', 'default', 'via', '2001:db8:f1::1');
  await repaired();
  await expectAsBefore(lab, 'sbr1', running, REPAIR_MS);

  await lab.kill(1);
  await lab.start(1);
  expect(await answeredFor()).toBe(MOST);

  await lab.stop(1);
  await expectAsBefore(lab, 'sbr1', before);
});
