import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readBindings } from '../../src/config/bindings-file.ts';
import { formatL64, formatNid } from '../../src/wire/text.ts';
import { loadFiles, mistakesOf, siteYaml } from '../support/config-files.ts';

const A1 = '{"nid":"0:0:0:a1","guest":"fd00:1::/64","home":"site1","at":"site2"}';
const A2 = '{"nid": "::a2", "guest": "fd00-1-0-0", "home": "site1", "uplink": "isp1", "at": "site1"}';
const yaml = siteYaml({ bindings: '', bindingsFile: 'bindings.jsonl' });
const mistakesInLines = (...lines: string[]) => mistakesOf({ 'site.yaml': yaml, 'bindings.jsonl': lines.join('\n') });

describe('a file of bindings', () => {
  test('gives one binding a line, empty lines and other line ends aside', () => {
    const config = loadFiles({ 'site.yaml': yaml, 'bindings.jsonl': `\ufeff${A1}\r\n\r\n${A2}` });

    expect(config.bindings).toEqual([
      { nid: { hi: 0, lo: 0xa1 }, guest: { hi: 0xfd00_0001, lo: 0 }, home: 'site1', uplink: undefined, at: 'site2' },
      { nid: { hi: 0, lo: 0xa2 }, guest: { hi: 0xfd00_0001, lo: 0 }, home: 'site1', uplink: 'isp1', at: 'site1' },
    ]);
  });

  test('adds to the bindings of the configuration', () => {
    const both = siteYaml({ bindingsFile: 'bindings.jsonl' });

    expect(loadFiles({ 'site.yaml': both, 'bindings.jsonl': A2 }).bindings.map(({ nid }) => nid.lo)).toEqual([
      0xa1, 0xa2,
    ]);
    expect(mistakesOf({ 'site.yaml': both, 'bindings.jsonl': `${A2}\n${A1}\n` })).toEqual([
      'bindings.jsonl:2:8 nid: expected every Node Identifier once, got 0:0:0:a1 again',
    ]);
  });

  test('may be empty', () => {
    expect(mistakesInLines('')).toEqual([]);
  });

  test('must be there', () => {
    expect(mistakesOf({ 'site.yaml': yaml })).toEqual([
      expect.stringMatching(
        /^site\.yaml:5:15 bindingsFile: expected a file that can be read, got bindings.jsonl \(ENOENT/,
      ),
    ]);
  });
});

describe('a wrong line', () => {
  test.each([
    ['{"nid":"0:0:0:a1"', '1:18 (document): expected "," or "}", got the end of the line'],
    [A1.replace('}', ',"at":"site1"}'), '1:69 at: expected every key once, got "at" again'],
    [A1.replace('"0:0:0:a1"', '12'), '1:8 nid: expected a Node Identifier such as "0:0:0:a1", got 12'],
    [
      A1.replace('fd00:1::/64', 'fe80::'),
      '1:27 guest: expected a global unicast or unique local Locator (in 2000::/3 or fc00::/7), got "fe80::"',
    ],
    [
      A1.replace('"at"', '"att"'),
      '1:56 att: expected one of the keys nid, guest, home, uplink, at (did you mean "at"?), got "att"',
    ],
    [A1.replace('"site2"', '"site9"'), '1:61 at: expected this site or a peer (site1, site2), got "site9"'],
    [A2.replace('isp1', 'isp9'), '1:67 uplink: expected the name of an uplink (isp1), got "isp9"'],
  ])('%s is explained', (line, message) => {
    expect(mistakesInLines(line)).toContain(`bindings.jsonl:${message}`);
  });

  test('does not hide those after it, nor the mistakes of the configuration', () => {
    const wrong = siteYaml({ bindings: '', bindingsFile: 'bindings.jsonl', network: 'maybe' });

    expect(mistakesOf({ 'site.yaml': wrong, 'bindings.jsonl': ['{', A1, '[', A2, A2].join('\n') })).toEqual([
      'site.yaml:6:10 network: expected one of auto, manual, got maybe',
      'bindings.jsonl:1:2 (document): expected a key in quotes, got the end of the line',
      'bindings.jsonl:3:1 (document): expected a JSON object in one line, got [',
      'bindings.jsonl:5:9 nid: expected every Node Identifier once, got 0:0:0:a2 again',
    ]);
  });

  test('longer than any binding is refused unread', () => {
    expect(mistakesInLines(`{"nid":"${'a'.repeat(5000)}"}`)).toEqual([
      expect.stringMatching(/^bindings\.jsonl:1:1 \(document\): expected at most 2048 characters in a line, got 5010/),
    ]);
  });

  test('is explained a thousand times at most', () => {
    const { problems } = readBindings('{}\n'.repeat(1000) + '{\n'.repeat(500), 'b');

    expect(problems).toHaveLength(1000 * 4 + 1);
    expect(problems.at(-1)).toMatchObject({ file: 'b', line: 1500, got: '500 more lines that may be wrong' });
  });
});

test('a binding that is written as JSON is read as it was', () => {
  const half = fc.record({ hi: fc.integer({ min: 1, max: 0xf000_0000 }), lo: fc.nat(0xffff_ffff) });
  const guest = half.map(({ hi, lo }) => ({ hi: 0xfd00_0000 + (hi & 0xffff), lo }));
  const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}$/);
  const bindings = fc.array(
    fc.record({ nid: half, guest, home: name, uplink: fc.option(name, { nil: undefined }), at: name }),
  );
  fc.assert(
    fc.property(bindings, (list) => {
      const line = ({ nid, guest: l64, ...rest }: (typeof list)[number]) =>
        JSON.stringify({ nid: formatNid(nid), guest: formatL64(l64), ...rest });
      const read = readBindings(list.map(line).join('\n'), 'b');
      expect(read.problems).toEqual([]);
      expect(read.bindings).toEqual(list);
    }),
  );
});
