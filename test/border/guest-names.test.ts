/** Which border writes which records of a guest, and when. */
import { createHmac } from 'node:crypto';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { GuestNames } from '../../src/border/guest-names.ts';
import { type NamedReach, namedReach } from '../../src/border/reach.ts';
import { formatL64 } from '../../src/wire/text.ts';
import { until } from '../netns/support/wait.ts';
import { bound, nid, siteConfig } from '../support/sites.ts';

const UP = [true, true];
const text = (reach: NamedReach): Record<string, string | undefined> => {
  const one = (l: NamedReach['ilnp']): string | undefined =>
    l?.map((p) => `${p.preference} ${formatL64(p.l64)}`).join();
  return { ilnp: one(reach.ilnp), plain: one(reach.plain) };
};
const [ONE, TWO] = [siteConfig(1, 2, []), siteConfig(2, 2, [])];
const BOTH = '10 2001:db8:1::/64,20 2001:db8:11::/64';

test('a guest at home: all uplinks for ILNP, the preferred one for plain IPv6', () => {
  const home = bound('a1', 'fd00:1::/64', 1, 1);
  expect(text(namedReach(ONE, home, UP))).toEqual({ ilnp: BOTH, plain: '10 2001:db8:1::/64' });
  expect(text(namedReach(ONE, home, [false, true]))).toEqual({
    ilnp: '20 2001:db8:11::/64',
    plain: '20 2001:db8:11::/64',
  });
  expect(text(namedReach(TWO, home, UP))).toEqual({ ilnp: undefined, plain: undefined });
  expect(text(namedReach(ONE, home, [false, false]))).toEqual({ ilnp: '', plain: '' });
});

test('a guest away: the site where it is speaks for ILNP, its home for plain IPv6', () => {
  const away = bound('a1', 'fd00:1::/64', 1, 2);
  expect(text(namedReach(ONE, away, UP))).toEqual({ ilnp: undefined, plain: '10 2001:db8:1::/64' });
  expect(text(namedReach(TWO, away, UP))).toEqual({ ilnp: '10 2001:db8:2::/64', plain: undefined });
});

test('the uplink of its binding is preferred at home, and nowhere else', () => {
  const pinned = { ...bound('a1', 'fd00:1::/64', 1, 1), uplink: 'isp2' };
  expect(text(namedReach(ONE, pinned, UP))).toEqual({
    ilnp: '0 2001:db8:11::/64,10 2001:db8:1::/64',
    plain: '0 2001:db8:11::/64',
  });
  expect(text(namedReach(TWO, { ...pinned, at: 'site2', uplink: 'isp1' }, UP)).ilnp).toBe('10 2001:db8:2::/64');
});

test('an identifier without a binding has no records of ours', () => {
  expect(text(namedReach(ONE, undefined, UP))).toEqual({ ilnp: undefined, plain: undefined });
});

const open: GuestNames[] = [];
afterEach(() => {
  for (const names of open.splice(0)) names.close();
});
const KEY = {
  name: 'k.',
  algorithm: 'hmac-sha256',
  secret: new Uint8Array(createHmac('sha256', 'k').digest()),
} as const;
const DNS = {
  server: { host: '::1', port: 53 },
  zone: 'example',
  keyFile: '/k',
  ttl: 30,
  names: [{ nid: nid('0:0:0:a1'), name: 'a.example', ilnp: true }],
};

test('changes that come together are sent once; nothing more is said when the guest has gone, or after the end', async () => {
  const sent: Uint8Array[] = [];
  let place = bound('a1', 'fd00:1::/64', 1, 2);
  const send = async (octets: Uint8Array) => {
    sent.push(octets);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return null; // a server that does not answer
  };
  const names = new GuestNames({ reach: () => namedReach(TWO, place, UP), log: pino({ level: 'silent' }), send });
  open.push(names);
  names.configure(DNS, KEY);
  for (let k = 0; k < 50; k++) names.look();
  await until('the first round of tries', () => sent.length === 3);
  expect(names.show()).toEqual([
    expect.objectContaining({ guest: '0:0:0:a1', name: 'a.example', records: 'NID L64', state: 'under way' }),
    expect.objectContaining({ records: 'AAAA', published: null, state: 'of another border', problem: null }),
  ]);
  place = { ...place, at: 'site1' };
  names.look();
  await until('the release', () => names.show()[0]!.state === 'of another border');
  await new Promise((resolve) => setTimeout(resolve, 1200)); // the next round would have been after a second
  expect(sent).toHaveLength(3);
});
