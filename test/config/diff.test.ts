import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diffBindings, diffConfig, wordsOf } from '../../src/config/diff.ts';
import type { BindingConfig } from '../../src/config/site-config.ts';
import { loadFiles, siteYaml } from '../support/config-files.ts';

const config = (change: Readonly<Record<string, string>> = {}) =>
  loadFiles({ 'site.yaml': siteYaml({ state: '/s', ...change }) });
const binding = (n: number, change: Partial<BindingConfig> = {}): BindingConfig => ({
  nid: { hi: 0, lo: n },
  guest: { hi: 0xfd00_0001, lo: 0 },
  home: 'site1',
  uplink: undefined,
  at: 'site1',
  ...change,
});

describe('settings', () => {
  test('that are the same are no change, whatever their order', () => {
    const up = (n: number) => `{ name: isp${n}, interface: up${n}, l64: "2001:db8:${n}::" }`;
    const before = config({ uplinks: `[${up(1)}, ${up(2)}]` });
    const after = config({ uplinks: `[${up(2)}, ${up(1)}]` });

    expect(diffConfig(before, after)).toEqual({
      settings: [],
      bindings: { added: [], removed: [], changed: [] },
      restart: [],
    });
  });

  test('that differ are named by key, elements of lists by their names', () => {
    const before = config();
    const after = config({
      icmp: '{ rate: 20 }',
      uplinks:
        '[{ name: isp1, interface: up0, l64: "2001:db8:1::", preference: 5 }, { name: isp2, interface: up1, l64: "2001:db8:2::" }]',
      peers: '[{ site: site2, l64: "fd00:3::/64", interface: link0, via: "fd00:12::2" }]',
    });

    const { settings, restart } = diffConfig(before, after);

    expect(settings).toEqual([
      { path: 'uplinks[isp1].preference', before: 10, after: 5, restart: false },
      { path: 'uplinks[isp2]', before: undefined, after: after.uplinks[1], restart: false },
      {
        path: 'peers[site2].l64',
        before: { hi: 0xfd00_0002, lo: 0 },
        after: { hi: 0xfd00_0003, lo: 0 },
        restart: false,
      },
      { path: 'icmp.rate', before: 10, after: 20, restart: false },
    ]);
    expect(restart).toEqual([]);
  });

  test('that are gone have no after', () => {
    const before = config();
    const after = config({ peers: '', bindings: '' });

    expect(diffConfig(before, after).settings).toEqual([
      { path: 'peers[site2]', before: before.peers[0], after: undefined, restart: false },
    ]);
  });

  test.each([
    ['tun', '{ queues: 2 }', ['tun.queues']],
    ['tun', '{ name: sbr, io: poll }', ['tun.name', 'tun.io']],
    ['state', '/elsewhere', ['state']],
    ['control', '{ socket: /run/x.sock }', ['control.socket']],
    ['control', '{ listen: "[::1]:6740", keyFile: /k }', ['control.listen']],
    ['log', '{ level: debug }', []],
    ['network', 'manual', ['network']],
    ['limits', '{ bindings: 7 }', ['limits.bindings']],
  ])('a change of %s to %s needs a restart for %j', (key, value, restart) => {
    expect(diffConfig(config(), config({ [key]: value })).restart).toEqual(restart);
  });

  test('another site needs a restart', () => {
    const other = { site: 'site9', bindings: '' };

    expect(diffConfig(config({ bindings: '' }), config(other)).restart).toEqual(['site', 'control.socket']);
  });
});

describe('bindings', () => {
  test('are compared by Node Identifier', () => {
    const moved = binding(3, { at: 'site2' });
    const before = [binding(1), binding(2), binding(3)];
    const after = [moved, binding(4), binding(1)];

    expect(diffBindings(before, after)).toEqual({
      added: [binding(4)],
      removed: [binding(2)],
      changed: [{ before: binding(3), after: moved }],
    });
  });

  test.each([{ guest: { hi: 0xfd00_0002, lo: 0 } }, { home: 'site2' }, { uplink: 'isp1' }, { at: 'site2' }])(
    '%j is a change',
    (change) => {
      expect(diffBindings([binding(1)], [binding(1, change)]).changed).toHaveLength(1);
    },
  );

  test('that are removed, added and replaced as the difference says become the new ones', () => {
    const list = fc.uniqueArray(fc.record({ n: fc.nat(12), at: fc.constantFrom('site1', 'site2') }), {
      selector: ({ n }) => n,
      maxLength: 12,
    });
    const sorted = (bindings: Iterable<BindingConfig>) => [...bindings].sort((a, b) => a.nid.lo - b.nid.lo);
    fc.assert(
      fc.property(list, list, (old, now) => {
        const before = old.map(({ n, at }) => binding(n, { at }));
        const after = now.map(({ n, at }) => binding(n, { at }));

        const { added, removed, changed } = diffBindings(before, after);

        const table = new Map(before.map((entry) => [entry.nid.lo, entry]));
        for (const entry of removed) expect(table.delete(entry.nid.lo)).toBe(true);
        for (const entry of added) expect(table.has(entry.nid.lo)).toBe(false);
        for (const change of changed) expect(table.get(change.before.nid.lo)).toEqual(change.before);
        for (const entry of [...added, ...changed.map((change) => change.after)]) table.set(entry.nid.lo, entry);
        expect(sorted(table.values())).toEqual(sorted(after));
      }),
    );
  });

  test('are part of the difference of two configurations', () => {
    const diff = diffConfig(config(), config({ bindings: '' }));

    expect(diff.bindings.removed).toHaveLength(1);
    expect(diff.settings).toEqual([]);
  });
});

describe('in words', () => {
  test('the paths of settings, and how many bindings', () => {
    const after = config({ icmp: '{ rate: 20 }', log: '{ level: debug }', bindings: '' });

    expect(wordsOf(diffConfig(config(), after))).toEqual(['icmp.rate', 'log.level', '1 bindings']);
  });

  test('nothing, when nothing differs', () => {
    expect(wordsOf(diffConfig(config(), config()))).toEqual([]);
  });
});
