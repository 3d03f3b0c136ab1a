/**
 * A device in memory: what is put into its plugs is received, what it sends goes to what its ports are connected with. One
 * thread: `receive` does not wait, because nobody could put anything in meanwhile; it returns 0 when nothing is there.
 */
import type { Device } from '../src/device/device.ts';
import { HEADROOM, PacketBatch } from '../src/packet/batch.ts';
import { isSent } from '../src/packet/verdict.ts';
import { VNET_LENGTH } from '../src/wire/virtio-net.ts';
import { PacketRing } from './packet-ring.ts';

/** Takes packets. False: there is no room, and the packet is lost. Keeps no reference to `bytes`. */
export interface Plug {
  put(bytes: Uint8Array, offset: number, length: number): boolean;
}

export interface MemoryOptions {
  /** Default 3: outside, inside, other sites. */
  readonly ports?: number;
  /** Packets a batch holds; default 64. */
  readonly slots?: number;
  /** Octets of the largest packet that fits; larger ones are refused. Default 65,575, the largest IPv6 packet. */
  readonly largest?: number;
  /** Octets the queue in front of the device holds; default 1 MiB. */
  readonly queue?: number;
  /** Every packet is preceded by a virtio-net header, zeroed. */
  readonly vnet?: boolean;
}

const LARGEST = 40 + 65535;
const MIN_MTU = 1280; // a border writes its errors into the slot of the packet they are about

export class MemoryDevice implements Device {
  readonly batch: PacketBatch;
  readonly ports: number;
  readonly #slot: number;
  readonly #largest: number;
  readonly #queue: PacketRing;
  readonly #plugs: (Plug | undefined)[];
  #failures = 0;
  #woken = false;
  #closed = false;

  constructor(options: MemoryOptions = {}) {
    const slots = options.slots ?? 64;
    this.ports = options.ports ?? 3;
    this.#largest = options.largest ?? LARGEST;
    this.#slot = (HEADROOM + Math.max(this.#largest, MIN_MTU) + 7) & ~7;
    this.#queue = new PacketRing(Math.max(options.queue ?? 1 << 20, this.#largest + 16) & ~3);
    this.#plugs = new Array<Plug | undefined>(this.ports).fill(undefined);
    this.batch = new PacketBatch(new ArrayBuffer(slots * this.#slot), slots, options.vnet ?? false);
  }

  /** Where to put packets that arrive at `port`. */
  plug(port: number): Plug {
    return { put: (bytes, offset, length) => this.#accept(port, bytes, offset, length) };
  }

  /** What leaves by `port` goes to `plug`; without one it is a write that failed. */
  connect(port: number, plug: Plug): void {
    this.#plugs[port] = plug;
  }

  /** Packets that wait to be received. */
  get waiting(): number {
    return this.#queue.count;
  }

  receive(): number {
    const batch = this.batch;
    let n = 0;
    while (n < batch.capacity && this.#queue.count > 0) {
      const o = n * this.#slot + HEADROOM;
      batch.length[n] = this.#queue.shiftInto(batch.bytes, o);
      batch.offset[n] = o;
      batch.port[n] = this.#queue.lastPort;
      if (batch.vnet) batch.bytes.fill(0, o - VNET_LENGTH, o);
      n++;
    }
    batch.count = n;
    return n;
  }

  send(): void {
    const batch = this.batch;
    for (let i = 0; i < batch.count; i++) {
      if (!isSent(batch.verdict[i]!)) continue;
      const plug = this.#plugs[batch.egress[i]!];
      if (plug === undefined || !plug.put(batch.bytes, batch.offset[i]!, batch.length[i]!)) this.#failures++;
    }
  }

  /** Makes `takeWake` say so. */
  wake(): void {
    this.#woken = true;
  }

  takeWake(): boolean {
    const woken = this.#woken;
    this.#woken = false;
    return woken;
  }

  takeWriteFailures(): number {
    const failures = this.#failures;
    this.#failures = 0;
    return failures;
  }

  /** Drops what waits; nothing is taken any more. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
  }

  #accept(port: number, bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#closed || length === 0 || length > this.#largest) return false;
    return this.#queue.push(port, bytes, offset, length);
  }
}
