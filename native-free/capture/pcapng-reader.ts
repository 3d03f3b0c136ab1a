/**
 * Reads pcapng (draft-ietf-opsawg-pcapng): blocks of type, total length, body, total length again. Read are sections,
 * interfaces, and packets in the enhanced, the simple and the obsolete form; every other block is passed over.
 */
import {
  type CaptureInterface,
  type CaptureReader,
  captureError,
  type Direction,
  FRAME_MAX,
  type Frame,
} from './capture.ts';
import type { OctetSource } from './octet-source.ts';
import { fromUnits, type Resolution, resolutionOf } from './pcapng-time.ts';

export const SECTION = 0x0a0d0d0a;
export const INTERFACE = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
export const ENHANCED_PACKET = 6;

export const BYTE_ORDER = 0x1a2b3c4d;
/** Reason: a frame, its options and room for more; a length beyond it is not one. */
const BLOCK_MAX = 16 << 20;

export const OPTION_IF_NAME = 2;
export const OPTION_IF_TSRESOL = 9;
const OPTION_IF_TSOFFSET = 14;
export const OPTION_EPB_FLAGS = 2;

interface Interface extends CaptureInterface {
  readonly snapshot: number;
  readonly resolution: Resolution;
}

interface Block {
  readonly type: number;
  readonly offset: number;
  readonly body: DataView;
  readonly octets: Uint8Array;
}

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const hex = (x: number): string => `0x${x.toString(16).padStart(8, '0')}`;

/** Continues behind the block type of the first section, which has been taken from `source`. */
export function pcapngReader(source: OctetSource): CaptureReader {
  let little = true;
  let interfaces: Interface[] = [];
  let nanoseconds = false;
  let number = 0;
  let last = { seconds: 0, nanoseconds: 0 };
  const where = (offset: number): string => `packet ${number + 1} at octet ${offset}`;
  const wrong = (offset: number, expected: string, got: string) =>
    captureError(source.name, where(offset), expected, got);

  const block = (known: number | null): Block | null => {
    const offset = known === null ? source.offset : source.offset - 4;
    const head = source.take(known === null ? 8 : 4).slice();
    if (known === null && head.length === 0) return null;
    if (head.length < (known === null ? 8 : 4))
      throw wrong(offset, 'a block header of 8 octets', `${source.offset - offset}`);
    const fields = viewOf(head);
    const type = known ?? fields.getUint32(0, little);
    const rest = type === SECTION ? source.take(4).slice() : new Uint8Array(0);
    if (type === SECTION) {
      if (rest.length < 4) throw wrong(offset, 'a section header', 'the end of the file');
      little = viewOf(rest).getUint32(0, true) === BYTE_ORDER;
      if (!little && viewOf(rest).getUint32(0, false) !== BYTE_ORDER)
        throw wrong(offset, `the byte-order magic ${hex(BYTE_ORDER)}`, hex(viewOf(rest).getUint32(0, false)));
    }
    const total = fields.getUint32(head.length - 4, little);
    if (total < 12 + rest.length || total > BLOCK_MAX || total % 4 !== 0)
      throw wrong(offset, `a block length of 12 to ${BLOCK_MAX}, a multiple of 4`, `${total}`);
    const body = source.take(total - 8 - rest.length);
    if (body.length < total - 8 - rest.length)
      throw wrong(offset, `a block of ${total} octets`, `${source.offset - offset} and the end of the file`);
    const octets = body.subarray(0, body.length - 4);
    const again = viewOf(body).getUint32(octets.length, little);
    if (again !== total) throw wrong(offset, `the block length ${total} again behind it`, `${again}`);
    return { type, offset, body: viewOf(octets), octets };
  };

  const need = ({ body, offset }: Block, length: number, what: string): void => {
    if (body.byteLength < length) throw wrong(offset, `${length} octets of ${what}`, `${body.byteLength}`);
  };

  const section = (b: Block): void => {
    need(b, 12, 'a section header');
    const major = b.body.getUint16(0, little);
    if (major !== 1) throw wrong(b.offset, 'pcapng version 1', `${major}`);
    interfaces = [];
  };

  const describe = (b: Block): void => {
    need(b, 8, 'an interface description');
    const options = optionsOf(b, 8, little);
    const name = options.get(OPTION_IF_NAME);
    const resolution = resolutionOf(options.get(OPTION_IF_TSRESOL), options.get(OPTION_IF_TSOFFSET), little);
    nanoseconds ||= resolution.perSecond > 1_000_000n;
    interfaces.push({
      id: interfaces.length,
      linkType: b.body.getUint16(0, little),
      snapshot: b.body.getUint32(4, little),
      name: name === undefined ? undefined : new TextDecoder().decode(name).replace(/\0.*$/s, ''),
      resolution,
    });
  };

  const packet = (b: Block): Frame => {
    const simple = b.type === SIMPLE_PACKET;
    need(b, simple ? 4 : 20, 'a packet');
    const { body, offset } = b;
    const id = simple ? 0 : b.type === ENHANCED_PACKET ? body.getUint32(0, little) : body.getUint16(0, little);
    const captured = interfaces[id];
    if (captured === undefined) throw wrong(offset, `an interface of 0 to ${interfaces.length - 1}`, `${id}`);
    const originalLength = body.getUint32(simple ? 0 : 16, little);
    const start = simple ? 4 : 20;
    const length = simple
      ? Math.min(originalLength, captured.snapshot === 0 ? FRAME_MAX : captured.snapshot, body.byteLength - start)
      : body.getUint32(12, little);
    if (length > FRAME_MAX) throw wrong(offset, `at most ${FRAME_MAX} octets`, `${length}`);
    if (start + length > body.byteLength)
      throw wrong(offset, `${length} octets of packet in its block`, `${body.byteLength - start}`);
    let direction: Direction;
    if (b.type === ENHANCED_PACKET) {
      const flags = optionsOf(b, start + ((length + 3) & ~3), little).get(OPTION_EPB_FLAGS);
      const way = flags === undefined || flags.length < 4 ? 0 : viewOf(flags).getUint32(0, little) & 3;
      direction = way === 1 ? 'in' : way === 2 ? 'out' : undefined;
    }
    if (!simple) last = fromUnits(body.getUint32(4, little), body.getUint32(8, little), captured.resolution);
    const octets = b.octets.subarray(start, start + length);
    // a simple packet has no time: that of the packet before it is the best guess
    return { number: ++number, offset, time: last, interface: captured, direction, octets, originalLength };
  };

  function* frames(): Generator<Frame, void, undefined> {
    for (let b = block(SECTION); b !== null; b = block(null)) {
      if (b.type === SECTION) section(b);
      else if (b.type === INTERFACE) describe(b);
      else if (b.type === ENHANCED_PACKET || b.type === SIMPLE_PACKET || b.type === OBSOLETE_PACKET) yield packet(b);
    }
  }
  return {
    format: 'pcapng',
    get nanoseconds() {
      return nanoseconds;
    },
    frames,
  };
}

/** Options from octet `at` of the block on; what is cut off is not there. */
function optionsOf({ body, octets }: Block, at: number, little: boolean): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  while (at + 4 <= body.byteLength) {
    const code = body.getUint16(at, little);
    const length = body.getUint16(at + 2, little);
    if (code === 0 || at + 4 + length > body.byteLength) break;
    options.set(code, octets.subarray(at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
  return options;
}
