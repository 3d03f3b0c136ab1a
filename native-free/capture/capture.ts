/** What captures have in common, whatever their format: frames with their time, and words for what is wrong with one. */
import { IlnpError } from '../../src/runtime/errors.ts';

/** Link types of the registry of tcpdump.org that are read here. */
export const LINK_ETHERNET = 1;
export const LINK_RAW = 101;
export const LINK_SLL = 113;
export const LINK_IPV6 = 229;
export const LINK_SLL2 = 276;

/** Reason: tcpdump's and Wireshark's own limit; a length beyond it is not one. */
export const FRAME_MAX = 262144;

/** Seconds since 1970 and nanoseconds. */
export interface CaptureTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** As seen by the interface: received, sent. */
export type Direction = 'in' | 'out' | undefined;

export interface CaptureInterface {
  readonly id: number;
  readonly linkType: number;
  /** Only pcapng knows it. */
  readonly name: string | undefined;
}

export interface Frame {
  /** From 1, as tshark counts. */
  readonly number: number;
  /** Of its record in the file, octets. */
  readonly offset: number;
  readonly time: CaptureTime;
  readonly interface: CaptureInterface;
  readonly direction: Direction;
  /** As captured, link layer first; valid until the next frame is read. */
  readonly octets: Uint8Array;
  /** On the wire; more than `octets` holds when the capture cut it. */
  readonly originalLength: number;
}

export interface CaptureReader {
  readonly format: 'pcap' | 'pcapng';
  /** True when the time of frames is finer than microseconds, as far as known now. */
  readonly nanoseconds: boolean;
  /** Frames in the order of the file. Throws E_CAPTURE where it is broken; what came before is right. */
  frames(): Generator<Frame, void, undefined>;
}

/** A packet to write. `octets` is copied. */
export interface CaptureRecord {
  readonly time: CaptureTime;
  /** Index into the writer's interfaces; default 0. */
  readonly interface?: number | undefined;
  readonly direction?: Direction;
  readonly octets: Uint8Array;
  readonly originalLength?: number;
}

export interface CaptureWriter {
  write(record: CaptureRecord): void;
  close(): void;
}

/** Microseconds since 1970; exact, because 2^53 of them are 285 years. */
export const microsecondsOf = (time: CaptureTime): number => time.seconds * 1e6 + Math.floor(time.nanoseconds / 1000);

export const timeOf = (microseconds: number): CaptureTime => {
  const seconds = Math.floor(microseconds / 1e6);
  return { seconds, nanoseconds: Math.round((microseconds - seconds * 1e6) * 1000) };
};

/** The error for a capture that is not as expected. `where`: e.g. `packet 7 at octet 812`. */
export const captureError = (file: string, where: string, expected: string, got: string): IlnpError =>
  new IlnpError('E_CAPTURE', `${file}: ${where}: expected ${expected}, got ${got}`);
