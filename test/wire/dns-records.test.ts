import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readName, writeName } from '../../src/wire/dns-name.ts';
import {
  formatRdata,
  type IlnpRecord,
  parseRdata,
  RR_L32,
  RR_L64,
  RR_LP,
  RR_NID,
  readRdata,
  writeRdata,
} from '../../src/wire/dns-records.ts';
import { vector } from '../support/vectors.ts';

const hex = (o: Uint8Array | null): string | null => o && Buffer.from(o).toString('hex');
const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const read = (type: number, rdata: Uint8Array) => readRdata(type, rdata, 0, rdata.length);
const name = (o: Uint8Array) => readName(o, 0, o.length);

describe('published records', () => {
  // shows: W19, W20, D1a
  test.each<[string, IlnpRecord, string]>([
    ['rdata-nid', { type: RR_NID, preference: 10, nid: { hi: 0x00144fff, lo: 0xff20ee64 } }, '10 0014:4fff:ff20:ee64'],
    ['rdata-l32', { type: RR_L32, preference: 10, locator: 0x0a010200 }, '10 10.1.2.0'],
    [
      'rdata-l64',
      { type: RR_L64, preference: 10, locator: { hi: 0x20010db8, lo: 0x11401000 } },
      '10 2001:0db8:1140:1000',
    ],
    ['rdata-lp', { type: RR_LP, preference: 10, name: 'l64-subnet1.example.com.' }, '10 l64-subnet1.example.com.'],
  ])('%s: octets, fields and text are the same', (file, record, text) => {
    const rdata = vector(file);

    expect(read(record.type, rdata)).toEqual(record);
    expect(hex(writeRdata(record))).toBe(hex(rdata));
    expect(formatRdata(record)).toBe(text);
    expect(parseRdata(record.type, text)).toEqual(record);
  });
});

const half = fc.record({ hi: fc.nat(0xffffffff), lo: fc.nat(0xffffffff) });
const preference = fc.nat(0xffff);
const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
const wireNames = fc
  .array(label, { maxLength: 5 })
  .map((labels) => Uint8Array.from([...labels.flatMap((l) => [l.length, ...l]), 0]))
  .filter((o) => o.length <= 255);
const records: fc.Arbitrary<IlnpRecord> = fc.oneof(
  fc.record({ type: fc.constant(RR_NID), preference, nid: half }),
  fc.record({ type: fc.constant(RR_L32), preference, locator: fc.nat(0xffffffff) }),
  fc.record({ type: fc.constant(RR_L64), preference, locator: half }),
  fc.record({ type: fc.constant(RR_LP), preference, name: wireNames.map((o) => name(o)!) }),
);

describe('a record', () => {
  // shows: W19
  test('survives octets and text', () => {
    fc.assert(
      fc.property(records, fc.nat(9), (record, before) => {
        const rdata = writeRdata(record)!;
        const placed = Uint8Array.from([...new Array<number>(before).fill(0xff), ...rdata, 0xff]);

        expect(readRdata(record.type, placed, before, rdata.length)).toEqual(record);
        expect(parseRdata(record.type, formatRdata(record))).toEqual(record);
      }),
      { numRuns: 1000 },
    );
  });

  // shows: W19, D11
  test.each([
    ['a Node Identifier of 7 octets', RR_NID, '000a0014'],
    ['a Locator of 9 octets', RR_L64, '000a20010db81140100000'],
    ['a Locator without preference (RFC 6742 section 3, misprinted)', RR_L64, '20010db811401000'],
    ['an L32 of 8 octets', RR_L32, '000a20010db811401000'],
    ['an LP without a name', RR_LP, '000a'],
    ['an LP with a compressed name', RR_LP, '000a03777777c00c'],
    ['an LP with a name that goes on', RR_LP, '000a0377777700016100'],
    ['an LP with a name that does not end', RR_LP, '000a03777777'],
    ['an LP with a label that is cut', RR_LP, '000a0a777777'],
    ['a record of another type', 28, '000a20010db811401000'],
    ['nothing', RR_NID, ''],
  ])('is refused: %s', (_, type, rdata) => {
    expect(read(type, octets(rdata))).toBeNull();
  });

  test('that reaches behind the message is refused', () => {
    expect(readRdata(RR_NID, vector('rdata-nid'), 1, 10)).toBeNull();
  });

  // shows: W20, D11
  test.each([
    [RR_NID, '10 0014::ee64'],
    [RR_L64, '10 2001:db8::'],
    [RR_L64, '10 2001:db8:1140:1000::'],
    [RR_L64, '2001:0db8:1140:1000'],
    [RR_L64, '10 2001:0db8:1140:10000'],
    [RR_L64, '65536 2001:0db8:1140:1000'],
    [RR_L64, '-1 2001:0db8:1140:1000'],
    [RR_L64, '010 2001:0db8:1140:1000'],
    [RR_L64, '10 2001:0db8:1140:1000 20'],
    [RR_L32, '10 10.1.2'],
    [RR_L32, '10 10.1.2.256'],
    [RR_LP, '10'],
    [RR_LP, '10 a..b.'],
    [28, '10 ::1'],
    [RR_NID, ''],
  ])('of type %i is not read from "%s"', (type, text) => {
    expect(parseRdata(type, text)).toBeNull();
  });

  test('in short groups and with much space is read', () => {
    expect(parseRdata(RR_L64, ' 0\t2001:DB8:0:1 ')).toEqual({
      type: RR_L64,
      preference: 0,
      locator: { hi: 0x20010db8, lo: 1 },
    });
  });

  test.each([-1, 0x10000, 0.5, Number.NaN])('with preference %d is not written', (preference) => {
    expect(writeRdata({ type: RR_L32, preference, locator: 1 })).toBeNull();
  });

  // shows: W22
  test('for any octets and any text something comes back, never an exception', () => {
    const type = fc.integer({ min: 103, max: 108 });
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 40 }), fc.nat(45), (type, o, length) => {
        const record = readRdata(type, o, 0, length);
        if (record !== null) expect(hex(writeRdata(record))).toBe(hex(o.slice(0, length)));
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(
        type,
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `1 ${s}`),
        ),
        (type, text) => {
          const record = parseRdata(type, text);
          if (record !== null) expect(parseRdata(type, formatRdata(record))).toEqual(record);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('a name', () => {
  test('survives text, whatever octets it has', () => {
    fc.assert(
      fc.property(wireNames, (o) => {
        expect(hex(writeName(name(o)!))).toBe(hex(o));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['.', '00'],
    ['a', '016100'],
    ['a.', '016100'],
    ['a\\.b.c.', '03612e62016300'],
    ['\\046\\\\.', '022e5c00'],
    ['A.b.', '014101620' + '0'],
  ])('%s is %s', (text, wire) => {
    expect(hex(writeName(text))).toBe(wire);
  });

  test.each(['', '..', '.a', 'a..', 'a\\', 'a\\25', 'a\\256.', 'é€', `${'a'.repeat(64)}.`, 'a.'.repeat(128)])(
    '"%s" is none',
    (text) => {
      expect(writeName(text)).toBeNull();
    },
  );

  test('may have labels of 63 octets and 255 octets in all', () => {
    const longest = `${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(61)}.`;

    expect(writeName(longest)?.length).toBe(255);
    expect(name(writeName(longest)!)).toBe(longest);
    expect(writeName(`a${longest}`)).toBeNull();
    expect(writeName(longest.replace(/\.$/, 'a.'))).toBeNull();
  });
});
