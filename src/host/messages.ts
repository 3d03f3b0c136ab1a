/** What the control plane of an end system and the worker of its path say to each other. */
import type { LocalLocator } from '../shim/node.ts';

/** A node that speaks ILNP; all words in the machine's order. */
export interface KnownHost {
  readonly nid0: number;
  readonly nid1: number;
  readonly locators: readonly { readonly l0: number; readonly l1: number; readonly preference: number }[];
}

export interface WorkerStart {
  readonly tun: { readonly fd: number; readonly vnet: boolean; readonly uso: boolean };
  /** Non-blocking eventfd that ends the worker's wait. */
  readonly wakeFd: number;
  readonly io: 'auto' | 'uring' | 'uring-single' | 'poll';
  readonly nid0: number;
  readonly nid1: number;
  readonly stable: { readonly l0: number; readonly l1: number; readonly sum: number };
  /** The smallest of the links. */
  readonly mtu: number;
  readonly limits: { readonly strangers: number; readonly known: number };
  readonly seed: readonly [number, number];
  readonly hosts: readonly KnownHost[];
  /** COUNTERS numbers of 64 bits, read by the control plane. */
  readonly counters: SharedArrayBuffer;
}

/** To the worker; handled in order, between two batches. */
export type ToWorker =
  | { readonly kind: 'locators'; readonly locators: readonly LocalLocator[] }
  /** Something of `due` may be due now. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'sessions'; readonly id: number }
  | { readonly kind: 'stop' };

export interface SessionReply {
  readonly nid: string;
  /** Addresses under which programs here know it. */
  readonly views: readonly string[];
  readonly configured: boolean;
  readonly proved: boolean;
  /** True while it is spoken to without a nonce. */
  readonly plain: boolean;
  readonly locators: readonly { readonly locator: string; readonly preference: number; readonly state: string }[];
  /** How long ago it was last spoken to, heard of. */
  readonly sentMs: number | null;
  readonly heardMs: number | null;
}

/** A dropped packet: the name of its verdict and its first octets. */
export interface Drop {
  readonly verdict: string;
  readonly packet: Uint8Array;
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly io: string }
  /** Wants a tick in so many milliseconds. */
  | { readonly kind: 'due'; readonly ms: number }
  | { readonly kind: 'sessions'; readonly id: number; readonly sessions: readonly SessionReply[] }
  /** A correspondent answers on no path; programs here still speak to it. */
  | { readonly kind: 'lost'; readonly nid0: number; readonly nid1: number }
  | { readonly kind: 'drops'; readonly drops: readonly Drop[] };

/** A Locator of this node, as scripts see it. */
export interface LocatorReply {
  readonly locator: string;
  readonly interface: string;
  readonly gateway: string | null;
  /** Lower is preferred. */
  readonly preference: number;
  /** Seconds. */
  readonly lifetime: number;
}
