/** Writes pcapng, little endian, one section, nanoseconds: keeps what pcap cannot say, the interface and the direction. */
import { type CaptureRecord, type CaptureWriter, LINK_RAW } from './capture.ts';
import type { OctetSink } from './octet-sink.ts';
import {
  BYTE_ORDER,
  ENHANCED_PACKET,
  INTERFACE,
  OPTION_EPB_FLAGS,
  OPTION_IF_NAME,
  OPTION_IF_TSRESOL,
  SECTION,
} from './pcapng-reader.ts';

const SNAPSHOT = 262144;
const UNKNOWN_LENGTH = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

export interface WrittenInterface {
  readonly name: string;
  readonly linkType?: number;
}

const le16 = (x: number): number[] => [x & 0xff, (x >>> 8) & 0xff];
const le32 = (x: number): number[] => [...le16(x), ...le16(x >>> 16)];

export class PcapngWriter implements CaptureWriter {
  readonly #sink: OctetSink;

  constructor(sink: OctetSink, interfaces: readonly WrittenInterface[]) {
    this.#sink = sink;
    this.#block(SECTION, Uint8Array.from([...le32(BYTE_ORDER), ...le16(1), ...le16(0), ...UNKNOWN_LENGTH]));
    for (const { name, linkType = LINK_RAW } of interfaces) {
      const options = [
        ...option(OPTION_IF_NAME, [...new TextEncoder().encode(name)]),
        ...option(OPTION_IF_TSRESOL, [9]),
        ...option(0, []),
      ];
      this.#block(INTERFACE, Uint8Array.from([...le16(linkType), 0, 0, ...le32(SNAPSHOT), ...options]));
    }
  }

  write({ time, octets, originalLength, direction, interface: id = 0 }: CaptureRecord): void {
    const units = BigInt(time.seconds) * 1_000_000_000n + BigInt(time.nanoseconds);
    const words = [
      id,
      Number(units >> 32n),
      Number(units & 0xffffffffn),
      octets.length,
      originalLength ?? octets.length,
    ];
    const way = direction === 'in' ? 1 : direction === 'out' ? 2 : 0;
    const options = way === 0 ? [] : [...option(OPTION_EPB_FLAGS, le32(way)), ...option(0, [])];
    const padded = (octets.length + 3) & ~3;
    const body = new Uint8Array(20 + padded + options.length);
    body.set(words.flatMap(le32));
    body.set(octets, 20);
    body.set(options, 20 + padded);
    this.#block(ENHANCED_PACKET, body);
  }

  close(): void {
    this.#sink.close();
  }

  #block(type: number, body: Uint8Array): void {
    const total = le32(body.length + 12);
    this.#sink.write(Uint8Array.from([...le32(type), ...total]));
    this.#sink.write(body);
    this.#sink.write(Uint8Array.from(total));
  }
}

const option = (code: number, value: readonly number[]): number[] => [
  ...le16(code),
  ...le16(value.length),
  ...value,
  ...new Array<number>(-value.length & 3).fill(0),
];
