/** Captures of a run: one pcap file per link, both directions in it, virtual time from the start of 1970. */
import { join } from 'node:path';
import { makeFolder } from '../../src/runtime/folder.ts';
import type { OctetSink } from '../capture/octet-sink.ts';
import { PcapWriter } from '../capture/pcap-writer.ts';
import type { Tap } from './link.ts';

export class LinkCaptures {
  readonly #folder: string;
  readonly #open: (path: string) => OctetSink;
  readonly #writers = new Map<string, PcapWriter>();

  /** `open` makes a file of that path. */
  constructor(folder: string, open: (path: string) => OctetSink) {
    this.#folder = folder;
    this.#open = open;
    makeFolder(folder, 0o777);
  }

  /** Gives what a run is tapped with. */
  get tap(): Tap {
    return (link, octets, now) => {
      const time = { seconds: Math.floor(now / 1e6), nanoseconds: Math.floor(now % 1e6) * 1000 };
      this.#writerOf(link).write({ time, octets });
    };
  }

  /** Closes all files; gives how many there are. */
  close(): number {
    for (const writer of this.#writers.values()) writer.close();
    return this.#writers.size;
  }

  #writerOf(link: string): PcapWriter {
    const name = link.split('>').sort().join('-');
    let writer = this.#writers.get(name);
    if (writer === undefined) {
      writer = new PcapWriter(this.#open(join(this.#folder, `${name}.pcap`)));
      this.#writers.set(name, writer);
    }
    return writer;
  }
}
