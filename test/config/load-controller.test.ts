import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadControllerConfig } from '../../src/config/load-controller.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ilnp-controller-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (text: string): string => {
  const path = join(folder, 'c.yaml');
  writeFileSync(path, text);
  return path;
};

test('what is not said has a default, paths begin at the file', () => {
  const text = 'controller: r1\nlisten: "[fd00:12::9]:6740"\nkeyFile: site.key\nsites: [site1, site2]\n';

  expect(loadControllerConfig(write(text))).toEqual({
    controller: 'r1',
    listen: { host: 'fd00:12::9', port: 6740 },
    keyFile: join(folder, 'site.key'),
    sites: ['site1', 'site2'],
    socket: '/run/ilnp/r1.sock',
    policy: [],
    state: '/var/lib/ilnp',
    limits: { bindings: 1_000_000 },
    log: { level: 'info' },
  });
});

test('all mistakes come at once, with their places', () => {
  const text = 'controller: r1\nlisten: nowhere\nkeyFile: k\nsites: [site1, r1, site1]\nmore: 1\n';

  expect(() => loadControllerConfig(write(text))).toThrow(
    /c\.yaml:2:9 listen.*c\.yaml:5:1 more.*c\.yaml:4:16 sites\[1\].*c\.yaml:4:20 sites\[2\]/s,
  );
});

const PAIRED = 'controller: r1\nlisten: "[fd00:12::9]:6740"\nkeyFile: k\nsites: [site1]\n';

test('a pair has one address for borders, and one of its own at each', () => {
  const pair = 'pair: { address: "fd00:12::0:9", listen: "[fd00:12::91]:6741", peer: "[fd00:12::92]:6741" }\n';
  expect(loadControllerConfig(write(PAIRED + pair)).pair).toEqual({
    address: 'fd00:12::9',
    listen: { host: 'fd00:12::91', port: 6741 },
    peer: { host: 'fd00:12::92', port: 6741 },
  });
});

test.each([
  ['{ address: "fd00:12::8", listen: "[fd00:12::91]:1", peer: "[fd00:12::92]:1" }', /2:9 listen: expected the address/],
  [
    '{ address: "fd00:12::9", listen: "[fd00:12::9]:1", peer: "[fd00:12::92]:1" }',
    /5:.* pair\.listen: expected an own/,
  ],
  ['{ address: "fd00:12::9", listen: "[fd00:12::91]:1", peer: "[fd00:12::91]:1" }', /5:.* pair\.peer: expected an own/],
  ['{ address: "fd00:12::9" }', /pair\.listen.*pair\.peer/s],
])('a pair %s is refused', (pair, said) => {
  expect(() => loadControllerConfig(write(`${PAIRED}pair: ${pair}\n`))).toThrow(said);
});

test('a file that is not there is named', () => {
  expect(() => loadControllerConfig(join(folder, 'none.yaml'))).toThrow(/none\.yaml.*a file that can be read/s);
});

test('a policy names sites of the list', () => {
  const rules = (sites: string) => `${PAIRED}policy: [{ nids: "0:0:0:50 - 0:0:0:5f", sites: ${sites} }]\n`;
  expect(loadControllerConfig(write(rules('[site1]'))).policy).toMatchObject([
    { nids: { from: { lo: 0x50 }, to: { lo: 0x5f } }, sites: ['site1'] },
  ]);
  expect(() => loadControllerConfig(write(rules('[site2]')))).toThrow(/policy\[0\]\.sites\[0\]: expected one of sites/);
});
