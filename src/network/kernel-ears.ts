/**
 * Hears at once what changes in the kernel and on the links: rtnetlink, and Router and Neighbor Advertisements. The sockets are waited
 * for in a thread of their own (kernel-ears-worker.ts), because Node has no other way to wait for a descriptor.
 */
import { closeSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { eventfd } from '../device/libc.ts';

export type Heard =
  /** From now on; what has changed since the thread was started was not heard. */
  | { readonly kind: 'listening' }
  /** Addresses, links or routes of the main table are others now. */
  | { readonly kind: 'changed' }
  /** An ICMPv6 Router Advertisement from `router` on the interface of this index. */
  | { readonly kind: 'advertised'; readonly router: string; readonly index: number; readonly message: Uint8Array }
  /** An ICMPv6 Neighbor Advertisement, on whatever interface. */
  | { readonly kind: 'claimed'; readonly message: Uint8Array };

const EFD_CLOEXEC = 0o2000000;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

export class KernelEars {
  readonly #stopFd = eventfd(0, EFD_CLOEXEC);
  readonly #worker: Worker;
  readonly #ended: Promise<void>;

  /** `onFailure`: nothing is heard any more. */
  constructor(onHeard: (heard: Heard) => void, onFailure: (error: Error) => void) {
    this.#worker = new Worker(new URL('./kernel-ears-worker.js', import.meta.url), {
      workerData: { stopFd: this.#stopFd },
      name: 'ears',
    });
    this.#ended = new Promise((done) => this.#worker.once('exit', () => done()));
    this.#worker.on('message', onHeard);
    this.#worker.on('error', onFailure);
  }

  async stop(): Promise<void> {
    writeSync(this.#stopFd, ONE);
    await this.#ended;
    closeSync(this.#stopFd);
  }
}
