/**
 * TUN devices whose descriptors this process has inherited: the launcher `with-tun` opened them, so neither privilege nor
 * native code is needed here. Reads and writes are node:fs calls, one per packet.
 *
 * Node has no poll without native code. While nothing arrives, receive sleeps for IDLE_MS between looks, on a word that
 * another thread can wake: a packet waits up to IDLE_MS for it, and an idle device costs about one percent of a processor.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import type { Device } from '../src/device/device.ts';
import { HEADROOM, PacketBatch } from '../src/packet/batch.ts';
import { isSent } from '../src/packet/verdict.ts';
import { IlnpError } from '../src/runtime/errors.ts';

/** Name of the variable in which the launcher says which descriptors there are, by port. */
const VARIABLE = 'ILNP_TUN_FDS';
const LARGEST = 40 + 65535;
const SLOT = (HEADROOM + LARGEST + 7) & ~7;
const SLOTS = 64;
const IDLE_MS = 1;

export class InheritedTun implements Device {
  readonly batch = new PacketBatch(new ArrayBuffer(SLOTS * SLOT), SLOTS, false);
  readonly #fds: readonly number[];
  readonly #wakeWord: Int32Array;
  #next = 0;
  #failures = 0;
  #closed = false;

  /** `fds`: by port, not blocking. `wake`: a shared word; another thread stores 1 and notifies to end a wait. */
  constructor(fds: readonly number[], wake: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.#fds = fds;
    this.#wakeWord = new Int32Array(wake);
  }

  /** The devices the launcher has opened for this process. Throws E_TUN when there are none. */
  static ofLauncher(wake?: SharedArrayBuffer): InheritedTun {
    const text = process.env[VARIABLE] ?? '';
    const fds = text.split(',').map((fd) => (/^\d+$/.test(fd) ? Number(fd) : -1));
    if (fds.some((fd) => fd < 3))
      throw new IlnpError('E_TUN', `${VARIABLE}: expected descriptors by commas, as with-tun sets it, got '${text}'`);
    return new InheritedTun(fds, wake);
  }

  receive(): number {
    while (this.#drain() === 0) {
      if (Atomics.load(this.#wakeWord, 0) !== 0) break;
      Atomics.wait(this.#wakeWord, 0, 0, IDLE_MS);
    }
    return this.batch.count;
  }

  send(): void {
    const { batch } = this;
    for (let i = 0; i < batch.count; i++) {
      if (!isSent(batch.verdict[i]!)) continue;
      try {
        writeSync(this.#fds[batch.egress[i]!]!, batch.bytes, batch.offset[i]!, batch.length[i]!);
      } catch {
        this.#failures++;
      }
    }
  }

  /** Ends a wait; from this thread it is the next one. */
  wake(): void {
    Atomics.store(this.#wakeWord, 0, 1);
    Atomics.notify(this.#wakeWord, 0);
  }

  takeWake(): boolean {
    return Atomics.exchange(this.#wakeWord, 0, 0) !== 0;
  }

  takeWriteFailures(): number {
    const failures = this.#failures;
    this.#failures = 0;
    return failures;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.#fds) closeSync(fd);
  }

  /** Reads what waits, beginning with another TUN each time so that none starves. */
  #drain(): number {
    const { batch } = this;
    const ports = this.#fds.length;
    let n = 0;
    for (let turn = 0; turn < ports && n < SLOTS; turn++) {
      const port = (this.#next + turn) % ports;
      while (n < SLOTS) {
        const o = n * SLOT + HEADROOM;
        const length = this.#read(this.#fds[port]!, o);
        if (length <= 0) break;
        batch.offset[n] = o;
        batch.length[n] = length;
        batch.port[n] = port;
        n++;
      }
    }
    this.#next = (this.#next + 1) % ports;
    batch.count = n;
    return n;
  }

  /** Octets read, 0 when nothing waits. */
  #read(fd: number, at: number): number {
    try {
      return readSync(fd, this.batch.bytes, at, LARGEST, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN' || code === 'EINTR') return 0;
      throw new IlnpError('E_TUN', `reading from descriptor ${fd} failed: ${(error as Error).message}`);
    }
  }
}
