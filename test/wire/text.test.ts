import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressOctets } from '../../src/wire/dns-records.ts';
import {
  formatIlv,
  formatL64,
  formatNid,
  formatPrefix,
  parseIlv,
  parseIpv6,
  parseL64,
  parseNid,
  parsePrefix,
  prefixesOverlap,
} from '../../src/wire/text.ts';
import { vector } from '../support/vectors.ts';

const A1 = { hi: 0, lo: 0xa1 };
const DB8_1 = { hi: 0x2001_0db8, lo: 0x0001_0000 };

/** Zero groups often enough for runs that `::` stands for. */
const word = fc.oneof(fc.constantFrom(0, 1, 0xffff), fc.integer({ min: 0, max: 0xffff }));
const half = fc.tuple(word, word, word, word).map(([a, b, c, d]) => ({
  hi: a * 0x10000 + b,
  lo: c * 0x10000 + d,
}));
const prefix = fc.tuple(half, fc.integer({ min: 0, max: 64 })).map(([{ hi, lo }, length]) => {
  const kept = ((BigInt(hi) << 32n) | BigInt(lo)) & ~((1n << BigInt(64 - length)) - 1n);
  return { hi: Number(kept >> 32n), lo: Number(kept & 0xffff_ffffn), length };
});
/** Text near enough to addresses to reach every branch. */
const nearly = fc.oneof(
  fc.string(),
  fc.string({ unit: fc.constantFrom(...'0af9F:::+-./%g '), maxLength: 45 }),
  fc
    .array(fc.constantFrom('0', 'a1', 'ffff', '', '12345', '1.2.3.4'), { maxLength: 10 })
    .map((groups) => groups.join(':')),
);

/** An independent parser, that of URLs, whose writer follows RFC 5952 too. */
const urlText = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);

describe('a Node Identifier', () => {
  test.each([
    ['0:0:0:a1', 'the DNS form'],
    ['0000:0000:0000:00A1', 'the DNS form with leading zeros'],
    ['::a1', 'IPv6 text'],
    ['0:0:0:0:0:0:0:a1', 'IPv6 text in full'],
    ['0+0+0+a1', 'the St Andrews form'],
  ])('%s is read as %s', (text) => {
    expect(parseNid(text)).toEqual(A1);
  });

  test('an EUI-64 identifier keeps all its bits', () => {
    expect(parseNid('0211:22ff:fe33:4455')).toEqual({ hi: 0x0211_22ff, lo: 0xfe33_4455 });
    expect(parseNid('ffff+ffff+ffff+ffff')).toEqual({ hi: 0xffff_ffff, lo: 0xffff_ffff });
  });

  test.each([
    '',
    'a1',
    '0:0:a1',
    '0:0:0:0:a1',
    '0:0:0:12345',
    '0:0:0:g',
    ' 0:0:0:a1',
    '0:0:0:a1\n',
    '0+0+0:a1',
    '0-0-0-a1',
    '2001:db8::a1',
    '::a1/64',
    '::a1%eth0',
    '1:::a1',
    '::1::a1',
    '0:0:0:0:0:0:0:0:a1',
    '0:0:0:0::0:0:0:a1',
  ])('%j is refused', (text) => {
    expect(parseNid(text)).toBeNull();
  });

  test('what is written can be read again', () => {
    fc.assert(
      fc.property(half, (nid) => {
        expect(parseNid(formatNid(nid))).toEqual(nid);
      }),
    );
  });

  test('it is written in four groups without leading zeros', () => {
    expect(formatNid(A1)).toBe('0:0:0:a1');
    expect(formatNid({ hi: 0x0200_5eff, lo: 0xfe00_5301 })).toBe('200:5eff:fe00:5301');
  });
});

describe('a Locator', () => {
  test.each([
    ['2001:db8:1::/64', 'IPv6 text with its length'],
    ['2001:db8:1::', 'IPv6 text'],
    ['2001:0DB8:0001:0:0:0:0:0', 'IPv6 text in full'],
    ['2001:db8:1:0::', 'IPv6 text with a group too many'],
    ['2001:db8:1:0', 'the DNS form'],
    ['2001-db8-1-0', 'the St Andrews form'],
  ])('%s is read as %s', (text) => {
    expect(parseL64(text)).toEqual(DB8_1);
  });

  test.each([
    '',
    '2001:db8:1::/48',
    '2001:db8:1::/65',
    '2001:db8:1::/064',
    '2001:db8:1::/',
    '/64',
    '2001:db8:1::1',
    '2001:db8:1::1/64',
    '2001:db8:1:0/64',
    '2001-db8-1-0/64',
    '2001-db8-1',
    '2001+db8+1+0',
    '1:2',
    '2001:db8:1:',
  ])('%j is refused', (text) => {
    expect(parseL64(text)).toBeNull();
  });

  test('what is written can be read again', () => {
    fc.assert(
      fc.property(half, (l64) => {
        expect(parseL64(formatL64(l64))).toEqual(l64);
      }),
    );
  });

  test('it is written as an RFC 5952 prefix', () => {
    expect(formatL64(DB8_1)).toBe('2001:db8:1::/64');
    expect(formatL64({ hi: 0xfd01_0203, lo: 0x0405_0001 })).toBe('fd01:203:405:1::/64');
  });
});

