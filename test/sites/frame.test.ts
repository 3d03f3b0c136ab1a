import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IlnpError } from '../../src/runtime/errors.ts';
import { FrameReader, frame, MAX_FRAME } from '../../src/sites/frame.ts';
import { pack, unpack } from '../../src/sites/pack.ts';

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    // -0 arrives as 0, which nobody here tells apart
    fc.double({ noNaN: true }).map((number) => number + 0),
    fc.bigInt({ min: 2n ** 32n, max: 2n ** 63n - 1n }),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.stringMatching(/^[a-z]{1,8}$/).filter((key) => !(key in {})),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

function read(...chunks: Uint8Array[]): unknown[] {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => [...reader.push(chunk)]);
}

const lengthOf = (octets: number): Uint8Array =>
  Uint8Array.of(octets >>> 24, (octets >>> 16) & 0xff, (octets >>> 8) & 0xff, octets & 0xff);

describe('frames', () => {
  test('messages come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(plain, { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (sent, cuts) => {
          const stream = Buffer.concat(sent.map(frame));
          const chunks: Uint8Array[] = [];
          for (let o = 0; o < stream.length; ) {
            const octets = cuts.next().value as number;
            chunks.push(stream.subarray(o, o + octets));
            o += octets;
          }

          expect(read(...chunks)).toEqual(sent);
        },
      ),
    );
  });

  test('a frame longer than the cap is refused when only its length has come', () => {
    expect(() => read(lengthOf(MAX_FRAME + 1))).toThrowError(`frame of ${MAX_FRAME + 1} octets, at most ${MAX_FRAME}`);
    expect(() => read(lengthOf(0xffffffff))).toThrowError(IlnpError);
    expect(read(lengthOf(MAX_FRAME))).toEqual([]);
  });

  test('a message longer than the cap is never sent', () => {
    expect(() => frame('x'.repeat(MAX_FRAME))).toThrowError(RangeError);
  });

  test('an empty frame is not a message', () => {
    expect(() => read(lengthOf(0))).toThrowError(/ends inside a value/);
  });

  test('arbitrary octets give messages or E_PROTOCOL, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        try {
          unpack(octets);
        } catch (error) {
          expect(error).toBeInstanceOf(IlnpError);
          expect((error as IlnpError).code).toBe('E_PROTOCOL');
        }
      }),
      { numRuns: 20_000 },
    );
  });

  test('damaged messages give messages or E_PROTOCOL, nothing else', () => {
    fc.assert(
      fc.property(plain, fc.nat(), fc.nat(255), (value, where, octet) => {
        const octets = pack(value);
        octets[where % octets.length] = octet;
        try {
          unpack(octets);
        } catch (error) {
          expect((error as IlnpError).code).toBe('E_PROTOCOL');
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('claims of many elements reserve no memory', () => {
    const claim = Uint8Array.of(0xdd, 0x01, 0xff, 0xff, 0xff);
    const before = process.memoryUsage().heapUsed;

    expect(() => unpack(claim)).toThrowError('claims 33554431 elements in 0 octets');
    expect(() => unpack(Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff))).toThrowError(/claims/);
    expect(() => unpack(Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff))).toThrowError(/ends inside/);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 << 20);
  });

  test('nesting is limited', () => {
    expect(() => unpack(new Uint8Array(100_000).fill(0x91))).toThrowError(/nested deeper than 8/);
  });

  test('extension types are refused: no dates, classes or records from a peer', () => {
    for (const type of [0xc1, 0xc7, 0xd4, 0xd6, 0xd8]) {
      expect(() => unpack(Uint8Array.of(type, 1, 0x72, 0, 0, 0, 0, 0, 0))).toThrowError(/is not used here/);
    }
  });

  test('a key named __proto__ changes no prototype', () => {
    const value = unpack(pack(JSON.parse('{"__proto__": {"polluted": true}}')));

    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
