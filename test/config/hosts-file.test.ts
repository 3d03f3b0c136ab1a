import { expect, test } from 'vitest';
import { readHosts } from '../../src/config/hosts-file.ts';
import { formatL64, formatNid } from '../../src/wire/text.ts';

const read = (text: string) => {
  const { hosts, problems } = readHosts(text, 'hosts');
  return {
    hosts: hosts.map(({ nid, names, locators }) => [
      formatNid(nid),
      names.join(' '),
      ...locators.map((l) => `${formatL64(l.l64)} ${l.preference}`),
    ]),
    problems: problems.map((p) => `${p.line}:${p.column} ${p.expected}`),
  };
};

test('a line has one NID, names, and Locators with their preference, in any order; the rest is comment', () => {
  const text = [
    '# who speaks ILNP',
    '',
    '0+0+0+b1  bob bob.example  2001-db8-b-0 2001-db8-bb-0,20   # at two providers',
    '2001-db8-c-0.0+0+0+c1,5 carol',
  ].join('\n');

  expect(read(text)).toEqual({
    hosts: [
      ['0:0:0:b1', 'bob bob.example', '2001:db8:b::/64 10', '2001:db8:bb::/64 20'],
      ['0:0:0:c1', 'carol', '2001:db8:c::/64 5'],
    ],
    problems: [],
  });
});

test.each([
  ['0+0+0+b1 bob', '1:1 a Node Identifier and at least one Locator'],
  ['bob 2001-db8-b-0', '1:1 a Node Identifier and at least one Locator'],
  ['0+0+0+b1 2001-db8-b-0,70000', '1:10 a preference of 0 to 65535 behind the comma'],
  ['0+0+0+b1 2001-db8-b-0,1,2', '1:10 a preference of 0 to 65535 behind the comma'],
  ['0+0+0+b1 0+0+0+b2 2001-db8-b-0', '1:10 one Node Identifier that is not reserved'],
  ['0+0+0+0 2001-db8-b-0', '1:1 one Node Identifier that is not reserved'],
  ['0+0+0+b1 fe80-0-0-0', '1:10 a global unicast or unique local Locator'],
  ['0+0+b1 2001-db8-b-0', '1:1 a Node Identifier such as 0+0+0+b1'],
])('%s: %s', (line, problem) => {
  expect(read(line)).toEqual({ hosts: [], problems: [problem] });
});

test('lines of the same NID are one node', () => {
  expect(read('0+0+0+b1 bob 2001-db8-b-0\n2001-db8-bb-0.0+0+0+b1,20 bob.example')).toEqual({
    hosts: [['0:0:0:b1', 'bob bob.example', '2001:db8:b::/64 10', '2001:db8:bb::/64 20']],
    problems: [],
  });
});

test('the node itself is no correspondent', () => {
  expect(readHosts('0+0+0+a1 2001-db8-a-0', 'hosts', { hi: 0, lo: 0xa1 })).toMatchObject({
    hosts: [],
    problems: [{ line: 1, expected: 'the Node Identifier of another node', got: '0+0+0+a1' }],
  });
});

test('as many nodes as the cache has room for are read at once', () => {
  const lines = Array.from(
    { length: 65_536 },
    (_, k) => `1+0+${(k >>> 8).toString(16)}+${k.toString(16)} 2001-db8-2-0`,
  );
  expect(readHosts(lines.join('\n'), 'hosts').hosts).toHaveLength(65_536); // in seconds, not minutes
});
