import { expect, test } from 'vitest';
import { mistakesIn } from '../support/config-files.ts';

const dns = (names: string, more = '') =>
  `{ server: "2001:db8:d::53", zone: example.org, keyFile: dns.key, names: ${names}${more} }`;

test('names of guests are in the zone, and come once', () => {
  const names =
    '[{ nid: a1, name: a.example.org }, { nid: a2, name: A.example.org. }, { nid: a3, name: a.example.com }]';
  expect(mistakesIn({ dns: dns(names.replace(/nid: (..)/g, 'nid: "0:0:0:$1"')) })).toEqual([
    'dns.names[1].name: expected a name that is not in the list already, got A.example.org.',
    'dns.names[2].name: expected a name in example.org, got a.example.com',
  ]);
});

test('a guest may have several names, and the zone a name of its own', () => {
  const names = '[{ nid: "0:0:0:a1", name: www.example.org }, { nid: "0:0:0:a1", name: example.org, ilnp: false }]';
  expect(mistakesIn({ dns: dns(names) })).toEqual([]);
});

test('what is wrong is said with its place', () => {
  expect(mistakesIn({ dns: dns('[]', ', ttl: -1') })).toEqual([
    'dns.ttl: expected a whole number from 0 to 86400, got the number -1',
  ]);
});
