/** What the control plane and a worker of the path say to each other. */
import type { KeepCounts, KeepOrder } from '../ilnp/keeping.ts';
import type { FibImage } from '../sbr/fib.ts';
import type { KeepLimits } from '../sbr/kept-packets.ts';

/** Given to a worker when it starts. */
export interface WorkerStart {
  /** One queue of each TUN, by port. */
  readonly tuns: readonly { readonly fd: number; readonly vnet: boolean; readonly uso: boolean }[];
  /** Non-blocking eventfd that ends the worker's wait. */
  readonly wakeFd: number;
  readonly io: 'auto' | 'uring' | 'uring-single' | 'poll';
  readonly image: FibImage;
  readonly bindingsLimit: number;
  readonly tableSeed: readonly [number, number];
  /** The session store, or null when nothing needs to be remembered. */
  readonly sessions: { readonly fd: number; readonly octets: number } | null;
  /** Who speaks ILNP (ilnp/pairs.ts): shared by all workers and the control plane, never on disk. */
  readonly pairs: SharedArrayBuffer;
  readonly pairsSeed: number;
  readonly keepLimits: KeepLimits;
  /** COUNTERS numbers of 64 bits, read by the control plane. */
  readonly counters: SharedArrayBuffer;
}

/** To a worker; handled in order, between two batches. */
export type ToWorker =
  | { readonly kind: 'image'; readonly image: FibImage }
  /** Rows of 4 words: NID (machine order), class index or -1 to delete, epoch. */
  | { readonly kind: 'bindings'; readonly rows: Int32Array }
  /** Whole packets, to be written into the TUN of a port before anything that is received after this. */
  | { readonly kind: 'emit'; readonly port: number; readonly packets: readonly Uint8Array[] }
  /** For a NID, two words of the machine's order; answered by `kept`. */
  | {
      readonly kind: 'keep';
      readonly id: number;
      readonly nid0: number;
      readonly nid1: number;
      readonly order: KeepOrder;
    }
  /** Answered when everything before it is in force. */
  | { readonly kind: 'fence'; readonly id: number }
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly io: string }
  | { readonly kind: 'fence'; readonly id: number }
  /** An order is in force, or everything was let go; null: too many NIDs are kept. */
  | { readonly kind: 'kept'; readonly id: number; readonly counts: KeepCounts | null };