describe('an I-LV', () => {
  // shows: W21a
  test('the St Andrews form names Locator and Node Identifier', () => {
    expect(parseIlv('2001-2-0-aa.0+0+0+a1')).toEqual({ l64: { hi: 0x2001_0002, lo: 0xaa }, nid: A1 });
  });

  test('IPv6 text is the same pair', () => {
    expect(parseIlv('2001:2:0:aa::a1')).toEqual(parseIlv('2001-2-0-aa.0+0+0+a1'));
    expect(parseIlv('::ffff:192.0.2.1')).toEqual({ l64: { hi: 0, lo: 0 }, nid: { hi: 0xffff, lo: 0xc000_0201 } });
  });

  test.each([
    '2001-2-0-aa',
    '2001-2-0-aa.',
    '.0+0+0+a1',
    '2001-2-0-aa.0:0:0:a1',
    '2001-2-0-aa.0+0+0+a1.0+0+0+a1',
    '0:0:0:a1',
    '::ffff:192.0.2.256',
    '::ffff:192.0.02.1',
    '192.0.2.1',
    '::192.0.2',
    '1:2:3:4:5:6:7:192.0.2.1',
    '192.0.2.1::',
  ])('%j is refused', (text) => {
    expect(parseIlv(text)).toBeNull();
  });

  test('what is written can be read again, and is what an independent RFC 5952 writer gives', () => {
    fc.assert(
      fc.property(half, half, (l64, nid) => {
        const text = formatIlv(l64, nid);
        expect(parseIlv(text)).toEqual({ l64, nid });
        expect(urlText(text)).toBe(text);
      }),
    );
  });

  test('the same text gives 16 octets in network order', () => {
    expect([...(parseIpv6('2001:db8::fe33:4455') ?? [])]).toEqual([
      0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x33, 0x44, 0x55,
    ]);
    expect(parseIpv6('0:0:0:a1')).toBeNull();
  });

  test('the first longest run of zeros is shortened, and a single zero group is not', () => {
    expect(formatIlv({ hi: 0x2001_0db8, lo: 0 }, { hi: 0x0001_0000, lo: 1 })).toBe('2001:db8::1:0:0:1');
    expect(formatIlv({ hi: 0x2001_0db8, lo: 0x0000_0001 }, { hi: 0x0001_0001, lo: 0x0001_0001 })).toBe(
      '2001:db8:0:1:1:1:1:1',
    );
    expect(formatIlv({ hi: 0, lo: 0 }, { hi: 0, lo: 0 })).toBe('::');
  });
});

describe('a prefix', () => {
  test.each([
    ['2001:db8:1::/48', { hi: 0x2001_0db8, lo: 0x0001_0000, length: 48 }],
    ['fd00::/8', { hi: 0xfd00_0000, lo: 0, length: 8 }],
    ['::/0', { hi: 0, lo: 0, length: 0 }],
    ['2001:db8::/32', { hi: 0x2001_0db8, lo: 0, length: 32 }],
    ['2001:db8:0:1::/64', { hi: 0x2001_0db8, lo: 1, length: 64 }],
  ])('%s is read', (text, value) => {
    expect(parsePrefix(text)).toEqual(value);
  });

  test.each([
    '2001:db8::',
    '2001:db8::/65',
    '2001:db9::/31',
    '2001:db8:0:1::/63',
    '::1/64',
    '::/',
    '::/-1',
    '::/00',
    '/0',
  ])('%j is refused', (text) => {
    expect(parsePrefix(text)).toBeNull();
  });

  test('what is written can be read again', () => {
    fc.assert(
      fc.property(prefix, (value) => {
        expect(parsePrefix(formatPrefix(value))).toEqual(value);
      }),
    );
  });

  test('two overlap exactly if the shorter one is the beginning of the longer one', () => {
    fc.assert(
      fc.property(prefix, prefix, (a, b) => {
        const bits = ({ hi, lo }: { hi: number; lo: number }) =>
          ((BigInt(hi) << 32n) | BigInt(lo)).toString(2).padStart(64, '0');
        const length = Math.min(a.length, b.length);
        expect(prefixesOverlap(a, b)).toBe(bits(a).slice(0, length) === bits(b).slice(0, length));
        expect(prefixesOverlap(a, { ...a, length: 64 })).toBe(true);
      }),
    );
  });
});

describe('any text', () => {
  // shows: W22
  test('gives a value in range or null, and never an exception', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        for (const value of [parseNid(text), parseL64(text), parsePrefix(text)]) {
          if (value === null) continue;
          expect([value.hi >>> 0, value.lo >>> 0]).toEqual([value.hi, value.lo]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('is an address exactly if the runtime thinks so too', () => {
    fc.assert(
      fc.property(nearly, (text) => {
        fc.pre(!text.includes('%')); // zones are not ours
        expect(parseIlv(text) !== null).toBe(isIPv6(text));
      }),
      { numRuns: 5000 },
    );
  });
});

test('ilv-bytes: Locator first, in the octets as in both forms of text', () => {
  const forms = ['2001:db8:1:1:211:22ff:fe33:4455', '2001-db8-1-1.211+22ff+fe33+4455'] as const;
  const published = vector('ilv-bytes');

  expect(parseIpv6(forms[0])).toEqual(published);
  for (const text of forms) {
    const { l64, nid } = parseIlv(text)!;
    expect(addressOctets(l64, nid)).toEqual(published);
    expect(formatIlv(l64, nid)).toBe(forms[0]);
  }
});
