/** Routers that come, go, and are not who they were: what is left of the prefixes they have advertised. */
import { describe, expect, test } from 'vitest';
import { type News, Routers } from '../../src/network/routers.ts';
import { parseL64 } from '../../src/wire/text.ts';

const ROUTES = ['fe80::1', 'fe80::3'].map((gateway) => ({
  destination: 'default',
  interface: 'eth0',
  gateway,
  metric: 1024,
  preference: 0,
}));

class Link {
  readonly routers = new Routers();
  now = 0;

  says(router: string, prefixes: readonly string[], { mac = '', valid = 1800 } = {}): News {
    const said = { prefixes: prefixes.map((text) => ({ l64: parseL64(text)!, valid })), mac };
    return this.routers.heard('eth0', router, said, this.now);
  }

  way(prefix: string): string | null {
    return this.routers.wayOut('eth0', parseL64(prefix)!, ROUTES, this.now)?.gateway ?? null;
  }

  isLost(prefix: string, name = 'eth0'): boolean {
    return this.routers.isLost(name, parseL64(prefix)!, this.now);
  }
}

const [P1, P2, P3] = ['2001:db8:1::', '2001:db8:2::', '2001:db8:3::'];

describe('a router that is asked in vain', () => {
  test('is no way out, and all it has advertised is lost, until it is heard again', () => {
    const link = new Link();
    expect(link.says('fe80::1', [P1, P2])).toBe('new');
    expect(link.says('fe80::3', [P3])).toBe('new');
    link.routers.silent('eth0', 'fe80::1');
    expect([link.isLost(P1), link.isLost(P2), link.isLost(P3)]).toEqual([true, true, false]);
    expect([link.way(P1), link.way(P3)]).toEqual([null, 'fe80::3']);
    expect(link.says('fe80::3', [P3])).toBe('none');

    expect(link.says('fe80::1', [P1])).toBe('new'); // though it says nothing that was not known
    expect([link.isLost(P1), link.isLost(P2)]).toEqual([false, false]);
    expect(link.way(P2)).toBe('fe80::1');
  });

  test('takes nothing along that another router has advertised too, or nobody has', () => {
    const link = new Link();
    link.says('fe80::1', [P1]);
    link.says('fe80::3', [P1]);
    link.routers.silent('eth0', 'fe80::1');
    expect(link.isLost(P1)).toBe(false);
    expect(link.way(P1)).toBe('fe80::3');
    expect(link.isLost(P2)).toBe(false);
    expect(link.isLost(P1, 'eth1')).toBe(false);
  });
});

test('a router that has the name of another one, at another site, takes its prefixes away', () => {
  const link = new Link();
  link.says('fe80::1', [P1], { mac: '02:00:00:00:00:01' });
  expect(link.says('fe80::1', [P2], { mac: '02:00:00:00:00:02' })).toBe('new');
  expect([link.isLost(P1), link.isLost(P2)]).toEqual([true, false]);
  expect(link.says('fe80::1', [P2], { mac: '02:00:00:00:00:02' })).toBe('none');

  expect(link.says('fe80::1', [P1], { mac: '02:00:00:00:00:01' })).toBe('new');
  expect([link.isLost(P1), link.isLost(P2)]).toEqual([false, true]);
});

test('a router that says more, or takes over with another card, loses nothing', () => {
  const link = new Link();
  link.says('fe80::1', [P1], { mac: '02:00:00:00:00:01' });
  expect(link.says('fe80::1', [P1, P2], { mac: '02:00:00:00:00:02' })).toBe('new');
  expect(link.says('fe80::1', [P3])).toBe('new'); // without its link-layer address it may be anybody: it is believed
  expect([link.isLost(P1), link.isLost(P2), link.isLost(P3)]).toEqual([false, false, false]);
});

test('a prefix that has run out is news again, and lost to nobody', () => {
  const link = new Link();
  link.says('fe80::1', [P1], { valid: 10 });
  link.routers.silent('eth0', 'fe80::1');
  link.now = 11_000;
  expect(link.isLost(P1)).toBe(false);
  expect(link.says('fe80::1', [P1])).toBe('new');
  expect(link.says('fe80::1', [P1], { valid: 0 })).toBe('less');
});
