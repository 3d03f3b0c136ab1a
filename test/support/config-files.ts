/** Configuration files in a folder of their own, and what the program says about them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadSiteConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';

/** A site with a peer and a binding, right in all parts; a key in `change` replaces its line, '' removes it. */
export function siteYaml(change: Readonly<Record<string, string>> = {}): string {
  const lines: Record<string, string> = {
    site: 'site1',
    uplinks: '[{ name: isp1, interface: up0, l64: "2001:db8:1::/64" }]',
    inside: '[{ interface: lan0, l64: "fd00:1::/64" }]',
    peers: '[{ site: site2, l64: "fd00:2::/64", interface: link0, via: "fd00:12::2" }]',
    bindings: '[{ nid: "0:0:0:a1", guest: "fd00:1::/64", home: site1, at: site2 }]',
    ...change,
  };
  return Object.entries(lines)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
}

/** Writes `files` to a new folder that is gone after the test, and gives the folder. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'ilnp-config-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Loads `site.yaml` of a folder made of `files`. */
export function loadFiles(files: Readonly<Record<string, string>>) {
  return loadSiteConfig(join(folderOf(files), 'site.yaml'));
}

/** The messages for `files`, without the folder; empty if nothing is wrong. */
export function mistakesOf(files: Readonly<Record<string, string>>): string[] {
  const folder = folderOf(files);
  try {
    loadSiteConfig(join(folder, 'site.yaml'));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').map((line) => line.replaceAll(`${folder}/`, ''));
  }
}

/** `path: expected …, got …` of each mistake of a site with `change`. */
export function mistakesIn(change: Readonly<Record<string, string>>): string[] {
  return mistakesOf({ 'site.yaml': siteYaml(change) }).map((line) => line.replace(/^site\.yaml:\d+:\d+ /, ''));
}
