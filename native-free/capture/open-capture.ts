/** Opens a capture of either format, told apart by its first octets. */
import { type CaptureReader, captureError } from './capture.ts';
import type { OctetSource } from './octet-source.ts';
import { pcapMagic, pcapReader } from './pcap-reader.ts';
import { pcapngReader, SECTION } from './pcapng-reader.ts';

/** Other things people have in files with such names, by their first octets. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['1f8b', 'a gzip file; unpack it first'],
  ['28b52ffd', 'a zstd file; unpack it first'],
  ['fd377a58', 'an xz file; unpack it first'],
  ['34cdb2a1', 'a pcap of the modified format of 1998; `editcap -F pcap` converts it'],
  ['a1b2cd34', 'a pcap of the modified format of 1998; `editcap -F pcap` converts it'],
  ['736e6f6f', 'a snoop capture; `editcap -F pcap` converts it'],
];

/** Reads the head of a capture. Throws E_CAPTURE when it is none. */
export function openCapture(source: OctetSource): CaptureReader {
  const first = source.take(4).slice();
  if (first.length < 4) throw captureError(source.name, 'octet 0', 'a capture', `${first.length} octets`);
  const magic = pcapMagic(first);
  if (magic !== null) return pcapReader(source, magic);
  const digits = Buffer.from(first).toString('hex');
  if (Number.parseInt(digits, 16) === SECTION) return pcapngReader(source);
  const foreign = FOREIGN.find(([start]) => digits.startsWith(start))?.[1];
  throw captureError(source.name, 'octet 0', 'the magic number of pcap or pcapng', foreign ?? `0x${digits}`);
}
