/** The capture that a replay writes: its format by the file's name. */
import { statSync } from 'node:fs';
import { tunNames } from '../../src/device/tun-names.ts';
import type { CaptureWriter } from './capture.ts';
import { fileSink } from './octet-sink.ts';
import { PcapWriter } from './pcap-writer.ts';
import { PcapngWriter } from './pcapng-writer.ts';

/** Opens the file at `path`; in pcapng the interfaces are the TUNs of the sides the packets left to. */
export function outputOf(path: string, tun: string, nanoseconds: boolean): CaptureWriter {
  const sink = fileSink(path);
  if (!path.endsWith('.pcapng')) return new PcapWriter(sink, { nanoseconds });
  return new PcapngWriter(
    sink,
    tunNames(tun).map((name) => ({ name })),
  );
}

/** True when both paths lead to one file, by whatever name. */
export function sameFile(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev;
}
