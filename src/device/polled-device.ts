/**
 * The same queue without io_uring (containers, old kernels): poll, then read and write one packet per call, offload where
 * the TUN has it.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { isSent } from '../packet/verdict.ts';
import { IlnpError } from '../runtime/errors.ts';
import { VNET_LENGTH } from '../wire/virtio-net.ts';
import { Arena } from './arena.ts';
import { Coalescer, type PacketSink } from './coalesce.ts';
import type { LendingDevice } from './device.ts';
import * as libc from './libc.ts';
import { readFailure, type TunQueue } from './tun.ts';

const BATCH = 64;
const POLLIN = 1;

export class PolledDevice implements LendingDevice, PacketSink {
  readonly batch: PacketBatch;
  readonly #arena: Arena;
  readonly #coalescer: Coalescer | null;
  readonly #fds: readonly number[];
  readonly #wakeFd: number;
  readonly #header: number;
  /** struct pollfd: descriptor, then events and returned events in one word. */
  readonly #poll: Int32Array;
  readonly #wakeCounter = libc.mapAnonymous(4096);
  #next = 0;
  #woken = false;
  #failures = 0;

  /** `tuns`: by port, all of one kind. `wakeFd`: a non-blocking eventfd that ends a wait. */
  constructor(tuns: readonly TunQueue[], wakeFd: number, options: { coalesce: boolean }) {
    const vnet = tuns[0]!.vnet;
    this.#fds = tuns.map((t) => t.fd);
    this.#wakeFd = wakeFd;
    this.#header = vnet ? VNET_LENGTH : 0;
    this.#arena = new Arena(BATCH, BATCH, vnet);
    this.batch = this.#arena.batch;
    this.#coalescer = vnet && options.coalesce ? new Coalescer(this.#arena, this, { uso: tuns[0]!.uso }) : null;
    this.#poll = Int32Array.from([...this.#fds, wakeFd].flatMap((fd) => [fd, POLLIN]));
  }

  receive(): number {
    if (this.#drain() === 0) {
      for (let k = 1; k < this.#poll.length; k += 2) this.#poll[k] = POLLIN;
      if (libc.poll(this.#poll, this.#poll.length / 2, -1) < 0 && libc.errno() !== libc.EINTR)
        throw new IlnpError('E_TUN', `poll: errno ${libc.errno()}`);
      this.#drain();
    }
    if (libc.readInto(this.#wakeFd, this.#wakeCounter.address, 8) === 8) this.#woken = true;
    return this.batch.count;
  }

  lend(): number {
    this.batch.count = 0; // what was sent is with the kernel already
    for (let i = 0; i < BATCH; i++) this.batch.offset[i] = this.#arena.packetAt(i);
    return BATCH;
  }

  send(): void {
    const batch = this.batch;
    for (let i = 0; i < batch.count; i++) {
      if (!isSent(batch.verdict[i]!)) continue;
      if (this.#coalescer !== null) this.#coalescer.add(i, batch.count === 1);
      else
        this.writeOne(
          batch.egress[i]!,
          this.#arena.address(batch.offset[i]! - this.#header),
          batch.length[i]! + this.#header,
        );
    }
    this.#coalescer?.finish();
  }

  writeOne(port: number, address: number, length: number): void {
    if (libc.writeFrom(this.#fds[port]!, address, length) < 0) this.#failures++;
  }

  writeGathered(port: number, vector: number, count: number): void {
    if (libc.writeGathered(this.#fds[port]!, vector, count) < 0) this.#failures++;
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

  close(): void {}

  /** Reads what waits, beginning with another TUN each time so that none starves. */
  #drain(): number {
    const batch = this.batch;
    const ports = this.#fds.length;
    let n = 0;
    for (let turn = 0; turn < ports && n < BATCH; turn++) {
      const port = (this.#next + turn) % ports;
      while (n < BATCH) {
        const length = libc.readInto(this.#fds[port]!, this.#arena.readAddress(n), this.#arena.readLength);
        if (length < 0) {
          if (libc.errno() === libc.EAGAIN || libc.errno() === libc.EINTR) break;
          throw readFailure(libc.errno());
        }
        if (length <= this.#header) continue;
        batch.offset[n] = this.#arena.packetAt(n);
        batch.length[n] = length - this.#header;
        batch.port[n] = port;
        n++;
      }
    }
    this.#next = (this.#next + 1) % ports;
    batch.count = n;
    return n;
  }
}
