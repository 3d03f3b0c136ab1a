import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { siteJsonSchema, siteSchema } from '../../src/config/schema.ts';
import { shimJsonSchema } from '../../src/config/shim-schema.ts';

test('the published JSON Schemas are those of the program (npm run schema writes them)', async () => {
  await expect(siteJsonSchema()).toMatchFileSnapshot('../../src/config/site.schema.json');
  await expect(shimJsonSchema()).toMatchFileSnapshot('../../src/config/shim.schema.json');
});

test('the JSON Schema has every key, allows no other, and asks only for site and inside', () => {
  const schema = JSON.parse(siteJsonSchema());

  expect(Object.keys(schema.properties)).toEqual(Object.keys(siteSchema.shape));
  expect(schema.additionalProperties).toBe(false);
  expect(schema.required).toEqual(['site', 'inside']);
});

test('the smallest configuration gets every default', () => {
  const result = siteSchema.parse(parse('{ site: s, inside: [{ interface: lan0, l64: "fd00:1::" }] }'));

  expect(result).toMatchObject({
    tun: { name: 'ilnp0', queues: 1, io: 'auto', offload: true },
    network: 'auto',
    checksum: 'full',
    state: '/var/lib/ilnp',
    icmp: { rate: 10, burst: 10 },
    limits: {
      bindings: 1_000_000,
      sessions: 262_144,
      holdOctets: 67_108_864,
      holdPackets: 65_536,
      holdMs: 5000,
    },
    log: { level: 'info' },
  });
});
