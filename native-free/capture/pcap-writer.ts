/** Writes pcap, little endian; format in pcap-reader.ts. All packets are of one link type, their interface is not kept. */
import { type CaptureRecord, type CaptureWriter, LINK_RAW } from './capture.ts';
import type { OctetSink } from './octet-sink.ts';

const SNAPSHOT = 262144;

export interface PcapOptions {
  readonly linkType?: number;
  /** Default: microseconds. */
  readonly nanoseconds?: boolean;
}

export class PcapWriter implements CaptureWriter {
  readonly #sink: OctetSink;
  readonly #nanoseconds: boolean;
  readonly #header = new DataView(new ArrayBuffer(16));

  constructor(sink: OctetSink, { linkType = LINK_RAW, nanoseconds = false }: PcapOptions = {}) {
    this.#sink = sink;
    this.#nanoseconds = nanoseconds;
    const head = new DataView(new ArrayBuffer(24));
    head.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, true);
    head.setUint16(4, 2, true);
    head.setUint16(6, 4, true);
    head.setUint32(16, SNAPSHOT, true);
    head.setUint32(20, linkType, true);
    sink.write(new Uint8Array(head.buffer));
  }

  write({ time, octets, originalLength }: CaptureRecord): void {
    const h = this.#header;
    h.setUint32(0, time.seconds, true);
    h.setUint32(4, this.#nanoseconds ? time.nanoseconds : Math.floor(time.nanoseconds / 1000), true);
    h.setUint32(8, octets.length, true);
    h.setUint32(12, originalLength ?? octets.length, true);
    this.#sink.write(new Uint8Array(h.buffer));
    this.#sink.write(octets);
  }

  close(): void {
    this.#sink.close();
  }
}
