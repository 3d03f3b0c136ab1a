/**
 * Reads pcap (draft-ietf-opsawg-pcap): a file header of 24 octets, then records of a 16-octet header and the frame.
 *
 *   magic | major, minor | 0 | 0 | snapshot length | link type          all in the writer's order of octets
 *   seconds | micro- or nanoseconds | captured length | original length
 */
import { type CaptureReader, captureError, FRAME_MAX, type Frame } from './capture.ts';
import type { OctetSource } from './octet-source.ts';

const MAGIC_MICRO = 0xa1b2c3d4;
const MAGIC_NANO = 0xa1b23c4d;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Order of octets and precision by the magic number, or null when it is none of pcap. */
export function pcapMagic(first: Uint8Array): { little: boolean; nanoseconds: boolean } | null {
  const view = viewOf(first);
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MAGIC_MICRO || magic === MAGIC_NANO) return { little, nanoseconds: magic === MAGIC_NANO };
  }
  return null;
}

/** Continues behind the magic number, which has been taken from `source`. */
export function pcapReader(source: OctetSource, magic: { little: boolean; nanoseconds: boolean }): CaptureReader {
  const { little, nanoseconds } = magic;
  const header = source.take(FILE_HEADER - 4);
  if (header.length < FILE_HEADER - 4)
    throw captureError(source.name, 'file header', `${FILE_HEADER} octets`, `${header.length + 4}`);
  const view = viewOf(header);
  const version = `${view.getUint16(0, little)}.${view.getUint16(2, little)}`;
  if (version !== '2.4') throw captureError(source.name, 'file header', 'pcap version 2.4', version);
  const linkType = view.getUint32(16, little) & 0xffff; // above it: length of the frame check sequence
  const captured = { id: 0, linkType, name: undefined };

  function* frames(): Generator<Frame, void, undefined> {
    for (let number = 1; ; number++) {
      const offset = source.offset;
      const where = `packet ${number} at octet ${offset}`;
      const record = source.take(RECORD_HEADER);
      if (record.length === 0) return;
      if (record.length < RECORD_HEADER)
        throw captureError(source.name, where, `a record header of ${RECORD_HEADER} octets`, `${record.length}`);
      const fields = viewOf(record);
      const seconds = fields.getUint32(0, little);
      const fraction = fields.getUint32(4, little);
      const length = fields.getUint32(8, little);
      const originalLength = fields.getUint32(12, little);
      if (length > FRAME_MAX) throw captureError(source.name, where, `at most ${FRAME_MAX} octets`, `${length}`);
      const octets = source.take(length);
      if (octets.length < length)
        throw captureError(source.name, where, `${length} octets`, `${octets.length} and the end of the file`);
      const time = { seconds, nanoseconds: nanoseconds ? fraction : fraction * 1000 };
      yield { number, offset, time, interface: captured, direction: undefined, octets, originalLength };
    }
  }
  return { format: 'pcap', nanoseconds, frames };
}
