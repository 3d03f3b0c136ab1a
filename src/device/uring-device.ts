/**
 * One queue of the TUN devices over io_uring: reads are armed once (READ_MULTISHOT, Linux 6.7) or each time, into buffers
 * the kernel picks; the writes of a batch and the wait for the next one are the same system call.
 */
import type { PacketBatch } from '../packet/batch.ts';
import { isSent } from '../packet/verdict.ts';
import { VNET_LENGTH } from '../wire/virtio-net.ts';
import { Arena } from './arena.ts';
import { Coalescer, type PacketSink } from './coalesce.ts';
import type { LendingDevice } from './device.ts';
import * as libc from './libc.ts';
import * as rings from './ring.ts';
import { Ring } from './ring.ts';
import { readFailure, type TunQueue } from './tun.ts';

/** Reason: fewer lose throughput on small packets, more gain nothing; bench. */
const SLOTS = 128;
/**
 * Slots provided to the kernel until many small packets come at once. Reason: it fills them one after the other, and 128
 * large packets are more than a cache holds; copying through few that are warm takes half the time (bench).
 */
const FEW_SLOTS = 16;
const LARGE_OCTETS = 4096;
const BATCH = 128;
/** Slots that the kernel never sees. */
const LENT = 64;
const SUBMISSIONS = 1024;
const COMPLETIONS = 4096;

const TAG_WRITE = 1;
const TAG_WAKE = 2;
const TAG_READ = 16; // + port

export class UringDevice implements LendingDevice, PacketSink {
  readonly batch: PacketBatch;
  readonly #ring: Ring;
  readonly #arena: Arena;
  readonly #coalescer: Coalescer | null;
  readonly #header: number;
  readonly #ports: number;
  readonly #multishot: boolean;
  readonly #buffers: Uint32Array;
  readonly #bufferTail: Uint16Array;
  readonly #wakeCounter: libc.Mapping;
  /** Slot of each packet of the batch, given back when its writes are done. */
  readonly #slot = new Uint16Array(BATCH);
  readonly #armed: Uint8Array;
  /** Packets of the batch in slots that are to be given back. */
  #received = 0;
  /** Slots in nobody's hands, the one used last on top. */
  readonly #free = new Uint16Array(SLOTS);
  #freeCount = 0;
  /** How many the kernel may fill now, and how many it should have. */
  #provided = 0;
  #wanted = FEW_SLOTS;
  #tail = 0;
  #wakeArmed = false;
  #woken = false;
  #failures = 0;

  /** `tuns`: by port, all of one kind. `wakeFd`: an eventfd that ends a wait. */
  constructor(tuns: readonly TunQueue[], wakeFd: number, options: { multishot: boolean; coalesce: boolean }) {
    const vnet = tuns[0]!.vnet;
    this.#header = vnet ? VNET_LENGTH : 0;
    this.#ports = tuns.length;
    this.#multishot = options.multishot;
    this.#armed = new Uint8Array(tuns.length);
    this.#ring = new Ring(SUBMISSIONS, COMPLETIONS);
    this.#arena = new Arena(SLOTS + LENT, BATCH, vnet);
    this.batch = this.#arena.batch;
    this.#coalescer = vnet && options.coalesce ? new Coalescer(this.#arena, this, { uso: tuns[0]!.uso }) : null;
    const bufferRing = libc.mapAnonymous(Math.max(4096, SLOTS * 16));
    this.#buffers = new Uint32Array(bufferRing.buffer);
    this.#bufferTail = new Uint16Array(bufferRing.buffer);
    this.#wakeCounter = libc.mapAnonymous(4096);
    this.#ring.registerBuffers(bufferRing, SLOTS, 0); // before the files: a kernel that cannot must not hold them
    this.#ring.registerFiles([...tuns.map((t) => t.fd), wakeFd]);
    for (let slot = 0; slot < SLOTS; slot++) this.#free[this.#freeCount++] = slot;
    this.#provide();
  }

