/**
 * A device that writes down what passes through another one: received packets as `in`, sent ones as `out`, each at its
 * port. Everything else is the other device's.
 */
import type { Device } from '../src/device/device.ts';
import type { PacketBatch } from '../src/packet/batch.ts';
import { isSent } from '../src/packet/verdict.ts';
import { type CaptureWriter, type Direction, timeOf } from './capture/capture.ts';

export class TapDevice implements Device {
  readonly #device: Device;
  readonly #writer: CaptureWriter;
  readonly #now: () => number;

  /** `now`: microseconds since 1970. The writer's interfaces are the ports. */
  constructor(device: Device, writer: CaptureWriter, now: () => number) {
    this.#device = device;
    this.#writer = writer;
    this.#now = now;
  }

  get batch(): PacketBatch {
    return this.#device.batch;
  }

  receive(): number {
    const count = this.#device.receive();
    const { batch } = this;
    for (let i = 0; i < count; i++) this.#write(i, batch.port[i]!, 'in');
    return count;
  }

  send(): void {
    const { batch } = this;
    for (let i = 0; i < batch.count; i++) if (isSent(batch.verdict[i]!)) this.#write(i, batch.egress[i]!, 'out');
    this.#device.send();
  }

  takeWake(): boolean {
    return this.#device.takeWake();
  }

  takeWriteFailures(): number {
    return this.#device.takeWriteFailures();
  }

  /** Closes the device and the capture. */
  close(): void {
    this.#device.close();
    this.#writer.close();
  }

  #write(i: number, port: number, direction: Direction): void {
    const { bytes, offset, length } = this.batch;
    const octets = bytes.subarray(offset[i]!, offset[i]! + length[i]!);
    this.#writer.write({ time: timeOf(this.#now()), interface: port, direction, octets });
  }
}
