import { pino } from 'pino';
import { expect, test } from 'vitest';
import { Places } from '../../src/border/places.ts';
import type { SiteConfig } from '../../src/config/site-config.ts';
import { Bindings } from '../../src/ilnp/bindings.ts';

const configured = (lo: number, at = 'site1') => ({
  ...{ nid: { hi: 0, lo }, guest: { hi: 1, lo: 0 }, home: 'site1', uplink: undefined, at },
});

test('the configuration places what never moved; not what has moved, or may have', () => {
  const bindings = new Bindings(100, [1, 2]);
  for (const lo of [1, 2, 3]) bindings.put({ ...configured(lo), epoch: 0 });
  const places = new Places(bindings, pino({ level: 'silent' }));
  places.moved({ site: 'site1', peers: [{ site: 'site2' }, { site: 'site3' }] } as unknown as SiteConfig, [
    { nid: { hi: 0, lo: 2 }, at: 'site2', epoch: 0 },
    { nid: { hi: 0, lo: 3 }, at: 'site2', epoch: 1 },
  ]);

  const placed = () => [1, 2, 3].map((lo) => places.configured(configured(lo, 'site3')).at);
  expect(placed()).toEqual(['site3', 'site2', 'site2']);
  for (const lo of [1, 2, 3]) places.forget({ hi: 0, lo });
  expect(placed()).toEqual(['site3', 'site2', 'site2']);
});