  receive(): number {
    const batch = this.batch;
    const ring = this.#ring;
    // The writes queued by send come first in the submission, the reads behind them: the kernel has taken every packet
    // before it can pick one of the slots given back here.
    this.#giveBack();
    batch.count = 0;
    this.#arm();
    ring.enter(true);
    let n = 0;
    let octets = 0;
    while (n < BATCH) {
      const k = ring.next();
      if (k < 0) break;
      const tag = ring.tagAt(k);
      const result = ring.resultAt(k);
      if (tag >= TAG_READ) {
        const port = tag - TAG_READ;
        const flags = ring.flagsAt(k);
        if ((flags & rings.CQE_F_MORE) === 0) this.#armed[port] = 0;
        const slot = flags >>> rings.CQE_BUFFER_SHIFT;
        const isPicked = (flags & rings.CQE_F_BUFFER) !== 0;
        if (isPicked) this.#provided--;
        if (result > this.#header) {
          octets += result;
          this.#slot[n] = slot;
          batch.offset[n] = this.#arena.packetAt(slot);
          batch.length[n] = result - this.#header;
          batch.port[n] = port;
          n++;
        } else {
          if (isPicked) this.#free[this.#freeCount++] = slot; // for nothing
          if (result < 0 && result !== -libc.ENOBUFS && result !== -libc.EAGAIN && result !== -libc.EINTR)
            throw readFailure(-result);
        }
      } else if (tag === TAG_WAKE) {
        this.#wakeArmed = false;
        this.#woken = true;
      } else if (result < 0) {
        this.#failures++;
      }
    }
    batch.count = n;
    this.#received = n;
    if (octets > n * LARGE_OCTETS) this.#wanted = FEW_SLOTS;
    else if (n >= FEW_SLOTS / 2) this.#wanted = SLOTS;
    return n;
  }

  lend(): number {
    this.#ring.enter(false); // the kernel takes what was sent before its memory is used again
    this.#giveBack();
    this.batch.count = 0;
    for (let i = 0; i < LENT; i++) this.batch.offset[i] = this.#arena.packetAt(SLOTS + i);
    return LENT;
  }

  send(): void {
    const batch = this.batch;
    const alone = batch.count === 1 && this.#ring.ready === 0;
    for (let i = 0; i < batch.count; i++) {
      if (!isSent(batch.verdict[i]!)) continue;
      if (this.#coalescer !== null) this.#coalescer.add(i, alone);
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
    this.#ring.push(
      rings.OP_WRITE,
      rings.SQE_FIXED_FILE | rings.SQE_CQE_SKIP_SUCCESS,
      port,
      address,
      length,
      TAG_WRITE,
    );
  }

  writeGathered(port: number, vector: number, count: number): void {
    this.#ring.push(rings.OP_WRITEV, rings.SQE_FIXED_FILE | rings.SQE_CQE_SKIP_SUCCESS, port, vector, count, TAG_WRITE);
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

  close(): void {
    this.#ring.close();
  }

  /** One read per TUN: more single ones would all be woken by each packet and finish in any order. */
  #arm(): void {
    const operation = this.#multishot ? rings.OP_READ_MULTISHOT : rings.OP_READ;
    const length = this.#multishot ? 0 : this.#arena.readLength;
    for (let port = 0; port < this.#ports; port++) {
      if (this.#armed[port] !== 0) continue;
      this.#ring.push(operation, rings.SQE_FIXED_FILE | rings.SQE_BUFFER_SELECT, port, 0, length, TAG_READ + port);
      this.#armed[port] = 1;
    }
    if (!this.#wakeArmed) {
      this.#ring.push(rings.OP_READ, rings.SQE_FIXED_FILE, this.#ports, this.#wakeCounter.address, 8, TAG_WAKE);
      this.#wakeArmed = true;
    }
  }

  #giveBack(): void {
    for (let i = 0; i < this.#received; i++) this.#free[this.#freeCount++] = this.#slot[i]!;
    this.#received = 0;
    this.#provide();
  }

  /** Puts slots into the ring of provided buffers (struct io_uring_buf: address, length, id), as many as it should have. */
  #provide(): void {
    while (this.#provided < this.#wanted && this.#freeCount > 0) {
      const slot = this.#free[--this.#freeCount]!;
      const k = (this.#tail & (SLOTS - 1)) << 2;
      libc.putAddress(this.#buffers, k, this.#arena.readAddress(slot));
      this.#buffers[k + 2] = this.#arena.readLength;
      this.#bufferTail[(k << 1) + 6] = slot;
      this.#tail = (this.#tail + 1) & 0xffff;
      this.#provided++;
    }
    this.#bufferTail[7] = this.#tail; // shares its place with the reserved field of the first buffer
  }
}

/** True when this kernel has READ_MULTISHOT. Throws E_IO_URING when it has no usable io_uring at all. */
export function probeMultishot(): boolean {
  const ring = new Ring(4, 8);
  try {
    return ring.supports(rings.OP_READ_MULTISHOT);
  } finally {
    ring.close();
  }
}
