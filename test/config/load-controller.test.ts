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

test('a file that is not there is named', () => {
  expect(() => loadControllerConfig(join(folder, 'none.yaml'))).toThrow(/none\.yaml.*a file that can be read/s);
});
