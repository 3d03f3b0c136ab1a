/**
 * io_uring as two queues in shared memory (io_uring(7)), without compiled code: rings are viewed as typed arrays, one
 * system call submits and waits.
 *
 * SINGLE_ISSUER and DEFER_TASKRUN: the kernel touches the rings only inside `enter` of this thread, so plain loads and
 * stores are race free.
 */
import { IlnpError } from '../runtime/errors.ts';
import * as libc from './libc.ts';

const SETUP_CQSIZE = 1 << 3;
const SETUP_SUBMIT_ALL = 1 << 7;
const SETUP_SINGLE_ISSUER = 1 << 12;
const SETUP_DEFER_TASKRUN = 1 << 13;
const OFF_SQES = 0x10000000;
const ENTER_GETEVENTS = 1;

const REGISTER_FILES = 2;
const REGISTER_PROBE = 8;
const REGISTER_PBUF_RING = 22;

const OP_SUPPORTED = 1;

export const OP_WRITEV = 2;
export const OP_READ = 22;
export const OP_WRITE = 23;
export const OP_READ_MULTISHOT = 49;

export const SQE_FIXED_FILE = 1 << 0;
export const SQE_BUFFER_SELECT = 1 << 5;
export const SQE_CQE_SKIP_SUCCESS = 1 << 6;

export const CQE_F_BUFFER = 1 << 0;
export const CQE_F_MORE = 1 << 1;
export const CQE_BUFFER_SHIFT = 16;

const SQE_WORDS = 16;
const NOTHING = new Uint32Array(0);

export class Ring {
  readonly fd: number;
  readonly #mappings: readonly libc.Mapping[];
  #ring: Uint32Array;
  #sqes: Uint32Array;
  readonly #sqTail: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqMask: number;
  readonly #cqes: number;
  readonly entries: number;
  #tail: number;
  #head: number;
  #pending = 0;

  constructor(entries: number, completions: number) {
    const p = new Uint32Array(30); // struct io_uring_params
    p[1] = completions;
    p[2] = SETUP_CQSIZE | SETUP_SUBMIT_ALL | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
    this.fd = libc.ioUringSetup(entries, p);
    if (this.fd < 0) throw new IlnpError('E_IO_URING', `io_uring_setup: errno ${libc.errno()}`);
    this.entries = p[0]!;
    const sqArray = p[16]!;
    const cqes = p[25]!;
    const octets = Math.max(sqArray + this.entries * 4, cqes + p[1]! * 16);
    const ring = libc.mapRing(this.fd, octets, 0);
    const sqes = libc.mapRing(this.fd, this.entries * SQE_WORDS * 4, OFF_SQES);
    this.#mappings = [ring, sqes];
    this.#ring = new Uint32Array(ring.buffer);
    this.#sqes = new Uint32Array(sqes.buffer);
    this.#sqTail = p[11]! >>> 2;
    this.#sqMask = this.#ring[p[12]! >>> 2]!;
    this.#cqHead = p[20]! >>> 2;
    this.#cqTail = p[21]! >>> 2;
    this.#cqMask = this.#ring[p[22]! >>> 2]!;
    this.#cqes = cqes >>> 2;
    for (let i = 0; i < this.entries; i++) this.#ring[(sqArray >>> 2) + i] = i;
    this.#tail = this.#ring[this.#sqTail]!;
    this.#head = this.#ring[this.#cqHead]!;
  }

  registerFiles(fds: readonly number[]): void {
    this.#register(REGISTER_FILES, Int32Array.from(fds), fds.length);
  }

  /** `ring`: at a page boundary; `entries`: a power of two. */
  registerBuffers(ring: libc.Mapping, entries: number, group: number): void {
    const argument = new Uint32Array(10); // struct io_uring_buf_reg
    libc.putAddress(argument, 0, ring.address);
    argument[2] = entries;
    new Uint16Array(argument.buffer)[6] = group;
    this.#register(REGISTER_PBUF_RING, argument, 1);
  }

  /** True when the kernel knows the operation. */
  supports(operation: number): boolean {
    const probe = new Uint8Array(16 + 256 * 8); // struct io_uring_probe, then one struct io_uring_probe_op each
    this.#register(REGISTER_PROBE, probe, 256);
    const at = 16 + operation * 8;
    return probe[0]! >= operation && (probe[at + 2]! & OP_SUPPORTED) !== 0;
  }

  /** Queues one request on a registered file; the caller keeps `pending` below `entries`. */
  push(operation: number, flags: number, file: number, address: number, length: number, tag: number): void {
    const s = (this.#tail & this.#sqMask) * SQE_WORDS;
    const sqe = this.#sqes;
    sqe[s] = operation | (flags << 8);
    sqe[s + 1] = file;
    sqe[s + 2] = operation === OP_READ_MULTISHOT || (flags & SQE_BUFFER_SELECT) !== 0 ? 0xffffffff : 0;
    sqe[s + 3] = sqe[s + 2]!;
    libc.putAddress(sqe, s + 4, address);
    sqe[s + 6] = length;
    sqe[s + 7] = 0;
    sqe[s + 8] = tag;
    sqe[s + 9] = 0;
    sqe[s + 10] = 0; // buffer group 0
    sqe[s + 11] = 0;
    this.#tail = (this.#tail + 1) >>> 0;
    this.#pending++;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Submits what is queued; waits for a completion when `wait` is set and there is none. */
  enter(wait: boolean): void {
    this.#ring[this.#cqHead] = this.#head;
    this.#ring[this.#sqTail] = this.#tail;
    for (;;) {
      const idle = this.#ring[this.#cqTail] === this.#head;
      const n = libc.ioUringEnter(this.fd, this.#pending, wait && idle ? 1 : 0, ENTER_GETEVENTS, null, 0);
      if (n >= 0) {
        this.#pending = Math.max(0, this.#pending - n);
        if (this.#pending === 0) return;
      } else if (libc.errno() !== libc.EINTR && libc.errno() !== libc.EAGAIN && libc.errno() !== libc.EBUSY) {
        throw new IlnpError('E_IO_URING', `io_uring_enter: errno ${libc.errno()}`);
      }
    }
  }

  /** Index of the next completion for `tagAt`, `resultAt`, `flagsAt`; -1 when there is none. */
  next(): number {
    if (this.#ring[this.#cqTail] === this.#head) return -1;
    const k = this.#cqes + ((this.#head & this.#cqMask) << 2);
    this.#head = (this.#head + 1) >>> 0;
    return k;
  }

  /** Completions that wait. */
  get ready(): number {
    return (this.#ring[this.#cqTail]! - this.#head) >>> 0;
  }

  tagAt(k: number): number {
    return this.#ring[k]!;
  }

  resultAt(k: number): number {
    return this.#ring[k + 2]! | 0;
  }

  flagsAt(k: number): number {
    return this.#ring[k + 3]!;
  }

  /** Ends everything in flight. A mapping alone would keep the ring alive, and with it the files it reads from. */
  close(): void {
    this.#ring = NOTHING;
    this.#sqes = NOTHING;
    for (const mapping of this.#mappings) libc.unmap(mapping);
    libc.close(this.fd);
  }

  #register(operation: number, argument: ArrayBufferView, count: number): void {
    if (libc.ioUringRegister(this.fd, operation, argument, count) < 0)
      throw new IlnpError('E_IO_URING', `io_uring_register ${operation}: errno ${libc.errno()}`);
  }
}
