/**
 * The only door to msgpackr: values to octets and back, for octets that a peer chose.
 *
 * `unpack` first walks the octets without making any value: an array or map may not claim more elements than octets
 * follow (msgpackr would reserve memory for the claim), nesting is limited, extension types are refused. What passes is
 * plain data: null, booleans, numbers, bigint, text, octets, arrays and objects. Its shape is checked by messages.ts.
 */
import { IlnpError } from '../runtime/errors.ts';

// msgpackr reads this while it is loaded; its native string reader has an open bug.
process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED = 'true';
const { Packr } = await import('msgpackr');

/** Reason: our deepest message is a map of an array of arrays. */
const MAX_DEPTH = 8;

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });

/** Gives the msgpack octets of a plain value, a copy of its own. */
export function pack(value: unknown): Uint8Array {
  return Uint8Array.prototype.slice.call(packr.pack(value));
}

/** Gives the value of exactly these octets, or throws IlnpError E_PROTOCOL; never reserves more than they justify. */
export function unpack(octets: Uint8Array): unknown {
  const end = skipValue(octets, 0, 0);
  if (end !== octets.length) throw malformed(`${octets.length - end} octets after the message`);
  try {
    return packr.unpack(octets);
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

/** Walks over one value that begins at `o`; gives the offset after it. */
function skipValue(b: Uint8Array, o: number, depth: number): number {
  if (o >= b.length) throw malformed('ends inside a value');
  if (depth > MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
  const type = b[o]!;
  if (type <= 0x7f || type >= 0xe0) return o + 1;
  if (type <= 0x8f) return skipValues(b, o + 1, 2 * (type & 0x0f), depth);
  if (type <= 0x9f) return skipValues(b, o + 1, type & 0x0f, depth);
  if (type <= 0xbf) return within(b, o + 1 + (type & 0x1f));
  switch (type) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return o + 1;
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return within(b, o + 2 + size(b, o + 1, 1));
    case 0xc5:
    case 0xda:
      return within(b, o + 3 + size(b, o + 1, 2));
    case 0xc6:
    case 0xdb:
      return within(b, o + 5 + size(b, o + 1, 4));
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return within(b, o + 2);
    case 0xcd:
    case 0xd1:
      return within(b, o + 3);
    case 0xca: // float 32
    case 0xce:
    case 0xd2:
      return within(b, o + 5);
    case 0xcb: // float 64
    case 0xcf:
    case 0xd3:
      return within(b, o + 9);
    case 0xdc: // array 16
      return skipValues(b, o + 3, size(b, o + 1, 2), depth);
    case 0xdd:
      return skipValues(b, o + 5, size(b, o + 1, 4), depth);
    case 0xde: // map 16
      return skipValues(b, o + 3, 2 * size(b, o + 1, 2), depth);
    case 0xdf:
      return skipValues(b, o + 5, 2 * size(b, o + 1, 4), depth);
    default: // extension types and 0xc1, which msgpack never uses
      throw malformed(`type 0x${type.toString(16)} is not used here`);
  }
}

function skipValues(b: Uint8Array, o: number, count: number, depth: number): number {
  if (count > b.length - o) throw malformed(`claims ${count} elements in ${b.length - o} octets`);
  let end = o;
  for (let i = 0; i < count; i++) end = skipValue(b, end, depth + 1);
  return end;
}

function size(b: Uint8Array, o: number, octets: number): number {
  within(b, o + octets);
  let value = 0;
  for (let i = 0; i < octets; i++) value = value * 256 + b[o + i]!;
  return value;
}

function within(b: Uint8Array, end: number): number {
  if (end > b.length) throw malformed('ends inside a value');
  return end;
}

const malformed = (what: string): IlnpError => new IlnpError('E_PROTOCOL', `message is not msgpack we use: ${what}`);
