/**
 * A capture as a device: one frame is one batch, because each has its own time. What is sent goes to another capture
 * with the time of the packet that caused it.
 *
 * A frame that the capture has cut is filled up with zeros, so that the border sees the length it would have seen, and cut
 * again when written: addresses, and checksums by the difference, come out right without the rest.
 */
import type { Device } from '../src/device/device.ts';
import { HEADROOM, PacketBatch } from '../src/packet/batch.ts';
import { isSent } from '../src/packet/verdict.ts';
import {
  type CaptureReader,
  type CaptureTime,
  type CaptureWriter,
  type Frame,
  microsecondsOf,
} from './capture/capture.ts';
import { type NetworkLayer, networkLayer } from './capture/link-layer.ts';

const LARGEST = 40 + 65535;

/** Side that a packet came from, or a negative number: it is none of the border's business. */
export type ChooseSide = (batch: PacketBatch, frame: Frame, layer: NetworkLayer) => number;

export class ReplayDevice implements Device {
  readonly batch = new PacketBatch(new ArrayBuffer(HEADROOM + LARGEST + 1), 1, false);
  /** Of the packet in the batch. */
  frame: Frame | null = null;
  /** The last `receive` found the end of the capture. */
  ended = false;
  /** Frames that hold no IPv6 packet, and those no side was chosen for. */
  otherFrames = 0;
  passedOver = 0;
  readonly #frames: Generator<Frame, void, undefined>;
  readonly #file: string;
  readonly #side: ChooseSide;
  readonly #writer: CaptureWriter | null;
  #captured = 0;
  #woken = false;

  /** `file`: its name, for messages. Without `writer`, what is sent is gone. */
  constructor(reader: CaptureReader, file: string, side: ChooseSide, writer: CaptureWriter | null) {
    this.#frames = reader.frames();
    this.#file = file;
    this.#side = side;
    this.#writer = writer;
  }

  /** Time of the packet in the batch, microseconds since 1970. */
  get now(): number {
    return this.frame === null ? 0 : microsecondsOf(this.frame.time);
  }

  get time(): CaptureTime {
    return this.frame?.time ?? { seconds: 0, nanoseconds: 0 };
  }

  receive(): number {
    const batch = this.batch;
    for (;;) {
      batch.count = 0;
      const next = this.#frames.next();
      this.ended = next.done === true;
      if (next.done) {
        this.frame = null;
        return 0;
      }
      const layer = networkLayer(next.value, this.#file);
      if (layer === null) {
        this.otherFrames++;
        continue;
      }
      this.#load(next.value, layer);
      const port = this.#side(batch, next.value, layer);
      if (port < 0) {
        this.passedOver++;
        continue;
      }
      batch.port[0] = port;
      batch.count = 1;
      return 1;
    }
  }

  send(): void {
    const { batch } = this;
    if (batch.count === 0 || !isSent(batch.verdict[0]!)) return;
    const o = batch.offset[0]!;
    const length = batch.length[0]!;
    const kept = Math.min(length, this.#captured);
    this.#writer?.write({
      time: this.time,
      interface: batch.egress[0]!,
      octets: batch.bytes.subarray(o, o + kept),
      originalLength: length,
    });
  }

  /** Makes `takeWake` say so: a capture has no wait to end. */
  wake(): void {
    this.#woken = true;
  }

  takeWake(): boolean {
    const woken = this.#woken;
    this.#woken = false;
    return woken;
  }

  /** None ever: a capture that cannot be written is an error, not a packet less. */
  takeWriteFailures(): number {
    return 0;
  }

  close(): void {
    this.#frames.return();
  }

  #load(frame: Frame, { at }: NetworkLayer): void {
    const { batch } = this;
    const captured = Math.min(frame.octets.length - at, LARGEST);
    const whole = Math.min(Math.max(frame.originalLength - at, captured), LARGEST);
    batch.bytes.set(frame.octets.subarray(at, at + captured), HEADROOM);
    batch.bytes.fill(0, HEADROOM + captured, HEADROOM + whole);
    batch.offset[0] = HEADROOM;
    batch.length[0] = whole;
    this.frame = frame;
    this.#captured = captured < whole ? captured : LARGEST;
  }
}
